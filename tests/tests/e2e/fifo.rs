//! FIFO queues: the order within a subject is kept, and what is handed over twice is there once.

use std::collections::BTreeMap;

use aws_sdk_sqs::types::QueueAttributeName::{ContentBasedDeduplication, FifoQueue};
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use pillarbox_domain::EventId;
use pillarbox_tests::stack::{Queue, Stack, Tenant};
use serde_json::{Value, json};

use crate::dead_letters::give_up;
use crate::recovery::{left_behind, recovered};
use crate::{body, event, event_ids, with};

const SUBSCRIPTION: &str = "orders";

/// A tenant whose subscription has a FIFO queue, grouped by subject.
async fn subscribed(stack: &Stack) -> (Tenant, Queue) {
    let tenant = stack.tenant().await;
    let attributes = [(FifoQueue, "true"), (ContentBasedDeduplication, "false")];
    let queue = stack.subscriber_queue_with(".fifo", &attributes).await;
    let subscription = json!({
        "id": SUBSCRIPTION, "types": ["*"], "queue_url": queue.url, "message_group": "subject",
    });
    let added = tenant.add_subscription(&subscription).await;
    assert_eq!(added["message_group"], "subject");
    (tenant, queue)
}

fn group_of(message: &Message) -> &str {
    let attributes = message.attributes.as_ref().unwrap();
    &attributes[&MessageSystemAttributeName::MessageGroupId]
}

#[tokio::test]
async fn the_events_of_a_subject_come_in_the_order_in_which_they_were_accepted() {
    let stack = Stack::of_process();
    let (tenant, queue) = subscribed(&stack).await;
    let subjects = ["order 1", "order 2", "order 3"];
    let member = |n: usize| {
        let subject = subjects[n % subjects.len()];
        with(json!({ "id": n.to_string(), "subject": subject, "data": { "n": n } }))
    };
    let batch: Vec<Value> = (0..24).map(member).collect();
    let mut accepted = Vec::new();
    for part in batch.chunks(12) {
        let answer = tenant.publish_batch("", part).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let results = answer.body["results"].as_array().unwrap().iter();
        accepted.extend(results.map(|result| id_of(&result["event_id"])));
    }
    assert!(accepted.is_sorted(), "{accepted:?}");

    let messages = queue.take_at_least(batch.len()).await;
    assert_eq!(messages.len(), batch.len());
    let mut by_subject: BTreeMap<String, Vec<EventId>> = BTreeMap::new();
    let mut groups: BTreeMap<String, String> = BTreeMap::new();
    for message in &messages {
        let delivered = body(message);
        let subject = delivered["subject"].as_str().unwrap().to_owned();
        let group = groups
            .entry(subject.clone())
            .or_insert_with(|| group_of(message).to_owned());
        assert_eq!(group, group_of(message), "one group per subject");
        let ids = by_subject.entry(subject).or_default();
        ids.push(id_of(&delivered["pbeventid"]));
    }
    for (place, subject) in subjects.iter().enumerate() {
        let expected = accepted.iter().skip(place).step_by(subjects.len());
        let expected: Vec<EventId> = expected.copied().collect();
        assert_eq!(by_subject[*subject], expected, "{subject}");
    }
}

fn id_of(text: &Value) -> EventId {
    text.as_str().unwrap().parse().unwrap()
}

/// A redrive is meant, so it comes although the event was there before.
#[tokio::test]
async fn what_is_handed_over_again_is_there_once_and_what_is_redriven_comes_again() {
    let stack = Stack::of_process();
    let (tenant, queue) = subscribed(&stack).await;
    let event = event("1");
    let event_id = tenant.accepted(&event).await;
    let first = queue.take_at_least(1).await;
    assert_eq!(event_ids(&first), [event_id].into());

    left_behind(&stack, &tenant, event_id, &event, SUBSCRIPTION).await;
    give_up(&stack, &first).await;
    let letters = tenant.letters_of(event_id, 1).await;
    recovered(&tenant, event_id, SUBSCRIPTION).await;
    let more = queue.take_rest().await;
    assert!(
        more.is_empty(),
        "a second hand-over is a second message: {more:?}"
    );

    assert_eq!(tenant.redrive(&letters[0]).await.status, 200);
    let again = queue.take_at_least(1).await;
    assert_eq!(event_ids(&again), [event_id].into());
    assert_eq!(again.len(), 1);
    assert_eq!(body(&again[0])["pbjob"].as_str().map(str::len), Some(36));
}
