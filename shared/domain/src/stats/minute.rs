//! Minutes of event time.

use std::iter::successors;

use time::{Duration, UtcDateTime};

use crate::event_id::EventId;
use crate::log_hour::LogHour;
use crate::receipt::{BUCKET_SECONDS, Bucket};

const SECONDS: i64 = 60;
const MINUTES_OF_AN_HOUR: i64 = 60;

/// A minute of event time: what one rollup tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Minute(i64);

/// Minutes from one to another, both included. It is never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinuteRange {
    first: Minute,
    last: Minute,
}

impl Minute {
    /// The minute at this time.
    pub fn at(time: UtcDateTime) -> Self {
        Self(time.unix_timestamp().div_euclid(SECONDS))
    }

    /// The minute that this event was accepted in.
    pub fn of(event_id: EventId) -> Self {
        Self::at(event_id.accepted_at())
    }

    /// The minute of an hour with this number, from 0 to 59.
    pub fn of_hour(hour: LogHour, number: u8) -> Option<Self> {
        let first = Self::at(hour.start());
        let number = i64::from(number);
        (number < MINUTES_OF_AN_HOUR).then_some(Self(first.0 + number))
    }

    /// The one after it.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The one before it.
    pub fn previous(self) -> Self {
        Self(self.0 - 1)
    }

    /// Its first instant.
    pub fn start(self) -> UtcDateTime {
        UtcDateTime::from_unix_timestamp(self.0 * SECONDS).unwrap_or(UtcDateTime::MAX)
    }

    /// The first instant after it.
    pub fn end(self) -> UtcDateTime {
        self.next().start()
    }

    /// The hour that it is in.
    pub fn hour(self) -> LogHour {
        LogHour::at(self.start())
    }

    /// Which of its hour's it is, from 0 to 59.
    pub fn number(self) -> u8 {
        u8::try_from(self.0.rem_euclid(MINUTES_OF_AN_HOUR)).unwrap_or_default()
    }

    /// In which step since 1970 it lies, when one has so many minutes.
    pub(super) fn step(self, minutes: u32) -> i64 {
        self.0.div_euclid(i64::from(minutes.max(1)))
    }

    /// When a step since 1970 begins.
    pub(super) fn step_start(step: i64, minutes: u32) -> UtcDateTime {
        Self(step.saturating_mul(minutes.into())).start()
    }

    /// The buckets in which its receipts are.
    pub fn buckets(self) -> impl Iterator<Item = Bucket> {
        const { assert!(SECONDS % BUCKET_SECONDS == 0) };
        let end = self.end();
        successors(Some(Bucket::at(self.start())), |bucket| Some(bucket.next()))
            .take_while(move |bucket| bucket.start() < end)
    }
}

impl MinuteRange {
    /// From one to another; none when the last comes before the first.
    pub fn of(first: Minute, last: Minute) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// The minutes of which some instant is at `from` or later, and before `to`.
    pub(super) fn touching(from: UtcDateTime, to: UtcDateTime) -> Option<Self> {
        let last = to.saturating_sub(Duration::NANOSECOND);
        (from < to).then(|| Self {
            first: Minute::at(from),
            last: Minute::at(last),
        })
    }

    /// Its first.
    pub fn first(&self) -> Minute {
        self.first
    }

    /// Its last.
    pub fn last(&self) -> Minute {
        self.last
    }

    /// Whether this one is in it.
    pub fn contains(&self, minute: Minute) -> bool {
        (self.first..=self.last).contains(&minute)
    }

    /// All of them, in order.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = Minute> {
        (self.first.0..=self.last.0).map(Minute)
    }

    /// The same minutes in ranges of one hour each, in order.
    pub fn by_hour(self) -> impl DoubleEndedIterator<Item = Self> {
        let hour = |minute: Minute| minute.0.div_euclid(MINUTES_OF_AN_HOUR);
        (hour(self.first)..=hour(self.last)).map(move |hour| {
            let begin = Minute(hour * MINUTES_OF_AN_HOUR);
            let end = Minute(begin.0 + MINUTES_OF_AN_HOUR - 1);
            Self {
                first: self.first.max(begin),
                last: self.last.min(end),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::utc_datetime;

    const NOON: UtcDateTime = utc_datetime!(2026-11-23 12:00);

    #[test]
    fn a_minute_has_six_buckets_and_knows_its_hour() {
        let minute = Minute::at(NOON + Duration::seconds(119));
        let buckets: Vec<_> = minute.buckets().map(Bucket::start).collect();
        assert_eq!(buckets.len(), 6);
        assert_eq!((buckets[0], minute.number()), (minute.start(), 1));
        assert_eq!(buckets[5] + Duration::seconds(10), minute.end());
        assert_eq!(Minute::of_hour(minute.hour(), 1), Some(minute));
        assert_eq!(Minute::of_hour(minute.hour(), 60), None);
    }

    #[test]
    fn minutes_that_a_window_touches_are_split_by_hours() {
        let (from, to) = (NOON - Duration::seconds(61), NOON + Duration::seconds(60));
        let range = MinuteRange::touching(from, to).unwrap();
        let hours: Vec<_> = range.by_hour().map(|it| it.iter().count()).collect();
        assert_eq!(hours, [2, 1]);
        assert_eq!(range.last(), Minute::at(NOON));
        assert_eq!(MinuteRange::touching(NOON, NOON), None);
        assert_eq!(MinuteRange::touching(to, from), None);
    }
}
