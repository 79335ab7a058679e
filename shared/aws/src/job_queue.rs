//! `JobQueue`: each message calls one worker.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use pillarbox_domain::job::{JobId, JobQueue};
use pillarbox_domain::{StoreError, TenantId};
use serde_json::json;

use crate::error::store_error;

/// Messages in one `SendMessageBatch`
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>).
const MAX_BATCH_MESSAGES: usize = 10;

/// The longest that a message may be delayed, in seconds
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>).
const MAX_DELAY_SECONDS: u64 = 900;

/// The queue of calls.
pub struct SqsJobQueue {
    client: Client,
    queue_url: String,
}

impl SqsJobQueue {
    /// The queue at this address.
    pub fn new(client: Client, queue_url: String) -> Self {
        Self { client, queue_url }
    }

    async fn call_batch(
        &self,
        body: &str,
        workers: usize,
        delay: Duration,
    ) -> Result<(), StoreError> {
        let entries = (0..workers).map(|number| entry(number, body, delay));
        let entries = entries.collect::<Result<Vec<_>, _>>();
        let entries = entries.map_err(|error| failed(error.to_string()))?;
        let call = self.client.send_message_batch().queue_url(&self.queue_url);
        let sent = call.set_entries(Some(entries)).send().await;
        let sent = sent.map_err(|error| store_error("SendMessageBatch", error))?;
        match workers.saturating_sub(sent.successful().len()) {
            0 => Ok(()),
            left => {
                let mut refused = sent.failed().iter();
                let why = refused.next().and_then(|entry| entry.message());
                let why = why.unwrap_or("the answer does not mention them");
                Err(failed(format!(
                    "{left} of {workers} calls were not taken: {why}"
                )))
            }
        }
    }
}

impl JobQueue for SqsJobQueue {
    async fn call(
        &self,
        tenant: &TenantId,
        id: JobId,
        workers: usize,
        delay: Duration,
    ) -> Result<(), StoreError> {
        let body = json!({ "tenant": tenant.as_str(), "job_id": id }).to_string();
        let mut left = workers;
        while left > 0 {
            let now = left.min(MAX_BATCH_MESSAGES);
            self.call_batch(&body, now, delay).await?;
            left -= now;
        }
        Ok(())
    }
}

fn entry(
    number: usize,
    body: &str,
    delay: Duration,
) -> Result<SendMessageBatchRequestEntry, aws_sdk_sqs::error::BuildError> {
    SendMessageBatchRequestEntry::builder()
        .id(number.to_string())
        .message_body(body)
        .delay_seconds(delay_seconds(delay))
        .build()
}

/// Whole seconds, so that nobody is called early.
fn delay_seconds(delay: Duration) -> i32 {
    let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
    i32::try_from(seconds.min(MAX_DELAY_SECONDS)).unwrap_or(i32::MAX)
}

fn failed(why: String) -> StoreError {
    StoreError::Failed {
        operation: "SendMessageBatch",
        source: why.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_called_early_and_nobody_later_than_a_queue_can() {
        for (ms, seconds) in [(0, 0), (1, 1), (2_000, 2), (2_001, 3), (900_001, 900)] {
            assert_eq!(delay_seconds(Duration::from_millis(ms)), seconds, "{ms}");
        }
    }
}
