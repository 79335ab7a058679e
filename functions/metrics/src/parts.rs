//! What the function stands on in AWS.

use pillarbox_aws::{
    DynamoLetters, DynamoLogIndex, DynamoReceipts, DynamoRegistry, DynamoRollups, DynamoSweepStore,
    DynamoTroubledDeliveries, S3Payloads,
};
use pillarbox_domain::gauges::{Gauges, KnownLogs, Standings};
use pillarbox_domain::stats::Roller;
use pillarbox_domain::subscription_cache::CachedSubscriptions;
use pillarbox_runtime::clock::SystemClock;
use pillarbox_runtime::metrics::Metrics;

use crate::config::Config;

/// All of it, each once.
pub(crate) struct Parts {
    clock: SystemClock,
    logs: KnownLogs<DynamoRegistry, SystemClock>,
    subscriptions: CachedSubscriptions<DynamoRegistry, SystemClock>,
    sweep: DynamoSweepStore,
    receipts: DynamoReceipts,
    rollups: DynamoRollups,
    log: DynamoLogIndex<S3Payloads>,
    rows: DynamoTroubledDeliveries,
    letters: DynamoLetters<S3Payloads>,
    standings: Standings,
    /// What is measured.
    pub(crate) metrics: Metrics,
}

/// The figures' sources on AWS.
pub(crate) type PartsGauges<'a> = Gauges<
    'a,
    DynamoRegistry,
    DynamoSweepStore,
    DynamoReceipts,
    DynamoLogIndex<S3Payloads>,
    DynamoTroubledDeliveries,
    DynamoLetters<S3Payloads>,
    CachedSubscriptions<DynamoRegistry, SystemClock>,
    SystemClock,
>;

impl Parts {
    /// Makes them, and begins to log.
    pub(crate) fn new(config: Config) -> Self {
        let (clients, metrics) = config.process.start(env!("CARGO_PKG_NAME"));
        let clock = SystemClock::default();
        let dynamodb = || clients.dynamodb();
        let outbox = || config.outbox_table.clone();
        let registry = DynamoRegistry::new(dynamodb(), config.registry_table);
        let payloads = S3Payloads::new(clients.s3(), config.payload_bucket);
        Self {
            logs: KnownLogs::new(registry.clone(), clock.clone()),
            subscriptions: CachedSubscriptions::new(registry, clock.clone()),
            sweep: DynamoSweepStore::new(dynamodb(), outbox()),
            receipts: DynamoReceipts::new(dynamodb(), outbox()),
            rollups: DynamoRollups::new(dynamodb(), outbox()),
            log: DynamoLogIndex::new(dynamodb(), config.event_log_table, payloads.clone()),
            rows: DynamoTroubledDeliveries::new(dynamodb(), outbox()),
            letters: DynamoLetters::new(dynamodb(), config.dead_letter_table, payloads),
            standings: Standings::default(),
            clock,
            metrics,
        }
    }

    /// What reads the figures.
    pub(crate) fn gauges(&self) -> PartsGauges<'_> {
        Gauges {
            logs: &self.logs,
            sweep: &self.sweep,
            receipts: &self.receipts,
            log: &self.log,
            rows: &self.rows,
            letters: &self.letters,
            subscriptions: &self.subscriptions,
            standings: &self.standings,
            clock: &self.clock,
        }
    }

    /// What rolls minutes up.
    pub(crate) fn roller(&self) -> Roller<'_, DynamoReceipts, DynamoRollups, SystemClock> {
        Roller {
            receipts: &self.receipts,
            rollups: &self.rollups,
            clock: &self.clock,
        }
    }
}
