//! Statistics, held against an independent count.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod answers;
mod failures;
mod late;
mod listed;
mod properties;
mod rolling;
mod world;
