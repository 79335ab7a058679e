//! A whole bus in memory: dispatch, retry and sweep on fakes that fail where a test wants it.

use pillarbox_domain::dispatch::{Dispatched, Dispatcher, Trouble};
use pillarbox_domain::publish::EventLog;
use pillarbox_domain::retry::{Retrier, Retry};
use pillarbox_domain::schema::delivery::Upcasting;
use pillarbox_domain::sweep::{HandOver, Handed, Rules, Sweep, Swept, read_message};
use pillarbox_domain::trouble::DeliveryKey;
use pillarbox_domain::{LoggedEvent, StoreError, Subscription};
use serde_json::{Value, json};

use crate::builders::{event_with, logged, tenant};
use crate::{
    ManualClock, MemoryActiveHours, MemoryArchive, MemoryDeadLetterQueue, MemoryEventLog,
    MemoryQueues, MemoryReceipts, MemoryRegistry, MemoryReopenings, MemoryRetryQueue, MemorySeals,
    MemorySweepQueue, MemorySweepStore, MemorySwitch, MemoryTroubledDeliveries,
};

/// What a bus is made of.
pub struct MemoryBus {
    /// Stands still until it is told.
    pub clock: ManualClock,
    /// Subscriptions and schemas.
    pub registry: MemoryRegistry,
    /// The log.
    pub log: MemoryEventLog<ManualClock>,
    /// The subscribers' queues.
    pub queues: MemoryQueues,
    /// What was handed over.
    pub receipts: MemoryReceipts,
    /// In which hours there are events.
    pub marks: MemoryActiveHours,
    /// To which hours something came late.
    pub reopenings: MemoryReopenings,
    /// What failed for good.
    pub dead_letters: MemoryDeadLetterQueue,
    /// Deliveries in trouble.
    pub rows: MemoryTroubledDeliveries,
    /// What reminds of them.
    pub reminders: MemoryRetryQueue,
    /// Whether dispatch is on, as the sweep is told.
    pub switch: MemorySwitch,
    /// How far the sweep has come.
    pub sweeps: MemorySweepStore,
    /// What it found, where it was too much for one run.
    pub asked: MemorySweepQueue,
    /// Closed hours.
    pub archive: MemoryArchive,
    /// And their seals.
    pub seals: MemorySeals,
}

impl Default for MemoryBus {
    fn default() -> Self {
        let clock = ManualClock::default();
        Self {
            registry: MemoryRegistry::default(),
            log: MemoryEventLog::new(clock.clone()),
            clock,
            queues: MemoryQueues::default(),
            receipts: MemoryReceipts::default(),
            marks: MemoryActiveHours::default(),
            reopenings: MemoryReopenings::default(),
            dead_letters: MemoryDeadLetterQueue::default(),
            rows: MemoryTroubledDeliveries::default(),
            reminders: MemoryRetryQueue::default(),
            switch: MemorySwitch::default(),
            sweeps: MemorySweepStore::default(),
            asked: MemorySweepQueue::default(),
            archive: MemoryArchive::default(),
            seals: MemorySeals::default(),
        }
    }
}

/// What brings events up on a [`MemoryBus`].
pub type Upcasts<'a> = Upcasting<&'a MemoryRegistry, ManualClock>;

impl MemoryBus {
    /// A bus with these subscriptions.
    pub fn with(subscriptions: impl IntoIterator<Item = Subscription>) -> Self {
        Self {
            registry: MemoryRegistry::with(subscriptions),
            ..Self::default()
        }
    }

    /// An event, accepted now and in no log.
    pub fn event(&self, owner: &str, id: &str, event_type: &str) -> LoggedEvent {
        self.event_with(owner, json!({ "id": id, "type": event_type }))
    }

    /// An event with these members, accepted now and in no log.
    pub fn event_with(&self, owner: &str, members: Value) -> LoggedEvent {
        logged(&self.clock, &tenant(owner), event_with(members))
    }

    /// An event that is in the log.
    pub async fn logged(&self, owner: &str, id: &str, event_type: &str) -> LoggedEvent {
        let event = self.event(owner, id, event_type);
        self.log.append(&event).await.unwrap();
        event
    }

    /// Dispatches events.
    pub async fn dispatch(&self, events: &[LoggedEvent]) -> Dispatched {
        self.dispatcher(&self.upcasts()).dispatch(events).await
    }

