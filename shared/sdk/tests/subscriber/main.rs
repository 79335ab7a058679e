//! Batches from SQS through a subscriber, on ports in memory. Time stands still but where it is waited for.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod failures;
mod fifo;
mod figures;
mod lines;
mod once;
mod support;
mod time_limits;
mod types;
