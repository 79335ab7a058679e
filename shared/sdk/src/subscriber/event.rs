//! One delivery, as a handler sees it.

use pillarbox_domain::{CloudEvent, Data, EventId, SubscriptionId, TenantId, TraceId, TraceParent};
use serde::de::DeserializeOwned;
use serde::de::value::{BytesDeserializer, Error as ValueError};

use super::error::HandlerError;
use super::record::Delivery;

/// The class of data that are not what their handler takes.
pub(super) const DATA_MISMATCH: &str = "DataMismatch";

/// An event for a handler that takes data of type `T`.
///
/// JSON data are read as `T`; an event without data is read as JSON's `null`, so that `T` may be `()` or an
/// `Option`. Binary data can be read as types that take bytes, and whoever takes anything takes
/// [`serde::de::IgnoredAny`] and finds them in the event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<T> {
    /// Whose event it is.
    pub tenant: TenantId,
    /// What the producer sent, with the data as they came.
    pub event: CloudEvent,
    /// The data.
    pub data: T,
    /// The event's name; equal in every repeat.
    pub event_id: EventId,
    /// The subscription that asked for it.
    pub subscription: SubscriptionId,
    /// Which hand-over of the bus this is, from 1.
    pub attempt: i32,
    /// How often this message was received, from 1.
    pub receives: u32,
    /// The replay or redrive that brought it, if one did.
    pub job: Option<String>,
}

impl<T> Event<T> {
    /// The trace that the event is part of, as it stands in every log line of it: that of its `traceparent`, and else one
    /// that begins with the event.
    pub fn trace_id(&self) -> TraceId {
        TraceId::of(&self.event, self.event_id)
    }

    /// Where in a trace its producer was when it sent the event, if it said so: what a span of the handler is a child
    /// of.
    pub fn trace_parent(&self) -> Option<TraceParent> {
        self.event.trace_parent()
    }
}

impl<T: DeserializeOwned> Event<T> {
    pub(super) fn of(delivery: Delivery, receives: u32) -> Result<Self, HandlerError> {
        let Delivery { tenant, received } = delivery;
        Ok(Self {
            data: read_data(received.event.data())?,
            tenant,
            event: received.event,
            event_id: received.event_id,
            subscription: received.subscription,
            attempt: received.attempt,
            receives,
            job: received.job,
        })
    }
}

fn read_data<T: DeserializeOwned>(data: Option<&Data>) -> Result<T, HandlerError> {
    let read = match data {
        None => serde_json::from_str("null").map_err(mismatch),
        Some(Data::Json(json)) => serde_json::from_str(json.get()).map_err(mismatch),
        Some(Data::Binary(bytes)) => {
            T::deserialize(BytesDeserializer::<ValueError>::new(bytes)).map_err(mismatch)
        }
    };
    read.map_err(|error| error.class(DATA_MISMATCH))
}

fn mismatch(error: impl std::error::Error + Send + Sync + 'static) -> HandlerError {
    HandlerError::permanent(error)
}
