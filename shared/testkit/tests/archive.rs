//! The archive in memory keeps to the same suite as the bucket.

use pillarbox_testkit::{MemoryArchive, archive};

#[tokio::test]
async fn the_memory_archive_conforms() {
    archive::conformance(&MemoryArchive::default()).await;
}
