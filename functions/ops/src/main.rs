//! The operator's API: tenants, keys, subscriptions, health; and the answer to unknown routes.

mod config;
mod handler;
mod requests;

use lambda_runtime::Error;
use pillarbox_aws::DynamoRegistry;
use pillarbox_runtime::env::Env;
use pillarbox_runtime::process::serve;

use config::Config;
use handler::Ops;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = Config::read(Env::of_process())?;
    let clients = config.process.start();
    let ops = Ops {
        registry: DynamoRegistry::new(clients.dynamodb(), config.registry_table),
        queue_prefix: config.subscriber_queue_prefix,
        random: getrandom::fill,
    };
    serve(async |request| Ok(ops.handle(&request).await)).await
}
