//! Logs: one wide JSON line per record, no payloads, no keys.

mod sampling;

pub use sampling::{InvalidSampleRate, SampleRate};
pub use tracing_subscriber::filter::LevelFilter as Level;

use sampling::Sampled;
use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// Writes what the function says as JSON lines to standard output: from this level on, and of events that went well this
/// share.
pub fn init(level: Level, rate: SampleRate) {
    lines(level, rate, std::io::stdout).init();
}

fn lines<W>(level: Level, rate: SampleRate, writer: W) -> impl Subscriber
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_writer(writer);
    Registry::default().with(lines.with_filter(Sampled { level, rate }))
}

#[cfg(test)]
mod tests;
