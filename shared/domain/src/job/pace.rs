//! How fast a job may be, all its workers together.
//!
//! Time is given away ahead: each page gets a begin, and the next page of any worker begins no earlier than that
//! page's events take at the job's speed. Whoever comes late has lost what passed: it does not add up. So in any
//! span of time no more is sent than the speed allows in it, and one page.

use std::time::Duration;

use time::UtcDateTime;

use super::JobSpec;

/// Events of a page at the most.
pub const MAX_PAGE_EVENTS: usize = 500;

/// Seconds of a job's speed that a page may have: a slow job goes in small steps.
const PAGE_SECONDS: f64 = 1.0;

/// The part of its speed with which a job begins that has a ramp.
const RAMP_START: f64 = 0.1;

/// The longest that one page may keep the next waiting, whatever the speed: a day.
const MAX_COST: Duration = Duration::from_secs(24 * 60 * 60);

/// Events a second that a job may send now: it comes up to its speed evenly, from a tenth of it, where it has a ramp.
/// `None` when nothing holds it back.
pub fn speed(spec: &JobSpec, started_at: Option<UtcDateTime>, now: UtcDateTime) -> Option<f64> {
    let whole = f64::from(spec.max_events_per_second?.max(1));
    let Some(ramp) = spec.ramp.filter(|ramp| !ramp.is_zero()) else {
        return Some(whole);
    };
    let since = (now - started_at.unwrap_or(now)).as_seconds_f64();
    let risen = (since / ramp.as_secs_f64()).clamp(0.0, 1.0);
    Some(whole * (RAMP_START + (1.0 - RAMP_START) * risen))
}

/// Events of a page at this speed: what a second brings, one at the least.
pub fn page_events(speed: Option<f64>) -> usize {
    match speed {
        None => MAX_PAGE_EVENTS,
        Some(speed) => ((speed * PAGE_SECONDS) as usize).clamp(1, MAX_PAGE_EVENTS),
    }
}

/// When the events of a page may be sent, and from when on those of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// How long to wait from now.
    pub wait: Duration,
    /// When the next turn begins at the earliest. It is kept with the job.
    pub free_at: UtcDateTime,
}

impl Turn {
    /// The turn of so many events, when the one before left this time behind.
    pub fn take(free_at: Option<UtcDateTime>, now: UtcDateTime, events: u32, speed: f64) -> Self {
        let begin = free_at.map_or(now, |free_at| free_at.max(now));
        let cost = f64::from(events) / speed;
        let cost = Duration::try_from_secs_f64(cost).unwrap_or(MAX_COST);
        let cost = time::Duration::try_from(cost.min(MAX_COST)).unwrap_or_default();
        Self {
            wait: Duration::try_from(begin - now).unwrap_or_default(),
            free_at: begin.saturating_add(cost),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{ReplayFilter, Target, Work};
    use crate::log_hour::IdRange;
    use proptest::prelude::*;
    use time::macros::utc_datetime;

    const START: UtcDateTime = utc_datetime!(2026-11-23 12:00);

    fn spec(speed: Option<u32>, ramp: Option<u64>) -> JobSpec {
        JobSpec {
            work: Work::Replay {
                filter: ReplayFilter::default(),
                target: Target::All,
            },
            range: IdRange::ALL,
            max_events_per_second: speed,
            ramp: ramp.map(Duration::from_secs),
            dry_run: false,
            schedule: None,
        }
    }

    #[test]
    fn a_job_with_a_ramp_comes_up_to_its_speed_evenly() {
        let spec = spec(Some(200), Some(60));
        for (seconds, expected) in [
            (-5, 20.0),
            (0, 20.0),
            (30, 110.0),
            (60, 200.0),
            (600, 200.0),
        ] {
            let now = START + time::Duration::seconds(seconds);
            let found = super::speed(&spec, Some(START), now).unwrap();
            assert!((found - expected).abs() < 1e-6, "{seconds}: {found}");
        }
        assert_eq!(super::speed(&spec, None, START), Some(20.0));
    }

    #[test]
    fn pages_have_what_a_second_brings() {
        let without = spec(None, Some(60));
        assert_eq!(
            page_events(super::speed(&without, None, START)),
            MAX_PAGE_EVENTS
        );
        for (speed, events) in [(0.1, 1), (1.0, 1), (20.5, 20), (1e9, MAX_PAGE_EVENTS)] {
            assert_eq!(page_events(Some(speed)), events, "{speed}");
        }
    }

    #[test]
    fn what_is_not_taken_does_not_add_up() {
        let first = Turn::take(None, START, 10, 10.0);
        assert_eq!(
            (first.wait, first.free_at),
            (Duration::ZERO, START + time::Duration::SECOND)
        );
        let soon = START + time::Duration::milliseconds(400);
        let second = Turn::take(Some(first.free_at), soon, 10, 10.0);
        assert_eq!(second.wait, Duration::from_millis(600));
        let late = START + time::Duration::HOUR;
        let third = Turn::take(Some(second.free_at), late, 10, 10.0);
        assert_eq!(
            (third.wait, third.free_at),
            (Duration::ZERO, late + time::Duration::SECOND)
        );
    }

    #[test]
    fn a_speed_that_is_none_is_no_panic() {
        for speed in [0.0, -1.0, f64::NAN, f64::MIN_POSITIVE] {
            let turn = Turn::take(None, START, 1, speed);
            assert!(turn.free_at >= START, "{speed}");
            Turn::take(Some(UtcDateTime::MAX), START, 1, speed);
        }
    }

    proptest! {
        /// Any number of workers, each of which takes a turn, waits for it and sends its page, at any times.
        #[test]
        fn workers_never_send_more_than_the_speed_allows_and_a_page(
            speed in 1_u32..2_000,
            pauses in prop::collection::vec((0_usize..8, 0_u64..700, 1_u32..500), 1..200),
        ) {
            let most = u32::try_from(page_events(Some(speed.into()))).unwrap();
            let mut workers = [START; 8];
            let mut free_at = None;
            let mut sent: Vec<(UtcDateTime, u32)> = vec![];
            for (worker, idle_ms, events) in pauses {
                let now = workers[worker] + time::Duration::milliseconds(idle_ms.cast_signed());
                let turn = Turn::take(free_at, now, events.min(most), speed.into());
                free_at = Some(turn.free_at);
                workers[worker] = now + time::Duration::try_from(turn.wait).unwrap();
                sent.push((workers[worker], events.min(most)));
            }
            sent.sort();
            for (place, (from, _)) in sent.iter().enumerate() {
                let mut within = 0;
                for (at, events) in &sent[place..] {
                    within += events;
                    let allowed = (*at - *from).as_seconds_f64() * f64::from(speed) + f64::from(most);
                    prop_assert!(f64::from(within) <= allowed + 1e-3, "{within} > {allowed}");
                }
            }
        }
    }
}
