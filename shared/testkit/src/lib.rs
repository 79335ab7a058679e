//! For tests only: fakes in memory, builders, a clock that stands still, and one conformance suite per
//! port, which the fake and the real adapter both have to pass.
#![warn(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

pub mod active_hours;
pub mod builders;
pub mod clock;
pub mod conformance;
pub mod dead_letters;
pub mod event_log;
pub mod inbox;
pub mod payloads;
pub mod queried;
pub mod queues;
pub mod receipts;
pub mod registry;
pub mod schemas;

pub use active_hours::MemoryActiveHours;
pub use clock::ManualClock;
pub use dead_letters::MemoryDeadLetters;
pub use event_log::MemoryEventLog;
pub use inbox::MemoryInbox;
pub use payloads::MemoryPayloads;
pub use queues::MemoryQueues;
pub use receipts::MemoryReceipts;
pub use registry::MemoryRegistry;
