//! Which lines are written.

use std::fmt;
use std::str::FromStr;

use pillarbox_domain::TraceId;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Filter};

/// The field in which a line tells of which trace it is.
const TRACE_ID: &str = "trace.id";

/// The field in which a line tells how its record ended.
const OUTCOME: &str = "outcome";

/// How a record ends that went as it should. A line with any other outcome is always written.
const SUCCESSES: [&str; 7] = [
    "accepted",
    "done",
    "duplicate",
    "handed_over",
    "recovered",
    "repeat",
    "skipped",
];

/// The share of traces whose lines are written, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleRate(f64);

/// The text is not a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a number from 0 to 1")]
pub struct InvalidSampleRate;

impl SampleRate {
    /// Whether this trace is among them. Every function decides alike, so that an event's lines are written or left out
    /// together.
    ///
    /// The last seven bytes decide: W3C Trace Context has them random where anything is
    /// (<https://www.w3.org/TR/trace-context-2/#randomness-of-trace-id>). Before them a UUIDv7 has its version, its
    /// variant and its time.
    fn keeps(self, trace_id: TraceId) -> bool {
        let [.., a, b, c, d, e, f, g] = *trace_id.as_bytes();
        let place = u64::from_be_bytes([0, a, b, c, d, e, f, g]) >> (56 - f64::MANTISSA_DIGITS);
        // As many bits as a double holds exactly, so that 1.0 keeps them all.
        (place as f64) < self.0 * 2_f64.powi(f64::MANTISSA_DIGITS.cast_signed())
    }
}

impl FromStr for SampleRate {
    type Err = InvalidSampleRate;

    fn from_str(text: &str) -> Result<Self, InvalidSampleRate> {
        match text.parse() {
            Ok(rate) if (0.0..=1.0).contains(&rate) => Ok(Self(rate)),
            _ => Err(InvalidSampleRate),
        }
    }
}

/// Lines from a level on; of those that tell that a record went well, the ones of sampled traces.
pub(super) struct Sampled {
    pub(super) level: LevelFilter,
    pub(super) rate: SampleRate,
}

impl<S: Subscriber> Filter<S> for Sampled {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        *metadata.level() <= self.level
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        if *event.metadata().level() < tracing::Level::INFO {
            return true;
        }
        let mut told = Told::default();
        event.record(&mut told);
        match told.trace_id {
            Some(trace_id) if told.went_well => self.rate.keeps(trace_id),
            _ => true,
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }
}

/// What a line tells of its record.
struct Told {
    trace_id: Option<TraceId>,
    went_well: bool,
}

/// A line that tells no outcome tells of nothing that went wrong.
impl Default for Told {
    fn default() -> Self {
        Self {
            trace_id: None,
            went_well: true,
        }
    }
}

impl Visit for Told {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            TRACE_ID => self.trace_id = value.parse().ok(),
            OUTCOME => self.went_well = SUCCESSES.contains(&value),
            _ => {}
        }
    }

    /// What a line shows with `%` comes here.
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if [TRACE_ID, OUTCOME].contains(&field.name()) {
            self.record_str(field, &format!("{value:?}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> SampleRate {
        text.parse().unwrap()
    }

    #[test]
    fn a_share_is_from_0_to_1() {
        for text in ["0", "1", "0.25", "1e-3", "1.0"] {
            assert!(text.parse::<SampleRate>().is_ok(), "{text}");
        }
        for text in ["", "-0.1", "1.01", "NaN", "inf", "half", "50%"] {
            assert_eq!(text.parse::<SampleRate>(), Err(InvalidSampleRate), "{text}");
        }
    }

    #[test]
    fn all_or_none_of_the_traces_are_kept_at_the_ends() {
        for trace in [
            "00000000000000000000000000000001",
            "0af7651916cd43dd8400000000000000",
            "ffffffffffffffffffffffffffffffff",
        ] {
            let trace: TraceId = trace.parse().unwrap();
            assert!(rate("1").keeps(trace), "{trace}");
            assert!(!rate("0").keeps(trace), "{trace}");
        }
    }

    #[test]
    fn the_share_holds_for_ids_of_events_too_and_a_larger_one_keeps_what_a_smaller_does() {
        use crate::clock::SystemClock;
        use pillarbox_domain::Clock;

        // A clock of its own for each: those of one clock and one millisecond follow one another.
        let ids = (0..4_000).map(|_| TraceId::from(SystemClock::default().next_id()));
        let ids: Vec<TraceId> = ids.collect();
        let kept = |text: &str| ids.iter().filter(|id| rate(text).keeps(**id)).count();
        // Six standard deviations.
        assert!((810..=1_190).contains(&kept("0.25")), "{}", kept("0.25"));
        assert!((2_810..=3_190).contains(&kept("0.75")), "{}", kept("0.75"));
        for id in ids.iter().filter(|id| rate("0.25").keeps(**id)) {
            assert!(rate("0.75").keeps(*id), "{id}");
        }
    }
}
