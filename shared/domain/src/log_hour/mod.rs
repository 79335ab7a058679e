//! Where an event stands in the order of its tenant's log: by its id, hour by hour.

mod ids;

pub use ids::{IdRange, Order, Position};

use ids::{END_OF_IDS, unix_millis};
use time::{Date, Time, UtcDateTime};

use crate::event_id::EventId;

const HOUR_MILLIS: u64 = 60 * 60 * 1_000;
const DAY_HOURS: u32 = 24;

/// An hour of the log, UTC. With a shard it is the unit in which a log is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogHour(u32);

/// A day of the log, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogDay(u32);

/// Hours from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HourRange {
    /// The earliest.
    pub first: LogHour,
    /// The latest.
    pub last: LogHour,
}

impl LogHour {
    /// The hour of the calendar's end. Ids may lie beyond it; they stand in this one.
    const LAST: Self = Self(70_389_527);

    /// The hour that an event stands in.
    pub fn of(event_id: EventId) -> Self {
        Self::of_millis(event_id.unix_millis())
    }

    /// The hour at this time; the first there is for a time before 1970.
    pub fn at(time: UtcDateTime) -> Self {
        Self::of_millis(unix_millis(time))
    }

    fn of_millis(millis: u64) -> Self {
        u32::try_from(millis / HOUR_MILLIS).map_or(Self::LAST, |hour| Self(hour).min(Self::LAST))
    }

    /// Its first second.
    pub fn start(self) -> UtcDateTime {
        let seconds = i64::from(self.0) * 60 * 60;
        UtcDateTime::from_unix_timestamp(seconds).unwrap_or(UtcDateTime::MAX)
    }

    /// The first second after it.
    pub fn end(self) -> UtcDateTime {
        self.start().saturating_add(time::Duration::HOUR)
    }

    /// The hour before it; none before the first there is.
    pub fn previous(self) -> Option<Self> {
        self.0.checked_sub(1).map(Self)
    }

    /// Its day.
    pub fn day(self) -> LogDay {
        LogDay(self.0 / DAY_HOURS)
    }

    /// Which hour of its day it is, 0 to 23.
    pub fn of_day(self) -> u8 {
        u8::try_from(self.0 % DAY_HOURS).unwrap_or_default()
    }

    /// The hour after it; the last one has none but itself.
    pub fn next(self) -> Self {
        Self(self.0 + 1).min(Self::LAST)
    }

    /// The ids of the events that stand in it.
    pub fn ids(self) -> IdRange {
        let first = u64::from(self.0) * HOUR_MILLIS;
        let end = match self {
            Self::LAST => END_OF_IDS,
            _ => first + HOUR_MILLIS,
        };
        IdRange::of_millis(first, end)
    }
}

impl LogDay {
    /// The day of this date, if the log can have it.
    pub fn of(date: Date) -> Option<Self> {
        let midnight = UtcDateTime::new(date, Time::MIDNIGHT);
        let is_in_log = midnight >= UtcDateTime::UNIX_EPOCH;
        is_in_log.then(|| LogHour::at(midnight).day())
    }

    /// Its date.
    pub fn date(self) -> Date {
        self.first_hour().start().date()
    }

    /// An hour of it, 0 to 23.
    pub fn hour(self, of_day: u8) -> Option<LogHour> {
        let hour = LogHour(self.0 * DAY_HOURS + u32::from(of_day));
        (u32::from(of_day) < DAY_HOURS).then_some(hour)
    }

    /// The hour that begins at midnight.
    pub fn first_hour(self) -> LogHour {
        LogHour(self.0 * DAY_HOURS)
    }

    /// The hour before the next midnight.
    pub fn last_hour(self) -> LogHour {
        LogHour(self.0 * DAY_HOURS + DAY_HOURS - 1)
    }
}

impl HourRange {
    /// The hours in which these ids stand.
    pub fn of(ids: IdRange) -> Self {
        Self {
            first: ids.first().hour(),
            last: ids.last().hour(),
        }
    }

    /// Whether it has this hour.
    pub fn contains(&self, hour: LogHour) -> bool {
        (self.first..=self.last).contains(&hour)
    }

    /// The hours that both have.
    pub fn intersection(self, other: Self) -> Option<Self> {
        let (first, last) = (self.first.max(other.first), self.last.min(other.last));
        (first <= last).then_some(Self { first, last })
    }

    /// The hours of every day that comes after `day` in this order.
    pub fn beyond(self, day: LogDay, order: Order) -> Option<Self> {
        let (first, last) = match order {
            Order::Newest => (self.first, LogHour(day.first_hour().0.checked_sub(1)?)),
            Order::Oldest => (LogHour(day.last_hour().0 + 1), self.last),
        };
        self.intersection(Self { first, last })
    }

    /// Each of them, the earliest first.
    pub fn iter(self) -> impl Iterator<Item = LogHour> {
        (self.first.0..=self.last.0).map(LogHour)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::{date, utc_datetime};

    fn id(text: &str) -> EventId {
        text.parse().unwrap()
    }

    #[test]
    fn an_hour_has_the_ids_of_its_time_and_no_others() {
        let event_id = id("017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
        let hour = LogHour::of(event_id);
        assert_eq!(hour.start(), utc_datetime!(2022-02-22 19:00));
        assert_eq!(hour, LogHour::at(utc_datetime!(2022-02-22 19:59:59.999)));
        let position = Position::of(event_id);
        assert!((hour.ids().first()..=hour.ids().last()).contains(&position));
        let next = hour.next();
        assert_eq!((next.start(), next.previous()), (hour.end(), Some(hour)));
        assert_eq!(
            IdRange::ALL
                .beyond(hour.ids().last(), Order::Oldest)
                .unwrap()
                .first(),
            next.ids().first()
        );
        assert_eq!(HourRange::of(hour.ids()).iter().collect::<Vec<_>>(), [hour]);
    }

    #[test]
    fn ids_beyond_the_calendar_stand_in_its_last_hour() {
        let last = LogHour::of(id("ffffffff-ffff-7fff-bfff-ffffffffffff"));
        assert_eq!(last, LogHour::at(UtcDateTime::MAX));
        assert_eq!(last.start(), utc_datetime!(9999-12-31 23:00));
        assert_eq!(last.ids().last(), IdRange::ALL.last());
        assert_eq!(HourRange::of(IdRange::ALL).last, last);
        assert_eq!(last.next(), last);
        assert_eq!(HourRange::of(IdRange::ALL).first.previous(), None);
        assert_eq!(
            HourRange::of(IdRange::ALL).beyond(last.day(), Order::Oldest),
            None
        );
    }

    #[test]
    fn days_have_hours_and_hours_have_days() {
        let hour = LogHour::at(utc_datetime!(2026-11-23 23:30));
        assert_eq!(
            (hour.day().date(), hour.of_day()),
            (date!(2026 - 11 - 23), 23)
        );
        assert_eq!(LogDay::of(date!(2026 - 11 - 23)), Some(hour.day()));
        assert_eq!(hour.day().hour(23), Some(hour));
        assert_eq!(hour.day().hour(24), None);
        assert_eq!(LogDay::of(date!(1969 - 12 - 31)), None);
    }
}
