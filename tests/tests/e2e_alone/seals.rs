//! Hours that are closed: proven, archived, sealed, read back; and what is found when somebody tampers with them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use pillarbox_aws::{encode_event_item, keys};
use pillarbox_domain::log_hour::LogHour;
use pillarbox_domain::receipt::Bucket;
use pillarbox_domain::{Clock, EventId, LoggedEvent};
use pillarbox_runtime::clock::SystemClock;
use pillarbox_testkit::ManualClock;
use pillarbox_testkit::builders::{event_with, logged};
use pillarbox_tests::eventually;
use pillarbox_tests::functions::Function;
use pillarbox_tests::many::{deliveries, id_of};
use pillarbox_tests::operating::rfc3339;
use pillarbox_tests::stack::{Stack, Tenant};
use reqwest::Method;
use serde_json::{Value, json};
use time::UtcDateTime;

const SWEEP: Function = Function("sweep");

/// Events of each of the hours.
const COUNT: usize = 120;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// How long ago the hours were: replays read what is as old from the archive.
const AGE: Duration = Duration::from_secs(8 * 24 * 60 * 60);

const RETENTION: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// The first second of an hour of a week ago, and one that no other test uses.
fn old_hour(number: u32) -> UtcDateTime {
    LogHour::at(SystemClock::default().now() - AGE - HOUR * number).start()
}

/// Puts events into the log as a producer's own transaction does, with ids of that hour; each is handed over.
async fn put_events(stack: &Stack, tenant: &Tenant, hour: UtcDateTime) -> Vec<LoggedEvent> {
    let clock = ManualClock::at(hour + Duration::from_secs(60));
    let mut events = Vec::new();
    for n in 0..COUNT {
        clock.advance(Duration::from_secs(20));
        let id = format!("{}-{n}", rfc3339(hour));
        let event = event_with(json!({ "id": id, "data": { "order": n } }));
        let mut event = logged(&clock, &tenant.id, event);
        event.expires_at = event.event_id.accepted_at() + RETENTION;
        let put = stack.dynamodb.put_item();
        let item = encode_event_item(&event);
        let put = put.table_name(&stack.event_log_table).set_item(Some(item));
        put.send().await.unwrap();
        events.push(event);
    }
    for event in &events {
        stack.handed_over(event.event_id).await;
    }
    events
}

/// Has closed hours sealed, until this one is in the tenant's archive; what the archive has of it is returned.
async fn sealed(stack: &Stack, tenant: &Tenant, hour: UtcDateTime) -> Value {
    let path = format!(
        "/v1/archive?from={}&to={}",
        rfc3339(hour),
        rfc3339(hour + HOUR)
    );
    eventually("the hour is archived", async || {
        println!(
            "{}",
            stack
                .invoke(SWEEP, &json!({ "task": "seal", "settle_seconds": 0 }))
                .await
        );
        let archive = tenant.ask(Method::GET, &path, &Value::Null).await;
        let hours = archive["hours"].as_array().unwrap();
        let there = hours.iter().find(|there| there["events"] == json!(COUNT));
        there.cloned()
    })
    .await
}

