//! Turns the presented API key into a tenant and its scopes, for every route that needs them.

mod config;
mod handler;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use pillarbox_aws::{Clients, DynamoRegistry};
use pillarbox_domain::credential::CachedKeys;
use pillarbox_runtime::clock::SystemClock;
use pillarbox_runtime::env::Env;
use pillarbox_runtime::telemetry;

use config::Config;
use handler::Authorizer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = Config::read(Env::of_process())?;
    telemetry::init(config.log_level);
    let clients = Clients::new(config.aws);
    let registry = DynamoRegistry::new(clients.dynamodb(), config.registry_table);
    let authorizer = Authorizer {
        keys: CachedKeys::new(registry, SystemClock::default()),
        administrator: config.administrator,
    };
    let handle = async |event: LambdaEvent<_>| {
        Ok::<_, Error>(Box::pin(authorizer.handle(&event.payload)).await)
    };
    run(service_fn(handle)).await
}
