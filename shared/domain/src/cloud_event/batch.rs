//! The JSON batch format: an array of events
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md#4-json-batch-format>).

use serde_json::value::RawValue;

use super::{CloudEvent, ParseError};
use crate::limits::MAX_BATCH_EVENTS;

/// The media type of several events in one body.
pub const BATCH_CONTENT_TYPE: &str = "application/cloudevents-batch+json";

/// Why bytes are not a batch. What is wrong with single events of it is told by event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Not JSON, or not an array.
    #[error("the body is not a JSON array: {0}")]
    Malformed(String),
    /// No event, or more than [`MAX_BATCH_EVENTS`].
    #[error("a batch must have 1 to {MAX_BATCH_EVENTS} events, and has {0}")]
    Events(usize),
}

impl CloudEvent {
    /// Reads each event of a batch, in order: one that is malformed leaves the others alone.
    pub fn from_batch(body: &[u8]) -> Result<Vec<Result<Self, ParseError>>, BatchError> {
        let elements: Vec<&RawValue> = serde_json::from_slice(body)
            .map_err(|error| BatchError::Malformed(error.to_string()))?;
        if !(1..=MAX_BATCH_EVENTS).contains(&elements.len()) {
            return Err(BatchError::Events(elements.len()));
        }
        let events = elements.into_iter();
        Ok(events
            .map(|event| Self::from_structured(event.get().as_bytes()))
            .collect())
    }
}
