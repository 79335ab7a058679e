//! Takes events in: `POST /v1/events`.

mod config;
mod handler;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use pillarbox_aws::{Clients, DynamoEventLog};
use pillarbox_runtime::clock::SystemClock;
use pillarbox_runtime::env::Env;
use pillarbox_runtime::telemetry;

use config::Config;
use handler::Ingest;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = Config::read(Env::of_process())?;
    telemetry::init(config.log_level);
    let clients = Clients::new(config.aws);
    let clock = SystemClock::default();
    let ingest = Ingest {
        log: DynamoEventLog::new(clients.dynamodb(), config.event_log_table, clock.clone()),
        clock,
    };
    let handle =
        async |event: LambdaEvent<_>| Ok::<_, Error>(Box::pin(ingest.handle(&event.payload)).await);
    run(service_fn(handle)).await
}
