//! What each time of a schedule asks for: the body of a replay or redrive, with a range in the place of its times.

use serde_json::{Map, Value};
use time::UtcDateTime;
use time::format_description::well_known::Rfc3339;

use super::{RelativeRange, Timezone};
use crate::subscription::request::FieldFault;

const FILTER: &str = "filter";
const RANGE: &str = "range";
const FROM: &str = "from";
const TO: &str = "to";
const CORRELATION_ID: &str = "correlation_id";

/// Members of a body and of its filter, beside the range.
const REPLAY: [&str; 4] = [FILTER, "target", "max_events_per_second", "ramp_seconds"];
const REPLAY_FILTER: [&str; 3] = ["types", "source", CORRELATION_ID];
const REDRIVE: [&str; 3] = [FILTER, "max_events_per_second", "ramp_seconds"];
const REDRIVE_FILTER: [&str; 5] = ["types", "subscription", "error_class", "text", "state"];

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

    fn members(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::Replay => (&REPLAY, &REPLAY_FILTER),
            Self::Redrive => (&REDRIVE, &REDRIVE_FILTER),
        }
    }
}

impl ScheduledWork {
    /// Reads what a caller says; what is at fault is told by its place in the schedule. What the values are is for the
    /// parser of the job to say, which is asked for an example of [`ScheduledWork::body_at`].
    pub(super) fn read(
        kind: WorkKind,
        body: Map<String, Value>,
        faults: &mut Vec<FieldFault>,
    ) -> Option<Self> {
        let before = faults.len();
        let (members, filter_members) = kind.members();
        let place = kind.member();
        only(members, &body, place, faults);
        let range = match body.get(FILTER) {
            Some(Value::Object(filter)) => {
                let place = format!("{place}.{FILTER}");
                only(filter_members, filter, &place, faults);
                range(filter, &place, faults)
            }
            None => None,
            Some(_) => {
                faults.push(FieldFault::new(
                    format!("{place}.{FILTER}"),
                    "must be an object",
                ));
                return None;
            }
        };
        let work = Self { kind, body, range };
        if !work.is_bounded() && faults.len() == before {
            let field = format!("{place}.{FILTER}.{RANGE}");
            let detail = "is missing: give it, as in 'last 24h', or a correlation_id";
            faults.push(FieldFault::new(field, detail));
        }
        (faults.len() == before).then_some(work)
    }

    /// Which kind of job it is.
    pub fn kind(&self) -> WorkKind {
        self.kind
    }

    /// The body as the caller gave it.
    pub fn body(&self) -> &Map<String, Value> {
        &self.body
    }

    /// The body of the job that a call asks for which is scheduled for this time: it begins and ends where the range
    /// does, and ends at the scheduled time where there is none. Nothing beyond the calendar.
    pub fn body_at(
        &self,
        scheduled: UtcDateTime,
        timezone: &Timezone,
    ) -> Option<Map<String, Value>> {
        let (from, to) = match self.range {
            Some(range) => {
                let times = range.at(scheduled, timezone)?;
                (Some(times.from), times.to)
            }
            None => (None, scheduled),
        };
        let mut filter = match self.body.get(FILTER) {
            Some(Value::Object(filter)) => filter.clone(),
            _ => Map::new(),
        };
        filter.remove(RANGE);
        if let Some(from) = from {
            filter.insert(FROM.to_owned(), rfc3339(from)?);
        }
        filter.insert(TO.to_owned(), rfc3339(to)?);
        let mut body = self.body.clone();
        body.insert(FILTER.to_owned(), filter.into());
        Some(body)
    }

    /// Whether it is not about everything that there is: of dead letters, only open ones are sent again, so these are
    /// all that is left.
    fn is_bounded(&self) -> bool {
        let filter = self.body.get(FILTER);
        let is_of_one_operation = filter.is_some_and(|filter| filter.get(CORRELATION_ID).is_some());
        self.kind == WorkKind::Redrive || self.range.is_some() || is_of_one_operation
    }
}

fn range(
    filter: &Map<String, Value>,
    place: &str,
    faults: &mut Vec<FieldFault>,
) -> Option<RelativeRange> {
    let text = filter.get(RANGE)?.as_str().unwrap_or_default();
    let told = |error| faults.push(FieldFault::new(format!("{place}.{RANGE}"), error));
    text.parse().map_err(told).ok()
}

