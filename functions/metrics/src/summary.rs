//! What a call came to: as its caller is told, as metrics, and as its line in the log.

use std::time::Instant;

use pillarbox_domain::gauges::{Backlog, Counted, Totals, age};
use pillarbox_domain::stats::Rolled;
use pillarbox_runtime::metrics::Metrics;
use pillarbox_runtime::metrics::catalogue::{
    DEAD_LETTERS_OPEN, DELIVERIES_RETRYING, OLDEST_DEAD_LETTER_AGE, OLDEST_PENDING_AGE,
    OUTBOX_PENDING, SUSPENDED_SUBSCRIPTIONS,
};
use serde::Serialize;
use time::UtcDateTime;

/// The figures that could be read; what could not is nothing, and no zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Figures {
    pub(crate) outbox_pending: Option<u64>,
    pub(crate) oldest_pending_age_seconds: Option<u64>,
    pub(crate) deliveries_retrying: Option<u64>,
    pub(crate) dead_letters_open: Option<u64>,
    pub(crate) oldest_dead_letter_age_seconds: Option<u64>,
    pub(crate) suspended_subscriptions: Option<u64>,
    /// Whether a figure is the least, since a bound was met.
    pub(crate) is_at_least: bool,
}

/// What the caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Summary {
    #[serde(flatten)]
    pub(crate) figures: Figures,
    pub(crate) minutes_rolled: usize,
    pub(crate) minutes_rolled_again: usize,
}

impl Summary {
    pub(crate) fn of(figures: Figures, rolled: &Rolled) -> Self {
        Self {
            figures,
            minutes_rolled: rolled.minutes,
            minutes_rolled_again: rolled.again,
        }
    }
}

impl Figures {
    pub(crate) fn take_backlog(&mut self, backlog: &Backlog, now: UtcDateTime) {
        self.outbox_pending = self.counted(backlog.pending);
        self.oldest_pending_age_seconds = Some(age(backlog.oldest, now).as_secs());
    }

    pub(crate) fn take_retrying(&mut self, retrying: Counted) {
        self.deliveries_retrying = self.counted(retrying);
    }

    pub(crate) fn take_totals(&mut self, totals: &Totals, now: UtcDateTime) {
        self.dead_letters_open = self.counted(totals.dead_letters);
        let oldest = age(totals.oldest_dead_letter, now);
        self.oldest_dead_letter_age_seconds = Some(oldest.as_secs());
        self.suspended_subscriptions = self.counted(totals.suspended);
    }

    fn counted(&mut self, counted: Counted) -> Option<u64> {
        self.is_at_least |= counted.is_at_least;
        Some(counted.count)
    }

    /// The one place that writes them. A zero is told, too: an alarm that gets nothing does not know that all is well.
    pub(crate) fn tell(&self, metrics: &Metrics, started: Instant) {
        let gauges = [
            (&OUTBOX_PENDING, self.outbox_pending),
            (&OLDEST_PENDING_AGE, self.oldest_pending_age_seconds),
            (&DELIVERIES_RETRYING, self.deliveries_retrying),
            (&DEAD_LETTERS_OPEN, self.dead_letters_open),
            (&OLDEST_DEAD_LETTER_AGE, self.oldest_dead_letter_age_seconds),
            (&SUSPENDED_SUBSCRIPTIONS, self.suspended_subscriptions),
        ];
        for (gauge, figure) in gauges {
            if let Some(figure) = figure {
                metrics.record(gauge, (), number(figure));
            }
        }
        tracing::info!(
            outbox_pending = self.outbox_pending,
            oldest_pending_age_seconds = self.oldest_pending_age_seconds,
            deliveries_retrying = self.deliveries_retrying,
            dead_letters_open = self.dead_letters_open,
            oldest_dead_letter_age_seconds = self.oldest_dead_letter_age_seconds,
            suspended_subscriptions = self.suspended_subscriptions,
            is_at_least = self.is_at_least,
            duration_ms = started.elapsed().as_secs_f64() * 1_000.0,
            "gauges.read"
        );
    }
}

/// No figure comes near 2^53, from where on whole numbers are rounded.
fn number(figure: u64) -> f64 {
    figure as f64
}
