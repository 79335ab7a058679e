//! The effect: how long the event took to get here.

use pillarbox::subscriber::{Event, HandlerError};
use pillarbox_domain::Clock;
use serde::Serialize;
use serde::de::IgnoredAny;

use crate::failing_types::FailingTypes;

/// Measures from acceptance to here, whatever the event is.
pub(crate) struct Recorder<C> {
    /// What time it is.
    pub(crate) clock: C,
    /// Types of events that are to fail.
    pub(crate) failing_types: FailingTypes,
}

/// What the inbox keeps of an event.
#[derive(Serialize)]
pub(crate) struct Latency {
    r#type: String,
    accepted_ms: i128,
    received_ms: i128,
    latency_ms: i128,
}

/// A failure that somebody asked for.
#[derive(Debug, thiserror::Error)]
#[error("events of type {0} are to fail: FAILING_TYPES says so")]
struct ExampleFault(String);

impl<C: Clock> Recorder<C> {
    /// The latency of this event, unless it is to fail.
    pub(crate) fn record(&self, event: &Event<IgnoredAny>) -> Result<Latency, HandlerError> {
        let event_type = event.event.event_type().to_owned();
        if self.failing_types.contains(&event_type) {
            return Err(HandlerError::retry(ExampleFault(event_type)).class("ExampleFault"));
        }
        let received_ms = self.clock.now().unix_timestamp_nanos() / 1_000_000;
        let accepted_ms = i128::from(event.event_id.unix_millis());
        Ok(Latency {
            r#type: event_type,
            accepted_ms,
            received_ms,
            latency_ms: received_ms - accepted_ms,
        })
    }
}

#[cfg(test)]
mod tests;
