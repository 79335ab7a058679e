//! Pause, resume, cancel; and what is another tenant's.

use std::sync::Mutex;

use pillarbox_domain::Clock;
use pillarbox_domain::job::{
    Caller, ChangeJob, HandledPage, Job, JobState, JobStore, LEASE, Ran, ReplayFilter, Target,
};
use pillarbox_domain::letters::Redriven;
use pillarbox_testkit::MemoryJobBus;
use pillarbox_testkit::builders::tenant;
use pillarbox_testkit::job_bus::{BUDGET, work};

use crate::support::{SECOND, bus, change, counts, deliveries, demo, events};

/// Makes a step of a job's life once so many pages were handled.
struct Operator<'a> {
    bus: &'a MemoryJobBus,
    job: &'a Job,
    step: ChangeJob,
    pages: Mutex<usize>,
}

impl Caller for Operator<'_> {
    async fn is_worked_for(&self) {
        if *self.pages.lock().unwrap() == 0 {
            let (job, now) = (self.job, self.bus.clock.now());
            let changed = self
                .bus
                .parts
                .jobs
                .change(&job.tenant, job.id, &self.step, now);
            changed.await.unwrap();
        }
    }

    fn page_handled(&self, _: &HandledPage) {
        // Each page takes its time.
        self.bus.clock.advance(SECOND);
        let mut pages = self.pages.lock().unwrap();
        *pages = pages.saturating_sub(1);
    }

    fn letter_redriven(&self, _: &Redriven) {}
}

async fn stopped(step: ChangeJob) -> (MemoryJobBus, Job) {
    let bus = bus();
    events(&bus, 4_000).await;
    let job = bus
        .job(&demo(), bus.replay(ReplayFilter::default(), Target::All))
        .await;
    let operator = Operator {
        bus: &bus,
        job: &job,
        step,
        pages: Mutex::new(2),
    };
    // The planner says that it is at it before any page is.
    let ran = work(&bus.parts, &demo(), job.id, BUDGET, &operator).await;
    assert_eq!(ran.unwrap(), Ran::Finished);
    (bus, job)
}

#[tokio::test]
async fn a_paused_job_stops_within_seconds_and_goes_on_where_it_was() {
    let (bus, job) = stopped(ChangeJob::Pause(None)).await;
    let paused = bus.now(&job).await;
    assert_eq!(paused.state, JobState::Paused);
    let [done, ..] = counts(&paused);
    // Two pages, and what two seconds more bring.
    assert!((400..=2_100).contains(&done), "{done}");
    assert_eq!(bus.work(&job).await, Ran::Finished);
    assert_eq!(counts(&bus.now(&job).await)[0], done, "nobody works on it");

    change(&bus, &job, ChangeJob::Resume).await;
    let over = bus.work_off(&job).await;
    assert_eq!(
        (over.state, counts(&over)),
        (JobState::Completed, [4_000, 4_000, 0, 0])
    );
    let all = deliveries(&bus, "orders");
    assert!(all.len() == 4_000 && all.values().all(|times| *times == 1));
}

#[tokio::test]
async fn a_cancelled_job_stops_and_keeps_what_it_has_done() {
    let (bus, job) = stopped(ChangeJob::Cancel).await;
    let cancelled = bus.now(&job).await;
    assert_eq!(cancelled.state, JobState::Cancelled);
    let [done, ..] = counts(&cancelled);
    assert!((400..=2_100).contains(&done), "{done}");
    assert_eq!(
        deliveries(&bus, "orders").len(),
        usize::try_from(done).unwrap()
    );
    bus.clock.advance(2 * LEASE);
    assert_eq!(bus.work(&job).await, Ran::Finished);
    assert_eq!(counts(&bus.now(&job).await)[0], done);
}

#[tokio::test]
async fn a_job_that_is_paused_while_it_is_planned_is_planned_on_later() {
    let bus = bus();
    events(&bus, 10).await;
    let job = bus
        .job(&demo(), bus.replay(ReplayFilter::default(), Target::All))
        .await;
    change(&bus, &job, ChangeJob::Pause(None)).await;
    assert_eq!(bus.work(&job).await, Ran::Finished);
    assert_eq!(bus.now(&job).await.plan.units, 0);
    change(&bus, &job, ChangeJob::Resume).await;
    assert_eq!(counts(&bus.work_off(&job).await), [10, 10, 0, 0]);
}

#[tokio::test]
async fn another_tenant_s_job_does_nothing() {
    let bus = bus();
    events(&bus, 10).await;
    let job = bus
        .job(&demo(), bus.replay(ReplayFilter::default(), Target::All))
        .await;
    let other = tenant("other");
    let ran = bus.work_for(&other, job.id, BUDGET).await.unwrap();
    assert_eq!(ran, Ran::Finished);
    let there = bus.now(&job).await;
    assert_eq!((there.state, there.plan.units), (JobState::Planning, 0));
    assert!(deliveries(&bus, "orders").is_empty());
}

#[tokio::test]
async fn a_worker_out_of_time_gives_its_unit_back_and_is_called_again() {
    let bus = bus();
    events(&bus, 2_000).await;
    let job = bus
        .job(&demo(), bus.replay(ReplayFilter::default(), Target::All))
        .await;
    let slow = Operator {
        bus: &bus,
        job: &job,
        step: ChangeJob::Resume,
        pages: Mutex::new(usize::MAX),
    };
    let ran = work(&bus.parts, &demo(), job.id, 2 * SECOND, &slow)
        .await
        .unwrap();
    assert_eq!(
        ran,
        Ran::Again {
            after: std::time::Duration::ZERO
        }
    );
    assert!(
        bus.parts
            .jobs
            .held(&demo(), job.id, bus.clock.now())
            .is_empty()
    );
    let [done, ..] = counts(&bus.now(&job).await);
    assert!((1..2_000).contains(&done), "{done}");
    assert_eq!(counts(&bus.work_off(&job).await), [2_000, 2_000, 0, 0]);
}

#[tokio::test]
async fn whoever_finds_every_unit_held_looks_again_after_the_hold() {
    let bus = bus();
    events(&bus, 10).await;
    let job = bus
        .job(&demo(), bus.replay(ReplayFilter::default(), Target::All))
        .await;
    // A worker that planned, claimed, and died.
    bus.parts.queues.fall_silent();
    bus.work_for(&demo(), job.id, SECOND / 10).await.unwrap();
    let dead = pillarbox_domain::job::Holder(bus.clock.next_id());
    let (owner, now) = (demo(), bus.clock.now());
    let claimed = bus.parts.jobs.claim(&owner, job.id, dead, now);
    assert!(claimed.await.unwrap().is_some());
    bus.parts.queues.recover();
    let Ran::Again { after } = bus.work(&job).await else {
        panic!("it would be forgotten");
    };
    assert!(after > LEASE, "{after:?}");
    bus.clock.advance(after);
    assert_eq!(counts(&bus.work_off(&job).await), [10, 10, 0, 0]);
}
