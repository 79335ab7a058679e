//! Keeps everything that fails for good: triggered by the dead letter queue.

mod config;
mod handler;

use lambda_runtime::Error;
use pillarbox_aws::{DynamoLetters, S3Payloads};
use pillarbox_domain::letters::Keeper;
use pillarbox_runtime::clock::SystemClock;
use pillarbox_runtime::env::Env;
use pillarbox_runtime::process::serve;

use config::Config;
use handler::DeadLetterBox;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = Config::read(Env::of_process())?;
    let (clients, metrics) = config.process.start(env!("CARGO_PKG_NAME"));
    let payloads = S3Payloads::new(clients.s3(), config.payload_bucket);
    let letters = DeadLetterBox {
        keeper: Keeper {
            letters: DynamoLetters::new(clients.dynamodb(), config.dead_letter_table, payloads),
            clock: SystemClock::default(),
            retention: config.retention,
        },
        metrics: metrics.clone(),
    };
    serve(&metrics, async |batch| Ok(letters.handle(batch).await?)).await
}
