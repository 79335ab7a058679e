//! Registers the subscriptions that stacks declare: the provider of `Custom::PillarboxSubscription`, which
//! CloudFormation invokes (`docs/adr/0013-registration.md`).

mod config;
mod handler;
mod properties;
mod protocol;

use lambda_runtime::Error;
use pillarbox_aws::{DynamoRegistry, HttpAnswers};
use pillarbox_runtime::clock::SystemClock;
use pillarbox_runtime::env::Env;
use pillarbox_runtime::process::serve;

use config::Config;
use handler::Registration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = Config::read(Env::of_process())?;
    let (clients, metrics) = config.process.start(env!("CARGO_PKG_NAME"));
    let registration = Registration {
        registry: DynamoRegistry::new(clients.dynamodb(), config.registry_table),
        administrator: config.administrator,
        queue_prefix: config.subscriber_queue_prefix,
        answers: HttpAnswers::new(),
        clock: SystemClock::default(),
    };
    serve(&metrics, async |event| {
        Ok(registration.handle(event).await?)
    })
    .await
}
