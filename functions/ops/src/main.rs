//! The API to read and operate: events, schemas, tenants, keys, subscriptions, health; and the answer to unknown routes.

mod config;
mod events;
mod handler;
mod requests;
mod routes;
mod schemas;

use lambda_runtime::Error;
use pillarbox_aws::{DynamoActiveHours, DynamoLogIndex, DynamoRegistry, S3Payloads};
use pillarbox_runtime::clock::SystemClock;
use pillarbox_runtime::env::Env;
use pillarbox_runtime::process::serve;

use config::Config;
use events::Events;
use handler::Ops;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = Config::read(Env::of_process())?;
    let clients = config.process.start();
    let payloads = S3Payloads::new(clients.s3(), config.payload_bucket);
    let ops = Ops {
        registry: DynamoRegistry::new(clients.dynamodb(), config.registry_table),
        events: Events {
            log: DynamoLogIndex::new(clients.dynamodb(), config.event_log_table, payloads),
            marks: DynamoActiveHours::new(clients.dynamodb(), config.outbox_table),
            clock: SystemClock::default(),
        },
        queue_prefix: config.subscriber_queue_prefix,
        random: getrandom::fill,
    };
    serve(async |request| Ok(ops.handle(&request).await)).await
}
