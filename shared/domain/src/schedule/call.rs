//! A call at one of a schedule's times: how it is written into the schedule, and what is read of it when it comes.

use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use time::UtcDateTime;
use uuid::Builder;

use super::request::one_of;
use super::{Schedule, ScheduleName, ScheduledWork, Timezone, WorkKind};
use crate::event_id::EventId;
use crate::job::{JobId, JobSpec};
use crate::query_parameters::rfc3339;
use crate::subscription::request::FieldFault;
use crate::tenant::TenantId;

/// Bytes of a UUIDv7 that are not its time; a few bits of them are its version and variant.
const TAIL_BYTES: usize = 10;

/// A call, at one of a schedule's times or at whatever time it says.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduledCall {
    /// Whose schedule it is.
    pub tenant: TenantId,
    /// Which one.
    pub name: ScheduleName,
    /// Where its days are.
    pub timezone: Timezone,
    /// What it asks for.
    pub work: ScheduledWork,
    /// The time that the call is for, as it is told.
    scheduled_at: String,
}

/// A call says nothing that can be understood. It would not, if it came again.
#[derive(Debug, thiserror::Error)]
pub enum InvalidCall {
    /// It is no JSON, or not of this form.
    #[error("the call is not a schedule's")]
    Form(#[from] serde_json::Error),
    /// A part of it is not what has to be.
    #[error("{}", told(.0))]
    Parts(Vec<FieldFault>),
    /// It is for no time, or for one beyond the calendar.
    #[error("the call is for no time that there is: '{0}'")]
    Time(String),
}

#[derive(Serialize, Deserialize)]
struct Input<S> {
    schedule: S,
}

/// What a tenant wrote is in it as it is sent.
#[derive(Serialize)]
struct Written<'a> {
    tenant: &'a str,
    name: &'a str,
    timezone: &'a str,
    scheduled_at: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    replay: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redrive: Option<&'a RawValue>,
}

/// Members of later versions are none of this one's business.
#[derive(Deserialize)]
struct Read {
    tenant: String,
    name: String,
    timezone: Option<String>,
    scheduled_at: String,
    replay: Option<Value>,
    redrive: Option<Value>,
}

impl ScheduledCall {
    /// What a schedule calls with, in JSON. `scheduled_at` stands for the scheduled time, which whoever calls puts in its
    /// place.
    ///
    /// # Errors
    /// Never, for what was read as JSON; the serializer says otherwise.
    pub fn write(
        tenant: &TenantId,
        schedule: &Schedule,
        scheduled_at: &str,
    ) -> Result<String, serde_json::Error> {
        let work = &schedule.work;
        let body = without_keywords(work.body())?;
        let body_of = |kind| (work.kind() == kind).then_some(&*body);
        let written = Written {
            tenant: tenant.as_str(),
            name: schedule.name.as_str(),
            timezone: schedule.timezone.name(),
            scheduled_at,
            replay: body_of(WorkKind::Replay),
            redrive: body_of(WorkKind::Redrive),
        };
        serde_json::to_string(&Input { schedule: written })
    }

    /// The way back from [`ScheduledCall::write`].
    ///
    /// # Errors
    /// When it is nothing of the kind, all that is at fault.
    pub fn read(input: &str) -> Result<Self, InvalidCall> {
        let Input { schedule: read } = serde_json::from_str::<Input<Read>>(input)?;
        read.call()
    }

    /// When the call is for.
    ///
    /// # Errors
    /// When what it tells is no time.
    pub fn scheduled_at(&self) -> Result<UtcDateTime, InvalidCall> {
        rfc3339(&self.scheduled_at).ok_or_else(|| self.no_time())
    }

    /// The job of this scheduled time: the same one whenever the call comes. Its id is in order with others of its
    /// time; what follows the time is as good as random.
    ///
    /// # Errors
    /// When what it tells is no time.
    pub fn job_id(&self) -> Result<JobId, InvalidCall> {
        let millis = self.scheduled_at()?.unix_timestamp_nanos() / 1_000_000;
        let millis = u64::try_from(millis).map_err(|_| self.no_time())?;
        let uuid = Builder::from_unix_timestamp_millis(millis, &self.tail()).into_uuid();
        let id = EventId::from_uuid(uuid).map_err(|_| self.no_time())?;
        Ok(JobId::new(id))
    }

