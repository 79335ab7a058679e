//! The fakes keep to the same suites as the adapters.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use pillarbox_testkit::{
    ManualClock, MemoryActiveHours, MemoryAnswers, MemoryEventLog, MemoryInbox, MemoryJobs,
    MemoryLetters, MemoryPayloads, MemoryReceipts, MemoryRegistry, MemoryRollups, MemorySchedules,
    MemorySweepStore, MemoryTroubledDeliveries, conformance,
};

#[tokio::test]
async fn the_memory_event_log_conforms() {
    let clock = ManualClock::default();
    conformance::event_log(&MemoryEventLog::new(clock.clone()), &clock).await;
}

#[tokio::test]
async fn the_memory_event_log_can_be_queried() {
    let clock = ManualClock::default();
    let (log, marks) = (
        MemoryEventLog::new(clock.clone()),
        MemoryActiveHours::default(),
    );
    conformance::queries::event_query(&log, &log, &marks, &clock).await;
    conformance::queries::many_entries(&log, &log, &marks, &clock, 2_500).await;
}

#[tokio::test]
async fn the_memory_active_hours_conform() {
    conformance::queries::active_hours(&MemoryActiveHours::default(), &ManualClock::default())
        .await;
}

#[tokio::test]
async fn the_memory_registry_conforms() {
    conformance::registry(&MemoryRegistry::default()).await;
    conformance::tenants(&MemoryRegistry::default()).await;
    conformance::many_tenants(&MemoryRegistry::default(), 50).await;
    conformance::tenant_settings(&MemoryRegistry::default()).await;
    pillarbox_testkit::schemas::conformance(&MemoryRegistry::default()).await;
    let clock = ManualClock::default();
    conformance::subscriptions::subscriptions(&MemoryRegistry::default(), &clock).await;
    let registry = MemoryRegistry::default();
    conformance::subscriptions::suspensions(&registry, &registry, &clock).await;
}

#[tokio::test]
async fn the_memory_troubled_deliveries_conform() {
    let clock = ManualClock::default();
    conformance::trouble::troubled_deliveries(&MemoryTroubledDeliveries::default(), &clock).await;
    conformance::trouble::trouble_ledger(&MemoryTroubledDeliveries::default(), &clock).await;
    conformance::trouble::retrying_count(&MemoryTroubledDeliveries::default(), &clock).await;
}

#[tokio::test]
async fn the_memory_receipts_conform() {
    let clock = ManualClock::default();
    conformance::receipts::receipts_of_events(&MemoryReceipts::default(), &clock).await;
    conformance::receipts::receipts_of_a_time(&MemoryReceipts::default(), &clock).await;
}

#[tokio::test]
async fn the_memory_payloads_conform() {
    conformance::payloads(&MemoryPayloads::default(), &ManualClock::default()).await;
}

#[tokio::test]
async fn the_memory_jobs_conform() {
    conformance::jobs::jobs(&MemoryJobs::default(), &ManualClock::default()).await;
}

#[tokio::test]
async fn the_memory_inbox_conforms() {
    let clock = ManualClock::default();
    conformance::inbox(&MemoryInbox::new(clock.clone()), &clock).await;
}

#[tokio::test]
async fn the_memory_letters_conform() {
    let clock = ManualClock::default();
    pillarbox_testkit::letters::conformance(&MemoryLetters::default(), &clock).await;
}

#[tokio::test]
async fn the_memory_answers_conform() {
    let answers = MemoryAnswers::default();
    let taken = || {
        answers
            .taken()
            .into_iter()
            .map(|(_, answer)| answer)
            .collect()
    };
    pillarbox_testkit::answers::conformance(&answers, "https://answers.test/1", taken).await;
}

#[tokio::test]
async fn the_memory_schedules_conform() {
    pillarbox_testkit::schedules::conformance(&MemorySchedules::default()).await;
}

#[tokio::test]
async fn the_memory_sweep_store_conforms() {
    let clock = ManualClock::default();
    pillarbox_testkit::sweep::sweep_states(&MemorySweepStore::default(), &clock).await;
}

#[tokio::test]
async fn the_memory_rollups_conform() {
    let clock = ManualClock::default();
    conformance::rollups::rollups(&MemoryRollups::default(), &clock).await;
}
