//! What several functions measure in the same way.

use pillarbox_domain::EventId;
use pillarbox_domain::receipt::HandedOver;
use time::UtcDateTime;

use super::Metrics;
use super::catalogue::{
    DELIVERIES_SENT, DISPATCH_LATENCY, EVENTS_DISPATCHED, EVENTS_UNROUTED, SUBSCRIPTIONS_SUSPENDED,
};

impl Metrics {
    /// An event that was handed over by now.
    pub fn handed_over(&self, event: &HandedOver, now: UtcDateTime) {
        let event_type = Some(event.event_type.as_str());
        let untaken = event.retrying + event.dead_lettered;
        let sent = event.subscriptions.len().saturating_sub(untaken);
        let is_unrouted = event.subscriptions.is_empty() && event.withheld.is_empty();
        self.add(&EVENTS_DISPATCHED, event_type, 1);
        self.add(&EVENTS_UNROUTED, event_type, usize::from(is_unrouted));
        self.add(&DELIVERIES_SENT, event_type, sent);
        let latency_ms = millis_since(event.event_id, now);
        self.record(&DISPATCH_LATENCY, event_type, latency_ms);
    }

    /// So many subscriptions were suspended.
    pub fn suspended(&self, subscriptions: usize) {
        self.add(&SUBSCRIPTIONS_SUSPENDED, (), subscriptions);
    }
}

/// How long ago an event was accepted: none where two clocks differ so far that it is yet to be.
pub fn millis_since(event_id: EventId, now: UtcDateTime) -> f64 {
    let now_ms = now.unix_timestamp_nanos() / 1_000_000;
    let since = now_ms - i128::from(event_id.unix_millis());
    // No age comes near 2^53 ms.
    since.max(0) as f64
}
