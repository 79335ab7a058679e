//! Reads the figures of the bus as a whole, and rolls up the statistics of minutes that have settled. Called by a
//! schedule, each minute.

mod config;
mod handler;
mod parts;
mod summary;

use lambda_runtime::Error;
use pillarbox_runtime::env::Env;
use pillarbox_runtime::process::serve;
use serde::de::IgnoredAny;

use config::Config;
use handler::Handler;
use parts::Parts;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let parts = Parts::new(Config::read(Env::of_process())?);
    let handler = Handler {
        gauges: parts.gauges(),
        roller: parts.roller(),
        metrics: parts.metrics.clone(),
    };
    serve(&parts.metrics, async |_: IgnoredAny| {
        Ok(handler.run().await?)
    })
    .await
}
