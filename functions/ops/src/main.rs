//! The API to read and operate: events and their journeys, dead letters, subscriptions, schemas, tenants, keys,
//! dispatch, health; and the answer to unknown routes.

mod config;
mod dead_letters;
mod dispatch;
mod events;
mod handler;
mod journey;
mod requests;
mod routes;
mod schemas;
mod subscriptions;
#[cfg(test)]
mod test_ops;

use lambda_runtime::Error;
use pillarbox_aws::{
    DynamoActiveHours, DynamoLetters, DynamoLogIndex, DynamoReceipts, DynamoRegistry,
    DynamoTroubledDeliveries, LambdaDispatchSwitch, S3Payloads, SqsDeliveryQueues,
};
use pillarbox_domain::schema::delivery::Upcasting;
use pillarbox_runtime::clock::SystemClock;
use pillarbox_runtime::env::Env;
use pillarbox_runtime::process::serve;

use config::Config;
use dead_letters::DeadLetters;
use events::Events;
use handler::Ops;
use journey::Deliveries;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = Config::read(Env::of_process())?;
    let clients = config.process.start();
    let clock = SystemClock::default();
    let (dynamodb, outbox_table) = (clients.dynamodb(), config.outbox_table);
    let registry = DynamoRegistry::new(dynamodb.clone(), config.registry_table);
    let payloads = S3Payloads::new(clients.s3(), config.payload_bucket);
    let ops = Ops {
        registry: registry.clone(),
        events: Events {
            log: DynamoLogIndex::new(dynamodb.clone(), config.event_log_table, payloads.clone()),
            marks: DynamoActiveHours::new(dynamodb.clone(), outbox_table.clone()),
            clock: clock.clone(),
        },
        dead_letters: DeadLetters {
            letters: DynamoLetters::new(dynamodb.clone(), config.dead_letter_table, payloads),
            queues: SqsDeliveryQueues::new(&clients.sqs()),
            upcasts: Upcasting::new(registry.clone(), clock.clone()),
            clock: clock.clone(),
        },
        deliveries: Deliveries {
            receipts: DynamoReceipts::new(dynamodb.clone(), outbox_table.clone()),
            rows: DynamoTroubledDeliveries::new(dynamodb, outbox_table),
        },
        switch: LambdaDispatchSwitch::new(clients.lambda(), config.dispatch_mapping_id),
        queue_prefix: config.subscriber_queue_prefix,
        random: getrandom::fill,
    };
    serve(async |request| Ok(ops.handle(&request).await)).await
}
