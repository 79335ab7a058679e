//! Workers as they run: on tables, queues and buckets.

use pillarbox_aws::{
    DynamoActiveHours, DynamoJobs, DynamoLetters, DynamoLogIndex, DynamoRegistry, S3Archive,
    S3Payloads, SqsDeadLetterQueue, SqsDeliveryQueues, SqsJobQueue, SqsVisibility,
};
use pillarbox_domain::job::{Parts, Ports};
use pillarbox_domain::schema::delivery::Upcasting;
use pillarbox_domain::subscription_cache::CachedSubscriptions;
use pillarbox_runtime::clock::SystemClock;

use crate::config::Config;
use crate::handler::{BUDGET, Replay};
use crate::sleeper::TokioSleeper;

/// Workers on what the configuration names.
pub(crate) fn replay(config: Config) -> Replay<impl Ports, SqsVisibility> {
    let (clients, metrics) = config.process.start(env!("CARGO_PKG_NAME"));
    let clock = SystemClock::default();
    let (dynamodb, sqs, s3) = (clients.dynamodb(), clients.sqs(), clients.s3());
    let payloads = S3Payloads::new(s3.clone(), config.payload_bucket);
    let registry = DynamoRegistry::new(dynamodb.clone(), config.registry_table);
    Replay {
        parts: Parts {
            jobs: DynamoJobs::new(dynamodb.clone(), config.job_table),
            calls: SqsJobQueue::new(sqs.clone(), config.job_queue_url.clone()),
            settings: registry.clone(),
            marks: DynamoActiveHours::new(dynamodb.clone(), config.outbox_table),
            log: DynamoLogIndex::new(dynamodb.clone(), config.event_log_table, payloads.clone()),
            archive: S3Archive::new(s3, config.archive_bucket),
            letters: DynamoLetters::new(dynamodb, config.dead_letter_table, payloads),
            subscriptions: CachedSubscriptions::new(registry.clone(), clock.clone()),
            upcasts: Upcasting::new(registry.clone(), clock.clone()),
            registry,
            queues: SqsDeliveryQueues::new(&sqs),
            dead_letters: SqsDeadLetterQueue::new(sqs.clone(), config.dead_letter_queue_url),
            clock,
            sleeper: TokioSleeper,
        },
        visibility: SqsVisibility::new(sqs, config.job_queue_url),
        archived_after: config.archived_after,
        budget: BUDGET,
        metrics,
    }
}
