//! The archive and its seals in memory keep to the same suites as the adapters.

use pillarbox_testkit::{ManualClock, MemoryArchive, MemorySeals, archive, seals};

#[tokio::test]
async fn the_memory_archive_conforms() {
    archive::conformance(&MemoryArchive::default()).await;
}

#[tokio::test]
async fn the_memory_seals_conform() {
    let (seals, clock) = (MemorySeals::default(), ManualClock::default());
    seals::conformance(&seals, &clock).await;
    seals::reopened_hours(&seals, &seals, &clock).await;
}
