//! Time that does not pass by itself.

use std::future::pending;
use std::time::Duration;

use pillarbox_domain::job::Sleeper;

/// Nobody who sleeps ever wakes up: no work is late.
#[derive(Clone, Copy, Debug, Default)]
pub struct EndlessSleeper;

impl Sleeper for EndlessSleeper {
    async fn sleep(&self, _: Duration) {
        pending().await
    }
}
