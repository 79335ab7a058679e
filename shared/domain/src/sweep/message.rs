//! What was found, as a message of the sweep's own queue.

use serde::{Deserialize, Serialize};

use super::Found;
use crate::delivery::escape_for_sqs;
use crate::event_query::IndexEntry;
use crate::logged_event::OutboxMode;

/// Events that one message names at the most: their bodies are read by one call.
pub const MAX_MESSAGE_EVENTS: usize = 100;

/// Bytes of a message's events above which the next is begun. A call that sends ten holds 1 MiB
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>).
const MAX_MESSAGE_BYTES: usize = 100_000;

/// The text is no message of the sweep.
#[derive(Debug, thiserror::Error)]
pub enum MalformedFound {
    /// It has another form.
    #[error("it is no list of events: {0}")]
    Form(#[from] serde_json::Error),
    /// One of its members means nothing.
    #[error("{member} {detail}")]
    Member {
        /// Which.
        member: &'static str,
        /// Why.
        detail: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Body {
    events: Vec<Event>,
}

#[derive(Serialize, Deserialize)]
struct Event {
    tenant: String,
    event_id: String,
    source: String,
    id: String,
    r#type: String,
}

/// The messages of these events, in their order.
pub fn messages(found: &[Found]) -> Vec<String> {
    let mut messages: Vec<Vec<&Found>> = Vec::new();
    let mut room = 0;
    for found in found {
        let bytes = bytes_of(found);
        match messages.last_mut() {
            Some(message) if message.len() < MAX_MESSAGE_EVENTS && bytes <= room => {
                message.push(found);
            }
            _ => {
                room = MAX_MESSAGE_BYTES;
                messages.push(vec![found]);
            }
        }
        room = room.saturating_sub(bytes);
    }
    messages.into_iter().map(body).collect()
}

/// The way back from [`messages`].
pub fn read_message(body: &str) -> Result<Vec<Found>, MalformedFound> {
    let body: Body = serde_json::from_str(body)?;
    body.events.into_iter().map(read_event).collect()
}

/// As many bytes as its members take at the most: a character that JSON escapes is one of six.
fn bytes_of(found: &Found) -> usize {
    let entry = &found.entry;
    let escaped = |text: &str| text.len() * 6;
    200 + escaped(&entry.source) + escaped(&entry.id) + escaped(&entry.event_type)
}

fn body(found: Vec<&Found>) -> String {
    let event = |found: &Found| Event {
        tenant: found.tenant.to_string(),
        event_id: found.entry.event_id.to_string(),
        source: found.entry.source.clone(),
        id: found.entry.id.clone(),
        r#type: found.entry.event_type.clone(),
    };
    let body = Body {
        events: found.into_iter().map(event).collect(),
    };
    // Strings cannot fail to be written to memory.
    escape_for_sqs(serde_json::to_string(&body).unwrap_or_default())
}

fn read_event(event: Event) -> Result<Found, MalformedFound> {
    let tenant = event.tenant.parse();
    let event_id = event.event_id.parse();
    Ok(Found {
        tenant: tenant.map_err(|error| malformed("tenant", &error))?,
        entry: IndexEntry {
            event_id: event_id.map_err(|error| malformed("event_id", &error))?,
            source: event.source,
            id: event.id,
            event_type: event.r#type,
            outbox: OutboxMode::Dispatch,
        },
    })
}

fn malformed(member: &'static str, detail: &dyn std::fmt::Display) -> MalformedFound {
    MalformedFound::Member {
        member,
        detail: detail.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(id: &str) -> Found {
        Found {
            tenant: "demo".parse().unwrap(),
            entry: IndexEntry {
                event_id: "017f22e2-79b0-7cc3-98c4-dc0c0c07398f".parse().unwrap(),
                source: "/shop".to_owned(),
                id: id.to_owned(),
                event_type: "order.created".to_owned(),
                outbox: OutboxMode::Dispatch,
            },
        }
    }

    #[test]
    fn what_was_found_comes_back_from_its_messages() {
        let all: Vec<Found> = (0..250)
            .map(|n| found(&format!("\"{n}\u{ffff}ä")))
            .collect();
        let messages = messages(&all);
        assert_eq!(messages.len(), 3);
        assert!(messages.iter().all(|body| !body.contains('\u{ffff}')));
        let back: Vec<Found> = messages
            .iter()
            .flat_map(|body| read_message(body).unwrap())
            .collect();
        assert_eq!(back, all);
    }

    #[test]
    fn ten_messages_of_the_longest_names_go_in_one_call() {
        let all = vec![found(&"\"".repeat(1_900)); 100];
        let messages = messages(&all);
        let largest = messages.iter().map(String::len).max().unwrap();
        assert!(largest < 104_857, "{largest}");
        assert!(messages.len() > 1);
        assert!(super::messages(&[]).is_empty());
    }

    #[test]
    fn another_text_is_none() {
        let event_id = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";
        for (tenant, id) in [("De", event_id), ("", event_id), ("demo", "1")] {
            let body = format!(
                r#"{{"events":[{{"tenant":"{tenant}","event_id":"{id}","source":"/s","id":"1","type":"t"}}]}}"#
            );
            assert!(read_message(&body).is_err(), "{body}");
        }
        for body in ["", "{}", r#"{"events":[{}]}"#, "[]"] {
            assert!(read_message(body).is_err(), "{body}");
        }
    }
}
