//! The effect: how long the event took to get here.

use std::convert::Infallible;

use pillarbox::subscriber::{Delivery, Handler};
use pillarbox_domain::Clock;
use serde::Serialize;

/// Measures from acceptance to here.
pub(crate) struct RecordLatency<C> {
    /// What time it is.
    pub(crate) clock: C,
}

/// What the inbox keeps of an event.
#[derive(Serialize)]
struct Latency<'a> {
    r#type: &'a str,
    accepted_ms: i128,
    received_ms: i128,
    latency_ms: i128,
}

impl<C: Clock + Sync> Handler for RecordLatency<C> {
    type Error = Infallible;

    async fn handle(&self, delivery: &Delivery) -> Result<String, Infallible> {
        let received_ms = self.clock.now().unix_timestamp_nanos() / 1_000_000;
        let accepted_ms = i128::from(delivery.received.event_id.unix_millis());
        let latency = Latency {
            r#type: delivery.received.event.event_type(),
            accepted_ms,
            received_ms,
            latency_ms: received_ms - accepted_ms,
        };
        // Numbers and a string cannot fail to be written to memory.
        Ok(serde_json::to_string(&latency).unwrap_or_default())
    }
}
