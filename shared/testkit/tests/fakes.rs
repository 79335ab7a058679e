//! The fakes keep to the same suites as the adapters.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use pillarbox_testkit::{
    ManualClock, MemoryActiveHours, MemoryEventLog, MemoryInbox, MemoryPayloads, MemoryRegistry,
    conformance,
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
    conformance::tenant_settings(&MemoryRegistry::default()).await;
    pillarbox_testkit::schemas::conformance(&MemoryRegistry::default()).await;
}

#[tokio::test]
async fn the_memory_payloads_conform() {
    conformance::payloads(&MemoryPayloads::default(), &ManualClock::default()).await;
}

#[tokio::test]
async fn the_memory_inbox_conforms() {
    let clock = ManualClock::default();
    conformance::inbox(&MemoryInbox::new(clock.clone()), &clock).await;
}
