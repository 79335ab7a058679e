//! Runs that end between any two writes, and runs at once.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::future::pending;
use std::sync::Mutex;

use futures::FutureExt;
use pillarbox_domain::active_hours::HourMarks;
use pillarbox_domain::dead_letter::{DeadLetterQueue, GivenUp};
use pillarbox_domain::delivery::Message;
use pillarbox_domain::dispatch::{DeliveryQueues, Dispatcher, SendError, Trouble};
use pillarbox_domain::event_query::{EventBodies, IndexEntry, IndexPage, IndexQuery, LogIndex};
use pillarbox_domain::log_hour::LogHour;
use pillarbox_domain::receipt::{Bucket, Receipt, ReceiptLedger, Receipts};
use pillarbox_domain::subscription::QueueUrl;
use pillarbox_domain::sweep::{
    ASK_AGAIN_AFTER, Found, HandOver, Rules, Sweep, SweepQueue, SweepState, SweepStore, Swept,
    read_message,
};
use pillarbox_domain::{LoggedEvent, StoreError, TenantId};
use pillarbox_testkit::{ManualClock, MemoryBus, MemoryEventLog};

use super::support::*;

const TENANTS: [&str; 2] = ["demo", "other"];

/// What happens before each write, and before each look at receipts.
#[derive(Default)]
struct Fuse {
    /// After this many writes the process is gone.
    writes_left: Mutex<Option<usize>>,
    /// Whoever is at it lets others go first.
    yields: bool,
}

impl Fuse {
    fn after(writes: usize) -> Self {
        Self {
            writes_left: Mutex::new(Some(writes)),
            yields: false,
        }
    }

    fn yielding() -> Self {
        Self {
            yields: true,
            ..Self::default()
        }
    }

    fn is_burnt(&self) -> bool {
        let mut left = self.writes_left.lock().unwrap();
        match &mut *left {
            None => false,
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
        }
    }

    async fn write(&self) {
        if self.is_burnt() {
            pending::<()>().await;
        }
        self.look().await;
    }

    async fn look(&self) {
        if self.yields {
            tokio::task::yield_now().await;
        }
    }
}

/// A port whose writes may be the last thing that a process does.
struct Fused<'a, T> {
    inner: &'a T,
    fuse: &'a Fuse,
}

impl<T: DeliveryQueues + Sync> DeliveryQueues for Fused<'_, T> {
    async fn send(&self, queue: &QueueUrl, messages: &[Message]) -> Vec<Result<(), SendError>> {
        self.fuse.write().await;
        self.inner.send(queue, messages).await
    }
}

impl<T: Receipts + Sync> Receipts for Fused<'_, T> {
    async fn put(&self, receipt: &Receipt) -> Result<(), StoreError> {
        self.fuse.write().await;
        self.inner.put(receipt).await
    }
}

impl<T: ReceiptLedger + Sync> ReceiptLedger for Fused<'_, T> {
    async fn in_bucket(&self, bucket: Bucket) -> Result<Vec<Receipt>, StoreError> {
        self.fuse.look().await;
        self.inner.in_bucket(bucket).await
    }
}

impl<T: HourMarks + Sync> HourMarks for Fused<'_, T> {
    async fn mark(&self, tenant: &TenantId, hours: &BTreeSet<LogHour>) -> Result<(), StoreError> {
        self.fuse.write().await;
        self.inner.mark(tenant, hours).await
    }
}

impl<T: SweepStore + Sync> SweepStore for Fused<'_, T> {
    async fn read(&self) -> Result<Option<SweepState>, StoreError> {
        self.fuse.look().await;
        self.inner.read().await
    }

    async fn save(&self, state: &SweepState) -> Result<bool, StoreError> {
        self.fuse.write().await;
        self.inner.save(state).await
    }
}

impl<T: SweepQueue + Sync> SweepQueue for Fused<'_, T> {
    async fn ask(&self, found: &[Found]) -> Result<(), StoreError> {
        self.fuse.write().await;
        self.inner.ask(found).await
    }
}

impl<T: DeadLetterQueue + Sync> DeadLetterQueue for Fused<'_, T> {
    async fn put(&self, given_up: &GivenUp) -> Result<(), StoreError> {
        self.fuse.write().await;
        self.inner.put(given_up).await
    }
}

/// The bus's log, in which one event cannot be read.
struct Damaged<'a>(&'a MemoryEventLog<ManualClock>);

/// The id of the event that cannot be read.
const UNREADABLE: &str = "2";

impl LogIndex for Damaged<'_> {
    async fn page(&self, owner: &TenantId, query: IndexQuery<'_>) -> Result<IndexPage, StoreError> {
        self.0.page(owner, query).await
    }
}

impl EventBodies for Damaged<'_> {
    async fn bodies(
        &self,
        owner: &TenantId,
        entries: &[IndexEntry],
        enough_bytes: usize,
    ) -> Result<Vec<Option<LoggedEvent>>, StoreError> {
        let bodies = self.0.bodies(owner, entries, enough_bytes).await?;
        let bodies = bodies.into_iter();
        let can_be_read = |event: &LoggedEvent| event.event.id() != UNREADABLE;
        Ok(bodies.map(|body| body.filter(can_be_read)).collect())
    }
}

