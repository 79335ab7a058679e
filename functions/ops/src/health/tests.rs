//! What administrators are answered, on stores in memory.

use std::sync::Arc;

use pillarbox_domain::dispatch::Subscriptions;
use pillarbox_domain::gauges::{KnownLogs, Standings};
use pillarbox_domain::health::{BusQueue, Examiner, QueueDepth, Tables};
use pillarbox_domain::subscription::Roster;
use pillarbox_domain::{StoreError, TenantId};
use pillarbox_testkit::{
    EndlessSleeper, ManualClock, MemoryEventLog, MemoryJobs, MemoryLetters, MemoryQueueDepths,
    MemoryReceipts, MemoryRegistry, MemorySeals, MemorySweepStore, MemorySwitch,
    MemoryTroubledDeliveries,
};
use serde_json::{Value, json};

use crate::test_ops::{Call, TestOps, answer, ops};

pub(crate) type TestExaminer = Examiner<
    Tables<
        MemoryRegistry,
        MemorySweepStore,
        MemoryReceipts,
        MemoryEventLog<ManualClock>,
        MemoryTroubledDeliveries,
        MemoryLetters,
        NoSubscriptions,
        MemorySeals,
        MemoryJobs,
        ManualClock,
    >,
    MemoryQueueDepths,
    MemorySwitch,
    EndlessSleeper,
    ManualClock,
>;

/// Nobody is subscribed.
pub(crate) struct NoSubscriptions;

impl Subscriptions for NoSubscriptions {
    async fn of(&self, _: &TenantId) -> Result<Arc<Roster>, StoreError> {
        Ok(Arc::default())
    }
}

pub(crate) fn examiner(clock: &ManualClock) -> TestExaminer {
    Examiner {
        tables: Tables {
            logs: KnownLogs::new(MemoryRegistry::default(), clock.clone()),
            registry: MemoryRegistry::default(),
            sweep: MemorySweepStore::default(),
            receipts: MemoryReceipts::default(),
            log: MemoryEventLog::new(clock.clone()),
            rows: MemoryTroubledDeliveries::default(),
            letters: MemoryLetters::default(),
            subscriptions: NoSubscriptions,
            seals: MemorySeals::default(),
            jobs: MemoryJobs::default(),
        },
        queues: MemoryQueueDepths::default(),
        switch: MemorySwitch::default(),
        sleeper: EndlessSleeper,
        clock: clock.clone(),
        standings: Standings::default(),
    }
}

async fn asked(ops: &TestOps) -> Value {
    let deep = Call::of("GET /v1/health/deep", "admin", json!({}));
    let (status, body) = answer(ops, deep).await;
    assert_eq!(status, 200);
    body
}

fn check<'a>(body: &'a Value, name: &str) -> &'a Value {
    let checks = body["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap()
}

#[tokio::test]
async fn every_check_is_named_with_its_sentence_and_its_figure() {
    let body = asked(&ops()).await;
    assert_eq!(body["checks"].as_array().unwrap().len(), 18);
    assert_eq!(body["checked_at"], "2026-11-23T12:00:00Z");
    // A new bus: it was neither swept nor sealed yet.
    assert_eq!(body["status"], "warn");
    let pending = json!({
        "name": "pending_events",
        "status": "ok",
        "message": "No event waits.",
        "figure": { "value": 0, "unit": "count", "is_at_least": false },
    });
    assert_eq!(*check(&body, "pending_events"), pending);
}

#[tokio::test]
async fn what_does_not_answer_has_failed_and_the_answer_is_200_all_the_same() {
    let ops = ops();
    ops.examiner.queues.set(BusQueue::Retries, None);
    let deep = QueueDepth {
        visible: 10_000,
        ..QueueDepth::default()
    };
    ops.examiner.queues.set(BusQueue::Jobs, Some(deep));
    ops.examiner.tables.seals.set_failing(true);
    let body = asked(&ops).await;
    assert_eq!(body["status"], "fail");
    for name in ["retry_queue", "job_queue", "seals"] {
        assert_eq!(check(&body, name)["status"], "fail", "{name}");
    }
    assert_eq!(check(&body, "retry_queue")["figure"], Value::Null);
    assert_eq!(check(&body, "sweep_queue")["status"], "ok");
}
