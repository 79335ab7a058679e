//! What a tenant's operator does: subscriptions, dead letters and journeys, over HTTP.

use std::time::Duration;

use pillarbox_domain::EventId;
use reqwest::Method;
use serde_json::{Value, json};
use time::UtcDateTime;
use time::format_description::well_known::Rfc3339;

use crate::eventually;
use crate::stack::{Answer, HandedOver, Stack, Tenant};

/// How long a change of a subscription may take to be felt, as the API promises.
pub const EFFECT_LIMIT: Duration = Duration::from_secs(10);

impl Tenant {
    /// The answer to a request that has to succeed.
    pub async fn ask(&self, method: Method, path: &str, body: &Value) -> Value {
        let answer = self.call(method, path, body).await;
        assert!(matches!(answer.status, 200 | 201), "{path}: {answer:?}");
        answer.body
    }

    /// Registers a subscription with these members; its `id` is among them.
    pub async fn add_subscription(&self, members: &Value) -> Value {
        self.ask(Method::POST, "/v1/subscriptions", members).await
    }

    /// A subscription as it is now.
    pub async fn subscription(&self, id: &str) -> Value {
        let path = format!("/v1/subscriptions/{id}");
        self.ask(Method::GET, &path, &Value::Null).await
    }

    /// `pause`, `resume` or `test` of a subscription.
    pub async fn operate(&self, id: &str, operation: &str, body: &Value) -> Value {
        let path = format!("/v1/subscriptions/{id}/{operation}");
        self.ask(Method::POST, &path, body).await
    }

    /// The journey of an event as soon as it can be told.
    pub async fn journey(&self, event_id: EventId) -> Value {
        let path = format!("/v1/events/{event_id}/journey");
        eventually(&format!("{event_id} has a journey"), async || {
            let answer = self.call(Method::GET, &path, &Value::Null).await;
            (answer.status == 200).then_some(answer.body)
        })
        .await
    }

    /// The delivery of an event to one subscription, as its journey tells it; null when there is none.
    pub async fn delivery(&self, event_id: EventId, subscription: &str) -> Value {
        let journey = self.journey(event_id).await;
        let deliveries = journey["deliveries"].as_array().unwrap().iter();
        let its = deliveries
            .filter(|delivery| delivery["subscription"] == subscription)
            .collect::<Vec<_>>();
        assert!(its.len() <= 1, "{journey}");
        its.into_iter().next().cloned().unwrap_or_default()
    }

    /// The letters of an event, as soon as there are so many, oldest first.
    pub async fn letters_of(&self, event_id: EventId, count: usize) -> Vec<Value> {
        let query = format!("?event_id={event_id}&order=oldest");
        eventually(&format!("{count} letters of {event_id}"), async || {
            let letters = self.dead_letters(&query).await;
            (letters.len() >= count).then_some(letters)
        })
        .await
    }

    /// The answer to the redrive of a letter.
    pub async fn redrive(&self, letter: &Value) -> Answer {
        let id = letter["dead_letter_id"].as_str().unwrap();
        let path = format!("/v1/dead-letters/{id}/redrive");
        self.call(Method::POST, &path, &json!({})).await
    }

    /// Publishes events, one after the other, until one is handed over as `is` says, and names it. Panics when one
    /// is not that was accepted more than [`EFFECT_LIMIT`] after the change, whose answer this is.
    pub async fn in_effect(
        &self,
        stack: &Stack,
        changed: &Value,
        event: impl Fn(usize) -> Value,
        is: impl Fn(&HandedOver) -> bool,
    ) -> EventId {
        let changed_at = time_of(&changed["updated_at"]);
        let mut number = 0;
        eventually("the change takes effect", async || {
            number += 1;
            let event_id = self.accepted(event(number)).await;
            let handed_over = stack.handed_over(event_id).await;
            if is(&handed_over) {
                return Some(event_id);
            }
            let age = event_id.accepted_at() - changed_at;
            assert!(age < EFFECT_LIMIT, "after {age}: {handed_over:?}");
            None
        })
        .await
    }
}

/// A time of an answer.
pub fn time_of(text: &Value) -> UtcDateTime {
    UtcDateTime::parse(text.as_str().unwrap(), &Rfc3339).unwrap()
}

/// A time as requests name it.
pub fn rfc3339(time: UtcDateTime) -> String {
    time.format(&Rfc3339).unwrap()
}
