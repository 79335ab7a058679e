//! A subscriber as a team would write it: the SDK, a handler, and nothing else.

mod config;
mod handler;

use std::time::Duration;

use lambda_runtime::Error;
use pillarbox::subscriber::Subscriber;
use pillarbox_aws::DynamoInbox;
use pillarbox_domain::tenant_settings::Retention;
use pillarbox_runtime::clock::SystemClock;
use pillarbox_runtime::env::Env;
use pillarbox_runtime::process::serve;

use config::Config;
use handler::RecordLatency;

/// As long as the function may run (`Timeout` in template.yaml).
const HOLD: Duration = Duration::from_secs(30);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = Config::read(Env::of_process())?;
    let clients = config.process.start();
    let clock = SystemClock::default();
    let inbox = DynamoInbox::new(
        clients.dynamodb(),
        config.inbox_table,
        clock.clone(),
        Retention::default().duration(),
    );
    let subscriber = Subscriber {
        handler: RecordLatency { clock },
        inbox,
        hold: HOLD,
    };
    serve(async |batch| Ok(subscriber.handle(batch).await?)).await
}
