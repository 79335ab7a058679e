//! Jobs on recorded answers of AWS, which no engine here can be made to give: answers that were lost, and writes that
//! met others.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::time::Duration;

use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_http_client::test_util::{ReplayEvent, StaticReplayClient};
use pillarbox_aws::{DynamoJobs, SqsJobQueue};
use pillarbox_domain::job::{Counts, Holder, JobId, JobQueue, JobStore, Saved, Unit, UnitPart};
use pillarbox_domain::log_hour::IdRange;
use pillarbox_domain::{Clock, StoreError};
use pillarbox_testkit::ManualClock;
use pillarbox_testkit::builders::tenant;
use serde_json::{Value, json};
use support::{calls, dynamodb, json_answer};

fn recorded(answers: Vec<ReplayEvent>) -> StaticReplayClient {
    StaticReplayClient::new(answers)
}

fn jobs(aws: &StaticReplayClient) -> DynamoJobs {
    DynamoJobs::new(dynamodb(aws.clone()), "jobs".to_owned())
}

fn unit() -> Unit {
    Unit {
        number: 7,
        part: UnitPart::Correlation(IdRange::ALL),
        total: 10,
        cursor: None,
        done: Counts {
            events: 10,
            sent: 10,
            skipped: 0,
            failed: 0,
            bytes: 99,
        },
    }
}

/// The unit in its table, with these attributes beside.
fn item(more: Value) -> Value {
    let place = |byte: u8| json!({ "B": data_encoding::BASE64.encode(&[byte; 16]) });
    let mut item = json!({
        "pk": { "S": "T#demo#J#x" }, "sk": { "S": "UNIT#0000000007" }, "number": { "N": "7" },
        "total": { "N": "10" }, "part": { "S": "CORRELATION" }, "range_first": place(0),
        "range_last": place(255), "events": { "N": "10" }, "sent": { "N": "10" },
        "skipped": { "N": "0" }, "failed": { "N": "0" }, "bytes": { "N": "99" },
    });
    for (name, value) in more.as_object().unwrap() {
        item[name] = value.clone();
    }
    item
}

fn error(kind: &str, mut answer: Value) -> ReplayEvent {
    answer["__type"] = json!(format!("com.amazonaws.dynamodb.v20120810#{kind}"));
    answer["message"] = json!("as recorded");
    json_answer(400, &answer)
}

fn cancelled(codes: [&str; 2]) -> ReplayEvent {
    let reasons = codes.map(|code| json!({ "Code": code }));
    error(
        "TransactionCanceledException",
        json!({ "CancellationReasons": reasons }),
    )
}

struct Call {
    clock: ManualClock,
    id: JobId,
    holder: Holder,
}

impl Call {
    fn new() -> Self {
        let clock = ManualClock::default();
        Self {
            id: JobId::new(clock.next_id()),
            holder: Holder(clock.next_id()),
            clock,
        }
    }

    async fn finish(&self, aws: &StaticReplayClient) -> Result<Saved, StoreError> {
        let (owner, now) = (tenant("demo"), self.clock.now());
        jobs(aws)
            .finish_unit(&owner, self.id, &unit(), self.holder, now)
            .await
    }
}

#[tokio::test]
async fn a_unit_that_meets_another_at_its_job_is_counted_all_the_same() {
    let met = || cancelled(["None", "TransactionConflict"]);
    let aws = recorded(vec![met(), met(), json_answer(200, &json!({}))]);
    assert_eq!(Call::new().finish(&aws).await.unwrap(), Saved::Yes);
    assert_eq!(calls(&aws), ["TransactWriteItems"; 3]);
}

#[tokio::test]
async fn whoever_finished_a_unit_and_did_not_hear_of_it_has_finished_it() {
    let call = Call::new();
    let refused = || cancelled(["ConditionalCheckFailed", "None"]);
    let done = |holder: Holder| {
        let holder = json!({ "S": holder.0.to_string() });
        let there = item(json!({ "is_done": { "BOOL": true }, "holder": holder }));
        json_answer(200, &json!({ "Item": there }))
    };
    let aws = recorded(vec![refused(), done(call.holder)]);
    assert_eq!(call.finish(&aws).await.unwrap(), Saved::Yes);
    let aws = recorded(vec![refused(), done(Holder(call.clock.next_id()))]);
    assert_eq!(call.finish(&aws).await.unwrap(), Saved::Lost);
    let aws = recorded(vec![refused(), json_answer(200, &json!({}))]);
    assert_eq!(call.finish(&aws).await.unwrap(), Saved::Lost);
}