/// A run, and then the messages that there are.
async fn sweep(bus: &MemoryBus, fuse: &Fuse, at_once: usize) -> Swept {
    let (queues, receipts) = (fused(&bus.queues, fuse), fused(&bus.receipts, fuse));
    let (marks, store) = (fused(&bus.marks, fuse), fused(&bus.sweeps, fuse));
    let (queue, dead_letters) = (fused(&bus.asked, fuse), fused(&bus.dead_letters, fuse));
    let sweep = Sweep {
        store: &store,
        switch: &bus.switch,
        registry: &bus.registry,
        queue: &queue,
        hand_over: HandOver {
            receipts: &receipts,
            log: &Damaged(&bus.log),
            dispatcher: Dispatcher {
                subscriptions: &bus.registry,
                queues: &queues,
                receipts: &receipts,
                marks: &marks,
                reopenings: &bus.reopenings,
                upcasts: &bus.upcasts(),
                clock: &bus.clock,
                trouble: Trouble {
                    rows: &bus.rows,
                    reminders: &bus.reminders,
                    dead_letters: &dead_letters,
                    suspensions: &bus.registry,
                },
            },
            dead_letters: &dead_letters,
            clock: &bus.clock,
        },
    };
    let rules = Rules {
        at_once,
        ..Rules::default()
    };
    let swept = sweep.run(&rules).await.unwrap();
    for body in bus.asked.take() {
        let found = read_message(&body).unwrap();
        sweep.take(found).await.unwrap();
    }
    swept
}

fn fused<'a, T>(inner: &'a T, fuse: &'a Fuse) -> Fused<'a, T> {
    Fused { inner, fuse }
}

/// Two hours with missing events, some in each; one of them cannot be read.
async fn with_missing() -> (MemoryBus, Vec<LoggedEvent>) {
    let bus = bus(&TENANTS).await;
    let mut events = Vec::new();
    for hour in 0..2 {
        for n in 0..5 {
            events.extend(publish(&bus, &TENANTS[..1 + n % 2], hour * 10 + n).await);
        }
        bus.clock.advance(HOUR);
    }
    bus.clock.advance(2 * HOUR);
    (bus, events)
}

/// A process that ends after no write, after one, and so on, until one gets through.
#[tokio::test]
async fn a_run_that_ends_between_any_two_writes_loses_nothing_and_repeats_only_what_has_no_receipt()
{
    for at_once in [1_000, 4, 0] {
        let mut writes = 0;
        while !ends_well(at_once, writes).await {
            writes += 1;
        }
        assert!(writes >= 8, "{writes} writes with {at_once} at once");
    }
}

/// Whether a process that may write so often gets through. Others follow it.
async fn ends_well(at_once: usize, writes: usize) -> bool {
    let (bus, events) = with_missing().await;
    let first = sweep(&bus, &Fuse::after(writes), at_once).now_or_never();
    let (before, done) = (deliveries(&bus, &TENANTS), receipted(&bus));
    for _ in 0..3 {
        sweep(&bus, &Fuse::default(), at_once).await;
        bus.clock.advance(ASK_AGAIN_AFTER);
    }
    let after = deliveries(&bus, &TENANTS);
    let readable = events.iter().filter(|event| event.event.id() != UNREADABLE);
    assert_eq!(after.len(), readable.count(), "lost after {writes} writes");
    for (place, count) in &after {
        let may_repeat = before.contains_key(place) && !done.contains(place);
        let most = 1 + usize::from(may_repeat);
        assert!(*count <= most, "{place:?}: {count} after {writes} writes");
    }
    let letters = bus.dead_letters.taken().len();
    assert!(
        (1..=2).contains(&letters),
        "{letters} after {writes} writes"
    );
    assert_eq!(receipted(&bus).len(), events.len());
    assert_eq!(bus.sweep().await.open, 0);
    first.is_some()
}

#[tokio::test]
async fn of_two_runs_at_once_one_goes_on_and_nothing_is_lost() {
    let (bus, events) = with_missing().await;
    let fuse = Fuse::yielding();
    let ends = Cell::new((0, 0));
    let run = async || {
        let swept = sweep(&bus, &fuse, 1_000).await;
        let (closed, overtaken) = ends.get();
        ends.set(match swept.end.name() {
            "closed" => (closed + 1, overtaken),
            _ => (closed, overtaken + 1),
        });
    };
    futures::join!(run(), run());
    assert_eq!(ends.get(), (1, 1));
    bus.sweep().await;
    let found = deliveries(&bus, &TENANTS);
    assert_eq!(found.len(), events.len() - 1);
    // What both were at before one of them saved, and no more.
    assert!(found.values().all(|count| *count <= 2));
    let twice = found.values().filter(|count| **count == 2).count();
    assert!(twice <= events.len() / 2, "{twice} of {}", events.len());
    assert_eq!(bus.sweep().await.missing, 0);
}