    fn dispatcher<'a>(&'a self, upcasts: &'a Upcasts<'a>) -> TestDispatcher<'a> {
        Dispatcher {
            subscriptions: &self.registry,
            queues: &self.queues,
            receipts: &self.receipts,
            marks: &self.marks,
            reopenings: &self.reopenings,
            upcasts,
            clock: &self.clock,
            trouble: Trouble {
                rows: &self.rows,
                reminders: &self.reminders,
                dead_letters: &self.dead_letters,
                suspensions: &self.registry,
            },
        }
    }

    /// One run of the sweep by the rules that hold when nobody says otherwise.
    pub async fn sweep(&self) -> Swept {
        self.sweep_by(Rules::default()).await.unwrap()
    }

    /// One run of the sweep.
    pub async fn sweep_by(&self, rules: Rules) -> Result<Swept, StoreError> {
        let upcasts = self.upcasts();
        self.sweeper(&upcasts).run(&rules).await
    }

    /// Handles the messages that runs of the sweep have left, each by itself.
    pub async fn take_asked(&self) -> Vec<Handed> {
        let upcasts = self.upcasts();
        let sweep = self.sweeper(&upcasts);
        let mut handed = Vec::new();
        for body in self.asked.take() {
            let found = read_message(&body).unwrap();
            handed.extend(sweep.take(found).await.unwrap());
        }
        handed
    }

    /// The sweep of this bus.
    pub fn sweeper<'a>(&'a self, upcasts: &'a Upcasts<'a>) -> TestSweep<'a> {
        Sweep {
            store: &self.sweeps,
            switch: &self.switch,
            registry: &self.registry,
            queue: &self.asked,
            hand_over: HandOver {
                receipts: &self.receipts,
                log: &self.log,
                dispatcher: self.dispatcher(upcasts),
                dead_letters: &self.dead_letters,
                clock: &self.clock,
            },
        }
    }

    /// Tries a delivery again.
    pub async fn retry(&self, key: &DeliveryKey) -> Result<Retry, StoreError> {
        self.with_retrier(async |retrier| retrier.retry(key).await)
            .await
    }

    /// Reminds of overdue deliveries, and returns how many there were.
    pub async fn remind_of_overdue(&self) -> usize {
        let pass = self.with_retrier(async |retrier| retrier.remind_of_overdue().await);
        pass.await.unwrap().reminded
    }

    /// What brings this bus's events up to other versions.
    pub fn upcasts(&self) -> Upcasts<'_> {
        Upcasting::new(&self.registry, self.clock.clone())
    }

    async fn with_retrier<R>(&self, work: impl AsyncFnOnce(TestRetrier<'_, '_>) -> R) -> R {
        let upcasts = self.upcasts();
        work(Retrier {
            rows: &self.rows,
            reminders: &self.reminders,
            log: &self.log,
            subscriptions: &self.registry,
            upcasts: &upcasts,
            queues: &self.queues,
            dead_letters: &self.dead_letters,
            suspensions: &self.registry,
            clock: &self.clock,
        })
        .await
    }

    /// The ids of events that receipts tell of, in order.
    pub fn receipted(&self) -> Vec<String> {
        let receipts = self.receipts.written();
        let groups = receipts.iter().flat_map(|receipt| &receipt.groups);
        groups
            .flat_map(|group| group.event_ids.iter().map(ToString::to_string))
            .collect()
    }
}

/// Dispatch on a [`MemoryBus`].
pub type TestDispatcher<'a> = Dispatcher<
    'a,
    MemoryRegistry,
    MemoryQueues,
    MemoryReceipts,
    MemoryActiveHours,
    MemoryReopenings,
    Upcasts<'a>,
    ManualClock,
    Trouble<'a, MemoryTroubledDeliveries, MemoryRetryQueue, MemoryDeadLetterQueue, MemoryRegistry>,
>;

/// The sweep of a [`MemoryBus`].
pub type TestSweep<'a> = Sweep<
    'a,
    MemorySweepStore,
    MemorySwitch,
    MemoryRegistry,
    MemorySweepQueue,
    MemoryReceipts,
    MemoryEventLog<ManualClock>,
    TestDispatcher<'a>,
    MemoryDeadLetterQueue,
    ManualClock,
>;

type TestRetrier<'a, 'u> = Retrier<
    'a,
    MemoryTroubledDeliveries,
    MemoryRetryQueue,
    MemoryEventLog<ManualClock>,
    MemoryRegistry,
    Upcasts<'u>,
    MemoryQueues,
    MemoryDeadLetterQueue,
    MemoryRegistry,
    ManualClock,
>;
