//! The queue that a subscriber's messages came from.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{BuildError, ProvideErrorMetadata};
use aws_sdk_sqs::types::ChangeMessageVisibilityBatchRequestEntry;
use futures::future::join_all;
use pillarbox_domain::ErrorChain;
use pillarbox_domain::visibility::{Hidden, MAX_HIDDEN, NotHidden, Visibility};

/// Messages in one `ChangeMessageVisibilityBatch`
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibilityBatch.html>).
const MAX_BATCH_MESSAGES: usize = 10;

/// Hides messages by `ChangeMessageVisibility`.
#[derive(Clone)]
pub struct SqsVisibility {
    client: Client,
    queue_url: String,
}

impl SqsVisibility {
    /// Of the messages of the queue at this address.
    pub fn new(client: Client, queue_url: String) -> Self {
        Self { client, queue_url }
    }

    async fn hide_batch(&self, messages: &[Hidden]) -> Vec<Result<(), NotHidden>> {
        let all = |error: NotHidden| vec![Err(error); messages.len()];
        let entries: Result<Vec<_>, _> = messages.iter().enumerate().map(entry).collect();
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => return all(unbuildable(&error)),
        };
        let call = self.client.change_message_visibility_batch();
        let call = call.queue_url(&self.queue_url).set_entries(Some(entries));
        let answer = match call.send().await {
            Ok(answer) => answer,
            Err(error) => return all(call_error(&error)),
        };
        let mut answers = all(NotHidden::unanswered());
        for hidden in answer.successful() {
            set(&mut answers, hidden.id(), Ok(()));
        }
        for failed in answer.failed() {
            let error = NotHidden {
                code: failed.code().to_owned(),
                detail: failed.message().unwrap_or_default().to_owned(),
            };
            set(&mut answers, failed.id(), Err(error));
        }
        answers
    }
}

impl Visibility for SqsVisibility {
    async fn hide(&self, messages: &[Hidden]) -> Vec<Result<(), NotHidden>> {
        let calls = messages.chunks(MAX_BATCH_MESSAGES);
        let answers = join_all(calls.map(|batch| self.hide_batch(batch))).await;
        answers.into_iter().flatten().collect()
    }
}

fn entry(
    (index, hidden): (usize, &Hidden),
) -> Result<ChangeMessageVisibilityBatchRequestEntry, BuildError> {
    ChangeMessageVisibilityBatchRequestEntry::builder()
        .id(index.to_string())
        .receipt_handle(&hidden.receipt_handle)
        .visibility_timeout(whole_seconds(hidden))
        .build()
}

/// A part of a second counts as a whole one: a message does not come earlier than it was asked for.
fn whole_seconds(hidden: &Hidden) -> i32 {
    let lasting = hidden.lasting.min(MAX_HIDDEN);
    let begun = u64::from(lasting.subsec_nanos() > 0);
    i32::try_from(lasting.as_secs() + begun).unwrap_or(i32::MAX)
}

fn set(answers: &mut [Result<(), NotHidden>], id: &str, answer: Result<(), NotHidden>) {
    let index = id.parse::<usize>().ok();
    if let Some(slot) = index.and_then(|index| answers.get_mut(index)) {
        *slot = answer;
    }
}

fn unbuildable(error: &BuildError) -> NotHidden {
    NotHidden {
        code: "Unbuildable".to_owned(),
        detail: error.to_string(),
    }
}

fn call_error<E>(error: &E) -> NotHidden
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    NotHidden {
        code: error.code().unwrap_or("NoAnswer").to_owned(),
        detail: error
            .message()
            .map_or_else(|| ErrorChain(error).to_string(), str::to_owned),
    }
}
