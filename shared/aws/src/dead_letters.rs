//! `DeadLetterQueue`.

use aws_sdk_sqs::Client;
use pillarbox_domain::StoreError;
use pillarbox_domain::dead_letter::{DeadLetters, DeadRecord};
use serde_json::json;

use crate::error::store_error;

/// The queue that everything goes through which fails for good.
pub struct SqsDeadLetters {
    client: Client,
    queue_url: String,
}

impl SqsDeadLetters {
    /// The queue at this address.
    pub fn new(client: Client, queue_url: String) -> Self {
        Self { client, queue_url }
    }
}

impl DeadLetters for SqsDeadLetters {
    async fn put(&self, dead: &DeadRecord) -> Result<(), StoreError> {
        let DeadRecord {
            origin,
            reason,
            record,
        } = dead;
        let body = json!({ "origin": origin, "reason": reason, "record": record });
        self.client
            .send_message()
            .queue_url(&self.queue_url)
            .message_body(body.to_string())
            .send()
            .await
            .map(drop)
            .map_err(|error| store_error("SendMessage", error))
    }
}
