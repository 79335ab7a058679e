//! What a query of the log costs in calls, and what it makes of answers that no engine here can be made to
//! give: recorded answers of AWS, through the real SDK.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_http_client::test_util::{ReplayEvent, StaticReplayClient};
use pillarbox_aws::{DynamoActiveHours, DynamoLogIndex, DynamoRegistry, encode_event_item};
use pillarbox_domain::event_query::{
    Bounds, EventBodies, EventQuery, IndexEntry, IndexPart, IndexQuery, LogIndex, LogReader, Page,
};
use pillarbox_domain::log_hour::{IdRange, LogHour, Order};
use pillarbox_domain::log_shard::LogShard;
use pillarbox_domain::{Clock, LoggedEvent, StoreError};
use pillarbox_testkit::builders::{event, logged, tenant};
use pillarbox_testkit::{ManualClock, MemoryPayloads};
use serde_json::{Map, Value, json};
use support::{calls, dynamodb, json_answer};

fn answers(answers: &[Value]) -> StaticReplayClient {
    let answers = answers.iter().map(|answer| json_answer(200, answer));
    StaticReplayClient::new(answers.collect::<Vec<ReplayEvent>>())
}

fn index(aws: &StaticReplayClient) -> DynamoLogIndex<MemoryPayloads> {
    let payloads = MemoryPayloads::default();
    DynamoLogIndex::new(dynamodb(aws.clone()), "events".to_owned(), payloads)
}

fn events(count: usize) -> Vec<LoggedEvent> {
    let clock = ManualClock::default();
    let new = |n: usize| logged(&clock, &tenant("demo"), event(&n.to_string(), json!(n)));
    (0..count).map(new).collect()
}

/// An item as DynamoDB writes it, with these of its attributes.
fn item(logged: &LoggedEvent, wanted: impl Fn(&str) -> bool) -> Value {
    let item: HashMap<String, AttributeValue> = encode_event_item(logged);
    let wanted = item.into_iter().filter(|(name, _)| wanted(name));
    let wanted = wanted.map(|(name, value)| {
        let value = match value {
            AttributeValue::S(text) => json!({ "S": text }),
            AttributeValue::N(number) => json!({ "N": number }),
            AttributeValue::B(bytes) => {
                json!({ "B": data_encoding::BASE64.encode(bytes.as_ref()) })
            }
            other => panic!("{name}: {other:?}"),
        };
        (name, value)
    });
    Value::Object(wanted.collect::<Map<_, _>>())
}

fn indexed(logged: &LoggedEvent) -> Value {
    item(logged, |name| {
        ["pk", "log_pk", "event_id", "type"].contains(&name)
    })
}

fn found(items: Vec<Value>) -> Value {
    json!({ "Items": items, "Count": items.len(), "ScannedCount": items.len() })
}

fn entries(events: &[LoggedEvent]) -> Vec<IndexEntry> {
    let entry = |logged: &LoggedEvent| IndexEntry {
        event_id: logged.event_id,
        source: logged.event.source().to_owned(),
        id: logged.event.id().to_owned(),
        event_type: logged.event.event_type().to_owned(),
        outbox: logged.outbox,
    };
    events.iter().map(entry).collect()
}

/// The items of these events, and the keys of others that the answer leaves out.
fn batch(events: &[LoggedEvent], unprocessed: &[LoggedEvent]) -> Value {
    let bodies: Vec<Value> = events.iter().map(|event| item(event, |_| true)).collect();
    let keys: Vec<Value> = unprocessed
        .iter()
        .map(|event| item(event, |name| name == "pk"))
        .collect();
    let left = match keys.is_empty() {
        true => json!({}),
        false => json!({ "events": { "Keys": keys } }),
    };
    json!({ "Responses": { "events": bodies }, "UnprocessedKeys": left })
}

async fn bodies(
    aws: &StaticReplayClient,
    events: &[LoggedEvent],
    enough_bytes: usize,
) -> Result<Vec<Option<LoggedEvent>>, StoreError> {
    let entries = entries(events);
    let index = index(aws);
    index.bodies(&tenant("demo"), &entries, enough_bytes).await
}

