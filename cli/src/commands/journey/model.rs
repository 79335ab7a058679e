//! A journey as the bus tells it.

use serde::Deserialize;
use serde_json::Value;

use crate::commands::dead_letters::{Failure, Letter};
use crate::commands::subscriptions::Decision;

#[derive(Deserialize)]
pub struct Journey {
    pub event_id: String,
    pub state: String,
    pub source: String,
    pub id: String,
    #[serde(rename = "type")]
    pub event_type: String,
    pub subject: Option<String>,
    pub correlation_id: Option<String>,
    pub accepted_at: String,
    pub expires_at: String,
    #[serde(default)]
    pub deliveries: Vec<Delivery>,
    #[serde(default)]
    pub not_matched: Vec<NotMatched>,
    #[serde(default)]
    pub replays: Vec<Value>,
}

/// The way of the event to one subscription that it matched.
#[derive(Deserialize)]
pub struct Delivery {
    pub subscription: String,
    pub state: String,
    pub handed_over_at: Option<String>,
    #[serde(default)]
    pub attempts: Vec<Attempt>,
    pub next_attempt_at: Option<String>,
    #[serde(default)]
    pub dead_letters: Vec<Letter>,
}

#[derive(Deserialize)]
pub struct Attempt {
    pub attempt: u64,
    pub at: String,
    /// None when it succeeded.
    pub error: Option<Failure>,
}

#[derive(Deserialize)]
pub struct NotMatched {
    pub subscription: String,
    pub decided_by: Option<Decision>,
    pub note: Option<String>,
}
