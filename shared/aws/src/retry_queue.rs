//! `RetryQueue`: reminders of deliveries in trouble, each to come when its row is due.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use futures::future::join_all;
use pillarbox_domain::StoreError;
use pillarbox_domain::retry_policy::MAX_DELAY;
use pillarbox_domain::trouble::{DeliveryKey, RetryQueue};
use serde_json::json;

use crate::error::store_error;

/// Messages in one `SendMessageBatch`
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>).
const MAX_BATCH_MESSAGES: usize = 10;

/// The retry queue.
pub struct SqsRetryQueue {
    client: Client,
    queue_url: String,
}

impl SqsRetryQueue {
    /// The queue at this address.
    pub fn new(client: Client, queue_url: String) -> Self {
        Self { client, queue_url }
    }

    async fn remind_batch(
        &self,
        due: &[(DeliveryKey, Duration)],
    ) -> Vec<(DeliveryKey, StoreError)> {
        let entries: Result<Vec<_>, _> = due.iter().enumerate().map(entry).collect();
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => return all_failed(due, &error.to_string()),
        };
        let call = self.client.send_message_batch().queue_url(&self.queue_url);
        let sent = match call.set_entries(Some(entries)).send().await {
            Ok(sent) => sent,
            Err(error) => {
                let error = store_error("SendMessageBatch", error);
                return all_failed(due, &pillarbox_domain::ErrorChain(&error).to_string());
            }
        };
        let taken: Vec<&str> = sent.successful().iter().map(|entry| entry.id()).collect();
        let left = due.iter().enumerate();
        left.filter(|(index, _)| !taken.contains(&&*index.to_string()))
            .map(|(_, (key, _))| (key.clone(), failed("the queue refused the reminder")))
            .collect()
    }
}

impl RetryQueue for SqsRetryQueue {
    async fn remind(&self, due: &[(DeliveryKey, Duration)]) -> Vec<(DeliveryKey, StoreError)> {
        let batches = due.chunks(MAX_BATCH_MESSAGES);
        let calls = batches.map(|batch| self.remind_batch(batch));
        join_all(calls).await.into_iter().flatten().collect()
    }
}

fn entry(
    (index, (key, wait)): (usize, &(DeliveryKey, Duration)),
) -> Result<SendMessageBatchRequestEntry, aws_sdk_sqs::error::BuildError> {
    let body = json!({
        "tenant": key.tenant.as_str(),
        "event_id": key.event_id,
        "subscription": key.subscription.as_str(),
    });
    SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(body.to_string())
        .delay_seconds(delay_seconds(*wait))
        .build()
}

/// Whole seconds, so that the message never comes before its row is due.
fn delay_seconds(wait: Duration) -> i32 {
    let wait = wait.min(MAX_DELAY);
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

fn all_failed(due: &[(DeliveryKey, Duration)], why: &str) -> Vec<(DeliveryKey, StoreError)> {
    due.iter()
        .map(|(key, _)| (key.clone(), failed(why)))
        .collect()
}

fn failed(why: &str) -> StoreError {
    StoreError::Failed {
        operation: "SendMessageBatch",
        source: why.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reminder_never_comes_early_and_never_waits_longer_than_a_queue_can() {
        let cases = [
            (0, 0),
            (1, 1),
            (800, 1),
            (1_000, 1),
            (1_001, 2),
            (60_000, 60),
            (900_000, 900),
            (900_001, 900),
        ];
        for (wait_ms, seconds) in cases {
            assert_eq!(
                delay_seconds(Duration::from_millis(wait_ms)),
                seconds,
                "{wait_ms}"
            );
        }
    }
}
