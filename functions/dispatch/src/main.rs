//! Hands logged events to the subscribers' queues: triggered by the log's stream.

mod config;
mod handler;
mod skew;

use lambda_runtime::Error;
use pillarbox_aws::{
    DynamoActiveHours, DynamoReceipts, DynamoRegistry, DynamoReopenings, DynamoRollups,
    DynamoSuspensions, DynamoTroubledDeliveries, S3Payloads, SqsDeadLetterQueue, SqsDeliveryQueues,
    SqsRetryQueue,
};
use pillarbox_domain::active_hours::RememberedMarks;
use pillarbox_domain::schema::delivery::Upcasting;
use pillarbox_domain::stats::LateReceipts;
use pillarbox_domain::subscription_cache::CachedSubscriptions;
use pillarbox_runtime::clock::SystemClock;
use pillarbox_runtime::env::Env;
use pillarbox_runtime::process::serve;

use config::Config;
use handler::Dispatch;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = Config::read(Env::of_process())?;
    let (clients, metrics) = config.process.start(env!("CARGO_PKG_NAME"));
    let clock = SystemClock::default();
    let (dynamodb, sqs) = (clients.dynamodb(), clients.sqs());
    let outbox_table = config.outbox_table;
    let registry = DynamoRegistry::new(dynamodb.clone(), config.registry_table);
    let marks = DynamoActiveHours::new(dynamodb.clone(), outbox_table.clone());
    let dispatch = Dispatch {
        payloads: S3Payloads::new(clients.s3(), config.payload_bucket),
        subscriptions: CachedSubscriptions::new(registry.clone(), clock.clone()),
        queues: SqsDeliveryQueues::new(&sqs),
        receipts: LateReceipts::new(
            DynamoReceipts::new(dynamodb.clone(), outbox_table.clone()),
            DynamoRollups::new(dynamodb.clone(), outbox_table.clone()),
            clock.clone(),
        ),
        marks: RememberedMarks::new(marks),
        reopenings: DynamoReopenings::new(dynamodb.clone(), outbox_table.clone()),
        upcasts: Upcasting::new(registry.clone(), clock.clone()),
        dead_letters: SqsDeadLetterQueue::new(sqs.clone(), config.dead_letter_queue_url),
        suspensions: DynamoSuspensions::new(registry, clock.clone()),
        rows: DynamoTroubledDeliveries::new(dynamodb, outbox_table),
        reminders: SqsRetryQueue::new(sqs, config.retry_queue_url),
        clock,
        metrics: metrics.clone(),
    };
    serve(&metrics, async |batch| Ok(dispatch.handle(batch).await?)).await
}