#[tokio::test]
async fn whoever_gave_a_unit_back_and_did_not_hear_of_it_has_given_it_back() {
    let call = Call::new();
    let taken_over = json!({ "holder": { "S": call.clock.next_id().to_string() } });
    let further = json!({ "events": { "N": "11" } });
    for (there, saved) in [
        (json!({}), Saved::Yes),
        (taken_over, Saved::Lost),
        (further, Saved::Lost),
    ] {
        let refused = json!({ "Item": item(there) });
        let aws = recorded(vec![error("ConditionalCheckFailedException", refused)]);
        let owner = tenant("demo");
        let (jobs, unit) = (jobs(&aws), unit());
        let released = jobs.release(&owner, call.id, &unit, call.holder);
        assert_eq!(released.await.unwrap(), saved);
    }
}

#[tokio::test]
async fn a_place_is_saved_again_where_it_met_a_transaction() {
    let call = Call::new();
    let met = error("TransactionConflictException", json!({}));
    let aws = recorded(vec![met, json_answer(200, &json!({}))]);
    let (owner, now) = (tenant("demo"), call.clock.now());
    let saved = jobs(&aws)
        .save(&owner, call.id, &unit(), call.holder, now)
        .await;
    assert_eq!(saved.unwrap(), Saved::Yes);
}

#[tokio::test]
async fn a_turn_that_another_worker_took_first_follows_that_one() {
    let call = Call::new();
    let now = call.clock.now();
    let free_at = (now.unix_timestamp_nanos() + 2_000_000_000).to_string();
    let item = json!({ "Item": { "free_at_ns": { "N": free_at } } });
    let aws = recorded(vec![
        json_answer(200, &json!({})),
        error("ConditionalCheckFailedException", json!({})),
        json_answer(200, &item),
        json_answer(200, &json!({})),
    ]);
    let owner = tenant("demo");
    let wait = jobs(&aws).take_turn(&owner, call.id, 10, 10.0, now).await;
    assert_eq!(wait.unwrap(), Duration::from_secs(2));
    assert_eq!(calls(&aws), ["GetItem", "PutItem", "GetItem", "PutItem"]);
}

async fn call(answer: &Value, workers: usize) -> (Result<(), StoreError>, Vec<Value>) {
    let answers = (0..workers.div_ceil(10)).map(|_| json_answer(200, answer));
    let aws = recorded(answers.collect());
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("a", "b", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .http_client(aws.clone());
    let client = aws_sdk_sqs::Client::from_conf(config.build());
    let queue = SqsJobQueue::new(client, "https://sqs.test/1/jobs".to_owned());
    let id = Call::new().id;
    let called = queue
        .call(&tenant("demo"), id, workers, Duration::from_millis(1_500))
        .await;
    let asked = aws.actual_requests();
    let asked = asked.map(|call| serde_json::from_slice(call.body().bytes().unwrap()).unwrap());
    (called, asked.collect())
}

#[tokio::test]
async fn each_worker_is_called_by_a_message_of_its_own() {
    let taken: Vec<Value> = (0..10).map(|id| json!({ "Id": id.to_string() })).collect();
    let (called, asked) = call(&json!({ "Successful": taken, "Failed": [] }), 10).await;
    called.unwrap();
    let entries = asked[0]["Entries"].as_array().unwrap();
    assert_eq!(entries.len(), 10);
    assert_eq!(entries[9]["DelaySeconds"], 2, "nobody is called early");
    let body: Value = serde_json::from_str(entries[9]["MessageBody"].as_str().unwrap()).unwrap();
    assert_eq!(body["tenant"], "demo");
    assert!(body["job_id"].as_str().unwrap().parse::<JobId>().is_ok());
}

#[tokio::test]
async fn a_call_that_is_not_taken_in_an_answer_of_200_is_a_failure() {
    let refused = json!({ "Id": "1", "Code": "Busy", "SenderFault": false, "Message": "later" });
    for (answer, reason) in [
        (
            json!({ "Successful": [{ "Id": "0" }], "Failed": [refused] }),
            "later",
        ),
        (json!({ "Successful": [{ "Id": "0" }] }), "does not mention"),
    ] {
        let (called, _) = call(&answer, 2).await;
        let error = called.unwrap_err();
        let told = pillarbox_domain::ErrorChain(&error).to_string();
        assert!(told.contains(reason), "{told}");
    }
}
