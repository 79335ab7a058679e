//! Times as the API has them, and how far apart they are.

use time::format_description::well_known::Rfc3339;
use time::{Duration, UtcDateTime};

/// The time by this machine's clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the command reads the clock"
)]
pub fn now() -> UtcDateTime {
    UtcDateTime::now()
}

/// A time in RFC 3339, of any offset from UTC; none when it is nothing of the kind.
pub fn parse(text: &str) -> Option<UtcDateTime> {
    UtcDateTime::parse(text, &Rfc3339).ok()
}

/// RFC 3339 in UTC, to the millisecond.
pub fn to_text(time: UtcDateTime) -> String {
    let (hour, minute, second, milli) = time.time().as_hms_milli();
    format!(
        "{}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z",
        time.date()
    )
}

/// A duration on the command line: a whole number and its unit, `s`, `m`, `h` or `d`.
///
/// # Errors
/// What it looks like; clap adds the value and the option.
pub fn parse_span(text: &str) -> Result<Duration, &'static str> {
    let parsed = || {
        let (unit_at, unit) = text.char_indices().last()?;
        let seconds: u32 = match unit {
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => 24 * 60 * 60,
            _ => return None,
        };
        // In 32 bits, so that any is a time before now.
        let number: u32 = text[..unit_at].parse().ok()?;
        number.checked_mul(seconds).filter(|seconds| *seconds > 0)
    };
    let seconds = parsed().ok_or("must be a whole number and s, m, h or d, as in 24h")?;
    Ok(Duration::seconds(seconds.into()))
}

/// An offset for people, as [`span`] has it: `+41 ms`, `-1.2 s`.
pub fn offset(duration: Duration) -> String {
    let sign = if duration.is_negative() { '-' } else { '+' };
    format!("{sign}{}", span(duration))
}

/// How long something is for people, in its two largest units and cut off there: `41 ms`, `1.2 s`, `5 m 3 s`, `2 h`,
/// `3 d 4 h`.
pub fn span(duration: Duration) -> String {
    let millis = duration.whole_milliseconds().unsigned_abs();
    let seconds = millis / 1_000;
    match seconds {
        0 => format!("{millis} ms"),
        1..60 => match millis % 1_000 / 100 {
            0 => format!("{seconds} s"),
            tenths => format!("{seconds}.{tenths} s"),
        },
        60..3_600 => two_units(seconds / 60, "m", seconds % 60, "s"),
        3_600..86_400 => two_units(seconds / 3_600, "h", seconds / 60 % 60, "m"),
        _ => two_units(seconds / 86_400, "d", seconds / 3_600 % 24, "h"),
    }
}

fn two_units(large: u128, large_unit: &str, small: u128, small_unit: &str) -> String {
    match small {
        0 => format!("{large} {large_unit}"),
        _ => format!("{large} {large_unit} {small} {small_unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_have_their_two_largest_units() {
        let cases = [
            (0, "+0 ms"),
            (41, "+41 ms"),
            (999, "+999 ms"),
            (1_000, "+1 s"),
            (1_299, "+1.2 s"),
            (59_999, "+59.9 s"),
            (60_000, "+1 m"),
            (303_000, "+5 m 3 s"),
            (3_599_999, "+59 m 59 s"),
            (7_200_000, "+2 h"),
            (86_399_999, "+23 h 59 m"),
            (273_600_000, "+3 d 4 h"),
            (-3, "-3 ms"),
            (-1_500, "-1.5 s"),
        ];
        for (millis, expected) in cases {
            assert_eq!(offset(Duration::milliseconds(millis)), expected);
        }
    }

    #[test]
    fn spans_are_a_number_and_a_unit() {
        for (text, seconds) in [
            ("90s", 90),
            ("30m", 1_800),
            ("24h", 86_400),
            ("7d", 604_800),
        ] {
            assert_eq!(parse_span(text), Ok(Duration::seconds(seconds)));
        }
        for text in [
            "", "h", "24", "24 h", "1.5h", "-1h", "0d", "1w", "1é", "100000d",
        ] {
            assert!(parse_span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_read_at_any_offset_and_written_in_utc() {
        let time = parse("2026-11-23T09:00:00.1239+01:00").unwrap();
        assert_eq!(to_text(time), "2026-11-23T08:00:00.123Z");
        assert_eq!(parse("yesterday"), None);
    }
}
