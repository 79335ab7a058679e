//! What the sweep stands on in AWS.

use pillarbox_aws::{
    DynamoActiveHours, DynamoLogIndex, DynamoReceipts, DynamoRegistry, DynamoReopenings,
    DynamoRollups, DynamoSeals, DynamoSuspensions, DynamoSweepStore, DynamoTroubledDeliveries,
    LambdaDispatchSwitch, S3Archive, S3Payloads, SqsDeadLetterQueue, SqsDeliveryQueues,
    SqsRetryQueue, SqsSweepQueue,
};
use pillarbox_domain::active_hours::RememberedMarks;
use pillarbox_domain::dispatch::{Dispatcher, Dispatching, Trouble};
use pillarbox_domain::dispatch_switch::RememberedSwitch;
use pillarbox_domain::schema::delivery::Upcasting;
use pillarbox_domain::stats::LateReceipts;
use pillarbox_domain::subscription_cache::CachedSubscriptions;
use pillarbox_domain::sweep::{HandOver, Sweep};
use pillarbox_runtime::clock::SystemClock;
use pillarbox_runtime::metrics::Metrics;

use crate::config::Config;

/// The sweep on AWS, whatever hands over.
pub(crate) type PartsSweep<'a, D> = Sweep<
    'a,
    DynamoSweepStore,
    RememberedSwitch<LambdaDispatchSwitch, SystemClock>,
    DynamoRegistry,
    SqsSweepQueue,
    PartsReceipts,
    DynamoLogIndex<S3Payloads>,
    D,
    SqsDeadLetterQueue,
    SystemClock,
>;

/// Receipts, with notes of the minutes that they come late to.
type PartsReceipts = LateReceipts<DynamoReceipts, DynamoRollups, SystemClock>;

/// All of it, each once.
pub(crate) struct Parts {
    clock: SystemClock,
    registry: DynamoRegistry,
    subscriptions: CachedSubscriptions<DynamoRegistry, SystemClock>,
    upcasts: Upcasting<DynamoRegistry, SystemClock>,
    suspensions: DynamoSuspensions<SystemClock>,
    log: DynamoLogIndex<S3Payloads>,
    receipts: PartsReceipts,
    marks: RememberedMarks<DynamoActiveHours>,
    reopenings: DynamoReopenings,
    rows: DynamoTroubledDeliveries,
    store: DynamoSweepStore,
    queues: SqsDeliveryQueues,
    reminders: SqsRetryQueue,
    dead_letters: SqsDeadLetterQueue,
    asked: SqsSweepQueue,
    switch: RememberedSwitch<LambdaDispatchSwitch, SystemClock>,
    /// Closed hours.
    pub(crate) archive: S3Archive,
    /// And their seals.
    pub(crate) seals: DynamoSeals,
    /// What is measured.
    pub(crate) metrics: Metrics,
}

impl Parts {
    /// Makes them, and begins to log.
    pub(crate) fn new(config: Config) -> Self {
        let (clients, metrics) = config.process.start(env!("CARGO_PKG_NAME"));
        let clock = SystemClock::default();
        let (dynamodb, sqs) = (clients.dynamodb(), clients.sqs());
        let registry = DynamoRegistry::new(dynamodb.clone(), config.registry_table);
        let payloads = S3Payloads::new(clients.s3(), config.payload_bucket);
        let outbox = || config.outbox_table.clone();
        let marks = DynamoActiveHours::new(dynamodb.clone(), outbox());
        let switch = LambdaDispatchSwitch::new(clients.lambda(), config.dispatch_mapping_id);
        Self {
            subscriptions: CachedSubscriptions::new(registry.clone(), clock.clone()),
            upcasts: Upcasting::new(registry.clone(), clock.clone()),
            suspensions: DynamoSuspensions::new(registry.clone(), clock.clone()),
            registry,
            log: DynamoLogIndex::new(dynamodb.clone(), config.event_log_table, payloads),
            receipts: LateReceipts::new(
                DynamoReceipts::new(dynamodb.clone(), outbox()),
                DynamoRollups::new(dynamodb.clone(), outbox()),
                clock.clone(),
            ),
            marks: RememberedMarks::new(marks),
            reopenings: DynamoReopenings::new(dynamodb.clone(), outbox()),
            rows: DynamoTroubledDeliveries::new(dynamodb.clone(), outbox()),
            store: DynamoSweepStore::new(dynamodb.clone(), outbox()),
            archive: S3Archive::new(clients.s3(), config.archive_bucket),
            seals: DynamoSeals::new(dynamodb, outbox()),
            queues: SqsDeliveryQueues::new(&sqs),
            reminders: SqsRetryQueue::new(sqs.clone(), config.retry_queue_url),
            dead_letters: SqsDeadLetterQueue::new(sqs.clone(), config.dead_letter_queue_url),
            asked: SqsSweepQueue::new(sqs, config.sweep_queue_url),
            switch: RememberedSwitch::new(switch, clock.clone()),
            clock,
            metrics,
        }
    }

    /// The sweep on them.
    pub(crate) fn sweep(&self) -> PartsSweep<'_, impl Dispatching> {
        Sweep {
            store: &self.store,
            switch: &self.switch,
            registry: &self.registry,
            queue: &self.asked,
            hand_over: HandOver {
                receipts: &self.receipts,
                log: &self.log,
                dispatcher: self.dispatcher(),
                dead_letters: &self.dead_letters,
                clock: &self.clock,
            },
        }
    }

    fn dispatcher(&self) -> impl Dispatching {
        Dispatcher {
            subscriptions: &self.subscriptions,
            queues: &self.queues,
            receipts: &self.receipts,
            marks: &self.marks,
            reopenings: &self.reopenings,
            upcasts: &self.upcasts,
            clock: &self.clock,
            trouble: Trouble {
                rows: &self.rows,
                reminders: &self.reminders,
                dead_letters: &self.dead_letters,
                suspensions: &self.suspensions,
            },
        }
    }
}
