//! What the sweep stands on, on answers of AWS that no engine here can be made to give: recorded ones, through the
//! real SDK.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_http_client::test_util::StaticReplayClient;
use pillarbox_aws::{DynamoReceipts, DynamoRegistry, DynamoSweepStore, SqsSweepQueue};
use pillarbox_domain::event_query::IndexEntry;
use pillarbox_domain::logged_event::OutboxMode;
use pillarbox_domain::receipt::{Bucket, ReceiptLedger};
use pillarbox_domain::registry::{Added, Registry, Tenants};
use pillarbox_domain::sweep::{Found, SweepQueue, SweepState, SweepStore, read_message};
use pillarbox_domain::{Clock, StoreError};
use pillarbox_testkit::ManualClock;
use pillarbox_testkit::builders::tenant;
use serde_json::{Value, json};
use support::{calls, dynamodb, json_answer};

fn aws(answers: &[(u16, Value)]) -> StaticReplayClient {
    let answers = answers.iter();
    let answers = answers.map(|(status, answer)| json_answer(*status, answer));
    StaticReplayClient::new(answers.collect())
}

fn cancelled(codes: [&str; 2]) -> (u16, Value) {
    let kind = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
    let reasons = codes.map(|code| json!({ "Code": code }));
    let answer =
        json!({ "__type": kind, "Message": "as recorded", "CancellationReasons": reasons });
    (400, answer)
}

fn registry(aws: &StaticReplayClient) -> DynamoRegistry {
    DynamoRegistry::new(dynamodb(aws.clone()), "registry".to_owned())
}

#[tokio::test]
async fn a_new_tenant_is_one_transaction() {
    let aws = aws(&[(200, json!({}))]);
    let added = registry(&aws).add_tenant(&tenant("demo"), None).await;
    assert_eq!(added.unwrap(), Added::New);
    assert_eq!(calls(&aws), ["TransactWriteItems"]);
}

#[tokio::test]
async fn a_tenant_that_is_there_is_put_into_the_list_all_the_same() {
    let refused = cancelled(["ConditionalCheckFailed", "None"]);
    let sound = aws(&[refused.clone(), (200, json!({}))]);
    let added = registry(&sound).add_tenant(&tenant("demo"), None).await;
    assert_eq!(added.unwrap(), Added::Unchanged);
    assert_eq!(calls(&sound), ["TransactWriteItems", "PutItem"]);

    let throttling = json!({ "__type": "com.amazonaws#ThrottlingException" });
    let failing = aws(&[refused, (400, throttling)]);
    let added = registry(&failing).add_tenant(&tenant("demo"), None).await;
    assert!(matches!(added, Err(StoreError::Throttled { .. })));
}

#[tokio::test]
async fn a_registration_that_meets_another_asks_for_patience() {
    for codes in [["TransactionConflict", "None"], ["None", "ThrottlingError"]] {
        let aws = aws(&[cancelled(codes)]);
        let added = registry(&aws).add_tenant(&tenant("demo"), None).await;
        assert!(
            matches!(added, Err(StoreError::Throttled { .. })),
            "{added:?}"
        );
    }
}

#[tokio::test]
async fn a_name_that_cannot_be_read_is_not_left_out_of_the_list() {
    let items =
        ["demo", "No Tenant"].map(|id| json!({ "pk": { "S": "TENANTS" }, "sk": { "S": id } }));
    let aws = aws(&[(200, json!({ "Items": items, "Count": 2 }))]);
    let tenants = registry(&aws).tenants(None, 10).await;
    assert!(matches!(tenants, Err(StoreError::Malformed { .. })));
}

#[tokio::test]
async fn a_receipt_that_cannot_be_read_fails_its_bucket_and_is_named() {
    let batch = "01a20846-fe00-7000-8000-000000000001";
    let group = json!({ "M": {
        "tenant": { "S": "demo" }, "type": { "S": "t" }, "subscriptions": { "L": [] },
        "event_ids": { "B": "AaIIRv4AcACAAAAAAAAAAQ==" },
    }});
    let sound = json!({
        "pk": { "S": "R#20261123120000" }, "sk": { "S": batch }, "handed_over_ms": { "N": "1" },
        "expires_at": { "N": "2" }, "groups": { "L": [group] },
    });
    let read = async |item: Value| {
        let answer = json!({ "Items": [sound.clone(), item], "Count": 2 });
        let aws = aws(&[(200, answer)]);
        let receipts = DynamoReceipts::new(dynamodb(aws), "outbox".to_owned());
        let bucket = Bucket::at(ManualClock::default().now());
        receipts.in_bucket(bucket).await
    };
    assert_eq!(read(sound.clone()).await.unwrap().len(), 2);
    let breaks: [(&str, Value); 7] = [
        ("/sk/S", json!(format!("{batch}#0"))),
        ("/handed_over_ms", Value::Null),
        ("/expires_at", json!({ "S": "2" })),
        ("/groups", json!({ "S": "" })),
        ("/groups/L/0", json!({ "S": "" })),
        ("/groups/L/0/M/tenant/S", json!("No Tenant")),
        ("/groups/L/0/M/event_ids/B", json!("AaIIRv4AcACAAAAAAAAA")),
    ];
    for (place, value) in breaks {
        let mut broken = sound.clone();
        match value.is_null() {
            true => drop(broken.as_object_mut().unwrap().remove(&place[1..])),
            false => *broken.pointer_mut(place).unwrap() = value,
        }
        let key = broken["sk"]["S"].as_str().unwrap().to_owned();
        let Err(StoreError::Malformed { what, detail }) = read(broken).await else {
            panic!("{place} is taken for sound");
        };
        assert_eq!(what, "receipt");
        assert!(
            detail.starts_with(&format!("{key} in R#20261123120000: ")),
            "{detail}"
        );
    }
}

