//! `SweepQueue`: what a sweep found, where it is too much for one run.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use pillarbox_domain::StoreError;
use pillarbox_domain::sweep::{Found, SweepQueue, messages};

use crate::error::store_error;

const SEND: &str = "SendMessageBatch";

/// Messages in one call; together they are below the 1 MiB that a call holds
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>).
const MAX_BATCH_MESSAGES: usize = 10;

/// The sweep's queue.
pub struct SqsSweepQueue {
    client: Client,
    queue_url: String,
}

impl SqsSweepQueue {
    /// The queue at this address.
    pub fn new(client: Client, queue_url: String) -> Self {
        Self { client, queue_url }
    }

    async fn send(&self, bodies: &[String]) -> Result<(), StoreError> {
        let entries: Result<Vec<_>, _> = bodies.iter().enumerate().map(entry).collect();
        let entries = entries.map_err(|error| failed(error.into()))?;
        let call = self.client.send_message_batch().queue_url(&self.queue_url);
        let sent = call.set_entries(Some(entries)).send().await;
        let sent = sent.map_err(|error| store_error(SEND, error))?;
        // An entry that the answer does not mention was not taken.
        if sent.successful().len() == bodies.len() {
            return Ok(());
        }
        let why = sent.failed().first().map(|entry| entry.code());
        let why = why.unwrap_or("the answer does not mention it");
        let taken = sent.successful().len();
        Err(failed(
            format!("{taken} of {} messages were taken: {why}", bodies.len()).into(),
        ))
    }
}

impl SweepQueue for SqsSweepQueue {
    async fn ask(&self, found: &[Found]) -> Result<(), StoreError> {
        for bodies in messages(found).chunks(MAX_BATCH_MESSAGES) {
            self.send(bodies).await?;
        }
        Ok(())
    }
}

fn entry(
    (index, body): (usize, &String),
) -> Result<SendMessageBatchRequestEntry, aws_sdk_sqs::error::BuildError> {
    SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(body)
        .build()
}

fn failed(source: Box<dyn std::error::Error + Send + Sync>) -> StoreError {
    StoreError::Failed {
        operation: SEND,
        source,
    }
}
