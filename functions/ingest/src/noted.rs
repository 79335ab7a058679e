//! What is told of a request's events besides how they ended.

use aws_lambda_events::http::HeaderMap;
use pillarbox_domain::trace::TRACEPARENT;
use pillarbox_domain::{CloudEvent, EventId, TraceId, TraceParent};

/// A request's events, in order.
#[derive(Debug, Default)]
pub(crate) struct Noted(Vec<Note>);

/// One of them: nothing is known of one that cannot be read.
#[derive(Debug, Default)]
pub(crate) struct Note {
    /// What happened.
    pub(crate) event_type: Option<String>,
    trace_id: Option<TraceId>,
}

impl Noted {
    /// Notes the next one.
    pub(crate) fn push<E>(&mut self, event: &Result<CloudEvent, E>) {
        let event = event.as_ref().ok();
        let parent = event.and_then(CloudEvent::trace_parent);
        self.0.push(Note {
            event_type: event.map(|event| event.event_type().to_owned()),
            trace_id: parent.map(TraceParent::trace_id),
        });
    }

    /// All of them.
    pub(crate) fn notes(&self) -> &[Note] {
        &self.0
    }
}

impl Note {
    /// The trace that it is part of, once it has this id, or once it is known which event has its key.
    pub(crate) fn trace_id(&self, event_id: Option<EventId>) -> Option<TraceId> {
        self.trace_id.or(event_id.map(TraceId::from))
    }
}

/// Where in a trace the caller is, if it says so once and in a way that can be read. Else a new trace begins, as the
/// specification asks for.
pub(crate) fn caller_s_trace(headers: &HeaderMap) -> Option<TraceParent> {
    let mut told = headers.get_all(TRACEPARENT).iter();
    match (told.next(), told.next()) {
        (Some(parent), None) => parent.to_str().ok()?.parse().ok(),
        _ => None,
    }
}
