//! The six fields of `cron(…)`, as far as they tell whether they are any and how often they come round.
//!
//! Written after <https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html>. It takes what it is not
//! sure of: whoever keeps the schedule refuses the rest.

use std::collections::BTreeSet;

const MINUTES_OF_HOUR: u16 = 60;
const HOURS_OF_DAY: u16 = 24;
const FIELDS: usize = 6;
const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// A field: what it is called, which values it has, and what they are called.
struct Field {
    name: &'static str,
    first: u16,
    last: u16,
    names: &'static [&'static str],
}

const MINUTES: Field = Field::of("minutes", 0, 59, &[]);
const HOURS: Field = Field::of("hours", 0, 23, &[]);
const DAY_OF_MONTH: Field = Field::of("day of month", 1, 31, &[]);
const MONTH: Field = Field::of("month", 1, 12, &MONTHS);
const DAY_OF_WEEK: Field = Field::of("day of week", 1, 7, &WEEKDAYS);
const YEAR: Field = Field::of("year", 1970, 2199, &[]);

/// What is wrong with the fields, as words that follow the expression's name.
type Fault = String;

/// When in a day it comes round, on days that it does.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cron {
    minutes: BTreeSet<u16>,
    hours: BTreeSet<u16>,
}

impl Cron {
    /// Reads what is between the parentheses.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let count = fields.len();
        let Ok([minutes, hours, day, month, weekday, year]) = <[&str; FIELDS]>::try_from(fields)
        else {
            return Err(format!(
                "must have {FIELDS} fields (minutes hours day-of-month month day-of-week year), and has {count}"
            ));
        };
        if (day == "?") == (weekday == "?") {
            return Err(
                "must have ? for the day of month or for the day of week, and not for both"
                    .to_owned(),
            );
        }
        let cron = Self {
            minutes: MINUTES.values(minutes)?,
            hours: HOURS.values(hours)?,
        };
        DAY_OF_MONTH.check_days(day, is_special_day)?;
        MONTH.values(month)?;
        DAY_OF_WEEK.check_days(weekday, is_special_weekday)?;
        YEAR.values(year)?;
        Ok(cron)
    }

    /// The fewest minutes between one time and the next.
    pub(super) fn shortest_gap_minutes(&self) -> u16 {
        let next = self.minutes.iter().skip(1);
        let within = self.minutes.iter().zip(next).map(|(one, next)| next - one);
        let over = self.gap_over_the_hour();
        within.chain(over).min().unwrap_or(MINUTES_OF_HOUR)
    }

    /// From the last time of an hour to the first of the next, where both hours are meant.
    fn gap_over_the_hour(&self) -> Option<u16> {
        let follows = |hour: &u16| self.hours.contains(&((hour + 1) % HOURS_OF_DAY));
        let (first, last) = (self.minutes.first()?, self.minutes.last()?);
        let gap = MINUTES_OF_HOUR - last + first;
        self.hours.iter().any(follows).then_some(gap)
    }
}

impl Field {
    const fn of(name: &'static str, first: u16, last: u16, names: &'static [&'static str]) -> Self {
        Self {
            name,
            first,
            last,
            names,
        }
    }

    /// Every value that the field means.
    fn values(&self, text: &str) -> Result<BTreeSet<u16>, Fault> {
        let mut values = BTreeSet::new();
        for part in text.split(',') {
            values.extend(self.part(part).ok_or_else(|| self.fault(part))?);
        }
        Ok(values)
    }

    /// Checks a field of days, of which some parts mean other days every month.
    fn check_days(&self, text: &str, is_special: fn(&Self, &str) -> bool) -> Result<(), Fault> {
        let is_good = |part: &str| is_special(self, part) || self.part(part).is_some();
        let bad = match text {
            "?" => None,
            _ => text.split(',').find(|part| !is_good(part)),
        };
        bad.map_or(Ok(()), |part| Err(self.fault(part)))
    }

    /// `*`, `5`, `MON`, `5-9`, and any of them with `/2`.
    fn part(&self, text: &str) -> Option<Vec<u16>> {
        let (base, step) = match text.split_once('/') {
            Some((base, step)) => (base, Some(number(step).filter(|step| *step > 0)?)),
            None => (text, None),
        };
        let values = match base.split_once('-') {
            _ if base == "*" => self.between(self.first, self.last),
            Some((from, to)) => self.between(self.value(from)?, self.value(to)?),
            // With a step it goes on to the end.
            None => {
                let from = self.value(base)?;
                self.between(from, step.map_or(from, |_| self.last))
            }
        };
        Some(
            values
                .into_iter()
                .step_by(step.unwrap_or(1).into())
                .collect(),
        )
    }

    /// From one value to another, round the end when the other is smaller.
    fn between(&self, from: u16, to: u16) -> Vec<u16> {
        match from <= to {
            true => (from..=to).collect(),
            false => (from..=self.last).chain(self.first..=to).collect(),
        }
    }

    fn value(&self, text: &str) -> Option<u16> {
        let named = |name: &&str| name.eq_ignore_ascii_case(text);
        let by_name = self.names.iter().position(named);
        let by_name = by_name.and_then(|place| u16::try_from(place).ok());
        let value = by_name.map(|place| self.first + place);
        let value = value.or_else(|| number(text))?;
        (self.first..=self.last).contains(&value).then_some(value)
    }

    fn fault(&self, part: &str) -> Fault {
        let Self {
            name, first, last, ..
        } = self;
        format!("has '{part}' for its {name}, which is {first} to {last}")
    }
}

/// Digits and nothing else: a sign is none of cron's.
fn number(text: &str) -> Option<u16> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits.then(|| text.parse().ok())?
}

