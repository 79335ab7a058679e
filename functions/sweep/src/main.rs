//! Finds what dispatch never saw, and hands it over; archives and seals the hours that are closed. Called by a schedule
//! for either, and by the queue of what was found where it is too much for one run.

mod config;
mod handler;
mod input;
mod lines;
mod parts;
mod seal;
mod summary;

use lambda_runtime::Error;
use pillarbox_domain::sweep::Rules;
use pillarbox_runtime::env::Env;
use pillarbox_runtime::process::serve;

use config::Config;
use handler::Handler;
use parts::Parts;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = Config::read(Env::of_process())?;
    let rules = Rules {
        settle: config.settle,
        ..Rules::default()
    };
    let parts = Parts::new(config);
    let handler = Handler {
        sweep: parts.sweep(),
        archive: &parts.archive,
        seals: &parts.seals,
        rules,
        metrics: parts.metrics.clone(),
    };
    serve(&parts.metrics, async |input| {
        Ok(handler.handle(input).await?)
    })
    .await
}
