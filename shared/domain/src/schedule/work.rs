//! What each time of a schedule asks for: the body of a replay or redrive, with a range in the place of its times.

use serde_json::{Map, Value};
use time::{Duration, UtcDateTime};

use super::{RelativeRange, Timezone};
use crate::job::{JobSpec, request};
use crate::shown_time::ShownTime;
use crate::subscription::request::FieldFault;

const FILTER: &str = "filter";
const RANGE: &str = "range";
const FROM: &str = "from";
const TO: &str = "to";
const CORRELATION_ID: &str = "correlation_id";
const DRY_RUN: &str = "dry_run";

/// A range that is as good as any other, to check the rest of a body.
const EXAMPLE: Duration = Duration::hours(1);

/// Which kind of job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkKind {
    /// Events of the log are sent again.
    Replay,
    /// Dead letters are.
    Redrive,
}

/// What each time of a schedule asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduledWork {
    kind: WorkKind,
    body: Map<String, Value>,
    range: Option<RelativeRange>,
}

impl WorkKind {
    /// The member of a schedule that says what is asked for.
    pub fn member(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Redrive => "redrive",
        }
    }

    /// The job that a body asks for now.
    fn spec(
        self,
        body: Map<String, Value>,
        queue_prefix: &str,
        now: UtcDateTime,
    ) -> Result<JobSpec, Vec<FieldFault>> {
        let body = Value::Object(body);
        match self {
            Self::Replay => request::replay(&body, queue_prefix, now),
            Self::Redrive => request::redrive(&body, now),
        }
    }
}

impl ScheduledWork {
    /// Reads what a caller asks for now; what is at fault is told by its place in the schedule. It is returned with an
    /// example of the job that it makes.
    pub(super) fn check(
        kind: WorkKind,
        body: &Map<String, Value>,
        queue_prefix: &str,
        now: UtcDateTime,
        faults: &mut Vec<FieldFault>,
    ) -> Option<(Self, JobSpec)> {
        let place = kind.member();
        let within =
            |fault: FieldFault| FieldFault::new(format!("{place}.{}", fault.field), fault.detail);
        for (path, detail) in foreign(body) {
            faults.push(FieldFault::new(format!("{place}.{path}"), detail));
        }
        let spec = kind.spec(example(body, now), queue_prefix, now);
        let spec = spec.map_err(|told| faults.extend(told.into_iter().map(within)));
        let work = Self::read(kind, body, faults);
        work.zip(spec.ok())
    }

    /// Reads what was checked before.
    pub(super) fn read(
        kind: WorkKind,
        body: &Map<String, Value>,
        faults: &mut Vec<FieldFault>,
    ) -> Option<Self> {
        let mut told = |detail: String| {
            let field = format!("{}.{FILTER}.{RANGE}", kind.member());
            faults.push(FieldFault::new(field, detail));
        };
        let range = match given(filter(body), RANGE) {
            None => None,
            Some(Value::String(text)) => {
                let range = text.parse::<RelativeRange>();
                Some(range.map_err(|error| told(error.to_string())).ok()?)
            }
            Some(_) => {
                told("must be a string".to_owned());
                return None;
            }
        };
        let is_bounded = range.is_some() || given(filter(body), CORRELATION_ID).is_some();
        // Of dead letters only open ones are sent again, so a redrive is never of the same ones twice.
        if kind == WorkKind::Replay && !is_bounded {
            told("is missing: give it, as in 'last 24h', or correlation_id".to_owned());
            return None;
        }
        let body = body.clone();
        Some(Self { kind, body, range })
    }

    /// Which kind of job it is.
    pub fn kind(&self) -> WorkKind {
        self.kind
    }

    /// The body as the caller gave it.
    pub fn body(&self) -> &Map<String, Value> {
        &self.body
    }

    /// The job of a call that is scheduled for this time: its set begins and ends where the range does, and ends at the
    /// scheduled time where there is no range. `None` beyond the calendar.
    pub(super) fn spec_at(
        &self,
        scheduled: UtcDateTime,
        timezone: &Timezone,
        queue_prefix: &str,
        now: UtcDateTime,
    ) -> Option<Result<JobSpec, Vec<FieldFault>>> {
        let (from, to) = match self.range {
            Some(range) => {
                let times = range.at(scheduled, timezone)?;
                (Some(times.from), times.to)
            }
            None => (None, scheduled),
        };
        let body = with_times(&self.body, from, to);
        Some(self.kind.spec(body, queue_prefix, now))
    }
}

/// A body that is about the same, at times that are good.
fn example(body: &Map<String, Value>, now: UtcDateTime) -> Map<String, Value> {
    let mut body = with_times(body, Some(now - EXAMPLE), now);
    body.remove(DRY_RUN);
    body
}

/// A body with these times in the place of its range. One whose filter is none stays as it is.
fn with_times(
    body: &Map<String, Value>,
    from: Option<UtcDateTime>,
    to: UtcDateTime,
) -> Map<String, Value> {
    let mut body = body.clone();
    let filter = body.entry(FILTER).or_insert(Value::Null);
    if filter.is_null() {
        *filter = Value::Object(Map::new());
    }
    if let Value::Object(filter) = filter {
        filter.remove(RANGE);
        filter.insert(FROM.to_owned(), from.map_or(Value::Null, shown));
        filter.insert(TO.to_owned(), shown(to));
    }
    body
}

