//! Units, counts and sizes.

use std::time::Duration;

use pillarbox_domain::Clock;
use pillarbox_domain::job::{JobState, Ran, ReplayFilter, Target};
use pillarbox_testkit::MemoryJobBus;
use pillarbox_testkit::builders::subscription;
use serde_json::json;

use crate::support::{HOUR, SECOND, bus, counts, demo, events, types};

fn dry(bus: &MemoryJobBus, filter: ReplayFilter) -> pillarbox_domain::job::JobSpec {
    let mut spec = bus.replay(filter, Target::All);
    spec.dry_run = true;
    spec
}

#[tokio::test]
async fn a_dry_run_is_counted_and_sends_nothing() {
    let bus = bus();
    let events = events(&bus, 150).await;
    let job = bus.job(&demo(), dry(&bus, ReplayFilter::default())).await;
    let over = bus.work_off(&job).await;
    assert_eq!((over.state, over.plan.total), (JobState::Counted, 150));
    assert_eq!(counts(&over), [0, 0, 0, 0]);
    assert!(bus.parts.queues.bodies("orders").is_empty());
    // Of few the size of each is known.
    let bytes: usize = events
        .iter()
        .map(|event| event.event.to_structured().len())
        .sum();
    assert_eq!(
        (over.plan.sampled, over.plan.sampled_bytes),
        (150, u64::try_from(bytes).unwrap())
    );
    assert!(
        bus.parts.calls.take().is_empty(),
        "nobody is called for nothing"
    );
}

#[tokio::test]
async fn the_size_of_some_of_many_is_looked_at() {
    let bus = MemoryJobBus::new(4, [subscription(&demo(), "orders", &["*"])]);
    for number in 0..3_000_u32 {
        let at = bus.clock.now() - (3_000 - number) * 60 * SECOND;
        bus.logged(&demo(), at, json!({ "id": number.to_string() }))
            .await;
    }
    let job = bus.job(&demo(), dry(&bus, ReplayFilter::default())).await;
    let over = bus.work_off(&job).await;
    assert_eq!(over.plan.total, 3_000);
    assert!(
        (100..=1_000).contains(&over.plan.sampled),
        "{:?}",
        over.plan
    );
    let mean = over.plan.sampled_bytes / over.plan.sampled;
    assert!((50..200).contains(&mean), "{mean}");
}

#[tokio::test]
async fn a_unit_is_a_shard_of_an_hour_that_has_something() {
    let bus = MemoryJobBus::new(4, [subscription(&demo(), "orders", &["*"])]);
    let now = bus.clock.now();
    // Two hours with many events of one type, and one with a few of another.
    for number in 0..400_u32 {
        let hours = [100, 30][usize::from(number / 4 % 2 == 0)];
        let members = json!({ "id": number.to_string(), "type": "order.created" });
        bus.logged(&demo(), now - hours * HOUR, members).await;
    }
    bus.logged(
        &demo(),
        now - 60 * HOUR,
        json!({ "id": "x", "type": "price.set" }),
    )
    .await;
    for (filter, units, total) in [
        (ReplayFilter::default(), 9, 401),
        (types(&["order.*"]), 8, 400),
        (types(&["price.set"]), 1, 1),
        (types(&["nothing"]), 0, 0),
    ] {
        let job = bus.job(&demo(), dry(&bus, filter)).await;
        let plan = bus.work_off(&job).await.plan;
        assert_eq!(
            (plan.units, plan.total, plan.is_whole),
            (units, total, true)
        );
    }
}

#[tokio::test]
async fn a_job_of_nothing_is_completed() {
    let bus = bus();
    let job = bus
        .job(&demo(), bus.replay(ReplayFilter::default(), Target::All))
        .await;
    let over = bus.work_off(&job).await;
    assert_eq!((over.state, over.plan.units), (JobState::Completed, 0));
    assert!(over.finished_at.is_some() && over.started_at.is_none());
}

