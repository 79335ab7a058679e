//! What a pass over closed hours came to: as its caller is told, and in the log.

use std::time::Instant;

use pillarbox_domain::ErrorChain;
use pillarbox_domain::archive::layout;
use pillarbox_domain::seal::{Left, Pass, Unsealed};
use pillarbox_domain::sweep::MAX_TOLD;
use serde::Serialize;

/// Counts of one pass, see [`Pass`].
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    sealed: usize,
    resealed: usize,
    events: u64,
    bytes: u64,
    dispatched: u64,
    unreadable: usize,
    waiting: u64,
    lag_hours: f64,
    is_held: bool,
    left: Vec<LeftHour>,
}

/// An hour that could not be sealed.
#[derive(Debug, Serialize)]
struct LeftHour {
    hour: String,
    why: String,
}

impl Summary {
    pub(crate) fn of(pass: &Pass) -> Self {
        Self {
            sealed: pass.sealed.len(),
            resealed: pass.resealed.len(),
            events: pass.events,
            bytes: pass.bytes,
            dispatched: pass.dispatched,
            unreadable: pass.unreadable.len(),
            waiting: pass.waiting,
            lag_hours: hundredths(pass.lag.as_secs_f64() / 3_600.0),
            is_held: pass.is_held,
            left: pass.left.iter().map(LeftHour::of).collect(),
        }
    }
}

impl LeftHour {
    fn of(left: &Left) -> Self {
        Self {
            hour: layout::hour_text(left.hour),
            why: ErrorChain(&left.why).to_string(),
        }
    }
}

/// One wide line of the pass, and one of each hour that was left and of each event that is in no archive, up to a number
/// of them.
pub(crate) fn tell(pass: &Pass, summary: &Summary, started: Instant) {
    for left in &pass.left {
        tell_left(left);
    }
    for event in pass.unreadable.iter().take(MAX_TOLD) {
        tracing::error!(
            tenant.id = %event.tenant, event.id = %event.event_id, "event.not_archived"
        );
    }
    let fault = pass.fault.as_ref();
    tracing::info!(
        sealed = summary.sealed,
        resealed = summary.resealed,
        events = summary.events,
        bytes = summary.bytes,
        dispatched = summary.dispatched,
        unreadable = summary.unreadable,
        waiting = summary.waiting,
        lag_hours = summary.lag_hours,
        left = summary.left.len(),
        is_held = summary.is_held,
        error = fault.map(|fault| ErrorChain(fault).to_string()),
        duration_ms = started.elapsed().as_secs_f64() * 1_000.0,
        "hours.sealed"
    );
}

fn tell_left(left: &Left) {
    let hour = layout::hour_text(left.hour);
    let why = ErrorChain(&left.why);
    match left.why {
        // The next pass goes on; when none gets there, the lag tells.
        Unsealed::OutOfTime | Unsealed::Raced | Unsealed::Contended { .. } => {
            tracing::warn!(hour, error = %why, "hour.left");
        }
        Unsealed::Unproven { .. } | Unsealed::Store(_) => {
            tracing::error!(hour, error = %why, "hour.not_sealed");
        }
    }
}

fn hundredths(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}
