//! How time passes.

use std::time::Duration;

use pillarbox_domain::job::Sleeper;

/// By waiting.
#[derive(Clone, Copy, Debug)]
pub struct TokioSleeper;

impl Sleeper for TokioSleeper {
    async fn sleep(&self, lasting: Duration) {
        tokio::time::sleep(lasting).await;
    }
}
