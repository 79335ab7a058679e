//! What the suites of this package share.
//!
//! | suite | needs | run by |
//! |---|---|---|
//! | `template` | nothing | `cargo test -p pillarbox-tests --test template` |
//! | `conformance` | Amazon's own DynamoDB engine | `python3 infra/local/dynamodb_local.py -- cargo test -p pillarbox-tests --test conformance` |
//! | `e2e` | the running stack | `. .local/stack.env && cargo test -p pillarbox-tests --test e2e` |
//! | `e2e_alone` | the running stack, for each test alone: they stop dispatch, kill functions and seal hours, for everybody | the same with `--test e2e_alone -- --test-threads=1`, after `e2e` |
//! | `scale` | the running stack, for itself | the same with `--test scale -- --nocapture`; `make test-scale` does all of it |
//!
//! A suite whose engine is not there fails with one line that says so; none is skipped. Every test makes
//! its own tenant, tables or queues, so the order does not matter, nor what an earlier run left behind.
#![warn(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

pub mod cloudwatch;
pub mod engine;
pub mod functions;
pub mod jobs;
pub mod logs;
pub mod many;
pub mod operating;
pub mod queue_life;
pub mod stack;
pub mod subscriber_process;
pub mod template;

use std::time::{Duration, Instant};

use pillarbox_domain::Clock;
use pillarbox_runtime::clock::SystemClock;

/// The longest that anything is waited for. What takes as long has failed, on however slow a machine.
pub const LIMIT: Duration = Duration::from_secs(90);

const PAUSE: Duration = Duration::from_millis(50);

/// What `look` finds, as soon as it finds something. Panics, naming `what`, when that is not within
/// [`LIMIT`].
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {LIMIT:?}: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// A name that nothing else has: lower-case letters, digits and hyphens.
pub fn fresh(prefix: &str) -> String {
    format!("{prefix}-{}", SystemClock::default().next_id())
}
