//! Slices of the log's time.

use std::iter::successors;

use time::{Duration, UtcDateTime};

use crate::log_hour::{IdRange, LogHour};
use crate::receipt::{BUCKET_SECONDS, Bucket};

/// How long a slice is, unless so little was handed over that it may be longer.
const LENGTH: Duration = Duration::minutes(5);

const HOUR: Duration = Duration::hours(1);

/// A part of one hour of the log, of every tenant. It begins and ends with a bucket of receipts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slice {
    from: UtcDateTime,
    to: UtcDateTime,
}

impl Slice {
    /// The slice between two times, if that is one.
    pub fn between(from: UtcDateTime, to: UtcDateTime) -> Option<Self> {
        let are_bounds = aligned(from) == from && aligned(to) == to;
        let is_in_an_hour = from < to && to <= hour_end(from);
        (are_bounds && is_in_an_hour).then_some(Self { from, to })
    }

    /// The slice that begins here, before `end`: [`LENGTH`], or longer for as long as `may_be` holds. None when
    /// nothing lies between. What would be left for another look and is shorter is taken in.
    pub(super) fn next(
        from: UtcDateTime,
        end: UtcDateTime,
        may_be: impl Fn(Self) -> bool,
    ) -> Option<Self> {
        let end = end.min(hour_end(from));
        let mut slice = Self::between(from, step(from, end))?;
        while slice.to < end {
            let wider = Self {
                to: step(slice.to, end),
                ..slice
            };
            if !may_be(wider) {
                break;
            }
            slice = wider;
        }
        Some(slice)
    }

    /// Its first instant.
    pub fn from(&self) -> UtcDateTime {
        self.from
    }

    /// The first instant that is not in it.
    pub fn to(&self) -> UtcDateTime {
        self.to
    }

    /// The hour that it is in.
    pub fn hour(&self) -> LogHour {
        LogHour::at(self.from)
    }

    /// The ids of its events.
    pub fn ids(&self) -> Option<IdRange> {
        IdRange::of_times(Some(self.from), Some(self.to))
    }

    /// The buckets in which its receipts are.
    pub fn buckets(&self) -> impl Iterator<Item = Bucket> {
        buckets(self.from, self.to)
    }
}

/// The buckets from one time to before another.
pub(super) fn buckets(from: UtcDateTime, to: UtcDateTime) -> impl Iterator<Item = Bucket> {
    successors(Some(Bucket::at(from)), |bucket| Some(bucket.next()))
        .take_while(move |bucket| bucket.start() < to)
}

/// The beginning of the bucket that a time lies in.
pub(super) fn aligned(time: UtcDateTime) -> UtcDateTime {
    Bucket::at(time).start()
}

fn step(from: UtcDateTime, end: UtcDateTime) -> UtcDateTime {
    match end - from < LENGTH * 2 {
        true => end,
        false => from + LENGTH,
    }
}

/// The first instant of the next hour.
fn hour_end(time: UtcDateTime) -> UtcDateTime {
    const { assert!(HOUR.whole_seconds() % BUCKET_SECONDS == 0) };
    LogHour::at(time).start().saturating_add(HOUR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::utc_datetime;

    const NOON: UtcDateTime = utc_datetime!(2026-11-23 12:00);

    fn at(minutes: i64, seconds: i64) -> UtcDateTime {
        NOON + Duration::minutes(minutes) + Duration::seconds(seconds)
    }

    #[test]
    fn a_slice_begins_and_ends_with_a_bucket_of_one_hour() {
        assert!(Slice::between(NOON, at(60, 0)).is_some());
        for (from, to) in [
            (NOON, NOON),
            (at(1, 0), NOON),
            (NOON, at(60, 10)),
            (at(0, 5), at(1, 0)),
            (NOON, at(0, 11)),
        ] {
            assert_eq!(Slice::between(from, to), None, "{from} {to}");
        }
        let slice = Slice::between(at(59, 40), at(60, 0)).unwrap();
        assert_eq!(slice.buckets().count(), 2);
        assert_eq!(slice.hour(), LogHour::at(NOON));
    }

    #[test]
    fn slices_follow_one_another_and_leave_no_rest_that_is_shorter() {
        let mut from = at(57, 0);
        let mut ends = Vec::new();
        while let Some(slice) = Slice::next(from, at(75, 20), |_| false) {
            from = slice.to();
            ends.push(from);
        }
        assert_eq!(ends, [at(60, 0), at(65, 0), at(70, 0), at(75, 20)]);
        assert_eq!(Slice::next(NOON, NOON, |_| true), None);
        assert_eq!(Slice::next(at(1, 0), NOON, |_| true), None);
    }

    #[test]
    fn where_little_was_handed_over_one_slice_is_up_to_an_hour() {
        let whole = Slice::next(NOON, at(300, 0), |_| true).unwrap();
        assert_eq!((whole.from(), whole.to()), (NOON, at(60, 0)));
        let is_short = |slice: Slice| slice.to() - slice.from() <= Duration::minutes(15);
        let some = Slice::next(at(2, 0), at(300, 0), is_short).unwrap();
        assert_eq!(some.to(), at(17, 0));
    }
}
