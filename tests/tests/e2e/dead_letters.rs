//! What failed for good: kept with all that is known of it, found, sent back or discarded.

use std::collections::HashMap;

use aws_sdk_sqs::types::{Message, MessageAttributeValue};
use pillarbox_domain::EventId;
use pillarbox_tests::eventually;
use pillarbox_tests::stack::{Queue, Stack, Tenant};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{assert_problem, body, event, event_ids};

/// Sends deliveries to the dead letter queue, as a subscriber's queue does when it gives up.
pub(crate) async fn give_up(stack: &Stack, messages: &[Message]) {
    for message in messages {
        let attributes = message.message_attributes.clone().unwrap();
        let body = message.body.as_deref().unwrap();
        stack.dead_letter_queue.send(body, attributes).await;
    }
}

/// The same with what our own code says when it gives up.
async fn give_up_with(stack: &Stack, message: &Message, said: &[(&str, &str)]) {
    let mut attributes = message.message_attributes.clone().unwrap();
    attributes.extend(said.iter().map(|(name, value)| text(name, value)));
    let body = message.body.as_deref().unwrap();
    stack.dead_letter_queue.send(body, attributes).await;
}

fn text(name: &str, value: &str) -> (String, MessageAttributeValue) {
    let value = MessageAttributeValue::builder()
        .data_type("String")
        .string_value(value)
        .build();
    (name.to_owned(), value.unwrap())
}

fn id_of(letter: &Value) -> &str {
    letter["dead_letter_id"].as_str().unwrap()
}

async fn post(tenant: &Tenant, path: &str, body: &Value) -> pillarbox_tests::stack::Answer {
    let path = format!("/v1/dead-letters/{path}");
    tenant.call(Method::POST, &path, body).await
}

/// A tenant whose subscription got an event, and the delivery of it.
async fn delivered(stack: &Stack) -> (Tenant, Queue, EventId, Message) {
    let tenant = stack.tenant().await;
    let queue = tenant.subscribe("orders", &["order.*"]).await;
    let event_id = tenant.accepted(event("1")).await;
    let mut messages = queue.take_at_least(1).await;
    (tenant, queue, event_id, messages.remove(0))
}

#[tokio::test]
async fn a_failed_delivery_is_kept_redriven_once_and_linked_when_it_fails_again() {
    let stack = Stack::of_process();
    let (tenant, queue, event_id, message) = delivered(&stack).await;
    let said = [
        ("origin", "subscriber"),
        ("error_class", "CustomerUnknown"),
        ("error_message", "there is no customer 7"),
        (
            "failures",
            r#"{"attempts":6,"first_failed_at":"2026-11-23T08:00:00Z","last_failed_at":"2026-11-23T08:01:00Z"}"#,
        ),
    ];
    give_up_with(&stack, &message, &said).await;
    let letters = tenant.letters_of(event_id, 1).await;
    let letter = &letters[0];
    let error = json!({ "class": "CustomerUnknown", "message": "there is no customer 7" });
    assert_eq!(
        (&letter["state"], &letter["error"]),
        (&json!("OPEN"), &error)
    );
    assert_eq!(letter["attempts"], 6);
    assert_eq!(letter["event"], body(&message));

    let path = format!("{}/redrive", id_of(letter));
    let redriven = post(&tenant, &path, &Value::Null).await;
    assert_eq!(
        (redriven.status, &redriven.body["state"]),
        (200, &json!("REDRIVEN"))
    );
    assert_problem(&post(&tenant, &path, &Value::Null).await, 409, "REDRIVEN");
    let stranger = stack.tenant().await;
    assert_problem(
        &post(&stranger, &path, &Value::Null).await,
        404,
        id_of(letter),
    );

    let again = queue.take_at_least(1).await;
    assert_eq!(event_ids(&again), [event_id].into());
    assert_eq!(again.len(), 1);
    let job = body(&again[0])["pbjob"].clone();
    assert_eq!(job, redriven.body["redrive"]["redrive_id"]);
    give_up(&stack, &again).await;
    let letters = tenant.letters_of(event_id, 2).await;
    assert_eq!(letters[1]["first_dead_letter_id"], letter["dead_letter_id"]);
    assert_eq!(
        (&letters[1]["job"], &letters[1]["origin"]),
        (&job, &json!("queue"))
    );
}

#[tokio::test]
async fn a_failure_that_comes_twice_is_one_letter_and_lists_tell_the_total() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let queue = tenant.subscribe("orders", &["order.*"]).await;
    for id in ["1", "2", "3"] {
        tenant.accepted(event(id)).await;
    }
    let messages = queue.take_at_least(3).await;
    give_up(&stack, &messages).await;
    give_up(&stack, &messages).await;
    stack.dead_letter_queue.is_drained().await;

    let list = async |query: &str| {
        let path = format!("/v1/dead-letters?type=order.*&{query}");
        let listed = tenant.call(Method::GET, &path, &Value::Null).await;
        assert_eq!(listed.status, 200, "{listed:?}");
        listed.body
    };
    let first = list("limit=2").await;
    assert_eq!(
        (
            first["dead_letters"].as_array().unwrap().len(),
            &first["total"]
        ),
        (2, &json!(3))
    );
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = list(&format!("limit=2&cursor={cursor}")).await;
    assert_eq!(
        (
            second["dead_letters"].as_array().unwrap().len(),
            &second["total"]
        ),
        (1, &json!(3))
    );
    assert_eq!(second["next_cursor"], Value::Null);
    assert_eq!(list("error_class=Other").await["total"], 0);

    let reason = json!({ "reason": "a test" });
    let one = format!("{}/discard", id_of(&second["dead_letters"][0]));
    assert_eq!(post(&tenant, &one, &reason).await.status, 200);
    assert_problem(&post(&tenant, &one, &reason).await, 409, "DISCARDED");
    let ids: Vec<&Value> = [&first["dead_letters"], &second["dead_letters"]]
        .into_iter()
        .flat_map(|letters| letters.as_array().unwrap())
        .map(|letter| &letter["dead_letter_id"])
        .collect();
    let redriven = post(&tenant, "redrive", &json!({ "dead_letter_ids": ids })).await;
    assert_eq!(
        (&redriven.body["redriven"], &redriven.body["refused"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(queue.take_at_least(2).await.len(), 2);
    assert_eq!(list("state=REDRIVEN").await["total"], 2);
    assert_eq!(list("state=OPEN").await["total"], 0);
}

#[tokio::test]
async fn what_cannot_be_read_is_kept_for_the_administrators_as_it_came() {
    let stack = Stack::of_process();
    let (_, _, _, message) = delivered(&stack).await;
    let mark = pillarbox_tests::fresh("garbage");
    stack.dead_letter_queue.send(&mark, HashMap::new()).await;
    let mut attributes = message.message_attributes.clone().unwrap();
    attributes.extend([text("event_id", "another"), text("mark", &mark)]);
    stack
        .dead_letter_queue
        .send(message.body.as_deref().unwrap(), attributes)
        .await;
    let letters = eventually("both are kept", async || {
        let query = "?error_class=Unreadable&order=newest&limit=100";
        let mut letters = stack.bus_dead_letters(query).await;
        letters.retain(|letter| letter.to_string().contains(&mark));
        (letters.len() == 2).then_some(letters)
    })
    .await;
    let records: Vec<&Value> = letters.iter().map(|letter| &letter["record"]).collect();
    assert!(records.contains(&&json!(mark)), "{letters:?}");
    assert!(records.contains(&&json!(message.body)), "{letters:?}");
}
