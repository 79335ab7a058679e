//! What fails for good, on its way to the dead letter queue (P4).
//!
//! The message that failed goes there as it is; message attributes say what happened to it.

use std::borrow::Cow;
use std::str::FromStr;

use serde::ser::{Serialize, SerializeMap, Serializer};
use time::UtcDateTime;
use time::format_description::well_known::Rfc3339;

use crate::delivery::{Message, escape_for_sqs};
use crate::store_error::StoreError;
use crate::trace::TRACEPARENT;

/// Bytes of a message with its attributes
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>).
pub const MAX_MESSAGE_BYTES: usize = 1_048_576;

/// Bytes of an error's message; the rest is cut off.
pub const MAX_ERROR_MESSAGE_BYTES: usize = 1_024;

/// Bytes of an error's class; the rest is cut off.
pub const MAX_ERROR_CLASS_BYTES: usize = 128;

/// Who gave up: [`Origin`].
pub const ORIGIN_ATTRIBUTE: &str = "origin";

/// What kind of error it was: a short name as `Timeout`.
pub const ERROR_CLASS_ATTRIBUTE: &str = "error_class";

/// What the error said.
pub const ERROR_MESSAGE_ATTRIBUTE: &str = "error_message";

/// How often it failed and when, as JSON: `{"attempts":6,"first_failed_at":"…","last_failed_at":"…"}`, with
/// `cut_from_bytes` when the body was cut to fit.
pub const FAILURES_ATTRIBUTE: &str = "failures";

/// The one queue that everything goes through which fails for good (P4).
pub trait DeadLetterQueue {
    /// Puts a message there. `Ok` means that the queue has it.
    fn put(&self, given_up: &GivenUp) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// A message that is not tried again, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// Who gave up.
    pub origin: Origin,
    /// The last error.
    pub error: Failure,
    /// How often it was tried.
    pub attempts: u32,
    /// When it failed first.
    pub first_failed_at: UtcDateTime,
    /// When it failed last.
    pub last_failed_at: UtcDateTime,
    /// The message as it came: a delivery with its attributes, or a record that is none, without any.
    pub message: Message,
}

/// Who gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `dispatch`, of a record that is no event or a delivery that cannot be made.
    Dispatch,
    /// `retry`, when no retry is left.
    Retry,
    /// A subscriber.
    Subscriber,
    /// `replay`, of a delivery that cannot be made.
    Replay,
}

/// An error as a dead letter tells it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{class}: {message}")]
pub struct Failure {
    /// What kind of error it is, a short name in camel case: `Timeout`.
    pub class: Cow<'static, str>,
    /// What it says.
    pub message: String,
}

/// A text that names no [`Origin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an origin: dispatch, retry, subscriber or replay")]
pub struct UnknownOrigin;

impl Origin {
    /// As it stands in the attribute.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dispatch => "dispatch",
            Self::Retry => "retry",
            Self::Subscriber => "subscriber",
            Self::Replay => "replay",
        }
    }
}

impl FromStr for Origin {
    type Err = UnknownOrigin;

    fn from_str(text: &str) -> Result<Self, UnknownOrigin> {
        let all = [Self::Dispatch, Self::Retry, Self::Subscriber, Self::Replay];
        let found = all.into_iter().find(|origin| origin.as_str() == text);
        found.ok_or(UnknownOrigin)
    }
}

impl Failure {
    /// An error of this class.
    pub fn new(class: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            class: class.into(),
            message: message.into(),
        }
    }
}

impl GivenUp {
    /// The message that the dead letter queue takes: it never exceeds [`MAX_MESSAGE_BYTES`]. A body that is too
    /// large for it, which no delivery of an event is, is cut, and its `failures` say from how many bytes.
    pub fn to_message(&self) -> Message {
        // A queue takes no empty body; an empty JSON string is the nearest to one.
        let body = match &*self.message.body {
            "" => r#""""#.to_owned(),
            body => escape_for_sqs(body.to_owned()),
        };
        let whole = self.with(body, None);
        if message_bytes(&whole) <= MAX_MESSAGE_BYTES {
            return whole;
        }
        let cut_from = whole.body.len();
        let mut cut = self.with(whole.body, Some(cut_from));
        let excess = message_bytes(&cut).saturating_sub(MAX_MESSAGE_BYTES);
        let left = cut_from.saturating_sub(excess);
        cut.body.truncate(cut.body.floor_char_boundary(left));
        cut
    }

    fn with(&self, body: String, cut_from_bytes: Option<usize>) -> Message {
        let failures = Failures {
            given_up: self,
            cut_from_bytes,
        };
        // Numbers and times cannot fail to be written to memory.
        let failures = serde_json::to_string(&failures).unwrap_or_default();
        let Failure { class, message } = &self.error;
        let class = attribute_text(class, MAX_ERROR_CLASS_BYTES, "Unnamed");
        let message = attribute_text(message, MAX_ERROR_MESSAGE_BYTES, &class);
        // SQS takes ten attributes. The body has the trace, too.
        let own = self.message.attributes.iter();
        let own = own.filter(|(name, _)| *name != TRACEPARENT).cloned();
        let mut attributes: Vec<_> = own.collect();
        attributes.extend([
            (ORIGIN_ATTRIBUTE, self.origin.as_str().to_owned()),
            (ERROR_CLASS_ATTRIBUTE, class),
            (ERROR_MESSAGE_ATTRIBUTE, message),
            (FAILURES_ATTRIBUTE, failures),
        ]);
        Message {
            body,
            attributes,
            group: self.message.group.clone(),
        }
    }
}

/// Bytes that SQS counts: the body, and each attribute's name, type and value.
fn message_bytes(message: &Message) -> usize {
    let attributes = message.attributes.iter();
    let attributes = attributes.map(|(name, value)| name.len() + "String".len() + value.len());
    message.body.len() + attributes.sum::<usize>()
}

/// The text as a message attribute takes it: what SQS would refuse or replace is written as an escape
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>), it is cut between
/// two characters, and it is never empty.
fn attribute_text(text: &str, max_bytes: usize, otherwise: &str) -> String {
    let mut taken = String::new();
    for character in text.chars() {
        let before = taken.len();
        match character {
            '\t' | '\n' | '\r' => taken.push(character),
            '\u{fffe}' | '\u{ffff}' => taken.extend(character.escape_unicode()),
            ..' ' => taken.extend(character.escape_unicode()),
            _ => taken.push(character),
        }
        if taken.len() > max_bytes {
            taken.truncate(before);
            break;
        }
    }
    if taken.trim().is_empty() {
        otherwise.to_owned()
    } else {
        taken
    }
}

struct Failures<'a> {
    given_up: &'a GivenUp,
    cut_from_bytes: Option<usize>,
}

impl Serialize for Failures<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("attempts", &self.given_up.attempts)?;
        map.serialize_entry("first_failed_at", &rfc3339(self.given_up.first_failed_at))?;
        map.serialize_entry("last_failed_at", &rfc3339(self.given_up.last_failed_at))?;
        if let Some(bytes) = self.cut_from_bytes {
            map.serialize_entry("cut_from_bytes", &bytes)?;
        }
        map.end()
    }
}

fn rfc3339(at: UtcDateTime) -> String {
    // No clock shows a year of five digits.
    at.format(&Rfc3339).unwrap_or_default()
}
