//! Takes events in: `POST /v1/events`.

mod answers;
mod config;
mod figures;
mod handler;
mod lines;
mod noted;
mod parameters;
mod schemas;

use lambda_runtime::Error;
use pillarbox_aws::{DynamoEventLog, DynamoRegistry, S3Payloads};
use pillarbox_domain::schema::publishing::SchemaCheck;
use pillarbox_domain::tenant_settings::CachedTenantSettings;
use pillarbox_runtime::clock::SystemClock;
use pillarbox_runtime::env::Env;
use pillarbox_runtime::process::serve;

use config::Config;
use handler::Ingest;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = Config::read(Env::of_process())?;
    let (clients, metrics) = config.process.start(env!("CARGO_PKG_NAME"));
    let (dynamodb, clock) = (clients.dynamodb(), SystemClock::default());
    let registry = DynamoRegistry::new(dynamodb.clone(), config.registry_table);
    let payloads = S3Payloads::new(clients.s3(), config.payload_bucket);
    let ingest = Ingest {
        log: DynamoEventLog::new(dynamodb, config.event_log_table, payloads, clock.clone()),
        tenants: CachedTenantSettings::new(registry.clone(), clock.clone()),
        schemas: SchemaCheck::new(registry),
        clock,
        metrics: metrics.clone(),
    };
    serve(&metrics, async |request| Ok(ingest.handle(&request).await)).await
}
