//! Logs: one wide JSON line per record, no payloads, no keys.

use tracing_subscriber::filter::LevelFilter;

/// Writes what the function says as JSON lines to standard output, from this level on.
pub fn init(level: LevelFilter) {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_max_level(level)
        .init();
}

pub use tracing_subscriber::filter::LevelFilter as Level;
