//! What callers say of a schedule, checked member by member.

use std::fmt::Display;
use std::str::FromStr;

use serde_json::{Map, Value};
use time::UtcDateTime;

use super::{Schedule, ScheduledWork, Timezone, WorkKind};
use crate::job::JobSpec;
use crate::job::members::Members;
use crate::query_parameters::told;
use crate::subscription::request::FieldFault;

const MEMBERS: [&str; 5] = ["name", "expression", "timezone", "replay", "redrive"];

/// The schedule that a body asks for, with an example of the job that each of its times makes.
///
/// # Errors
/// Every member at fault.
pub fn read(
    body: &Value,
    queue_prefix: &str,
    now: UtcDateTime,
) -> Result<(Schedule, JobSpec), Vec<FieldFault>> {
    let mut faults = vec![];
    let mut members = Members::of_body(body, &MEMBERS, &mut faults);
    let name = required(&mut members, "name");
    let expression = required(&mut members, "expression");
    let timezone = match members.has("timezone") {
        true => members.text("timezone", |text| text.parse().map_err(told)),
        false => Some(Timezone::default()),
    };
    let given = |kind: WorkKind| body.get(kind.member());
    let work = one_of(
        given(WorkKind::Replay),
        given(WorkKind::Redrive),
        &mut faults,
    );
    let work = work
        .and_then(|(kind, body)| ScheduledWork::check(kind, body, queue_prefix, now, &mut faults));
    match (name, expression, timezone, work, faults.is_empty()) {
        (Some(name), Some(expression), Some(timezone), Some((work, spec)), true) => {
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

fn required<T: FromStr<Err: Display>>(members: &mut Members<'_, '_>, name: &str) -> Option<T> {
    if !members.has(name) {
        members.fault(name, "is missing");
    }
    members.text(name, |text| text.parse().map_err(told))
}

/// The one of the two that is given; one that is null is not.
pub(super) fn one_of<'a>(
    replay: Option<&'a Value>,
    redrive: Option<&'a Value>,
    faults: &mut Vec<FieldFault>,
) -> Option<(WorkKind, &'a Map<String, Value>)> {
    let given = |value: &&Value| !value.is_null();
    let (kind, body, detail) = match (replay.filter(given), redrive.filter(given)) {
        (Some(body), None) => (WorkKind::Replay, body.as_object(), "must be an object"),
        (None, Some(body)) => (WorkKind::Redrive, body.as_object(), "must be an object"),
        (None, None) => (WorkKind::Replay, None, "is missing: give it, or redrive"),
        (Some(_), Some(_)) => {
            let detail = "and redrive are two jobs: give one of them, and make two schedules";
            (WorkKind::Replay, None, detail)
        }
    };
    if body.is_none() {
        faults.push(FieldFault::new(kind.member(), detail));
    }
    Some((kind, body?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use time::macros::utc_datetime;

    fn read(body: &Value) -> Result<Schedule, Vec<String>> {
        let read = super::read(body, "pb-sub-", utc_datetime!(2026-11-24 12:00));
        let fields = |faults: Vec<FieldFault>| faults.into_iter().map(|fault| fault.field);
        read.map(|(schedule, _)| schedule)
            .map_err(|faults| fields(faults).collect())
    }

    fn body() -> Value {
        json!({
            "name": "nightly",
            "expression": "cron(0 3 * * ? *)",
            "redrive": { "filter": { "range": "yesterday" } },
        })
    }

    fn with(member: &str, value: Value) -> Value {
        let mut body = body();
        body[member] = value;
        body
    }

    #[test]
    fn a_schedule_is_in_utc_unless_somebody_says_otherwise() {
        for body in [body(), with("timezone", Value::Null)] {
            let schedule = read(&body).unwrap();
            assert_eq!(schedule.timezone, Timezone::default());
            assert_eq!(schedule.work.kind(), WorkKind::Redrive);
        }
        let schedule = read(&with("timezone", json!("Europe/Vienna"))).unwrap();
        assert_eq!(schedule.timezone.name(), "Europe/Vienna");
    }

    #[test]
    fn every_member_at_fault_is_told_at_once() {
        let body = json!({
            "name": "Nightly",
            "expression": "rate(1 minute)",
            "timezone": "Vienna",
            "enabled": true,
            "replay": { "filter": { "range": "today" }, "dry_run": true },
        });
        let expected = [
            "enabled",
            "name",
            "expression",
            "timezone",
            "replay.dry_run",
            "replay.target",
            "replay.filter.range",
        ];
        assert_eq!(read(&body).unwrap_err(), expected);
        let nothing = ["name", "expression", "replay"];
        assert_eq!(read(&json!({})).unwrap_err(), nothing);
        let numbers = json!({ "name": 1, "expression": 2, "timezone": 3, "redrive": 4 });
        let all = ["name", "expression", "timezone", "redrive"];
        assert_eq!(read(&numbers).unwrap_err(), all);
    }

    #[test]
    fn a_schedule_asks_for_one_job() {
        assert_eq!(read(&with("replay", json!({}))).unwrap_err(), ["replay"]);
        assert_eq!(read(&with("redrive", Value::Null)).unwrap_err(), ["replay"]);
        assert!(read(&with("replay", Value::Null)).is_ok());
    }
}
