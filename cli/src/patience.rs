//! Asking again for as long as it may help: reading changes nothing.

use std::future::pending;

use crate::client::{Answer, BusClient};
use crate::dice::jitter;
use crate::error::Error;
use crate::pages::Query;
use crate::retry::{RetryDecision, RetryPolicy};

/// Gets the path of these segments with these parameters.
///
/// # Errors
/// When the bus refuses, or did not answer however often it was asked.
pub async fn get(client: &BusClient, path: &[&str], query: &Query) -> Result<Answer, Error> {
    let policy = RetryPolicy::default();
    let mut attempt = 1;
    loop {
        let error = match client.get_with(path, query).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        match policy.decide(attempt, None, jitter()) {
            RetryDecision::RetryAfter(wait) if error.passes() => tokio::time::sleep(wait).await,
            _ => return Err(error),
        }
        attempt += 1;
    }
}

/// Ends when somebody presses Ctrl-C. From then on that does not end the process by itself.
pub async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        pending().await
    }
}
