//! A subscriber as a team would write it: the SDK, a handler, and nothing else.

mod config;
mod handler;

use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use pillarbox::subscriber::Subscriber;
use pillarbox_aws::{Clients, DynamoInbox};
use pillarbox_domain::limits::DEFAULT_RETENTION;
use pillarbox_runtime::clock::SystemClock;
use pillarbox_runtime::env::Env;
use pillarbox_runtime::telemetry;

use config::Config;
use handler::RecordLatency;

/// As long as the function may run (`Timeout` in template.yaml).
const HOLD: Duration = Duration::from_secs(30);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = Config::read(Env::of_process())?;
    telemetry::init(config.log_level);
    let clients = Clients::new(config.aws);
    let clock = SystemClock::default();
    let inbox = DynamoInbox::new(
        clients.dynamodb(),
        config.inbox_table,
        clock.clone(),
        DEFAULT_RETENTION,
    );
    let subscriber = Subscriber {
        handler: RecordLatency { clock },
        inbox,
        hold: HOLD,
    };
    let handle = async |event: LambdaEvent<_>| {
        Ok::<_, Error>(Box::pin(subscriber.handle(event.payload)).await?)
    };
    run(service_fn(handle)).await
}
