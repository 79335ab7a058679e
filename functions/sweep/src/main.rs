//! Finds what dispatch never saw, and hands it over: called by a schedule, and by the queue of what was found where
//! it is too much for one run.

mod config;
mod handler;
mod input;
mod lines;
mod parts;
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
        rules,
    };
    serve(async |input| Ok(handler.handle(input).await?)).await
}
