//! What callers ask of jobs, checked member by member.

use std::time::Duration;

use serde_json::Value;
use time::UtcDateTime;

use super::members::Members;
use super::{Counts, Job, JobId, JobSpec, JobState, Plan, ReplayFilter, SETTLING, Target, Work};
use crate::clock::whole_millis;
use crate::letters::{LetterFilter, StateName};
use crate::limits::{
    MAX_CORRELATION_ID_BYTES, MAX_ERROR_CLASS_BYTES, MAX_ERROR_MESSAGE_BYTES, MAX_EVENT_KEY_BYTES,
    MAX_EVENTS_PER_SECOND, MAX_JOB_LEAD, MAX_RAMP_SECONDS, MAX_TYPE_PATTERNS,
};
use crate::log_hour::IdRange;
use crate::query_parameters::{bounded, rfc3339, told};
use crate::subscription::request::{FieldFault, queue_url};
use crate::subscription::{SubscriptionId, TypePattern};
use crate::tenant::TenantId;

const REPLAY: [&str; 5] = [
    "filter",
    "target",
    "max_events_per_second",
    "ramp_seconds",
    "dry_run",
];
const REPLAY_FILTER: [&str; 5] = ["types", "source", "from", "to", "correlation_id"];
const TARGETS: [&str; 3] = ["all", "subscription", "queue_url"];
const REDRIVE: [&str; 4] = ["filter", "max_events_per_second", "ramp_seconds", "dry_run"];
const REDRIVE_FILTER: [&str; 7] = [
    "types",
    "subscription",
    "error_class",
    "text",
    "from",
    "to",
    "state",
];

/// The replay that a body asks for. Its set ends now, or where it was asked to end.
///
/// # Errors
/// Every member at fault.
pub fn replay(
    body: &Value,
    queue_prefix: &str,
    now: UtcDateTime,
) -> Result<JobSpec, Vec<FieldFault>> {
    let mut faults = vec![];
    let mut members = Members::of_body(body, &REPLAY, &mut faults);
    let mut filter = members.object("filter", &REPLAY_FILTER);
    let wanted = ReplayFilter {
        types: types(&mut filter),
        source: filter.text("source", |text| bounded(text, MAX_EVENT_KEY_BYTES)),
        correlation_id: filter.text("correlation_id", |text| {
            bounded(text, MAX_CORRELATION_ID_BYTES)
        }),
    };
    let has_start = filter.has("from") || filter.has("correlation_id");
    if !has_start && !filter.is_malformed() {
        filter.fault("from", "is missing: give it, or correlation_id");
    }
    let range = frozen(&mut filter, now);
    let pace = Pace::read(&mut members);
    let target = target(&mut members, pace.dry_run, queue_prefix);
    match (range, target, faults.is_empty()) {
        (Some(range), Some(target), true) => Ok(pace.spec(
            Work::Replay {
                filter: wanted,
                target,
            },
            range,
        )),
        _ => Err(faults),
    }
}

/// The redrive that a body asks for. Its set ends now, or where it was asked to end.
///
/// # Errors
/// Every member at fault.
pub fn redrive(body: &Value, now: UtcDateTime) -> Result<JobSpec, Vec<FieldFault>> {
    let mut faults = vec![];
    let mut members = Members::of_body(body, &REDRIVE, &mut faults);
    let mut filter = members.object("filter", &REDRIVE_FILTER);
    let wanted = LetterFilter {
        types: types(&mut filter),
        subscription: filter.text("subscription", |text| text.parse().map_err(told)),
        error_class: filter.text("error_class", |text| bounded(text, MAX_ERROR_CLASS_BYTES)),
        text: filter.text("text", |text| bounded(text, MAX_ERROR_MESSAGE_BYTES)),
        event_id: None,
        // They are the job's range.
        from: None,
        to: None,
        state: Some(StateName::Open),
    };
    filter.text("state", open);
    let range = frozen(&mut filter, now);
    let pace = Pace::read(&mut members);
    match (range, faults.is_empty()) {
        (Some(range), true) => Ok(pace.spec(Work::Redrive { filter: wanted }, range)),
        _ => Err(faults),
    }
}

fn types(filter: &mut Members<'_, '_>) -> Vec<TypePattern> {
    filter.texts("types", MAX_TYPE_PATTERNS, |text| {
        text.parse().map_err(told)
    })
}

/// The ids within the times that a filter names. What comes in later is none of them, so the set cannot grow.
fn frozen(filter: &mut Members<'_, '_>, now: UtcDateTime) -> Option<IdRange> {
    let now = whole_millis(now);
    let (from, to) = (filter.text("from", time), filter.text("to", time));
    let range = IdRange::of_times(from, Some(end(to, now)));
    if from.is_some_and(|from| from >= now) {
        filter.fault("from", "must be in the past");
    } else if range.is_none() && from.is_some() {
        let detail = "must be earlier than to, by a millisecond at the least";
        filter.fault("from", detail);
    } else if range.is_none() {
        filter.fault("to", "must be later than 1970-01-01T00:00:00Z");
    }
    range
}