#[tokio::test]
async fn an_hour_of_very_many_is_counted_side_by_side_and_exactly() {
    let bus = bus();
    let start = bus.clock.now() - HOUR;
    for number in 0..6_500_u32 {
        let event_type = ["a", "b"][usize::from(number % 5 == 0)];
        let members = json!({ "id": number.to_string(), "type": event_type });
        bus.logged(
            &demo(),
            start + number * Duration::from_millis(500),
            members,
        )
        .await;
    }
    for (filter, total) in [(ReplayFilter::default(), 6_500), (types(&["b"]), 1_300)] {
        let job = bus.job(&demo(), dry(&bus, filter)).await;
        assert_eq!(bus.work_off(&job).await.plan.total, total);
    }
}

#[tokio::test]
async fn planning_waits_until_the_log_s_indexes_have_followed() {
    let bus = bus();
    events(&bus, 1).await;
    let mut spec = bus.replay(ReplayFilter::default(), Target::All);
    spec.range =
        pillarbox_domain::log_hour::IdRange::of_times(None, Some(bus.clock.now() + 20 * SECOND))
            .unwrap();
    let job = bus.job(&demo(), spec).await;
    // The set ends in 17 s, and needs 2 s more.
    let ran = bus.work(&job).await;
    assert_eq!(ran, Ran::Again { after: 19 * SECOND });
    assert_eq!(bus.now(&job).await.state, JobState::Planning);
    bus.clock.advance(19 * SECOND);
    bus.work_off(&job).await;
    assert_eq!(bus.now(&job).await.state, JobState::Completed);
}

#[tokio::test]
async fn a_plan_goes_on_where_it_was_left() {
    let bus = MemoryJobBus::new(64, [subscription(&demo(), "orders", &["*"])]);
    for number in 0..500_u32 {
        let at = bus.clock.now() - (number % 10) * 30 * HOUR - SECOND;
        bus.logged(&demo(), at, json!({ "id": number.to_string() }))
            .await;
    }
    let job = bus.job(&demo(), dry(&bus, ReplayFilter::default())).await;
    let (mut calls, mut units) = (0, 0);
    while bus.now(&job).await.state == JobState::Planning {
        // No time: each call makes a step.
        bus.work_for(&demo(), job.id, Duration::ZERO).await.unwrap();
        let plan = bus.now(&job).await.plan;
        assert!(plan.units >= units);
        (calls, units) = (calls + 1, plan.units);
    }
    let over = bus.now(&job).await;
    assert_eq!((over.state, over.plan.total), (JobState::Counted, 500));
    assert!(calls >= 10, "{calls}");
}

#[tokio::test]
async fn the_set_does_not_grow_after_the_start() {
    let bus = bus();
    events(&bus, 10).await;
    let job = bus
        .job(&demo(), bus.replay(ReplayFilter::default(), Target::All))
        .await;
    for number in 0..10 {
        let members = json!({ "id": format!("late-{number}") });
        bus.logged(&demo(), bus.clock.now(), members).await;
    }
    let over = bus.work_off(&job).await;
    assert_eq!((over.plan.total, counts(&over)), (10, [10, 10, 0, 0]));
}

#[tokio::test]
async fn the_planner_calls_the_other_workers() {
    let bus = MemoryJobBus::new(4, [subscription(&demo(), "orders", &["*"])]);
    for number in 0..300_u32 {
        let at = bus.clock.now() - number * 10 * 60 * SECOND - SECOND;
        bus.logged(&demo(), at, json!({ "id": number.to_string() }))
            .await;
    }
    let job = bus
        .job(&demo(), bus.replay(ReplayFilter::default(), Target::All))
        .await;
    bus.work_off(&job).await;
    let called = bus.parts.calls.take();
    assert_eq!(called.len(), pillarbox_domain::job::MAX_WORKERS - 1);
    assert!(
        called
            .iter()
            .all(|(owner, id, _)| (owner, *id) == (&demo(), job.id))
    );
}
