//! Events and subscriptions with as few words as a test needs.

use std::time::Duration;

use pillarbox_domain::log_shard::LogShard;
use pillarbox_domain::logged_event::OutboxMode;
use pillarbox_domain::pattern::Pattern;
use pillarbox_domain::receipt::HandedOver;
use pillarbox_domain::retry_policy::RetryPolicy;
use pillarbox_domain::subscription::{MessageGroup, SubscriptionState};
use pillarbox_domain::{Clock, CloudEvent, Fingerprint, LoggedEvent, Subscription, TenantId};
use serde_json::{Value, json};

/// How long a built event is kept.
pub const RETENTION: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A tenant.
pub fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

/// An event from `/shop` with this id and these data.
pub fn event(id: &str, data: Value) -> CloudEvent {
    event_with(json!({ "id": id, "data": data }))
}

/// An event from `/shop` of type `order.created` with these members over the required ones.
pub fn event_with(members: Value) -> CloudEvent {
    let mut event = json!({
        "specversion": "1.0", "id": "1", "source": "/shop", "type": "order.created",
    });
    for (name, value) in members.as_object().unwrap() {
        event[name] = value.clone();
    }
    CloudEvent::from_structured(event.to_string().as_bytes()).unwrap()
}

/// The event as the log would hold it, accepted now.
pub fn logged<C: Clock>(clock: &C, tenant: &TenantId, event: CloudEvent) -> LoggedEvent {
    let event_id = clock.next_id();
    LoggedEvent {
        tenant: tenant.clone(),
        event_id,
        fingerprint: Fingerprint::of(&event).unwrap(),
        event,
        outbox: OutboxMode::default(),
        shard: LogShard::default(),
        expires_at: event_id.accepted_at() + RETENTION,
    }
}

/// The event when it was handed over to these subscriptions, and nothing went wrong.
pub fn handed_over(event: &LoggedEvent, subscriptions: &[&str]) -> HandedOver {
    let subscriptions = subscriptions.iter().map(|id| id.parse().unwrap());
    HandedOver {
        tenant: event.tenant.clone(),
        event_type: event.event.event_type().to_owned(),
        event_id: event.event_id,
        subscriptions: subscriptions.collect(),
        withheld: vec![],
        retrying: 0,
        dead_lettered: 0,
    }
}

/// A subscription of this tenant to these types, with a queue named like it.
pub fn subscription(tenant: &TenantId, id: &str, types: &[&str]) -> Subscription {
    let types: Vec<_> = types.iter().map(|text| text.parse().unwrap()).collect();
    Subscription {
        tenant: tenant.clone(),
        id: id.parse().unwrap(),
        pattern: Pattern::of_types(&types),
        queue_url: format!("https://sqs.test/1/{id}").parse().unwrap(),
        target_version: None,
        retry: RetryPolicy::default(),
        message_group: MessageGroup::default(),
        state: SubscriptionState::default(),
    }
}
