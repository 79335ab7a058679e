//! A job as a reader of the API sees it.

use serde::ser::{Serialize, SerializeMap, Serializer};
use time::UtcDateTime;

use super::price::Estimate;
use super::{FailedEvent, Job, JobId, JobState, ReplayFilter, Target, Work};
use crate::event_id::EventId;
use crate::letters::LetterFilter;
use crate::log_hour::IdRange;
use crate::shown_time::ShownTime;
use crate::subscription::TypePattern;

/// A job as it is at this time.
#[derive(Clone, Copy, Debug)]
pub struct ShownJob<'a> {
    /// The job.
    pub job: &'a Job,
    /// The time, by which its speed is worked out.
    pub now: UtcDateTime,
}

/// An event or letter that was not sent.
#[derive(Clone, Copy, Debug)]
pub struct ShownFailure<'a>(pub &'a FailedEvent);

#[derive(serde::Serialize)]
struct JobMembers<'a> {
    job_id: JobId,
    kind: &'static str,
    state: &'static str,
    reason: Option<&'a str>,
    dry_run: bool,
    filter: Filter<'a>,
    target: Option<ShownTarget<'a>>,
    max_events_per_second: Option<u32>,
    ramp_seconds: Option<u64>,
    schedule: Option<&'a str>,
    total: Option<u64>,
    done: u64,
    sent: u64,
    skipped: u64,
    failed: u64,
    bytes: u64,
    estimate: Option<Estimate>,
    units: u32,
    units_done: u32,
    events_per_second: Option<f64>,
    seconds_left: Option<u64>,
    created_at: ShownTime,
    started_at: Option<ShownTime>,
    finished_at: Option<ShownTime>,
    expires_at: Option<ShownTime>,
}

#[derive(serde::Serialize)]
struct FailureMembers<'a> {
    event_id: EventId,
    subscription: Option<&'a str>,
    error: ErrorMembers<'a>,
}

#[derive(serde::Serialize)]
struct ErrorMembers<'a> {
    class: &'a str,
    message: &'a str,
}

/// To whom a replay sends: `{"all": true}`, `{"subscription": …}` or `{"queue_url": …}`.
#[derive(serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ShownTarget<'a> {
    /// Always true.
    All(bool),
    /// The subscription's id.
    Subscription(&'a str),
    /// The queue's address.
    QueueUrl(&'a str),
}

/// What was asked for: the members that say something, and where the set ends.
struct Filter<'a> {
    work: &'a Work,
    range: IdRange,
}

impl Serialize for ShownJob<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        JobMembers::of(self.job, self.now).serialize(serializer)
    }
}

impl Serialize for ShownFailure<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let FailedEvent {
            event_id,
            subscription,
            error_class,
            error_message,
        } = self.0;
        let members = FailureMembers {
            event_id: *event_id,
            subscription: subscription.as_ref().map(|id| id.as_str()),
            error: ErrorMembers {
                class: error_class,
                message: error_message,
            },
        };
        members.serialize(serializer)
    }
}

impl<'a> JobMembers<'a> {
    fn of(job: &'a Job, now: UtcDateTime) -> Self {
        let Job {
            spec, plan, done, ..
        } = job;
        Self {
            job_id: job.id,
            kind: spec.work.kind(),
            state: job.state.name(),
            reason: job.reason.as_deref(),
            dry_run: spec.dry_run,
            filter: Filter {
                work: &spec.work,
                range: spec.range,
            },
            target: ShownTarget::of(&spec.work),
            max_events_per_second: spec.max_events_per_second,
            ramp_seconds: spec.ramp.map(|ramp| ramp.as_secs()),
            schedule: spec.schedule.as_deref(),
            total: plan.is_whole.then_some(plan.total),
            done: done.events,
            sent: done.sent,
            skipped: done.skipped,
            failed: done.failed,
            bytes: done.bytes,
            estimate: Estimate::of(spec, plan),
            units: plan.units,
            units_done: plan.units_done,
            events_per_second: job.events_per_second(now).map(hundredths),
            seconds_left: job.seconds_left(now),
            created_at: ShownTime(job.created_at),
            started_at: job.started_at.map(ShownTime),
            finished_at: job.finished_at.map(ShownTime),
            expires_at: job.expires_at.map(ShownTime),
        }
    }
}

impl Job {
    /// Events a second since it started, all in all; `None` before that.
    pub fn events_per_second(&self, now: UtcDateTime) -> Option<f64> {
        let until = self.finished_at.unwrap_or(now);
        let seconds = (until - self.started_at?).as_seconds_f64();
        (seconds > 0.0).then(|| self.done.events as f64 / seconds)
    }

    /// Seconds that it will go on at that speed; `None` when that is not known, or nobody works on it.
    pub fn seconds_left(&self, now: UtcDateTime) -> Option<u64> {
        if self.state != JobState::Running {
            return None;
        }
        let left = self.plan.total.saturating_sub(self.done.events);
        let speed = self.events_per_second(now).filter(|speed| *speed > 0.0)?;
        // A float beyond the integers is the largest of them.
        Some((left as f64 / speed).ceil() as u64)
    }
}

impl<'a> ShownTarget<'a> {
    /// The target of a replay; a redrive has none.
    pub fn of(work: &'a Work) -> Option<Self> {
        let Work::Replay { target, .. } = work else {
            return None;
        };
        Some(match target {
            Target::All => Self::All(true),
            Target::Subscription(id) => Self::Subscription(id.as_str()),
            Target::Queue(url) => Self::QueueUrl(url.as_str()),
        })
    }
}

impl Serialize for Filter<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.work {
            Work::Replay { filter, .. } => write_replay(&mut map, filter)?,
            Work::Redrive { filter } => write_redrive(&mut map, filter)?,
        }
        let (from, to) = self.range.times();
        // The beginning of all time is no bound, but a replay without an operation has to say it.
        let from = from.or_else(|| self.needs_from().then_some(UtcDateTime::UNIX_EPOCH));
        write(&mut map, "from", &from.map(ShownTime))?;
        write(&mut map, "to", &to.map(ShownTime))?;
        map.end()
    }
}

impl Filter<'_> {
    fn needs_from(&self) -> bool {
        matches!(self.work, Work::Replay { filter, .. } if filter.correlation_id.is_none())
    }
}

fn write_replay<M: SerializeMap>(map: &mut M, filter: &ReplayFilter) -> Result<(), M::Error> {
    write_types(map, &filter.types)?;
    write(map, "source", &filter.source)?;
    write(map, "correlation_id", &filter.correlation_id)
}

fn write_redrive<M: SerializeMap>(map: &mut M, filter: &LetterFilter) -> Result<(), M::Error> {
    write_types(map, &filter.types)?;
    let subscription = filter.subscription.as_ref().map(|id| id.as_str());
    write(map, "subscription", &subscription)?;
    write(map, "error_class", &filter.error_class)?;
    write(map, "text", &filter.text)?;
    write(map, "state", &filter.state.map(|state| state.as_str()))
}

fn write_types<M: SerializeMap>(map: &mut M, types: &[TypePattern]) -> Result<(), M::Error> {
    let types: Vec<&str> = types.iter().map(TypePattern::as_str).collect();
    write(map, "types", &(!types.is_empty()).then_some(types))
}

fn write<M: SerializeMap, T: Serialize>(
    map: &mut M,
    name: &str,
    value: &Option<T>,
) -> Result<(), M::Error> {
    match value {
        Some(value) => map.serialize_entry(name, value),
        None => Ok(()),
    }
}

fn hundredths(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}
