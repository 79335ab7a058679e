//! Every check comes to an end, whatever becomes of what it asks.

use std::future::pending;
use std::time::Duration;

use pillarbox_domain::dispatch_switch::{DispatchSwitch, SwitchState};
use pillarbox_domain::gauges::{KnownLogs, Standings};
use pillarbox_domain::health::{
    BusQueue, Check, CheckName, Examination, Examine, Examiner, QueueDepth, QueueDepths,
    ShownExamination, Status, Tables,
};
use pillarbox_domain::job::Sleeper;
use pillarbox_domain::log_hour::LogHour;
use pillarbox_domain::publish::EventLog;
use pillarbox_domain::seal::SealStore;
use pillarbox_domain::sweep::{SweepState, SweepStore};
use pillarbox_domain::{Clock, StoreError};
use pillarbox_testkit::builders::{event, logged, tenant};
use pillarbox_testkit::{
    EndlessSleeper, ManualClock, MemoryEventLog, MemoryJobs, MemoryLetters, MemoryQueueDepths,
    MemoryReceipts, MemoryRegistry, MemorySeals, MemorySweepStore, MemorySwitch,
    MemoryTroubledDeliveries,
};
use serde_json::json;

use crate::support::*;

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

type MemoryTables = Tables<
    MemoryRegistry,
    MemorySweepStore,
    MemoryReceipts,
    MemoryEventLog<ManualClock>,
    MemoryTroubledDeliveries,
    MemoryLetters,
    MemoryRegistry,
    MemorySeals,
    MemoryJobs,
    ManualClock,
>;

fn tables(clock: &ManualClock) -> MemoryTables {
    Tables {
        logs: KnownLogs::new(MemoryRegistry::default(), clock.clone()),
        registry: MemoryRegistry::default(),
        sweep: MemorySweepStore::default(),
        receipts: MemoryReceipts::default(),
        log: MemoryEventLog::new(clock.clone()),
        rows: MemoryTroubledDeliveries::default(),
        letters: MemoryLetters::default(),
        subscriptions: MemoryRegistry::default(),
        seals: MemorySeals::default(),
        jobs: MemoryJobs::default(),
    }
}

fn examiner<Q, X, Z>(
    queues: Q,
    switch: X,
    sleeper: Z,
) -> Examiner<MemoryTables, Q, X, Z, ManualClock> {
    let clock = ManualClock::default();
    Examiner {
        tables: tables(&clock),
        queues,
        switch,
        sleeper,
        clock,
        standings: Standings::default(),
    }
}

fn usual() -> Examiner<MemoryTables, MemoryQueueDepths, MemorySwitch, EndlessSleeper, ManualClock> {
    examiner(
        MemoryQueueDepths::default(),
        MemorySwitch::default(),
        EndlessSleeper,
    )
}

fn check(found: &Examination, name: CheckName) -> &Check {
    let mut checks = found.checks.iter();
    checks.find(|check| check.name == name).unwrap()
}

#[tokio::test]
async fn each_check_is_told_once_in_the_order_of_their_names() {
    let found = usual().examine().await;
    let names: Vec<CheckName> = found.checks.iter().map(|check| check.name).collect();
    assert_eq!(names, CheckName::ALL);
}

#[tokio::test]
async fn a_bus_is_well_until_an_event_waits_for_too_long() {
    let examiner = usual();
    let (tables, clock) = (&examiner.tables, &examiner.clock);
    let swept = SweepState {
        looked_before: clock.now() - 10 * MINUTE,
        ..SweepState::beginning(clock.now())
    };
    assert!(tables.sweep.save(&swept).await.unwrap());
    let first = LogHour::at(clock.now() - 25 * 60 * MINUTE);
    tables.seals.begin(first).await.unwrap();
    let found = examiner.examine().await;
    assert_eq!(found.status(), Status::Ok, "{found:?}");

    let waiting = logged(clock, &tenant("_bus"), event("1", json!(1)));
    tables.log.append(&waiting).await.unwrap();
    clock.advance(6 * MINUTE);
    let found = examiner.examine().await;
    let lag = check(&found, CheckName::DispatchLag);
    assert_eq!((lag.status, lag.figure.unwrap().value), (Status::Fail, 360));
    assert_eq!(check(&found, CheckName::PendingEvents).status, Status::Ok);
    assert_eq!(found.status(), Status::Fail);
}

#[tokio::test]
async fn what_never_answers_has_failed_when_its_time_is_over_and_the_others_are_told() {
    let examiner = examiner(MemoryQueueDepths::default(), Silent, Hurried);
    let found = examiner.examine().await;
    let silent = check(&found, CheckName::StreamMapping);
    let words = "It could not be looked at: no answer within 10 s.";
    assert_eq!((silent.status, &*silent.message), (Status::Fail, words));
    // What answers at once is in time even where there is none.
    assert_eq!(check(&found, CheckName::RetryQueue).status, Status::Ok);
}

#[tokio::test]
async fn a_panic_is_a_failed_check_and_no_more() {
    let examiner = examiner(Panicking, MemorySwitch::default(), EndlessSleeper);
    let found = examiner.examine().await;
    let failed = found.checks.iter();
    let failed = failed.filter(|check| check.status == Status::Fail);
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
    let examiner = usual();
    examiner.tables.seals.set_failing(true);
    let found = examiner.examine().await;
    let shown = serde_json::to_value(ShownExamination(&found)).unwrap();
    assert_eq!(shown["status"], "fail");
    assert_eq!(shown["checked_at"], "2026-11-23T12:00:00Z");
    let seals = json!({
        "name": "seals",
        "status": "fail",
        "message": "It could not be looked at: the store is throttling GetItem.",
        "figure": null,
    });
    assert_eq!(shown["checks"][15], seals);
}
