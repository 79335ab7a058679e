//! A bus with tenants, and what is read of it.

use std::time::Duration;

use pillarbox_domain::gauges::{Backlog, BacklogReader, Counted, KnownLogs};
use pillarbox_domain::registry::Registry;
use pillarbox_domain::{Clock, LoggedEvent};
use pillarbox_testkit::builders::{subscription, tenant};
use pillarbox_testkit::{ManualClock, MemoryBus};

pub const SECOND: Duration = Duration::from_secs(1);
pub const MINUTE: Duration = Duration::from_secs(60);

/// A bus with a subscription of each tenant to everything that it publishes.
pub async fn bus(tenants: &[&str]) -> MemoryBus {
    let all = |name: &&str| subscription(&tenant(name), name, &["*"]);
    let bus = MemoryBus::with(tenants.iter().map(all));
    for name in tenants {
        bus.registry.add_tenant(&tenant(name), None).await.unwrap();
    }
    bus
}

/// What waits on it now.
pub async fn backlog(bus: &MemoryBus) -> Backlog {
    let logs = KnownLogs::new(&bus.registry, bus.clock.clone());
    let reader = BacklogReader {
        sweep: &bus.sweeps,
        receipts: &bus.receipts,
        log: &bus.log,
    };
    let logs = logs.read().await.unwrap();
    reader.read(&logs, bus.clock.now()).await.unwrap()
}

pub fn exactly(count: u64) -> Counted {
    Counted::all_of(count)
}

pub fn at_least(count: u64) -> Counted {
    Counted {
        count,
        is_at_least: true,
    }
}

/// Logs so many events of a tenant, a second after one another.
pub async fn published(bus: &MemoryBus, owner: &str, count: usize) -> Vec<LoggedEvent> {
    let mut events = Vec::new();
    for _ in 0..count {
        let id = bus.clock.next_id().to_string();
        events.push(bus.logged(owner, &id, "order.created").await);
        bus.clock.advance(SECOND);
    }
    events
}

/// Passes time, with a run of the sweep each five minutes.
pub async fn pass(bus: &MemoryBus, minutes: u32) {
    for _ in 0..minutes / 5 {
        bus.clock.advance(5 * MINUTE);
        bus.sweep().await;
    }
}

/// A clock of another machine, so far behind this bus's.
pub fn behind(bus: &MemoryBus, by: Duration) -> ManualClock {
    ManualClock::at(bus.clock.now() - by)
}