#[tokio::test]
async fn a_page_of_one_hour_and_shard_is_four_calls() {
    let events = events(51);
    let (of_page, _) = events.split_at(50);
    let settings = json!({ "pk": { "S": "T#demo" }, "sk": { "S": "TENANT" } });
    let hours = json!({
        "pk": { "S": "T#demo" }, "sk": { "S": "HOURS#20261123" }, "hours": { "NS": ["12"] },
    });
    let aws = answers(&[
        found(vec![settings]),
        found(vec![hours]),
        found(events.iter().map(indexed).collect()),
        batch(of_page, &[]),
    ]);
    let query = [("from", "2026-11-23T12:00:00Z"), ("order", "oldest")];
    let query = query.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let reader = LogReader {
        settings: &DynamoRegistry::new(dynamodb(aws.clone()), "registry".to_owned()),
        marks: &DynamoActiveHours::new(dynamodb(aws.clone()), "outbox".to_owned()),
        log: &index(&aws),
        now: ManualClock::default().now(),
        bounds: Bounds::default(),
    };
    let demo = tenant("demo");
    let query = EventQuery::parse(&demo, &query).unwrap();
    let Page {
        events,
        next_cursor,
    } = reader.list(&demo, &query).await.unwrap();
    assert_eq!(events, of_page);
    assert!(next_cursor.is_some());
    assert_eq!(calls(&aws), ["Query", "Query", "Query", "BatchGetItem"]);
}

#[tokio::test]
async fn items_that_an_answer_leaves_out_are_asked_for_again() {
    let events = events(3);
    let aws = answers(&[
        batch(&events[1..2], &[events[0].clone(), events[2].clone()]),
        batch(&[], &[events[0].clone(), events[2].clone()]),
        batch(&events[2..], &events[..1]),
        batch(&events[..1], &[]),
    ]);
    let expected: Vec<_> = events.iter().cloned().map(Some).collect();
    assert_eq!(bodies(&aws, &events, usize::MAX).await.unwrap(), expected);
    assert_eq!(calls(&aws), ["BatchGetItem"; 4]);
}

#[tokio::test]
async fn items_beyond_what_is_enough_are_not_asked_for_again() {
    let events = events(3);
    let aws = answers(&[batch(&events[..1], &events[1..])]);
    let found = bodies(&aws, &events, 1).await;
    assert_eq!(found.unwrap(), [Some(events[0].clone())]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_brings_nothing_again_and_again_is_throttling() {
    let events = events(1);
    let aws = answers(&vec![batch(&[], &events); 6]);
    let error = bodies(&aws, &events, usize::MAX).await.unwrap_err();
    assert!(matches!(error, StoreError::Throttled { .. }), "{error:?}");
    assert_eq!(calls(&aws).len(), 6);
}

#[tokio::test]
async fn a_malformed_item_and_one_that_is_gone_hide_no_other() {
    let events = events(3);
    let mut answer = batch(&events[..2], &[]);
    answer["Responses"]["events"][0]["content_sha256"] = json!({ "S": "not bytes" });
    let bodies = bodies(&answers(&[answer]), &events, usize::MAX).await;
    assert_eq!(bodies.unwrap(), [None, Some(events[1].clone()), None]);
}

async fn page(answers: &[Value]) -> (pillarbox_domain::event_query::IndexPage, usize) {
    let aws = self::answers(answers);
    let query = IndexQuery {
        part: &IndexPart::Hour(
            LogHour::at(ManualClock::default().now()),
            LogShard::default(),
        ),
        range: IdRange::ALL,
        order: Order::Oldest,
        event_type: None,
        limit: 10,
    };
    let page = index(&aws).page(&tenant("demo"), query).await.unwrap();
    (page, calls(&aws).len())
}

#[tokio::test]
async fn an_entry_of_another_tenant_or_none_at_all_is_never_shown() {
    let events = events(6);
    let mut items: Vec<Value> = events.iter().map(indexed).collect();
    items[0]["pk"]["S"] = json!("T#other#K#/shop#0");
    items[1]["pk"]["S"] = json!("T#demo#K#/shop#a#b");
    items[2]["event_id"]["S"] = json!(events[2].event_id.to_string().to_uppercase());
    items[3]["event_id"]["S"] = json!("nonsense");
    items[4]["type"] = Value::Null;
    items[4].as_object_mut().unwrap().remove("type");
    let (page, _) = page(&[found(items)]).await;
    assert_eq!(page.entries, entries(&events[5..]));
    assert_eq!(page.examined, 6);
}

#[tokio::test]
async fn an_index_page_that_ends_with_something_else_than_an_id_is_gone_on_from() {
    let events = events(2);
    let mut first = found(vec![indexed(&events[0])]);
    first["LastEvaluatedKey"] = indexed(&events[0]);
    first["LastEvaluatedKey"]["event_id"]["S"] = json!("019b-nonsense");
    let (page, calls) = page(&[first, found(vec![indexed(&events[1])])]).await;
    assert_eq!(
        (page.entries, page.examined, page.rest, calls),
        (entries(&events), 2, None, 2)
    );
}
