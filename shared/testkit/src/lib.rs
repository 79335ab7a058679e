//! For tests only: fakes in memory, builders, a clock that stands still, and one conformance suite per
//! port, which the fake and the real adapter both have to pass.
#![warn(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

pub mod active_hours;
pub mod answers;
pub mod archive;
pub mod builders;
pub mod bus;
pub mod clock;
pub mod conformance;
pub mod dead_letters;
pub mod event_log;
pub mod hooked;
pub mod inbox;
pub mod job_bus;
pub mod jobs;
pub mod letters;
pub mod logged;
#[cfg(feature = "metrics")]
pub mod metrics;
pub mod payloads;
pub mod queried;
pub mod queue_depths;
pub mod queues;
pub mod receipts;
pub mod recorded_aws;
pub mod registry;
pub mod reopenings;
pub mod rollups;
pub mod schedules;
pub mod schemas;
pub mod seals;
pub mod sleeper;
pub mod subscriptions;
pub mod sweep;
pub mod trouble;
pub mod upcasts;
pub mod visibility;

pub use active_hours::MemoryActiveHours;
pub use answers::MemoryAnswers;
pub use archive::MemoryArchive;
pub use bus::MemoryBus;
pub use clock::ManualClock;
pub use dead_letters::MemoryDeadLetterQueue;
pub use event_log::MemoryEventLog;
pub use inbox::MemoryInbox;
pub use job_bus::{MemoryCaller, MemoryJobBus};
pub use jobs::{MemoryJobQueue, MemoryJobs};
pub use letters::MemoryLetters;
#[cfg(feature = "metrics")]
pub use metrics::MemoryMetrics;
pub use payloads::MemoryPayloads;
pub use queue_depths::MemoryQueueDepths;
pub use queues::MemoryQueues;
pub use receipts::MemoryReceipts;
pub use recorded_aws::RecordedAws;
pub use registry::MemoryRegistry;
pub use reopenings::MemoryReopenings;
pub use rollups::MemoryRollups;
pub use schedules::MemorySchedules;
pub use seals::MemorySeals;
pub use sleeper::EndlessSleeper;
pub use sweep::{MemorySweepQueue, MemorySweepStore, MemorySwitch};
pub use trouble::{MemoryRetryQueue, MemoryTroubledDeliveries};
pub use upcasts::MemoryUpcasts;
pub use visibility::MemoryVisibility;
