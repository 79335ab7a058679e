//! When a schedule calls: `cron(…)` or `rate(…)`, as EventBridge Scheduler has them.

use std::fmt;
use std::str::FromStr;

use super::cron::Cron;
use crate::limits::{MAX_EXPRESSION_BYTES, MIN_SCHEDULE_INTERVAL_MINUTES};

/// The times of a schedule that comes again and again.
///
/// What is checked here is how it is written and how often it comes. Whether there ever is such a time, and the finer
/// points, are for whoever keeps the schedule to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression(String);

/// Why a text tells no times of a schedule. Words that follow its name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidExpression {
    /// It is neither of the two forms.
    #[error("must be cron(…) or rate(…), as in cron(0 3 * * ? *) or rate(6 hours)")]
    Form,
    /// It has more bytes than anybody takes.
    #[error("must be {MAX_EXPRESSION_BYTES} bytes at most, and has {0}")]
    TooLong(usize),
    /// What is in `cron(…)` is not what has to be.
    #[error("{0}")]
    Cron(String),
    /// What is in `rate(…)` is not what has to be.
    #[error("must be a whole number of minutes, hours or days, as in rate(6 hours)")]
    Rate,
    /// It comes too often.
    #[error(
        "must leave {MIN_SCHEDULE_INTERVAL_MINUTES} minutes at least from one time to the next, and leaves {0}"
    )]
    TooOften(u64),
}

impl Expression {
    /// The expression as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Expression {
    type Err = InvalidExpression;

    fn from_str(text: &str) -> Result<Self, InvalidExpression> {
        if text.len() > MAX_EXPRESSION_BYTES {
            return Err(InvalidExpression::TooLong(text.len()));
        }
        let gap = match within(text) {
            Some(("cron", fields)) => {
                let cron = Cron::parse(fields).map_err(InvalidExpression::Cron)?;
                cron.shortest_gap_minutes().into()
            }
            Some(("rate", rate)) => minutes_of(rate).ok_or(InvalidExpression::Rate)?,
            _ => return Err(InvalidExpression::Form),
        };
        match gap {
            MIN_SCHEDULE_INTERVAL_MINUTES.. => Ok(Self(text.to_owned())),
            _ => Err(InvalidExpression::TooOften(gap)),
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name, and what is between the parentheses.
fn within(text: &str) -> Option<(&str, &str)> {
    text.strip_suffix(')')?.split_once('(')
}

/// `5 minutes`, in minutes.
fn minutes_of(rate: &str) -> Option<u64> {
    let (value, unit) = rate.split_once(' ')?;
    let is_digits = value.bytes().all(|byte| byte.is_ascii_digit());
    let value: u64 = is_digits.then(|| value.parse().ok())??;
    let minutes = match unit {
        "minute" | "minutes" => 1,
        "hour" | "hours" => 60,
        "day" | "days" => 24 * 60,
        _ => return None,
    };
    value.checked_mul(minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_taken_as_they_are_given() {
        for good in [
            "cron(0 3 * * ? *)",
            "cron(0/5 * * * ? *)",
            "rate(5 minutes)",
            "rate(1 hour)",
            "rate(1 days)",
            "rate(30 days)",
        ] {
            assert_eq!(good.parse::<Expression>().unwrap().as_str(), good);
        }
    }

    #[test]
    fn what_is_neither_is_told() {
        for bad in [
            "",
            "0 3 * * ? *",
            "at(2026-11-24T03:00:00)",
            "Cron(0 3 * * ? *)",
            " cron(0 3 * * ? *)",
            "cron(0 3 * * ? *",
            "rate",
        ] {
            assert_eq!(
                bad.parse::<Expression>(),
                Err(InvalidExpression::Form),
                "{bad}"
            );
        }
        for bad in [
            "rate()",
            "rate(5)",
            "rate(minutes)",
            "rate(-5 minutes)",
            "rate(5.5 hours)",
            "rate(5 weeks)",
            "rate( 5 minutes)",
            "rate(99999999999999999999 days)",
            "rate(18446744073709551615 days)",
        ] {
            assert_eq!(
                bad.parse::<Expression>(),
                Err(InvalidExpression::Rate),
                "{bad}"
            );
        }
        let long = format!("cron({} 3 * * ? *)", "1,".repeat(200));
        assert!(matches!(
            long.parse::<Expression>(),
            Err(InvalidExpression::TooLong(_))
        ));
    }

    #[test]
    fn what_comes_too_often_is_refused() {
        for (bad, gap) in [
            ("rate(4 minutes)", 4),
            ("rate(0 days)", 0),
            ("cron(* * * * ? *)", 1),
            ("cron(0/4 3 * * ? *)", 4),
            ("cron(0,58 * ? * MON *)", 2),
        ] {
            let refused = bad.parse::<Expression>();
            assert_eq!(refused, Err(InvalidExpression::TooOften(gap)), "{bad}");
        }
    }
}
