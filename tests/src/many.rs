//! Many events at a time, and how often each of them was delivered.

use std::collections::BTreeMap;

use pillarbox_domain::EventId;
use serde_json::{Value, json};

use crate::stack::{Queue, Tenant};

/// Events in one request.
const BATCH: usize = 500;

/// Publishes this many orders in batches, with these query parameters; their ids are returned in order.
pub async fn publish_many(tenant: &Tenant, query: &str, count: usize) -> Vec<EventId> {
    publish_many_of(tenant, query, count, |_| "order.created".to_owned()).await
}

/// As [`publish_many`], each of the type that its number makes.
pub async fn publish_many_of(
    tenant: &Tenant,
    query: &str,
    count: usize,
    event_type: impl Fn(usize) -> String,
) -> Vec<EventId> {
    let events = (0..count).map(|n| numbered(n, event_type(n)));
    let events: Vec<Value> = events.collect();
    let mut ids = Vec::new();
    for batch in events.chunks(BATCH) {
        let answer = tenant.publish_batch(query, batch).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let results = answer.body["results"].as_array().unwrap().iter();
        ids.extend(results.map(|result| id_of(&result["event_id"])));
    }
    assert_eq!(ids.len(), count);
    ids
}

fn numbered(n: usize, event_type: String) -> Value {
    json!({
        "specversion": "1.0", "id": n.to_string(), "source": "/shop", "type": event_type,
        "datacontenttype": "application/json", "data": { "order": n, "total": "19.90", "currency": "EUR" },
    })
}

/// An event id of an answer or a message.
pub fn id_of(id: &Value) -> EventId {
    id.as_str().unwrap().parse().unwrap()
}

/// How often each event is in the queue; it is empty afterwards.
pub async fn deliveries(queue: &Queue) -> BTreeMap<EventId, usize> {
    let mut deliveries = BTreeMap::new();
    for message in queue.take_all().await {
        let body: Value = serde_json::from_str(message.body.as_deref().unwrap()).unwrap();
        *deliveries.entry(id_of(&body["pbeventid"])).or_default() += 1;
    }
    deliveries
}
