//! Takes events in: `POST /v1/events`.

mod answers;
mod config;
mod handler;

use lambda_runtime::Error;
use pillarbox_aws::DynamoEventLog;
use pillarbox_runtime::clock::SystemClock;
use pillarbox_runtime::env::Env;
use pillarbox_runtime::process::serve;

use config::Config;
use handler::Ingest;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = Config::read(Env::of_process())?;
    let clients = config.process.start();
    let clock = SystemClock::default();
    let ingest = Ingest {
        log: DynamoEventLog::new(clients.dynamodb(), config.event_log_table, clock.clone()),
        clock,
    };
    serve(async |request| Ok(ingest.handle(&request).await)).await
}
