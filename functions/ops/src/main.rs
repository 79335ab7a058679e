//! The API to read and operate: events, their journeys and statistics, integrity and archive, dead letters, replays and redrives,
//! schedules, subscriptions, schemas, tenants, keys, dispatch, health; and the answer to unknown routes.

mod aws;
mod config;
mod correlations;
mod dead_letters;
mod dispatch;
mod events;
mod handler;
mod health;
mod integrity;
mod jobs;
mod journey;
mod requests;
mod routes;
mod schedules;
mod schemas;
mod stats;
mod subscriptions;
#[cfg(test)]
mod test_ops;

use lambda_runtime::Error;
use pillarbox_runtime::env::Env;
use pillarbox_runtime::process::serve;

use config::Config;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let Config { process, names } = Config::read(Env::of_process())?;
    let (clients, metrics) = process.start(env!("CARGO_PKG_NAME"));
    let ops = aws::ops(&clients, &names);
    serve(&metrics, async |request| Ok(ops.handle(&request).await)).await
}