/// What the operator's command says of some hours.
fn verify(stack: &Stack, tenant: &Tenant, from: UtcDateTime, to: UtcDateTime) -> Output {
    let test = std::env::current_exe().unwrap();
    let command: PathBuf = test.parent().unwrap().parent().unwrap().join("pillarbox");
    let bounds = ["--from", &rfc3339(from), "--to", &rfc3339(to)].map(str::to_owned);
    Command::new(command)
        .arg("verify")
        .args(bounds)
        .env("PILLARBOX_URL", stack.url())
        .env("PILLARBOX_API_KEY", &tenant.key)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

async fn remove_from_log(stack: &Stack, events: &[LoggedEvent]) {
    for event in events {
        let (source, id) = (event.event.source(), event.event.id());
        let key = keys::event(&event.tenant, source, id);
        let delete = stack.dynamodb.delete_item();
        let delete = delete.table_name(&stack.event_log_table);
        let delete = delete.key(keys::PK, AttributeValue::S(key));
        delete.send().await.unwrap();
    }
}

/// Takes every receipt of an event away.
async fn drop_receipts(stack: &Stack, event_id: EventId) {
    let bucket = AttributeValue::S(keys::receipts(Bucket::of(event_id)));
    let query = stack.dynamodb.query().table_name(&stack.outbox_table);
    let query = query
        .key_condition_expression("pk = :bucket")
        .expression_attribute_values(":bucket", bucket);
    let found = query.send().await.unwrap();
    assert!(!found.items().is_empty());
    for item in found.items() {
        let delete = stack.dynamodb.delete_item().table_name(&stack.outbox_table);
        let key = |name: &str| item[name].clone();
        let delete = delete
            .key(keys::PK, key(keys::PK))
            .key(keys::SK, key(keys::SK));
        delete.send().await.unwrap();
    }
}

async fn flip_a_byte(stack: &Stack, key: &str) {
    let get = stack.s3.get_object().bucket(&stack.archive_bucket).key(key);
    let body = get.send().await.unwrap().body.collect().await.unwrap();
    let mut bytes = body.to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let put = stack.s3.put_object().bucket(&stack.archive_bucket).key(key);
    put.body(bytes.into()).send().await.unwrap();
}

async fn delete_object(stack: &Stack, key: &str) {
    let delete = stack.s3.delete_object().bucket(&stack.archive_bucket);
    delete.key(key).send().await.unwrap();
}

fn object_of(archived: &Value) -> String {
    archived["objects"][0]["key"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_sealed_hour_is_replayed_from_the_archive_when_the_log_has_it_no_more() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let hour = old_hour(0);
    let events = put_events(&stack, &tenant, hour).await;
    sealed(&stack, &tenant, hour).await;
    let clean = verify(&stack, &tenant, hour, hour + HOUR);
    assert!(clean.status.success(), "{}", said(&clean));

    remove_from_log(&stack, &events).await;
    let queue = stack.subscriber_queue().await;
    let replay = json!({
        "filter": { "from": rfc3339(hour), "to": rfc3339(hour + HOUR), "types": ["order.*"] },
        "target": { "queue_url": queue.url },
    });
    let job = tenant.start_replay(&replay).await;
    let job = tenant.job_in(&job, "COMPLETED").await;
    assert_eq!(
        (&job["total"], &job["failed"]),
        (&json!(COUNT), &json!(0)),
        "{job}"
    );
    let deliveries = deliveries(&queue).await;
    let ids: BTreeSet<EventId> = events.iter().map(|event| event.event_id).collect();
    assert_eq!(deliveries.keys().copied().collect::<BTreeSet<_>>(), ids);
    assert!(deliveries.values().all(|count| *count == 1));
}

#[tokio::test]
async fn what_is_taken_from_the_archive_or_the_ledger_is_found_and_named() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let hours = [old_hour(10), old_hour(11), old_hour(12)];
    let mut archived = Vec::new();
    let mut events = Vec::new();
    for hour in hours {
        events.push(put_events(&stack, &tenant, hour).await);
        archived.push(sealed(&stack, &tenant, hour).await);
    }
    let (from, to) = (hours[2], hours[0] + HOUR);
    let clean = verify(&stack, &tenant, from, to);
    assert!(clean.status.success(), "{}", said(&clean));

    let (deleted, flipped) = (object_of(&archived[0]), object_of(&archived[1]));
    delete_object(&stack, &deleted).await;
    flip_a_byte(&stack, &flipped).await;
    let unreceipted = events[2][COUNT / 2].event_id;
    drop_receipts(&stack, unreceipted).await;

    let found = verify(&stack, &tenant, from, to);
    let words = said(&found);
    assert_eq!(found.status.code(), Some(1), "{words}");
    for (kind, named) in [
        ("object_missing", deleted),
        ("object_altered", flipped),
        ("missing_receipt", unreceipted.to_string()),
    ] {
        assert!(words.contains(kind), "{kind}: {words}");
        assert!(words.contains(&named), "{named}: {words}");
    }
    let path = format!("/v1/integrity?from={}&to={}", rfc3339(from), rfc3339(to));
    let integrity = tenant.ask(Method::GET, &path, &Value::Null).await;
    let findings = integrity["findings"].as_array().unwrap();
    let missing = findings
        .iter()
        .find(|found| found["kind"] == "missing_receipt");
    let named = missing.unwrap()["event_ids"].as_array().unwrap();
    assert!(
        named.iter().any(|id| id_of(id) == unreceipted),
        "{integrity}"
    );
}
