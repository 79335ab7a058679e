//! The whole stack, from a publish to a subscriber, on the local engine or on AWS.
//!
//! Nothing here waits for luck: that something does *not* arrive is only asserted once a receipt says that
//! the event was handed over to every queue that gets it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod archive;
mod bad_input;
mod dead_letters;
mod delivery;
mod fifo;
mod forms;
mod health;
mod patterns;
mod queries;
mod recovery;
mod replays;
mod schedules;
mod schemas;
mod statistics;
mod storage;
mod stored_once;
mod strangers;
mod subscribers;
mod troubles;

use std::collections::BTreeSet;

use aws_sdk_sqs::types::Message;
use pillarbox_domain::EventId;
use pillarbox_tests::stack::Answer;
use serde_json::{Value, json};

/// An event of type `order.created` from `/shop`.
fn event(id: &str) -> Value {
    typed(id, "order.created")
}

fn typed(id: &str, event_type: &str) -> Value {
    json!({ "specversion": "1.0", "id": id, "source": "/shop", "type": event_type })
}

/// An event with these members over those of [`event`].
fn with(members: Value) -> Value {
    let mut event = event("1");
    for (name, value) in members.as_object().unwrap() {
        event[name] = value.clone();
    }
    event
}

fn body(message: &Message) -> Value {
    serde_json::from_str(message.body.as_deref().unwrap()).unwrap()
}

/// The events that messages bring.
fn event_ids(messages: &[Message]) -> BTreeSet<EventId> {
    let ids = messages
        .iter()
        .map(|message| body(message)["pbeventid"].clone());
    ids.map(|id| id.as_str().unwrap().parse().unwrap())
        .collect()
}

/// A problem as RFC 9457 has it, with this status, whose detail says this.
fn assert_problem(answer: &Answer, status: u16, detail: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(
        answer.content_type, "application/problem+json",
        "{answer:?}"
    );
    assert_eq!(answer.body["status"], status, "{answer:?}");
    for member in ["type", "title", "detail"] {
        let text = answer.body[member].as_str().unwrap_or_default();
        assert!(!text.is_empty(), "no {member}: {answer:?}");
    }
    let told = answer.body["detail"].as_str().unwrap();
    assert!(told.contains(detail), "'{detail}' is not in '{told}'");
}
