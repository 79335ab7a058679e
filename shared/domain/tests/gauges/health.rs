//! Every check comes to an end, whatever becomes of what it asks.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use pillarbox_domain::dispatch::Subscriptions;
use pillarbox_domain::dispatch_switch::{DispatchSwitch, SwitchState};
use pillarbox_domain::gauges::{KnownLogs, Standings};
use pillarbox_domain::health::{
    BusQueue, Check, CheckName, Examination, Examine, Examiner, QueueDepths, QueueDepth,
    ShownExamination, Status, Tables,
};
use pillarbox_domain::job::Sleeper;
use pillarbox_domain::subscription::Roster;
use pillarbox_domain::{Clock, StoreError, TenantId};
use pillarbox_testkit::{
    EndlessSleeper, ManualClock, MemoryBus, MemoryJobs, MemoryLetters, MemoryQueueDepths,
    MemoryRegistry, MemorySeals, MemorySweepStore,
};

use crate::support::*;

struct NoSubscriptions;

impl Subscriptions for NoSubscriptions {
    async fn of(&self, _: &TenantId) -> Result<Arc<Roster>, StoreError> {
        Ok(Arc::default())
    }
}

/// Time is over at once.
struct Hurried;

impl Sleeper for Hurried {
    async fn sleep(&self, _: Duration) {}
}

/// A switch that never answers.
struct Silent;

impl DispatchSwitch for Silent {
    async fn state(&self) -> Result<SwitchState, StoreError> {
        pending().await
    }

    async fn switch(&self, _: bool) -> Result<SwitchState, StoreError> {
        pending().await
    }
}

/// Queues whose adapter has a mistake.
struct Panicking;

impl QueueDepths for Panicking {
    async fn depth(&self, _: BusQueue) -> Result<QueueDepth, StoreError> {
        panic!("a mistake")
    }
}

type MemoryTables<'a> = Tables<
    &'a MemoryRegistry,
    &'a MemorySweepStore,
    &'a pillarbox_testkit::MemoryReceipts,
    &'a pillarbox_testkit::MemoryEventLog<ManualClock>,
    &'a pillarbox_testkit::MemoryTroubledDeliveries,
    MemoryLetters,
    NoSubscriptions,
    &'a MemorySeals,
    MemoryJobs,
    ManualClock,
>;

fn tables(bus: &MemoryBus) -> MemoryTables<'_> {
    Tables {
        logs: KnownLogs::new(&bus.registry, bus.clock.clone()),
        registry: &bus.registry,
        sweep: &bus.sweeps,
        receipts: &bus.receipts,
        log: &bus.log,
        rows: &bus.rows,
        letters: MemoryLetters::default(),
        subscriptions: NoSubscriptions,
        seals: &bus.seals,
        jobs: MemoryJobs::default(),
    }
}

fn check(found: &Examination, name: CheckName) -> &Check {
    found.checks.iter().find(|check| check.name == name).unwrap()
}

async fn examined(bus: &MemoryBus) -> Examination {
    let examiner = Examiner {
        tables: tables(bus),
        queues: MemoryQueueDepths::default(),
        switch: &bus.switch,
        sleeper: EndlessSleeper,
        clock: bus.clock.clone(),
        standings: Standings::default(),
    };
    examiner.examine().await
}

#[tokio::test]
async fn each_check_is_told_once_in_the_order_of_their_names() {
    let bus = bus(&["demo"]).await;
    let found = examined(&bus).await;
    let names: Vec<CheckName> = found.checks.iter().map(|check| check.name).collect();
    assert_eq!(names, CheckName::ALL);
}

#[tokio::test]
async fn a_bus_that_waits_for_dispatch_is_told_by_its_lag_and_one_that_does_not_is_well() {
    let bus = bus(&["demo"]).await;
    pass(&bus, 30).await;
    bus.seals.begin(pillarbox_domain::log_hour::LogHour::at(
        bus.clock.now() - 25 * 60 * MINUTE,
    ))
    .await
    .unwrap();
    let found = examined(&bus).await;
    assert_eq!(found.status(), Status::Ok, "{found:?}");
    let waiting = published(&bus, "demo", 1).await;
    bus.clock.advance(6 * MINUTE);
    let found = examined(&bus).await;
    let lag = check(&found, CheckName::DispatchLag);
    assert_eq!((lag.status, lag.figure.unwrap().value), (Status::Fail, 361));
    assert_eq!(check(&found, CheckName::PendingEvents).status, Status::Ok);
    bus.dispatch(&waiting).await;
    assert_eq!(examined(&bus).await.status(), Status::Ok);
}

#[tokio::test]
async fn what_never_answers_has_failed_when_its_time_is_over_and_the_others_are_told() {
    let bus = bus(&["demo"]).await;
    let examiner = Examiner {
        tables: tables(&bus),
        queues: MemoryQueueDepths::default(),
        switch: Silent,
        sleeper: Hurried,
        clock: bus.clock.clone(),
        standings: Standings::default(),
    };
    let found = examiner.examine().await;
    let silent = check(&found, CheckName::StreamMapping);
    assert_eq!(silent.status, Status::Fail);
    assert_eq!(silent.message, "It could not be looked at: no answer within 10 s.");
    // What answers at once is in time even where there is none.
    assert_eq!(check(&found, CheckName::RetryQueue).status, Status::Ok);
}

#[tokio::test]
async fn a_panic_is_one_failed_check_and_no_more() {
    let bus = bus(&["demo"]).await;
    let examiner = Examiner {
        tables: tables(&bus),
        queues: Panicking,
        switch: &bus.switch,
        sleeper: EndlessSleeper,
        clock: bus.clock.clone(),
        standings: Standings::default(),
    };
    let found = examiner.examine().await;
    let failed = found.checks.iter().filter(|check| check.status == Status::Fail);
    let failed: Vec<CheckName> = failed.map(|check| check.name).collect();
    let queues = [
        CheckName::DeadLetterQueue,
        CheckName::RetryQueue,
        CheckName::JobQueue,
        CheckName::SweepQueue,
    ];
    assert_eq!(failed, queues);
}

#[tokio::test]
async fn an_examination_is_shown_with_its_worst_status_first() {
    let bus = bus(&[]).await;
    bus.seals.set_failing(true);
    let found = examined(&bus).await;
    let shown = serde_json::to_value(ShownExamination(&found)).unwrap();
    assert_eq!(shown["status"], "fail");
    let seals = serde_json::json!({
        "name": "seals",
        "status": "fail",
        "message": "It could not be looked at: the store is throttling GetItem.",
        "figure": null,
    });
    assert_eq!(shown["checks"][15], seals);
    assert_eq!(shown["checked_at"], "2026-11-23T12:00:00Z");
    assert_eq!(bus.clock.now(), found.at);
}
