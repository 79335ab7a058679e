//! Dead letters on recorded answers of AWS, which no engine here can be made to give.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeMap;

use aws_smithy_http_client::test_util::StaticReplayClient;
use pillarbox_aws::DynamoLetters;
use pillarbox_domain::StoreError;
use pillarbox_domain::letters::{DeadLetterId, Filed, Keeper, Kept, LetterStore, QueueMessage};
use pillarbox_domain::log_hour::{IdRange, Order};
use pillarbox_testkit::builders::tenant;
use pillarbox_testkit::{ManualClock, MemoryPayloads};
use serde_json::{Value, json};
use support::{calls, dynamodb, json_answer};

const FIRST: &str = "01a20846-fe00-7000-8000-000000000001";

fn store(aws: &StaticReplayClient) -> DynamoLetters<MemoryPayloads> {
    let payloads = MemoryPayloads::default();
    DynamoLetters::new(dynamodb(aws.clone()), "letters".to_owned(), payloads)
}

/// Keeps a record that is no delivery, with this answer to the transaction.
async fn keep(aws: &StaticReplayClient) -> Result<Filed, StoreError> {
    let keeper = Keeper {
        letters: store(aws),
        clock: ManualClock::default(),
        retention: "90".parse().unwrap(),
    };
    let message = QueueMessage {
        id: "m",
        body: "not json",
        attributes: BTreeMap::new(),
        source_queue: None,
        first_received_at: None,
    };
    keeper.keep(&message).await
}

fn cancelled(reasons: &Value) -> StaticReplayClient {
    let kind = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
    let answer =
        json!({ "__type": kind, "Message": "as recorded", "CancellationReasons": reasons });
    StaticReplayClient::new(vec![json_answer(400, &answer)])
}

#[tokio::test]
async fn a_letter_is_one_call() {
    let aws = StaticReplayClient::new(vec![json_answer(200, &json!({}))]);
    assert_eq!(keep(&aws).await.unwrap().kept, Kept::New);
    assert_eq!(calls(&aws), ["TransactWriteItems"]);
}

#[tokio::test]
async fn a_transaction_that_meets_another_asks_for_patience() {
    for code in ["TransactionConflict", "ThrottlingError"] {
        let aws = cancelled(&json!([{ "Code": code }, { "Code": "None" }, { "Code": "None" }]));
        let error = keep(&aws).await.unwrap_err();
        assert!(matches!(error, StoreError::Throttled { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_transaction_that_is_refused_for_another_reason_is_a_failure() {
    let aws =
        cancelled(&json!([{ "Code": "None" }, { "Code": "ValidationError" }, { "Code": "None" }]));
    let error = keep(&aws).await.unwrap_err();
    assert!(matches!(error, StoreError::Failed { .. }), "{error:?}");
}

#[tokio::test]
async fn a_name_that_is_taken_answers_with_the_letter_that_has_it() {
    let item = json!({ "pk": { "S": "p" }, "dead_letter_id": { "S": FIRST } });
    let reasons = json!([
        { "Code": "ConditionalCheckFailed", "Item": item }, { "Code": "None" }, { "Code": "None" },
    ]);
    let first: DeadLetterId = "01a20846-fe00-7000-8000-0000000000aa".parse().unwrap();
    let reasons = reasons.to_string().replace(FIRST, &first.to_string());
    let aws = cancelled(&serde_json::from_str(&reasons).unwrap());
    assert_eq!(keep(&aws).await.unwrap().kept, Kept::Repeat(first));
    // Our own id: the write was made, and its answer lost.
    let reasons = reasons.replace(&first.to_string(), FIRST);
    let aws = cancelled(&serde_json::from_str(&reasons).unwrap());
    assert_eq!(keep(&aws).await.unwrap().kept, Kept::New);
}

#[tokio::test]
async fn a_letter_that_cannot_be_read_hides_no_other() {
    let good = json!({
        "pk": { "S": "T#demo" }, "sk": { "S": FIRST }, "origin": { "S": "queue" }, "state": { "S": "OPEN" },
        "error_class": { "S": "E" }, "error_message": { "S": "" }, "expires_at": { "N": "1803211200" },
    });
    let mut bad = good.clone();
    bad["state"] = json!({ "S": "LOST" });
    let answer = json!({ "Items": [bad, good], "Count": 2, "ScannedCount": 2 });
    let aws = StaticReplayClient::new(vec![json_answer(200, &answer)]);
    let page = store(&aws)
        .page(&tenant("demo"), IdRange::ALL, Order::Oldest, 10)
        .await
        .unwrap();
    assert_eq!((page.letters.len(), page.examined), (1, 2));
    assert_eq!(page.letters[0].id.to_string(), FIRST);
}
