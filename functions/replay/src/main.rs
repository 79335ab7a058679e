//! Plans jobs and works them off: triggered by the job queue, by tenants' schedules, and by its own for jobs that
//! nobody works for.

mod aws;
mod config;
mod handler;
mod sleeper;

use lambda_runtime::Error;
use pillarbox_runtime::env::Env;
use pillarbox_runtime::process::serve;
use serde_json::value::RawValue;

use config::Config;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let replay = aws::replay(Config::read(Env::of_process())?);
    let metrics = replay.metrics.clone();
    serve(&metrics, async |input: Box<RawValue>| {
        Ok(replay.handle(&input).await?)
    })
    .await
}