    /// The job that it asks for, as it is asked for now. Whether its queue was one of the bus was asked when the schedule
    /// was made.
    ///
    /// # Errors
    /// When what it tells is no time, or what it asks for is not, or no longer, what can be asked for.
    pub fn spec(&self, now: UtcDateTime) -> Result<JobSpec, InvalidCall> {
        let scheduled_at = self.scheduled_at()?;
        let spec = self.work.spec_at(scheduled_at, &self.timezone, "", now);
        let spec = spec.ok_or_else(|| self.no_time())?;
        Ok(JobSpec {
            schedule: Some(self.name.to_string()),
            ..spec.map_err(InvalidCall::Parts)?
        })
    }

    fn tail(&self) -> [u8; TAIL_BYTES] {
        let mut hash = Sha256::new();
        hash.update(b"schedule");
        for part in [self.tenant.as_str(), self.name.as_str()] {
            // Its length goes first, so that no two pairs are hashed alike.
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let mut tail = [0; TAIL_BYTES];
        tail.copy_from_slice(&digest[..TAIL_BYTES]);
        tail
    }

    fn no_time(&self) -> InvalidCall {
        InvalidCall::Time(self.scheduled_at.clone())
    }
}

impl Read {
    fn call(self) -> Result<ScheduledCall, InvalidCall> {
        let mut faults = vec![];
        let tenant = parsed("tenant", &self.tenant, &mut faults);
        let name = parsed("name", &self.name, &mut faults);
        let timezone = match &self.timezone {
            Some(name) => parsed("timezone", name, &mut faults),
            None => Some(Timezone::default()),
        };
        let work = one_of(self.replay.as_ref(), self.redrive.as_ref(), &mut faults);
        let work = work.and_then(|(kind, body)| ScheduledWork::read(kind, body, &mut faults));
        match (tenant, name, timezone, work) {
            (Some(tenant), Some(name), Some(timezone), Some(work)) => Ok(ScheduledCall {
                tenant,
                name,
                timezone,
                work,
                scheduled_at: self.scheduled_at,
            }),
            _ => Err(InvalidCall::Parts(faults)),
        }
    }
}

fn parsed<T: FromStr<Err: Display>>(
    name: &str,
    text: &str,
    faults: &mut Vec<FieldFault>,
) -> Option<T> {
    let told = |error| faults.push(FieldFault::new(name, error));
    text.parse().map_err(told).ok()
}

/// JSON in which nothing is taken for a keyword, such as `<aws.scheduler.scheduled-time>`, and replaced.
fn without_keywords(body: &Map<String, Value>) -> Result<Box<RawValue>, serde_json::Error> {
    let json = serde_json::to_string(body)?;
    RawValue::from_string(json.replace('<', "\\u003c"))
}

fn told(faults: &[FieldFault]) -> String {
    let told = faults.iter();
    let told = told.map(|FieldFault { field, detail }| format!("{field} {detail}"));
    told.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Target, Work};
    use crate::log_hour::IdRange;
    use serde_json::json;
    use time::macros::utc_datetime;

    const NOW: UtcDateTime = utc_datetime!(2026-11-24 2:00:30);
    const KEYWORD: &str = "<aws.scheduler.scheduled-time>";

    fn schedule(name: &str, source: &str) -> Schedule {
        let body = json!({
            "name": name,
            "expression": "cron(0 3 * * ? *)",
            "timezone": "Europe/Vienna",
            "replay": {
                "filter": { "source": source, "range": "yesterday" },
                "target": { "all": true },
            },
        });
        crate::schedule::request::read(&body, "pb-sub-", NOW)
            .unwrap()
            .0
    }

    fn call(tenant: &str, name: &str, scheduled_at: &str) -> ScheduledCall {
        let tenant = tenant.parse().unwrap();
        let input = ScheduledCall::write(&tenant, &schedule(name, "/shop"), scheduled_at);
        ScheduledCall::read(&input.unwrap()).unwrap()
    }

