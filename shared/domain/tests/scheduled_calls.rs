//! Calls of schedules: late, twice, half done, and for what is gone.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use pillarbox_domain::job::{ChangeJob, Job, JobState, JobStore};
use pillarbox_domain::limits::MAX_ACTIVE_JOBS;
use pillarbox_domain::log_hour::IdRange;
use pillarbox_domain::registry::SubscriptionRegistry;
use pillarbox_domain::schedule::{Refusal, ScheduledCall, Started, Starter};
use pillarbox_domain::{Clock, StoreError};
use pillarbox_testkit::builders::{subscription, tenant};
use pillarbox_testkit::schedules::schedule;
use pillarbox_testkit::{ManualClock, MemoryJobQueue, MemoryJobs, MemoryRegistry};
use serde_json::{Value, json};
use time::UtcDateTime;
use time::format_description::well_known::Rfc3339;

/// A tenant's jobs, and whoever keeps them from being made.
#[derive(Default)]
struct Scene {
    jobs: MemoryJobs,
    calls: MemoryJobQueue,
    registry: MemoryRegistry,
    clock: ManualClock,
}

impl Scene {
    async fn start(&self, call: &ScheduledCall) -> Result<Started, StoreError> {
        let starter = Starter {
            jobs: &self.jobs,
            calls: &self.calls,
            registry: &self.registry,
            clock: &self.clock,
        };
        starter.start(call).await
    }

    /// A call of the schedule `nightly` that was due some seconds ago.
    fn call(&self, due_seconds_ago: u64, members: Value) -> ScheduledCall {
        call("nightly", self.due(due_seconds_ago), members)
    }

    fn due(&self, seconds_ago: u64) -> UtcDateTime {
        self.clock.now() - Duration::from_secs(seconds_ago)
    }

    async fn jobs(&self) -> Vec<Job> {
        let page = self.jobs.list(&tenant("demo"), None, 100).await.unwrap();
        page.jobs
    }
}

fn call(name: &str, due: UtcDateTime, members: Value) -> ScheduledCall {
    let schedule = schedule(name, members);
    let due = due.format(&Rfc3339).unwrap();
    let input = ScheduledCall::write(&tenant("demo"), &schedule, &due).unwrap();
    ScheduledCall::read(&input).unwrap()
}

fn new(started: Started) -> Job {
    match started {
        Started::New(job) => *job,
        other => panic!("{other:?}"),
    }
}

fn refusal(started: Started) -> Refusal {
    match started {
        Started::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_call_makes_a_planned_job_of_its_scheduled_time_and_calls_a_worker() {
    let scene = Scene::default();
    let members = json!({ "replay": {
        "filter": { "range": "last 24h" }, "target": { "all": true }, "max_events_per_second": 50,
    }});
    let job = new(scene.start(&scene.call(45, members)).await.unwrap());
    let due = scene.due(45);
    let range = IdRange::of_times(Some(due - Duration::from_secs(24 * 60 * 60)), Some(due));
    assert_eq!(
        (Some(job.spec.range), job.state),
        (range, JobState::Planning)
    );
    assert_eq!(job.spec.schedule.as_deref(), Some("nightly"));
    assert_eq!((job.plan.rest, job.plan.is_whole), (range, false));
    assert_eq!(scene.jobs().await, std::slice::from_ref(&job));
    let [(owner, id, delay)] = &scene.calls.take()[..] else {
        panic!("one worker is called");
    };
    assert_eq!((owner, *id), (&job.tenant, job.id));
    assert!(*delay > Duration::ZERO, "the log's index may be behind");
}

#[tokio::test]
async fn a_call_that_comes_again_makes_no_second_job_and_calls_nobody_once_it_is_over() {
    let scene = Scene::default();
    let due = scene.due(0);
    let first = new(scene.start(&call("nightly", due, json!({}))).await.unwrap());
    scene.calls.take();
    // Later, and as the schedule says by then.
    scene.clock.advance(Duration::from_secs(600));
    let other =
        json!({ "replay": { "filter": { "range": "last 7d" }, "target": { "all": true } } });
    for members in [json!({}), other] {
        let again = scene.start(&call("nightly", due, members)).await.unwrap();
        let Started::Again(job) = again else {
            panic!("{again:?}");
        };
        assert_eq!(*job, first);
        assert_eq!(
            scene.calls.take().len(),
            1,
            "the first caller may have died"
        );
    }
    let (owner, now) = (tenant("demo"), scene.clock.now());
    let cancelled = scene.jobs.change(&owner, first.id, &ChangeJob::Cancel, now);
    cancelled.await.unwrap();
    let again = scene.start(&call("nightly", due, json!({}))).await.unwrap();
    assert!(matches!(again, Started::Again(_)), "{again:?}");
    assert_eq!(scene.calls.take(), []);
    let next = due + Duration::from_secs(300);
    new(scene
        .start(&call("nightly", next, json!({})))
        .await
        .unwrap());
    assert_eq!(scene.jobs().await.len(), 2);
}

#[tokio::test]
async fn a_call_comes_again_when_it_is_not_known_what_became_of_it() {
    let scene = Scene::default();
    let call = scene.call(1, json!({}));
    scene.jobs.set_failing(true);
    scene.start(&call).await.unwrap_err();
    scene.jobs.set_failing(false);
    scene.calls.set_failing(true);
    scene.start(&call).await.unwrap_err();
    scene.calls.set_failing(false);
    let again = scene.start(&call).await.unwrap();
    assert!(matches!(again, Started::Again(_)), "{again:?}");
    assert_eq!((scene.jobs().await.len(), scene.calls.take().len()), (1, 1));
}

#[tokio::test]
async fn a_subscription_that_is_gone_is_a_refusal() {
    let scene = Scene::default();
    let members = json!({ "replay": {
        "filter": { "range": "yesterday" }, "target": { "subscription": "orders" },
    }});
    let call = scene.call(1, members);
    let Refusal::NoSubscription(gone) = refusal(scene.start(&call).await.unwrap()) else {
        panic!("it is not there");
    };
    assert_eq!(gone.as_str(), "orders");
    assert_eq!((scene.jobs().await, scene.calls.take()), (vec![], vec![]));
    let orders = subscription(&tenant("demo"), "orders", &["*"]);
    let added = scene.registry.add_subscription(&orders, scene.clock.now());
    added.await.unwrap();
    new(scene.start(&call).await.unwrap());
}

#[tokio::test]
async fn a_schedule_does_not_pile_up_jobs() {
    let scene = Scene::default();
    for n in 0..MAX_ACTIVE_JOBS {
        let call = call(&format!("s-{n}"), scene.due(1), json!({}));
        new(scene.start(&call).await.unwrap());
    }
    scene.calls.take();
    let beyond = scene.start(&scene.call(1, json!({}))).await.unwrap();
    assert!(matches!(refusal(beyond), Refusal::TooMany));
    assert_eq!(scene.calls.take(), []);
    let there = scene
        .start(&call("s-0", scene.due(1), json!({})))
        .await
        .unwrap();
    assert!(matches!(there, Started::Again(_)), "{there:?}");
}

#[tokio::test]
async fn what_can_be_asked_for_no_longer_is_a_refusal() {
    let scene = Scene::default();
    // Far from now by this clock: its range would begin in the future.
    let call = call(
        "nightly",
        scene.clock.now() + Duration::from_secs(3 * 24 * 60 * 60),
        json!({}),
    );
    let refused = refusal(scene.start(&call).await.unwrap());
    assert!(refused.to_string().contains("filter.from"), "{refused}");
    assert_eq!(scene.jobs().await, []);
}
