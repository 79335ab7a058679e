//! Seals on recorded answers of AWS, which no engine here can be made to give.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use aws_smithy_http_client::test_util::StaticReplayClient;
use pillarbox_aws::DynamoSeals;
use pillarbox_domain::StoreError;
use pillarbox_domain::log_hour::LogHour;
use pillarbox_domain::seal::{SealHead, SealLink, SealRow, SealStore};
use serde_json::{Value, json};
use support::{calls, dynamodb, json_answer};
use time::macros::utc_datetime;

fn store(aws: &StaticReplayClient) -> DynamoSeals {
    DynamoSeals::new(dynamodb(aws.clone()), "outbox".to_owned())
}

fn row() -> SealRow {
    SealRow {
        hour: LogHour::at(utc_datetime!(2026-11-23 12:00)),
        revision: 0,
        link: SealLink {
            key: "seals/dt=2026-11-23/hh=12/0000.json".to_owned(),
            sha256: "ab".repeat(32),
        },
        previous: None,
        events: 7,
        sealed_at: utc_datetime!(2026-11-24 14:00),
    }
}

fn item(events: u64) -> Value {
    json!({ "Item": {
        "pk": { "S": "SEAL" }, "sk": { "S": "2026112312#0000" }, "events": { "N": events.to_string() },
        "key": { "S": row().link.key }, "sha256": { "S": row().link.sha256 }, "sealed_ms": { "N": "1795528800000" },
    } })
}

fn cancelled(codes: [&str; 2]) -> Value {
    let kind = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
    let reasons = codes.map(|code| json!({ "Code": code }));
    json!({ "__type": kind, "Message": "as recorded", "CancellationReasons": reasons })
}

async fn append(aws: &StaticReplayClient) -> Result<bool, StoreError> {
    let head = SealHead {
        link: row().link,
        sealed_before: row().hour.next(),
    };
    store(aws).append(&row(), None, &head).await
}

/// The transaction, cancelled with these codes, and what is in the row's place then.
fn taken(codes: [&str; 2], there: Value) -> StaticReplayClient {
    StaticReplayClient::new(vec![
        json_answer(400, &cancelled(codes)),
        json_answer(200, &there),
    ])
}

#[tokio::test]
async fn a_row_that_is_there_just_so_is_our_own_and_any_other_is_not() {
    let refused = ["ConditionalCheckFailed", "ConditionalCheckFailed"];
    for (there, is_ours) in [(item(7), true), (item(8), false), (json!({}), false)] {
        let aws = taken(refused, there);
        assert_eq!(append(&aws).await.unwrap(), is_ours);
        assert_eq!(calls(&aws), ["TransactWriteItems", "GetItem"]);
    }
    // Only the end of the chain is another.
    let aws = taken(["None", "ConditionalCheckFailed"], json!({}));
    assert!(!append(&aws).await.unwrap());
}

#[tokio::test]
async fn a_transaction_that_meets_another_asks_for_patience_and_other_refusals_are_failures() {
    for code in ["TransactionConflict", "ThrottlingError"] {
        let aws = taken([code, "None"], json!({}));
        let error = append(&aws).await.unwrap_err();
        assert!(matches!(error, StoreError::Throttled { .. }), "{error:?}");
    }
    let aws = taken(["ValidationError", "None"], json!({}));
    let error = append(&aws).await.unwrap_err();
    assert!(matches!(error, StoreError::Failed { .. }), "{error:?}");
}

#[tokio::test]
async fn a_reopening_that_cannot_be_read_hides_no_other() {
    let reopening = |key: &str| json!({ "pk": { "S": "REOPENED" }, "sk": { "S": key }, "noted_ms": { "N": "1795528800000" } });
    let items = [reopening("nonsense"), reopening("2026112312#demo")];
    let answer = json!({ "Items": items, "Count": 2, "ScannedCount": 2 });
    let aws = StaticReplayClient::new(vec![json_answer(200, &answer)]);
    let reopened = store(&aws).reopened(10).await.unwrap();
    assert_eq!(reopened.len(), 1);
    assert_eq!(reopened[0].tenant.as_str(), "demo");
}

#[tokio::test]
async fn a_seal_that_cannot_be_read_is_not_left_out() {
    let mut broken = item(7)["Item"].clone();
    broken["events"] = json!({ "S": "seven" });
    let answer = json!({ "Items": [broken], "Count": 1, "ScannedCount": 1 });
    let aws = StaticReplayClient::new(vec![json_answer(200, &answer)]);
    let hour = row().hour;
    let error = store(&aws).rows(hour, hour, 10).await.unwrap_err();
    assert!(matches!(error, StoreError::Malformed { .. }), "{error:?}");
}
