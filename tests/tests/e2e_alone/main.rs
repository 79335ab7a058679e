//! What no other test can run beside: dispatch is stopped, functions are killed, a day passes for streams, hours are
//! sealed; each for everybody. One test at a time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod dispatch;
mod killed_worker;
mod seals;
mod sweep;
