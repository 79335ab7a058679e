//! What tests of jobs have in common.

use std::collections::BTreeMap;
use std::time::Duration;

use pillarbox_domain::delivery::Received;
use pillarbox_domain::job::{ChangeJob, Changed, Counts, Job, JobStore, ReplayFilter};
use pillarbox_domain::{Clock, EventId, LoggedEvent, TenantId};
use pillarbox_testkit::MemoryJobBus;
use pillarbox_testkit::builders::{subscription, tenant};
use serde_json::json;

pub const SECOND: Duration = Duration::from_secs(1);
pub const HOUR: Duration = Duration::from_secs(60 * 60);

pub fn demo() -> TenantId {
    tenant("demo")
}

/// A bus with one subscription to everything.
pub fn bus() -> MemoryJobBus {
    MemoryJobBus::new(1, [subscription(&demo(), "orders", &["*"])])
}

/// So many events, a second apart, the last one a second ago.
pub async fn events(bus: &MemoryJobBus, count: u32) -> Vec<LoggedEvent> {
    let mut events = vec![];
    for number in 0..count {
        let at = bus.clock.now() - (count - number) * SECOND;
        let members = json!({ "id": format!("e-{number}"), "data": { "n": number } });
        events.push(bus.logged(&demo(), at, members).await);
    }
    events
}

pub fn types(types: &[&str]) -> ReplayFilter {
    ReplayFilter {
        types: types.iter().map(|text| text.parse().unwrap()).collect(),
        ..ReplayFilter::default()
    }
}

pub fn received(bus: &MemoryJobBus, queue: &str) -> Vec<Received> {
    let bodies = bus.parts.queues.bodies(queue);
    bodies
        .iter()
        .map(|body| Received::parse(body).unwrap())
        .collect()
}

/// How often each event is in a queue.
pub fn deliveries(bus: &MemoryJobBus, queue: &str) -> BTreeMap<EventId, usize> {
    let mut deliveries = BTreeMap::new();
    for received in received(bus, queue) {
        *deliveries.entry(received.event_id).or_default() += 1;
    }
    deliveries
}

/// The ids of the events in a queue, in the order in which they came.
pub fn sent(bus: &MemoryJobBus, queue: &str) -> Vec<EventId> {
    let received = received(bus, queue).into_iter();
    received.map(|received| received.event_id).collect()
}

pub fn ids(events: &[LoggedEvent]) -> Vec<EventId> {
    events.iter().map(|event| event.event_id).collect()
}

/// Makes a step of a job's life, which is allowed.
pub async fn change(bus: &MemoryJobBus, job: &Job, step: ChangeJob) -> Job {
    let (jobs, now) = (&bus.parts.jobs, bus.clock.now());
    match jobs.change(&job.tenant, job.id, &step, now).await.unwrap() {
        Changed::Done(job) => *job,
        other => panic!("{step:?}: {other:?}"),
    }
}

/// Events, messages, skipped and failed.
pub fn counts(job: &Job) -> [u64; 4] {
    let Counts {
        events,
        sent,
        skipped,
        failed,
        ..
    } = job.done;
    [events, sent, skipped, failed]
}
