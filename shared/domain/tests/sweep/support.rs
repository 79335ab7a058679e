//! A bus with some tenants, each with one subscription to all that it publishes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pillarbox_domain::delivery::Received;
use pillarbox_domain::registry::Registry;
use pillarbox_domain::{Clock, EventId, LoggedEvent};
use pillarbox_testkit::builders::{subscription, tenant};
use pillarbox_testkit::{ManualClock, MemoryBus};

pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(3_600);

pub async fn bus(tenants: &[&str]) -> MemoryBus {
    let all = |name: &&str| subscription(&tenant(name), name, &["*"]);
    let bus = MemoryBus::with(tenants.iter().map(all));
    for name in tenants {
        bus.registry.add_tenant(&tenant(name), None).await.unwrap();
    }
    bus
}

/// Logs an event of each tenant.
pub async fn publish(bus: &MemoryBus, tenants: &[&str], id: usize) -> Vec<LoggedEvent> {
    let mut events = Vec::new();
    for name in tenants {
        events.push(bus.logged(name, &id.to_string(), "t").await);
    }
    events
}

/// An event that was accepted so long ago, in no log.
pub fn event_of(bus: &MemoryBus, owner: &str, id: &str, ago: Duration) -> LoggedEvent {
    let mut event = bus.event(owner, id, "t");
    event.event_id = ManualClock::at(bus.clock.now() - ago).next_id();
    event
}

/// How often each event was delivered to its tenant's queue.
pub fn deliveries(bus: &MemoryBus, tenants: &[&str]) -> BTreeMap<(String, EventId), usize> {
    let mut deliveries = BTreeMap::new();
    for name in tenants {
        for body in bus.queues.bodies(name) {
            let received = Received::parse(&body).unwrap();
            let place = ((*name).to_owned(), received.event_id);
            *deliveries.entry(place).or_default() += 1;
        }
    }
    deliveries
}

/// Every one of these events was delivered once, and nothing else was; and the ledger balances.
pub fn assert_each_once(bus: &MemoryBus, tenants: &[&str], events: &[LoggedEvent]) {
    let place = |event: &LoggedEvent| (event.tenant.to_string(), event.event_id);
    let expected: BTreeMap<_, usize> = events.iter().map(|event| (place(event), 1)).collect();
    let found = deliveries(bus, tenants);
    assert_eq!(found.len(), expected.len());
    assert_eq!(found, expected);
    assert_eq!(receipted(bus), expected.into_keys().collect());
}

/// What stands in receipts.
pub fn receipted(bus: &MemoryBus) -> BTreeSet<(String, EventId)> {
    let mut all = BTreeSet::new();
    for receipt in bus.receipts.written() {
        for group in receipt.groups {
            let owner = group.tenant.to_string();
            all.extend(group.event_ids.iter().map(|id| (owner.clone(), *id)));
        }
    }
    all
}
