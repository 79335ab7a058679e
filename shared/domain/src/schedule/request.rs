//! What callers say of a schedule, checked field by field.

use std::fmt::Display;
use std::str::FromStr;

use serde_json::{Map, Value};
use time::UtcDateTime;

use super::{Schedule, ScheduledWork, Timezone, WorkKind};
use crate::job::JobSpec;
use crate::subscription::request::FieldFault;

/// What a caller says of a schedule, as they wrote it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScheduleRequest {
    /// Its name.
    pub name: String,
    /// Its times.
    pub expression: String,
    /// Where those are the clock's.
    pub timezone: Option<String>,
    /// The replay that it asks for.
    pub replay: Option<Map<String, Value>>,
    /// The redrive that it asks for.
    pub redrive: Option<Map<String, Value>>,
}

impl ScheduleRequest {
    /// The schedule that is to be made, with an example of the job that each of its times makes.
    ///
    /// # Errors
    /// Every field at fault.
    pub fn read(
        self,
        queue_prefix: &str,
        now: UtcDateTime,
    ) -> Result<(Schedule, JobSpec), Vec<FieldFault>> {
        let mut faults = vec![];
        let name = parsed("name", &self.name, &mut faults);
        let expression = parsed("expression", &self.expression, &mut faults);
        let timezone = timezone(self.timezone.as_deref(), &mut faults);
        let work = one_of(self.replay, self.redrive, &mut faults);
        let work = work.and_then(|(kind, body)| {
            ScheduledWork::check(kind, body, queue_prefix, now, &mut faults)
        });
        match (name, expression, timezone, work) {
            (Some(name), Some(expression), Some(timezone), Some((work, spec))) => {
                let schedule = Schedule {
                    name,
                    expression,
                    timezone,
                    work,
                };
                Ok((schedule, spec))
            }
            _ => Err(faults),
        }
    }
}

/// UTC, if nobody says otherwise.
pub(super) fn timezone(text: Option<&str>, faults: &mut Vec<FieldFault>) -> Option<Timezone> {
    match text {
        Some(text) => parsed("timezone", text, faults),
        None => Some(Timezone::default()),
    }
}

/// The one of the two that is given.
pub(super) fn one_of(
    replay: Option<Map<String, Value>>,
    redrive: Option<Map<String, Value>>,
    faults: &mut Vec<FieldFault>,
) -> Option<(WorkKind, Map<String, Value>)> {
    let detail = match (replay, redrive) {
        (Some(body), None) => return Some((WorkKind::Replay, body)),
        (None, Some(body)) => return Some((WorkKind::Redrive, body)),
        (None, None) => "is missing: give it, or redrive",
        (Some(_), Some(_)) => "and redrive are two jobs: give one of them, and make two schedules",
    };
    faults.push(FieldFault::new(WorkKind::Replay.member(), detail));
    None
}

pub(super) fn parsed<T: FromStr<Err: Display>>(
    name: &str,
    text: &str,
    faults: &mut Vec<FieldFault>,
) -> Option<T> {
    let told = |error| faults.push(FieldFault::new(name, error));
    text.parse().map_err(told).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use time::macros::utc_datetime;

    fn read(request: ScheduleRequest) -> Result<Schedule, Vec<FieldFault>> {
        let read = request.read("pb-sub-", utc_datetime!(2026-11-24 12:00));
        read.map(|(schedule, _)| schedule)
    }

    fn object(value: Value) -> Option<Map<String, Value>> {
        value.as_object().cloned()
    }

    fn request() -> ScheduleRequest {
        ScheduleRequest {
            name: "nightly".to_owned(),
            expression: "cron(0 3 * * ? *)".to_owned(),
            redrive: object(json!({ "filter": { "range": "yesterday" } })),
            ..ScheduleRequest::default()
        }
    }

    fn fields(request: ScheduleRequest) -> Vec<String> {
        let faults = read(request).unwrap_err().into_iter();
        faults.map(|fault| fault.field).collect()
    }

    #[test]
    fn a_schedule_is_in_utc_unless_somebody_says_otherwise() {
        let schedule = read(request()).unwrap();
        assert_eq!(schedule.timezone, Timezone::default());
        assert_eq!(schedule.work.kind(), WorkKind::Redrive);
        let request = ScheduleRequest {
            timezone: Some("Europe/Vienna".to_owned()),
            ..request()
        };
        assert_eq!(read(request).unwrap().timezone.name(), "Europe/Vienna");
    }

    #[test]
    fn every_field_at_fault_is_told_at_once() {
        let request = ScheduleRequest {
            name: "Nightly".to_owned(),
            expression: "rate(1 minute)".to_owned(),
            timezone: Some("Vienna".to_owned()),
            replay: object(json!({ "filter": { "range": "today" }, "dry_run": true })),
            redrive: None,
        };
        let expected = [
            "name",
            "expression",
            "timezone",
            "replay.dry_run",
            "replay.target",
            "replay.filter.range",
        ];
        assert_eq!(fields(request), expected);
    }

    #[test]
    fn a_schedule_asks_for_one_job() {
        let both = ScheduleRequest {
            replay: object(json!({})),
            ..request()
        };
        assert_eq!(fields(both), ["replay"]);
        let neither = ScheduleRequest {
            redrive: None,
            ..request()
        };
        assert_eq!(fields(neither), ["replay"]);
    }
}
