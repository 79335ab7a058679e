//! When a message that a consumer could not handle is shown to consumers again.

use std::time::Duration;

/// The longest that a message may stay hidden. SQS allows 12 hours from when it was received
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html>), and a
/// function that received it may have run for 15 minutes
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
pub const MAX_HIDDEN: Duration = Duration::from_secs(12 * 60 * 60 - 15 * 60);

/// A received message, and how long from now on nobody is to see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hidden {
    /// What the queue gave with this receive of the message.
    pub receipt_handle: String,
    /// At most [`MAX_HIDDEN`]. At zero the message can be received again at once.
    pub lasting: Duration,
}

/// The queue that the messages came from.
pub trait Visibility {
    /// Hides received messages; answers for each, in the order given. A message that is not hidden comes again when
    /// the visibility time-out of its queue is over.
    fn hide(&self, messages: &[Hidden]) -> impl Future<Output = Vec<Result<(), NotHidden>>> + Send;
}

/// Why a message will come again at another time than it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct NotHidden {
    /// The queue's own code: `ReceiptHandleIsInvalid`.
    pub code: String,
    /// The queue's own words.
    pub detail: String,
}

impl NotHidden {
    /// The queue's answer left the message out.
    pub fn unanswered() -> Self {
        Self {
            code: "Unanswered".to_owned(),
            detail: "the queue's answer does not mention the message".to_owned(),
        }
    }
}
