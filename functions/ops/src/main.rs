//! The operator's API: tenants, keys, subscriptions, health; and the answer to unknown routes.

mod config;
mod handler;
mod requests;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use pillarbox_aws::{Clients, DynamoRegistry};
use pillarbox_runtime::env::Env;
use pillarbox_runtime::telemetry;

use config::Config;
use handler::Ops;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = Config::read(Env::of_process())?;
    telemetry::init(config.log_level);
    let clients = Clients::new(config.aws);
    let ops = Ops {
        registry: DynamoRegistry::new(clients.dynamodb(), config.registry_table),
        queue_prefix: config.subscriber_queue_prefix,
        random: getrandom::fill,
    };
    let handle =
        async |event: LambdaEvent<_>| Ok::<_, Error>(Box::pin(ops.handle(&event.payload)).await);
    run(service_fn(handle)).await
}