#[tokio::test]
async fn a_watermark_that_was_moved_meanwhile_is_not_moved_back() {
    let state = SweepState::beginning(ManualClock::default().now());
    let store =
        |aws: &StaticReplayClient| DynamoSweepStore::new(dynamodb(aws.clone()), "t".to_owned());
    let refused = json!({ "__type": "com.amazonaws#ConditionalCheckFailedException" });
    assert!(!store(&aws(&[(400, refused)])).save(&state).await.unwrap());
    let throttling = json!({ "__type": "com.amazonaws#ThrottlingException" });
    let error = store(&aws(&[(400, throttling)])).save(&state).await;
    assert!(matches!(error, Err(StoreError::Throttled { .. })));
}

#[tokio::test]
async fn a_watermark_that_cannot_be_read_is_none_to_begin_anew_with() {
    let item = json!({
        "pk": { "S": "SWEEP" }, "sk": { "S": "WATERMARK" }, "version": { "N": "1" },
        "looked_before_ms": { "N": "1795435200000" },
        "open": { "L": [{ "M": { "from_ms": { "N": "1795435205000" }, "to_ms": { "N": "1795435210000" } } }] },
    });
    let aws = aws(&[(200, json!({ "Item": item }))]);
    let store = DynamoSweepStore::new(dynamodb(aws), "t".to_owned());
    assert!(matches!(
        store.read().await,
        Err(StoreError::Malformed { .. })
    ));
}

fn sqs(answers: &StaticReplayClient) -> SqsSweepQueue {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("a", "b", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .http_client(answers.clone());
    let queue_url = "https://sqs.eu-west-1.amazonaws.com/1/sweep";
    SqsSweepQueue::new(
        aws_sdk_sqs::Client::from_conf(config.build()),
        queue_url.to_owned(),
    )
}

fn found(count: usize) -> Vec<Found> {
    let clock = ManualClock::default();
    let found = (0..count).map(|n| Found {
        tenant: tenant("demo"),
        entry: IndexEntry {
            event_id: clock.next_id(),
            source: "/shop".to_owned(),
            id: n.to_string(),
            event_type: "t".to_owned(),
            outbox: OutboxMode::Dispatch,
        },
    });
    found.collect()
}

/// An answer that says so of each entry: taken, failed, or nothing.
fn batch_answer(entries: &[Option<bool>]) -> (u16, Value) {
    let with = |taken| move |(_, entry): &(usize, &Option<bool>)| **entry == Some(taken);
    let each = || entries.iter().enumerate();
    let successful = each().filter(with(true));
    let successful = successful
        .map(|(n, _)| json!({ "Id": n.to_string(), "MessageId": "m", "MD5OfMessageBody": "" }));
    let failed = each().filter(with(false));
    let failed = failed.map(
        |(n, _)| json!({ "Id": n.to_string(), "Code": "InternalError", "SenderFault": false }),
    );
    let answer = json!({
        "Successful": successful.collect::<Vec<_>>(), "Failed": failed.collect::<Vec<_>>(),
    });
    (200, answer)
}

#[tokio::test]
async fn what_was_found_goes_in_messages_of_a_hundred_ten_to_a_call() {
    let (ten, two) = (
        batch_answer(&[Some(true); 10]),
        batch_answer(&[Some(true); 2]),
    );
    let aws = aws(&[ten, two]);
    let found = found(1_150);
    sqs(&aws).ask(&found).await.unwrap();
    let mut back = Vec::new();
    for call in aws.actual_requests() {
        let body: Value = serde_json::from_slice(call.body().bytes().unwrap()).unwrap();
        for entry in body["Entries"].as_array().unwrap() {
            back.extend(read_message(entry["MessageBody"].as_str().unwrap()).unwrap());
        }
    }
    assert_eq!(back, found);
}

#[tokio::test]
async fn a_message_that_was_not_taken_is_told_also_in_a_200() {
    for answer in [
        batch_answer(&[Some(true), Some(false)]),
        batch_answer(&[Some(true), None]),
        batch_answer(&[None, None]),
        (
            400,
            json!({ "__type": "com.amazonaws#ThrottlingException" }),
        ),
    ] {
        let aws = aws(std::slice::from_ref(&answer));
        assert!(sqs(&aws).ask(&found(200)).await.is_err(), "{answer:?}");
    }
    let none = aws(&[]);
    sqs(&none).ask(&[]).await.unwrap();
}
