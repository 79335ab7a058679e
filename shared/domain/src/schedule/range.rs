//! Times that are told from the time that a call is scheduled for: `last 24h`, `yesterday`, `previous hour`.

use std::fmt;
use std::str::FromStr;

use time::{Duration, UtcDateTime};

use super::Timezone;
use crate::limits::MAX_RELATIVE_RANGE_DAYS;

const YESTERDAY: &str = "yesterday";
const PREVIOUS_HOUR: &str = "previous hour";
const LAST: &str = "last ";

/// A stretch of time that ends at the scheduled time, or before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelativeRange {
    /// So long until the scheduled time. A day has 24 hours here.
    Last(Stretch),
    /// The hour of the clock before the one that the scheduled time is in.
    PreviousHour,
    /// The day before the one that the scheduled time is in, from midnight to midnight.
    Yesterday,
}

/// So many minutes, hours or days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    count: u32,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Minutes,
    Hours,
    Days,
}

/// From one time to before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// The first that is meant.
    pub from: UtcDateTime,
    /// The first that is not meant any more.
    pub to: UtcDateTime,
}

/// A text tells no such range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be 'last <n>m', 'last <n>h' or 'last <n>d' (up to {MAX_RELATIVE_RANGE_DAYS} days), 'previous hour' or 'yesterday'"
)]
pub struct InvalidRange;

impl RelativeRange {
    /// What it means for a call that is scheduled for this time; nothing beyond the calendar.
    pub fn at(self, scheduled: UtcDateTime, timezone: &Timezone) -> Option<Times> {
        let (from, to) = match self {
            Self::Last(stretch) => (scheduled.checked_sub(stretch.length())?, scheduled),
            Self::PreviousHour => timezone.hour_before(scheduled)?,
            Self::Yesterday => timezone.day_before(scheduled)?,
        };
        Some(Times { from, to })
    }
}

impl Stretch {
    fn parse(text: &str) -> Option<Self> {
        let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let unit = match unit {
            "m" => Unit::Minutes,
            "h" => Unit::Hours,
            "d" => Unit::Days,
            _ => return None,
        };
        let is_plain = count.bytes().all(|byte| byte.is_ascii_digit()) && !count.starts_with('0');
        let count = is_plain.then(|| count.parse().ok())??;
        let stretch = Self { count, unit };
        let max = Duration::days(MAX_RELATIVE_RANGE_DAYS.into());
        (stretch.length() <= max).then_some(stretch)
    }

    fn length(self) -> Duration {
        let count = i64::from(self.count);
        match self.unit {
            Unit::Minutes => Duration::minutes(count),
            Unit::Hours => Duration::hours(count),
            Unit::Days => Duration::days(count),
        }
    }
}

impl FromStr for RelativeRange {
    type Err = InvalidRange;

    fn from_str(text: &str) -> Result<Self, InvalidRange> {
        let stretch = || text.strip_prefix(LAST).and_then(Stretch::parse);
        match text {
            YESTERDAY => Ok(Self::Yesterday),
            PREVIOUS_HOUR => Ok(Self::PreviousHour),
            _ => stretch().map(Self::Last).ok_or(InvalidRange),
        }
    }
}

impl fmt::Display for RelativeRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Last(Stretch { count, unit }) => {
                let unit = match unit {
                    Unit::Minutes => 'm',
                    Unit::Hours => 'h',
                    Unit::Days => 'd',
                };
                write!(f, "{LAST}{count}{unit}")
            }
            Self::PreviousHour => f.write_str(PREVIOUS_HOUR),
            Self::Yesterday => f.write_str(YESTERDAY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::utc_datetime;

    fn times(range: &str, timezone: &str, scheduled: UtcDateTime) -> (UtcDateTime, UtcDateTime) {
        let range: RelativeRange = range.parse().unwrap();
        let times = range.at(scheduled, &timezone.parse().unwrap()).unwrap();
        (times.from, times.to)
    }

    #[test]
    fn a_range_is_told_from_the_scheduled_time() {
        let at = utc_datetime!(2026-11-24 3:00);
        let day = utc_datetime!(2026-11-23 3:00);
        assert_eq!(times("last 24h", "UTC", at), (day, at));
        assert_eq!(times("last 1d", "UTC", at), (day, at));
        assert_eq!(times("last 1440m", "Asia/Tokyo", at), (day, at));
        let hour = (utc_datetime!(2026-11-24 2:00), at);
        assert_eq!(times("previous hour", "UTC", at), hour);
        let yesterday = (
            utc_datetime!(2026-11-23 0:00),
            utc_datetime!(2026-11-24 0:00),
        );
        assert_eq!(times("yesterday", "UTC", at), yesterday);
        // Noon on the wall.
        let tokyo = (
            utc_datetime!(2026-11-22 15:00),
            utc_datetime!(2026-11-23 15:00),
        );
        assert_eq!(times("yesterday", "Asia/Tokyo", at), tokyo);
    }

    #[test]
    fn days_of_24_hours_do_not_follow_the_clock_on_the_wall() {
        let at = utc_datetime!(2026-10-26 2:00);
        let (from, to) = times("last 1d", "Europe/Vienna", at);
        assert_eq!(to - from, Duration::hours(24));
        let (from, to) = times("yesterday", "Europe/Vienna", at);
        assert_eq!(to - from, Duration::hours(25));
    }

    #[test]
    fn ranges_are_written_as_they_are_read() {
        for good in [
            "last 1m",
            "last 24h",
            "last 366d",
            "last 527040m",
            "previous hour",
            "yesterday",
        ] {
            assert_eq!(good.parse::<RelativeRange>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "last",
            "last ",
            "last h",
            "last 24",
            "last 0h",
            "last 01h",
            "last -1h",
            "last +1h",
            "last 24 h",
            "last 24H",
            "last 24ä",
            "last 1w",
            "last 367d",
            "last 527041m",
            "last 99999999999h",
            "Yesterday",
            "today",
        ] {
            assert_eq!(bad.parse::<RelativeRange>(), Err(InvalidRange), "{bad}");
        }
    }

    #[test]
    fn beyond_the_calendar_there_is_no_range() {
        let range: RelativeRange = "last 1d".parse().unwrap();
        assert_eq!(range.at(UtcDateTime::MIN, &Timezone::default()), None);
    }
}