/// Where a set ends. An end that is near is waited for, see [`MAX_JOB_LEAD`]; one that is farther away is now.
fn end(asked: Option<UtcDateTime>, now: UtcDateTime) -> UtcDateTime {
    let nearest = now + MAX_JOB_LEAD;
    asked.filter(|asked| *asked <= nearest).unwrap_or(now)
}

fn time(text: &str) -> Result<UtcDateTime, String> {
    let detail = || "must be a time (RFC 3339), as in 2026-11-23T08:00:00Z".to_owned();
    rfc3339(text).ok_or_else(detail)
}

fn open(text: &str) -> Result<(), String> {
    match text.parse() {
        Ok(StateName::Open) => Ok(()),
        _ => Err("must be OPEN: no other dead letter can be redriven".to_owned()),
    }
}

/// To whom a replay goes. One that is only counted goes to nobody, so it need not say.
fn target(members: &mut Members<'_, '_>, is_dry_run: bool, queue_prefix: &str) -> Option<Target> {
    const ONE: &str = "must have one of all, subscription and queue_url";
    if !members.has("target") {
        if !is_dry_run {
            members.fault("target", format!("is missing: it {ONE}"));
        }
        return Some(Target::All);
    }
    let mut target = members.object("target", &TARGETS);
    let given = TARGETS.iter().filter(|name| target.has(name)).count();
    if target.is_malformed() {
        return None;
    }
    if given != 1 {
        target.fault_of_all(ONE);
        return None;
    }
    if target.has("all") {
        return target.is_true("all").then_some(Target::All);
    }
    if target.has("subscription") {
        let id = target.text("subscription", |text| text.parse().map_err(told));
        return id.map(Target::Subscription);
    }
    let url = target.told_by("queue_url", |name, text, faults| {
        queue_url(name, text, queue_prefix, faults)
    });
    url.map(Target::Queue)
}

/// How a job goes about its work.
struct Pace {
    max_events_per_second: Option<u32>,
    ramp: Option<Duration>,
    dry_run: bool,
}

impl Pace {
    fn read(members: &mut Members<'_, '_>) -> Self {
        let max_events_per_second = members.number("max_events_per_second", MAX_EVENTS_PER_SECOND);
        let ramp = members.number("ramp_seconds", MAX_RAMP_SECONDS);
        if ramp.is_some() && !members.has("max_events_per_second") {
            let detail = "needs max_events_per_second: the speed to come up to";
            members.fault("ramp_seconds", detail);
        }
        Self {
            max_events_per_second,
            ramp: ramp.map(|seconds| Duration::from_secs(seconds.into())),
            dry_run: members.flag("dry_run"),
        }
    }

    fn spec(self, work: Work, range: IdRange) -> JobSpec {
        JobSpec {
            work,
            range,
            max_events_per_second: self.max_events_per_second,
            ramp: self.ramp,
            dry_run: self.dry_run,
            schedule: None,
        }
    }
}

impl JobSpec {
    /// The subscription that has to be there, with the member that names it, and its owner: a tenant's letters may be
    /// those of a subscription of the bus, but no tenant replays to one.
    pub fn named_subscription(
        &self,
        tenant: &TenantId,
    ) -> Option<(&'static str, &SubscriptionId, TenantId)> {
        match &self.work {
            Work::Replay {
                target: Target::Subscription(id),
                ..
            } => Some(("target.subscription", id, tenant.clone())),
            Work::Redrive { filter } => {
                let id = filter.subscription.as_ref()?;
                Some(("filter.subscription", id, id.owner(tenant)))
            }
            Work::Replay { .. } => None,
        }
    }

    /// How long it is until the set can be looked for: it may end a moment from now, and is to have settled then.
    pub fn wait(&self, now: UtcDateTime) -> Duration {
        let (_, to) = self.range.times();
        // An end that lies in the past is not waited for.
        let until_the_end = to.map(|to| to - now).unwrap_or_default();
        SETTLING + Duration::try_from(until_the_end).unwrap_or_default()
    }
}

impl Job {
    /// A job that was asked for now. Nothing of it is planned.
    pub fn asked_for(tenant: TenantId, id: JobId, spec: JobSpec, now: UtcDateTime) -> Self {
        Self {
            tenant,
            id,
            state: JobState::Planning,
            reason: None,
            plan: Plan {
                rest: Some(spec.range),
                ..Plan::default()
            },
            spec,
            done: Counts::default(),
            created_at: whole_millis(now),
            started_at: None,
            finished_at: None,
            expires_at: None,
        }
    }
}
