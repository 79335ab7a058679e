//! Where a schedule's times are those of the clock on the wall.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Span, Zoned};
use time::UtcDateTime;

/// A time zone of the IANA database, in that database's own spelling; UTC when nobody says anything.
///
/// The database is the one that comes with the program, so that the same call makes the same job wherever it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timezone(TimeZone);

/// A text names no time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a time zone of the IANA database, as in Europe/Vienna")]
pub struct InvalidTimezone;

impl Timezone {
    /// Its name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The day before the one that this time is in, from midnight to midnight. It has 23 or 25 hours where clocks are
    /// changed. None beyond the calendar.
    pub(super) fn day_before(&self, time: UtcDateTime) -> Option<(UtcDateTime, UtcDateTime)> {
        let today = self.zoned(time)?.start_of_day().ok()?;
        let yesterday = today.yesterday().ok()?.start_of_day().ok()?;
        Some((utc(&yesterday)?, utc(&today)?))
    }

    /// The hour of the clock before the one that this time is in.
    pub(super) fn hour_before(&self, time: UtcDateTime) -> Option<(UtcDateTime, UtcDateTime)> {
        let now = self.zoned(time)?;
        let into_hour = Span::new()
            .minutes(now.minute())
            .seconds(now.second())
            .nanoseconds(now.subsec_nanosecond());
        let end = now.checked_sub(into_hour).ok()?;
        let start = end.checked_sub(Span::new().hours(1)).ok()?;
        Some((utc(&start)?, utc(&end)?))
    }

    fn zoned(&self, time: UtcDateTime) -> Option<Zoned> {
        let timestamp = Timestamp::from_nanosecond(time.unix_timestamp_nanos());
        Some(timestamp.ok()?.to_zoned(self.0.clone()))
    }
}

fn utc(zoned: &Zoned) -> Option<UtcDateTime> {
    UtcDateTime::from_unix_timestamp_nanos(zoned.timestamp().as_nanosecond()).ok()
}

impl Default for Timezone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl FromStr for Timezone {
    type Err = InvalidTimezone;

    fn from_str(text: &str) -> Result<Self, InvalidTimezone> {
        let found = TimeZoneDatabase::bundled().get(text).ok();
        // It is found in whatever case, and AWS takes one spelling.
        let found = found.filter(|found| found.iana_name() == Some(text));
        found.map(Self).ok_or(InvalidTimezone)
    }
}

impl fmt::Display for Timezone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::utc_datetime;

    #[test]
    fn a_zone_is_known_by_its_own_spelling() {
        for name in ["UTC", "Europe/Vienna", "America/New_York", "Asia/Kolkata"] {
            assert_eq!(name.parse::<Timezone>().unwrap().name(), name);
        }
        assert_eq!("UTC".parse(), Ok(Timezone::default()));
        for bad in [
            "",
            "europe/vienna",
            "Vienna",
            "+01:00",
            "CET ",
            "../etc/passwd",
        ] {
            assert_eq!(bad.parse::<Timezone>(), Err(InvalidTimezone), "{bad}");
        }
    }

    #[test]
    fn a_day_is_one_of_the_zone_and_has_the_hours_that_it_has() {
        let vienna: Timezone = "Europe/Vienna".parse().unwrap();
        // 03:00 on the wall.
        let winter = vienna.day_before(utc_datetime!(2026-11-24 2:00)).unwrap();
        let expected = (
            utc_datetime!(2026-11-22 23:00),
            utc_datetime!(2026-11-23 23:00),
        );
        assert_eq!(winter, expected);
        // The day after the clocks went back, and the day after they went forward.
        let long = vienna.day_before(utc_datetime!(2026-10-26 2:00)).unwrap();
        assert_eq!(
            long,
            (
                utc_datetime!(2026-10-24 22:00),
                utc_datetime!(2026-10-25 23:00)
            )
        );
        let short = vienna.day_before(utc_datetime!(2026-03-30 2:00)).unwrap();
        assert_eq!(
            short,
            (
                utc_datetime!(2026-03-28 23:00),
                utc_datetime!(2026-03-29 22:00)
            )
        );
    }

    #[test]
    fn an_hour_is_one_of_the_zones_clock() {
        let time = utc_datetime!(2026-11-24 10:07:09.5);
        let hour = Timezone::default().hour_before(time).unwrap();
        assert_eq!(
            hour,
            (
                utc_datetime!(2026-11-24 9:00),
                utc_datetime!(2026-11-24 10:00)
            )
        );
        // 15:37 on the wall.
        let kolkata: Timezone = "Asia/Kolkata".parse().unwrap();
        let hour = kolkata.hour_before(time).unwrap();
        assert_eq!(
            hour,
            (
                utc_datetime!(2026-11-24 8:30),
                utc_datetime!(2026-11-24 9:30)
            )
        );
    }

    #[test]
    fn beyond_the_calendar_there_is_nothing() {
        let vienna: Timezone = "Europe/Vienna".parse().unwrap();
        for time in [UtcDateTime::MAX, UtcDateTime::MIN] {
            assert_eq!(vienna.day_before(time), None);
            assert_eq!(vienna.hour_before(time), None);
        }
    }
}
