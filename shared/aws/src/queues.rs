//! The subscribers' queues.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use futures::{StreamExt, stream};
use pillarbox_domain::ErrorChain;
use pillarbox_domain::delivery::Message;
use pillarbox_domain::dispatch::{DeliveryQueues, Refusal, SendError};
use pillarbox_domain::subscription::QueueUrl;

use crate::trace_header::trace_header;

/// Messages in one `SendMessageBatch`
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>).
const MAX_BATCH_MESSAGES: usize = 10;

/// Bytes in one `SendMessageBatch`, bodies and attributes together (same page).
const MAX_BATCH_BYTES: usize = 1_048_576;

/// Calls under way to one queue at a time.
const MAX_CALLS: usize = 16;

/// The longest that one call takes with all its retries.
const SEND_TIMEOUT: Duration = Duration::from_secs(4);

/// The longest that one attempt takes before it is tried again on another connection.
const SEND_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

/// Queues that the bus may send to.
pub struct SqsDeliveryQueues {
    client: Client,
}

impl SqsDeliveryQueues {
    /// Sends as this client does, but gives up earlier: a queue that does not answer is tried again by its own
    /// rows, and must not hold up the others.
    pub fn new(client: &Client) -> Self {
        let timeouts = TimeoutConfig::builder()
            .operation_timeout(SEND_TIMEOUT)
            .operation_attempt_timeout(SEND_ATTEMPT_TIMEOUT)
            .build();
        let config = client.config().to_builder().timeout_config(timeouts);
        Self {
            client: Client::from_conf(config.build()),
        }
    }

    async fn send_batch(
        &self,
        queue: &QueueUrl,
        messages: &[Message],
    ) -> Vec<Result<(), SendError>> {
        let mut answers = vec![Err(SendError::unanswered()); messages.len()];
        let is_fifo = queue.is_fifo();
        let entries = messages.iter().enumerate();
        let entries: Result<Vec<_>, _> = entries
            .map(|(index, message)| entry(index, message, is_fifo))
            .collect();
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => return vec![Err(error); messages.len()],
        };
        let call = self.client.send_message_batch().queue_url(queue.as_str());
        let sent = match call.set_entries(Some(entries)).send().await {
            Ok(sent) => sent,
            Err(error) => return vec![Err(call_error(&error)); messages.len()],
        };
        for accepted in sent.successful() {
            set(&mut answers, accepted.id(), Ok(()));
        }
        for failed in sent.failed() {
            let error = SendError {
                code: failed.code().to_owned(),
                detail: failed.message().unwrap_or_default().to_owned(),
                refusal: match failed.sender_fault() {
                    true => Refusal::Message,
                    false => Refusal::Transient,
                },
            };
            set(&mut answers, failed.id(), Err(error));
        }
        answers
    }
}

impl DeliveryQueues for SqsDeliveryQueues {
    async fn send(&self, queue: &QueueUrl, messages: &[Message]) -> Vec<Result<(), SendError>> {
        let mut calls = Vec::new();
        for batch in batches(messages) {
            calls.push(self.send_batch(queue, batch));
        }
        // On a FIFO queue one call after the other keeps the order.
        let at_a_time = if queue.is_fifo() { 1 } else { MAX_CALLS };
        let answers: Vec<_> = stream::iter(calls).buffered(at_a_time).collect().await;
        answers.into_iter().flatten().collect()
    }
}

/// Cuts the messages into calls, in order, each within both limits.
fn batches(messages: &[Message]) -> Vec<&[Message]> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, message) in messages.iter().enumerate() {
        let size = message.bytes();
        let full = index - start == MAX_BATCH_MESSAGES || bytes + size > MAX_BATCH_BYTES;
        if full && index > start {
            batches.push(&messages[start..index]);
            (start, bytes) = (index, 0);
        }
        bytes += size;
    }
    if start < messages.len() {
        batches.push(&messages[start..]);
    }
    batches
}

fn entry(
    index: usize,
    message: &Message,
    is_fifo: bool,
) -> Result<SendMessageBatchRequestEntry, SendError> {
    let mut entry = SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(&message.body)
        .message_group_id(&message.group);
    if is_fifo {
        entry = entry.message_deduplication_id(message.deduplication_id());
    }
    for (name, value) in &message.attributes {
        let value = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(value)
            .build();
        entry = entry.message_attributes(*name, value.map_err(unbuildable)?);
    }
    if let Some((name, value)) = trace_header(message) {
        entry = entry.message_system_attributes(name, value);
    }
    entry.build().map_err(unbuildable)
}

fn unbuildable(error: impl std::error::Error) -> SendError {
    SendError {
        code: "Unbuildable".to_owned(),
        detail: error.to_string(),
        refusal: Refusal::Message,
    }
}

fn set(answers: &mut [Result<(), SendError>], id: &str, answer: Result<(), SendError>) {
    if let Some(slot) = id
        .parse::<usize>()
        .ok()
        .and_then(|index| answers.get_mut(index))
    {
        *slot = answer;
    }
}

/// Codes of a call that fails the same way until a person changes the queue or its policy.
const LASTING: [&str; 7] = [
    "AWS.SimpleQueueService.NonExistentQueue",
    "AWS.SimpleQueueService.QueueDeletedRecently",
    "QueueDoesNotExist",
    "AccessDenied",
    "AccessDeniedException",
    "InvalidAddress",
    "KmsAccessDenied",
];

/// Codes of a call whose messages are never taken, whatever the queue is like.
const OF_THE_MESSAGE: [&str; 2] = ["InvalidMessageContents", "BatchRequestTooLong"];

fn call_error<E>(error: &E) -> SendError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let code = error.code().unwrap_or("NoAnswer").to_owned();
    SendError {
        detail: error
            .message()
            .map_or_else(|| ErrorChain(error).to_string(), str::to_owned),
        refusal: match &*code {
            _ if LASTING.contains(&&*code) => Refusal::Queue,
            _ if OF_THE_MESSAGE.contains(&&*code) => Refusal::Message,
            _ => Refusal::Transient,
        },
        code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(bytes: usize) -> Message {
        Message {
            body: "x".repeat(bytes),
            attributes: vec![],
            group: "demo".to_owned(),
        }
    }

    fn sizes(messages: &[Message]) -> Vec<usize> {
        batches(messages).iter().map(|batch| batch.len()).collect()
    }

    #[test]
    fn a_call_takes_ten_messages_at_most() {
        assert_eq!(sizes(&vec![message(1); 21]), [10, 10, 1]);
        assert_eq!(sizes(&[]), Vec::<usize>::new());
    }

    #[test]
    fn a_call_takes_one_mebibyte_at_most() {
        let half = MAX_BATCH_BYTES / 2;
        assert_eq!(sizes(&[message(half), message(half), message(1)]), [2, 1]);
        assert_eq!(sizes(&[message(half), message(half + 1)]), [1, 1]);
        assert_eq!(sizes(&[message(MAX_BATCH_BYTES + 1), message(1)]), [1, 1]);
    }

    #[test]
    fn attributes_count() {
        let mut heavy = message(MAX_BATCH_BYTES - 10);
        heavy.attributes = vec![("type", "t".to_owned())];
        assert_eq!(heavy.bytes(), MAX_BATCH_BYTES + 1);
    }
}
