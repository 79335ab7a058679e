//! The subscribers' queues.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use futures::{StreamExt, stream};
use pillarbox_domain::ErrorChain;
use pillarbox_domain::delivery::Message;
use pillarbox_domain::dispatch::{DeliveryQueues, SendError};
use pillarbox_domain::subscription::QueueUrl;

/// Messages in one `SendMessageBatch`
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>).
const MAX_BATCH_MESSAGES: usize = 10;

/// Bytes in one `SendMessageBatch`, bodies and attributes together (same page).
const MAX_BATCH_BYTES: usize = 1_048_576;

/// Calls under way to one queue at a time.
const MAX_CALLS: usize = 16;

/// Queues that the bus may send to.
pub struct SqsDeliveryQueues {
    client: Client,
}

impl SqsDeliveryQueues {
    /// Sends with this client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    async fn send_batch(
        &self,
        queue: &QueueUrl,
        messages: &[Message],
    ) -> Vec<Result<(), SendError>> {
        let mut answers = vec![Err(SendError::unanswered()); messages.len()];
        let entries: Result<Vec<_>, _> = messages.iter().enumerate().map(entry).collect();
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
                retryable: !failed.sender_fault(),
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
        let answers: Vec<_> = stream::iter(calls).buffered(MAX_CALLS).collect().await;
        answers.into_iter().flatten().collect()
    }
}

/// Cuts the messages into calls, in order, each within both limits.
fn batches(messages: &[Message]) -> Vec<&[Message]> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, message) in messages.iter().enumerate() {
        let size = message_bytes(message);
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

/// Bytes that SQS counts: the body, and each attribute's name, type and value.
fn message_bytes(message: &Message) -> usize {
    let attributes = message.attributes.iter();
    let attributes: usize = attributes
        .map(|(name, value)| name.len() + "String".len() + value.len())
        .sum();
    message.body.len() + attributes
}

fn entry((index, message): (usize, &Message)) -> Result<SendMessageBatchRequestEntry, SendError> {
    let mut entry = SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(&message.body)
        .message_group_id(&message.group);
    for (name, value) in &message.attributes {
        let value = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(value)
            .build();
        entry = entry.message_attributes(*name, value.map_err(unbuildable)?);
    }
    entry.build().map_err(unbuildable)
}

fn unbuildable(error: impl std::error::Error) -> SendError {
    SendError {
        code: "Unbuildable".to_owned(),
        detail: error.to_string(),
        retryable: false,
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
const LASTING: [&str; 5] = [
    "AWS.SimpleQueueService.NonExistentQueue",
    "QueueDoesNotExist",
    "AccessDenied",
    "AccessDeniedException",
    "InvalidAddress",
];

fn call_error<E>(error: &E) -> SendError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let code = error.code().unwrap_or("NoAnswer").to_owned();
    SendError {
        detail: error
            .message()
            .map_or_else(|| ErrorChain(error).to_string(), str::to_owned),
        retryable: !LASTING.contains(&code.as_str()),
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
        assert_eq!(message_bytes(&heavy), MAX_BATCH_BYTES + 1);
    }
}