/// Tells every member that is none of these.
fn only(known: &[&str], body: &Map<String, Value>, place: &str, faults: &mut Vec<FieldFault>) {
    let is_filter = place.ends_with(FILTER);
    for name in body.keys() {
        let detail = match name.as_str() {
            RANGE if is_filter => continue,
            known_name if known.contains(&known_name) => continue,
            FROM | TO if is_filter => "is told by the range here: each time has its own",
            _ => "is not a member of this request",
        };
        faults.push(FieldFault::new(format!("{place}.{name}"), detail));
    }
}

fn rfc3339(time: UtcDateTime) -> Option<Value> {
    time.format(&Rfc3339).ok().map(Value::String)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use time::macros::utc_datetime;

    fn read(kind: WorkKind, body: Value) -> Result<ScheduledWork, Vec<String>> {
        let Value::Object(body) = body else {
            panic!("{body}")
        };
        let mut faults = vec![];
        let work = ScheduledWork::read(kind, body, &mut faults);
        let fields = faults.into_iter().map(|fault| fault.field);
        work.ok_or_else(|| fields.collect())
    }

    fn body_at(work: &ScheduledWork, scheduled: UtcDateTime) -> Value {
        work.body_at(scheduled, &Timezone::default())
            .unwrap()
            .into()
    }

    #[test]
    fn a_range_becomes_times_and_all_else_stays() {
        let body = json!({
            "filter": { "types": ["order.*"], "range": "last 24h" },
            "target": { "subscription": "orders" },
            "max_events_per_second": 500,
        });
        let work = read(WorkKind::Replay, body.clone()).unwrap();
        assert_eq!(Value::from(work.body().clone()), body);
        let expected = json!({
            "filter": {
                "types": ["order.*"],
                "from": "2026-11-23T03:00:00Z",
                "to": "2026-11-24T03:00:00Z",
            },
            "target": { "subscription": "orders" },
            "max_events_per_second": 500,
        });
        assert_eq!(body_at(&work, utc_datetime!(2026-11-24 3:00)), expected);
    }

    #[test]
    fn without_a_range_it_ends_at_the_scheduled_time() {
        let to = json!({ "to": "2026-11-24T03:00:00Z" });
        for body in [json!({}), json!({ "filter": {} })] {
            let work = read(WorkKind::Redrive, body).unwrap();
            let body = body_at(&work, utc_datetime!(2026-11-24 3:00));
            assert_eq!(body["filter"], to);
        }
        let body = json!({ "filter": { "correlation_id": "c-1" }, "target": { "all": true } });
        let work = read(WorkKind::Replay, body).unwrap();
        let filter = &body_at(&work, utc_datetime!(2026-11-24 3:00))["filter"];
        assert_eq!(
            *filter,
            json!({ "correlation_id": "c-1", "to": "2026-11-24T03:00:00Z" })
        );
    }

    #[test]
    fn everything_at_fault_is_told_by_its_place() {
        let replay = |body| read(WorkKind::Replay, body).unwrap_err();
        assert_eq!(replay(json!({})), ["replay.filter.range"]);
        assert_eq!(replay(json!({ "filter": [] })), ["replay.filter"]);
        let faults = replay(json!({
            "filter": { "range": "today", "from": "2026-11-24T03:00:00Z", "subscription": "a" },
            "dry_run": true,
        }));
        let expected = [
            "replay.dry_run",
            "replay.filter.from",
            "replay.filter.subscription",
            "replay.filter.range",
        ];
        assert_eq!(faults, expected);
        for range in [json!(24), json!(null)] {
            let faults = replay(json!({ "filter": { "range": range } }));
            assert_eq!(faults, ["replay.filter.range"]);
        }
        let redrive = read(
            WorkKind::Redrive,
            json!({ "target": {}, "filter": { "to": 1, "source": "/" } }),
        );
        let expected = [
            "redrive.target",
            "redrive.filter.source",
            "redrive.filter.to",
        ];
        assert_eq!(redrive.unwrap_err(), expected);
    }
}
