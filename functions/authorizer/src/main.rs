//! Turns the presented API key into a tenant and its scopes, for every route that needs them.

mod config;
mod handler;

use lambda_runtime::Error;
use pillarbox_aws::DynamoRegistry;
use pillarbox_domain::credential::CachedKeys;
use pillarbox_runtime::clock::SystemClock;
use pillarbox_runtime::env::Env;
use pillarbox_runtime::process::serve;

use config::Config;
use handler::Authorizer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = Config::read(Env::of_process())?;
    let (clients, metrics) = config.process.start(env!("CARGO_PKG_NAME"));
    let registry = DynamoRegistry::new(clients.dynamodb(), config.registry_table);
    let authorizer = Authorizer {
        keys: CachedKeys::new(registry, SystemClock::default()),
        administrator: config.administrator,
    };
    serve(&metrics, async |request| {
        Ok(authorizer.handle(&request).await)
    })
    .await
}
