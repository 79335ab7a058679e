//! A subscriber as a team would write it: the SDK, a handler, and nothing else.

mod config;
mod failing_types;
mod handler;

use std::future::ready;
use std::time::Duration;

use lambda_runtime::Error;
use pillarbox::Retention;
use pillarbox::subscriber::{
    Connections, DynamoInbox, SqsDeadLetterQueue, SqsVisibility, Subscriber, SystemClock, Unknown,
    serve_until,
};
use pillarbox_runtime::env::Env;

use config::Config;
use handler::Recorder;

/// As long as the function may run (`Timeout` in template.yaml).
const HOLD: Duration = Duration::from_secs(30);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = Config::read(Env::of_process())?;
    let (clients, metrics) = config.process.start(env!("CARGO_PKG_NAME"));
    let clock = SystemClock::default();
    let (table, kept_for) = (config.inbox_table, Retention::default().duration());
    let connections = Connections {
        inbox: DynamoInbox::new(clients.dynamodb(), table, clock.clone(), kept_for),
        visibility: SqsVisibility::new(clients.sqs(), config.queue_url),
        dead_letters: SqsDeadLetterQueue::new(clients.sqs(), config.dead_letter_queue_url),
        clock: clock.clone(),
    };
    let recorder = Recorder {
        clock,
        failing_types: config.failing_types,
    };
    let subscriber = Subscriber::builder(connections, config.max_receives)
        .on_prefix("", move |event| ready(recorder.record(&event)))
        .hold(HOLD)
        .metrics(metrics)
        .otherwise(Unknown::DeadLetter);
    serve_until(async |batch, remaining| Ok(subscriber.handle(batch, remaining).await?)).await
}