/// `L`, `LW`, `15W`: the last day, the last weekday, the weekday nearest to a day.
fn is_special_day(field: &Field, part: &str) -> bool {
    let nearest = part.strip_suffix('W').and_then(|day| field.value(day));
    matches!(part, "L" | "LW") || nearest.is_some()
}

/// `L`, `6L`, `2#3`: Saturday, the month's last of a weekday, its third of one.
fn is_special_weekday(field: &Field, part: &str) -> bool {
    let last = part.strip_suffix('L').and_then(|day| field.value(day));
    let nth = part.split_once('#').and_then(|(day, nth)| {
        let nth = number(nth).filter(|nth| (1..=5).contains(nth))?;
        field.value(day).map(|_| nth)
    });
    part == "L" || last.is_some() || nth.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_aws_documents_is_read() {
        let examples = [
            "0 3 * * ? *",
            "15 10 ? * 6L 2022-2023",
            "0/5 8-17 ? * MON-FRI *",
            "0 9 LW * ? *",
            "0 9 15W * ? *",
            "0 9 L * ? *",
            "0 9 ? * TUE#2 *",
            "0 9 ? * L *",
            "0 18 ? * mon-fri *",
            "0-15/5 8-8 ? * 2,3,4,5,6,7 *",
            "0 0 1/10,2,3/8 * ? *",
            "*/15 22-2 ? JAN,JUL FRI-MON 2026,2027",
            "0/60  *  *  *  ?  *",
        ];
        for example in examples {
            assert!(Cron::parse(example).is_ok(), "{example}");
        }
    }

    #[test]
    fn what_is_none_is_told_by_its_field() {
        let cases = [
            ("", "6 fields"),
            ("0 3 * * *", "and has 5"),
            ("0 3 * * * *", "day of week"),
            ("0 3 ? * ? *", "not for both"),
            ("60 3 * * ? *", "minutes, which is 0 to 59"),
            ("? 3 * * ? *", "minutes"),
            ("0 24 * * ? *", "hours"),
            ("0 +3 * * ? *", "hours"),
            ("0 3 0 * ? *", "day of month"),
            ("0 3 32W * ? *", "day of month"),
            ("0 3 * 13 ? *", "month"),
            ("0 3 * MAI ? *", "month"),
            ("0 3 ? * 0 *", "day of week"),
            ("0 3 ? * 2#6 *", "day of week"),
            ("0 3 * * ? 1969", "year"),
            ("0/0 3 * * ? *", "minutes"),
            ("0,,5 3 * * ? *", "minutes"),
            ("0- 3 * * ? *", "minutes"),
            ("99999999 3 * * ? *", "minutes"),
        ];
        for (text, words) in cases {
            let fault = Cron::parse(text).unwrap_err();
            assert!(fault.contains(words), "{text}: {fault}");
        }
    }

    #[test]
    fn the_shortest_gap_is_within_an_hour_or_over_its_end() {
        let cases = [
            ("* * * * ? *", 1),
            ("0/5 * * * ? *", 5),
            ("*/7 * * * ? *", 4),
            ("*/7 3 * * ? *", 7),
            ("0,58 * * * ? *", 2),
            ("0,58 3 * * ? *", 58),
            ("0,58 23,0 * * ? *", 2),
            ("0,58 3,5 * * ? *", 58),
            ("10,11 3 * * ? *", 1),
            ("30 * * * ? *", 60),
            ("0 3 * * ? *", 60),
        ];
        for (text, gap) in cases {
            assert_eq!(
                Cron::parse(text).unwrap().shortest_gap_minutes(),
                gap,
                "{text}"
            );
        }
    }
}