/// Members that a job's body has, and a schedule's has not.
fn foreign(body: &Map<String, Value>) -> Vec<(String, &'static str)> {
    let mut foreign = vec![];
    if given(Some(body), DRY_RUN).is_some() {
        let detail = "is not for a schedule: ask for a dry run of the job itself";
        foreign.push((DRY_RUN.to_owned(), detail));
    }
    for name in [FROM, TO] {
        if given(filter(body), name).is_some() {
            let detail = "is told by range here: each time has its own";
            foreign.push((format!("{FILTER}.{name}"), detail));
        }
    }
    foreign
}

fn filter(body: &Map<String, Value>) -> Option<&Map<String, Value>> {
    body.get(FILTER)?.as_object()
}

/// A member; one that is null is not there.
fn given<'a>(members: Option<&'a Map<String, Value>>, name: &str) -> Option<&'a Value> {
    members?.get(name).filter(|value| !value.is_null())
}

/// No time here is beyond what can be told: it was read, or is now.
fn shown(time: UtcDateTime) -> Value {
    serde_json::to_value(ShownTime(time)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Target, Work};
    use crate::log_hour::IdRange;
    use serde_json::json;
    use time::macros::utc_datetime;

    const NOW: UtcDateTime = utc_datetime!(2026-11-24 12:00);
    const SCHEDULED: UtcDateTime = utc_datetime!(2026-11-24 3:00);

    fn check(kind: WorkKind, body: &Value) -> Result<ScheduledWork, Vec<String>> {
        let mut faults = vec![];
        let body = body.as_object().unwrap();
        let work = ScheduledWork::check(kind, body, "pb-sub-", NOW, &mut faults);
        let fields: Vec<_> = faults.into_iter().map(|fault| fault.field).collect();
        assert_eq!(work.is_some(), fields.is_empty());
        work.map(|(work, _)| work).ok_or(fields)
    }

    fn spec(work: &ScheduledWork) -> JobSpec {
        let spec = work.spec_at(SCHEDULED, &Timezone::default(), "pb-sub-", NOW);
        spec.unwrap().unwrap()
    }

    #[test]
    fn a_range_becomes_times_and_all_else_stays() {
        let body = json!({
            "filter": { "types": ["order.*"], "range": "last 24h" },
            "target": { "subscription": "orders" },
            "max_events_per_second": 500.0,
        });
        let work = check(WorkKind::Replay, &body).unwrap();
        assert_eq!(Value::from(work.body().clone()), body, "as it was given");
        let spec = spec(&work);
        let from = utc_datetime!(2026-11-23 3:00);
        assert_eq!(
            Some(spec.range),
            IdRange::of_times(Some(from), Some(SCHEDULED))
        );
        assert_eq!(spec.max_events_per_second, Some(500));
        let Work::Replay { filter, target } = spec.work else {
            panic!("{:?}", spec.work);
        };
        assert_eq!(filter.types, ["order.*".parse().unwrap()]);
        assert_eq!(target, Target::Subscription("orders".parse().unwrap()));
    }

    #[test]
    fn without_a_range_it_ends_at_the_scheduled_time() {
        let ended = IdRange::of_times(None, Some(SCHEDULED));
        for body in [
            json!({}),
            json!({ "filter": null }),
            json!({ "filter": { "range": null } }),
        ] {
            let work = check(WorkKind::Redrive, &body).unwrap();
            assert_eq!(Some(spec(&work).range), ended);
        }
        let body = json!({ "filter": { "correlation_id": "c-1" }, "target": { "all": true } });
        let work = check(WorkKind::Replay, &body).unwrap();
        assert_eq!(Some(spec(&work).range), ended);
    }

    #[test]
    fn everything_at_fault_is_told_by_its_place() {
        let cases = [
            (
                WorkKind::Replay,
                json!({ "target": { "all": true } }),
                vec!["replay.filter.range"],
            ),
            (
                WorkKind::Replay,
                json!({ "filter": [], "target": { "all": true } }),
                vec!["replay.filter", "replay.filter.range"],
            ),
            (
                WorkKind::Replay,
                json!({
                    "filter": {
                        "range": "today", "from": "2026-11-24T03:00:00Z", "to": 7, "types": [], "id": "1",
                    },
                    "target": { "queue_url": "https://sqs.test/1/other" },
                    "ramp_seconds": 60,
                    "dry_run": true,
                }),
                vec![
                    "replay.dry_run",
                    "replay.filter.from",
                    "replay.filter.to",
                    "replay.filter.id",
                    "replay.filter.types",
                    "replay.ramp_seconds",
                    "replay.target.queue_url",
                    "replay.filter.range",
                ],
            ),
            (
                WorkKind::Replay,
                json!({ "filter": { "range": 24 } }),
                vec!["replay.target", "replay.filter.range"],
            ),
            (
                WorkKind::Redrive,
                json!({ "target": { "all": true }, "filter": { "state": "REDRIVEN", "source": "/" } }),
                vec![
                    "redrive.target",
                    "redrive.filter.source",
                    "redrive.filter.state",
                ],
            ),
        ];
        for (kind, body, expected) in cases {
            assert_eq!(check(kind, &body).unwrap_err(), expected, "{body}");
        }
    }
}