    #[test]
    fn a_call_says_whose_it_is_what_it_asks_for_and_when() {
        let call = call("demo", "nightly", "2026-11-24T02:00:00Z");
        assert_eq!(
            (call.tenant.as_str(), call.name.as_str()),
            ("demo", "nightly")
        );
        assert_eq!(call.scheduled_at().unwrap(), utc_datetime!(2026-11-24 2:00));
        let spec = call.spec(NOW).unwrap();
        let times = (
            utc_datetime!(2026-11-22 23:00),
            utc_datetime!(2026-11-23 23:00),
        );
        assert_eq!(
            Some(spec.range),
            IdRange::of_times(Some(times.0), Some(times.1))
        );
        assert_eq!(spec.schedule.as_deref(), Some("nightly"));
        let Work::Replay { filter, target } = spec.work else {
            panic!("{:?}", spec.work);
        };
        assert_eq!(
            (filter.source.as_deref(), target),
            (Some("/shop"), Target::All)
        );
    }

    #[test]
    fn what_a_tenant_wrote_is_never_taken_for_a_keyword() {
        let schedule = schedule("nightly", &format!("/{KEYWORD}\"\\"));
        let input = ScheduledCall::write(&"demo".parse().unwrap(), &schedule, KEYWORD).unwrap();
        assert_eq!(input.matches('<').count(), 1, "{input}");
        let filled = input.replace(KEYWORD, "2026-11-24T02:00:00Z");
        let call = ScheduledCall::read(&filled).unwrap();
        assert_eq!(call.work, schedule.work);
        assert!(call.scheduled_at().is_ok());
    }

    #[test]
    fn a_scheduled_time_makes_one_job_and_every_other_makes_another() {
        let id = |tenant, name, at| call(tenant, name, at).job_id().unwrap();
        let first = id("demo", "nightly", "2026-11-24T02:00:00Z");
        // However the time is written.
        for again in ["2026-11-24T02:00:00Z", "2026-11-24T03:00:00.0+01:00"] {
            assert_eq!(id("demo", "nightly", again), first);
        }
        let others = [
            id("demo", "nightly", "2026-11-25T02:00:00Z"),
            id("demo", "nightly-2", "2026-11-24T02:00:00Z"),
            id("demon", "ightly", "2026-11-24T02:00:00Z"),
            id("other", "nightly", "2026-11-24T02:00:00Z"),
        ];
        for (place, other) in others.iter().enumerate() {
            assert_ne!(*other, first);
            assert!(!others[..place].contains(other));
        }
        assert_eq!(first.uuid().accepted_at(), utc_datetime!(2026-11-24 2:00));
        assert_eq!(first.to_string(), "01a20b48-0900-75b0-9346-275fc5f187a3");
    }

    #[test]
    fn what_is_no_call_is_told() {
        let read = |input: &str| ScheduledCall::read(input).unwrap_err();
        for input in ["", "{}", "[]", r#"{"schedule":{"tenant":"demo"}}"#] {
            assert!(matches!(read(input), InvalidCall::Form(_)), "{input}");
        }
        let input = r#"{"schedule":{"tenant":"_x","name":"A","timezone":"B","scheduled_at":""}}"#;
        let InvalidCall::Parts(faults) = read(input) else {
            panic!("{input}");
        };
        let fields: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(fields, ["tenant", "name", "timezone", "replay"]);
    }

    #[test]
    fn a_call_for_no_time_makes_no_job() {
        for time in [
            KEYWORD,
            "",
            "2026-11-24",
            "1969-12-31T23:59:59Z",
            "9999-12-31T23:59:59-23:00",
        ] {
            let call = call("demo", "nightly", time);
            assert!(matches!(call.job_id(), Err(InvalidCall::Time(_))), "{time}");
        }
        let call = call("demo", "nightly", "9999-12-31T23:59:59Z");
        assert!(matches!(call.spec(NOW), Err(InvalidCall::Time(_))));
    }
}
