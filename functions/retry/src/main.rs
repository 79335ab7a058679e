//! Tries deliveries again that their queues did not take: triggered by reminders on the retry queue, and by a
//! schedule for rows that no reminder came for.

mod config;
mod handler;

use lambda_runtime::Error;
use pillarbox_aws::{
    DynamoEventLog, DynamoRegistry, DynamoSuspensions, DynamoTroubledDeliveries, S3Payloads,
    SqsDeadLetterQueue, SqsDeliveryQueues, SqsRetryQueue,
};
use pillarbox_domain::schema::delivery::Upcasting;
use pillarbox_domain::subscription_cache::CachedSubscriptions;
use pillarbox_runtime::clock::SystemClock;
use pillarbox_runtime::env::Env;
use pillarbox_runtime::process::serve;

use config::Config;
use handler::Retry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = Config::read(Env::of_process())?;
    let (clients, metrics) = config.process.start(env!("CARGO_PKG_NAME"));
    let clock = SystemClock::default();
    let (dynamodb, sqs) = (clients.dynamodb(), clients.sqs());
    let payloads = S3Payloads::new(clients.s3(), config.payload_bucket);
    let registry = DynamoRegistry::new(dynamodb.clone(), config.registry_table);
    let retry = Retry {
        rows: DynamoTroubledDeliveries::new(dynamodb.clone(), config.outbox_table),
        reminders: SqsRetryQueue::new(sqs.clone(), config.retry_queue_url),
        log: DynamoEventLog::new(dynamodb, config.event_log_table, payloads, clock.clone()),
        subscriptions: CachedSubscriptions::new(registry.clone(), clock.clone()),
        upcasts: Upcasting::new(registry.clone(), clock.clone()),
        queues: SqsDeliveryQueues::new(&sqs),
        dead_letters: SqsDeadLetterQueue::new(sqs, config.dead_letter_queue_url),
        suspensions: DynamoSuspensions::new(registry, clock.clone()),
        clock,
        metrics: metrics.clone(),
    };
    serve(&metrics, async |input| Ok(retry.handle(input).await?)).await
}
