//! Recorded stream records through the real handler and the real adapters, on answers of AWS that the local engines
//! cannot be made to give. Real: everything from the batch to the bytes of each call. Recorded: what AWS says.

use std::sync::Arc;

use pillarbox_aws::{
    AwsEnvironment, Clients, DynamoActiveHours, DynamoReceipts, DynamoRegistry, DynamoReopenings,
    DynamoSuspensions, DynamoTroubledDeliveries, S3Payloads, SqsDeadLetterQueue, SqsDeliveryQueues,
    SqsRetryQueue,
};
use pillarbox_domain::active_hours::RememberedMarks;
use pillarbox_domain::schema::delivery::Upcasting;
use pillarbox_domain::subscription_cache::CachedSubscriptions;
use pillarbox_runtime::batch::BatchAnswer;
use pillarbox_testkit::{ManualClock, MemoryMetrics, RecordedAws};
use serde_json::{Value, json};

use super::{batch, failed, recorded};
use crate::handler::{Dispatch, Unnameable};

const QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/1/pillarbox-sub-connector";
const DEAD_LETTERS: &str = "https://sqs.us-east-1.amazonaws.com/1/pillarbox-dead-letters";
const RETRIES: &str = "https://sqs.us-east-1.amazonaws.com/1/pillarbox-retries";

/// AWS as it is when nothing is wrong, but for what `script` answers otherwise.
fn aws(
    script: impl Fn(&str, &Value) -> Option<(u16, Value)> + Send + Sync + 'static,
) -> Arc<RecordedAws> {
    Arc::new(RecordedAws::answering(move |operation, body| {
        script(operation, body).unwrap_or_else(|| (200, sound(operation, body)))
    }))
}

fn sound(operation: &str, body: &Value) -> Value {
    match operation {
        "Query" => json!({ "Items": subscriptions(body), "Count": 1 }),
        "GetItem" => get_item(body),
        "SendMessage" => json!({ "MessageId": "m" }),
        "SendMessageBatch" => {
            let entries = body["Entries"].as_array().unwrap().iter();
            let taken = entries.map(
                |entry| json!({ "Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "" }),
            );
            json!({ "Successful": taken.collect::<Vec<_>>(), "Failed": [] })
        }
        _ => json!({}),
    }
}

/// A tenant's only subscription; the bus has none.
fn subscriptions(query: &Value) -> Vec<Value> {
    match query["ExpressionAttributeValues"][":tenant"]["S"] == "T#demo" {
        true => vec![connector()],
        false => vec![],
    }
}

fn get_item(get: &Value) -> Value {
    match get["Key"]["sk"]["S"] == "SUB#connector" {
        true => json!({ "Item": connector() }),
        false => json!({}),
    }
}

fn connector() -> Value {
    json!({
        "pk": { "S": "T#demo" }, "sk": { "S": "SUB#connector" },
        "subscription_id": { "S": "connector" },
        "pattern": { "S": r#"{"type":[{"prefix":"order."}]}"# },
        "queue_url": { "S": QUEUE },
        "retries": { "N": "5" }, "first_delay_ms": { "N": "1000" },
        "factor": { "N": "2" }, "max_delay_ms": { "N": "60000" },
        "message_group": { "S": "tenant" }, "state": { "S": "ACTIVE" },
        "version": { "N": "3" }, "created_ms": { "N": "0" }, "updated_ms": { "N": "0" },
    })
}

async fn dispatch(aws: &RecordedAws, records: &Value) -> Result<BatchAnswer, Unnameable> {
    measured(aws, records, &MemoryMetrics::of("dispatch")).await
}

async fn measured(
    aws: &RecordedAws,
    records: &Value,
    metrics: &MemoryMetrics,
) -> Result<BatchAnswer, Unnameable> {
    let clients = Clients::new(AwsEnvironment {
        region: "us-east-1".to_owned(),
        access_key_id: "test".to_owned(),
        secret_access_key: "test".to_owned(),
        session_token: None,
        endpoint_url: Some(aws.endpoint_url.clone()),
    });
    let (dynamodb, sqs, clock) = (clients.dynamodb(), clients.sqs(), ManualClock::default());
    let outbox = || "outbox".to_owned();
    let registry = DynamoRegistry::new(dynamodb.clone(), "registry".to_owned());
    let marks = DynamoActiveHours::new(dynamodb.clone(), outbox());
    let dispatch = Dispatch {
        payloads: S3Payloads::new(clients.s3(), "payloads".to_owned()),
        subscriptions: CachedSubscriptions::new(registry.clone(), clock.clone()),
        queues: SqsDeliveryQueues::new(&sqs),
        receipts: DynamoReceipts::new(dynamodb.clone(), outbox()),
        marks: RememberedMarks::new(marks),
        reopenings: DynamoReopenings::new(dynamodb.clone(), outbox()),
        upcasts: Upcasting::new(registry.clone(), clock.clone()),
        dead_letters: SqsDeadLetterQueue::new(sqs.clone(), DEAD_LETTERS.to_owned()),
        suspensions: DynamoSuspensions::new(registry, clock.clone()),
        rows: DynamoTroubledDeliveries::new(dynamodb, outbox()),
        reminders: SqsRetryQueue::new(sqs, RETRIES.to_owned()),
        clock,
        metrics: metrics
            .metrics
            .clone()
            .with_write_units(clients.write_units()),
    };
    dispatch.handle(batch(records)).await
}

fn is_delivery(operation: &str, body: &Value) -> bool {
    operation == "SendMessageBatch" && body["QueueUrl"] == QUEUE
}

fn refusal(code: &str) -> (u16, Value) {
    (400, json!({ "__type": code, "message": "as recorded" }))
}

fn is_receipt(body: &Value) -> bool {
    let key = body["Item"]["pk"]["S"].as_str();
    key.is_some_and(|key| key.starts_with("R#"))
}

/// The receipts that were written, and the rows.
fn receipts_and_rows(aws: &RecordedAws) -> (Vec<Value>, Vec<Value>) {
    let puts = aws.calls("PutItem").into_iter();
    let items = puts.map(|put| put["Item"].clone());
    items.partition(|item| is_receipt(&json!({ "Item": item })))
}

fn told(row: &Value) -> (&str, &str) {
    let class = &row["attempts"]["L"][0]["M"]["error_class"]["S"];
    (
        row["status"]["S"].as_str().unwrap(),
        class.as_str().unwrap(),
    )
}

#[tokio::test]
async fn failed_entries_in_a_200_have_rows_and_reminders_and_the_stream_goes_on() {
    let aws = aws(|operation, body| {
        is_delivery(operation, body).then(|| {
            let failed = json!([
                { "Id": "1", "Code": "InternalError", "SenderFault": false, "Message": "try later" },
                { "Id": "2", "Code": "InvalidMessageContents", "SenderFault": true },
            ]);
            let taken = json!([{ "Id": "0", "MessageId": "m", "MD5OfMessageBody": "" }]);
            (200, json!({ "Successful": taken, "Failed": failed }))
        })
    });
    let answer = dispatch(&aws, &recorded()).await.unwrap();
    assert_eq!(answer, BatchAnswer::default());
    let (receipts, rows) = receipts_and_rows(&aws);
    assert_eq!(receipts.len(), 1);
    // The fourth entry is not in the answer at all.
    let mut rows: Vec<_> = rows.iter().map(told).collect();
    rows.sort_unstable();
    let expected = [
        ("FAILED", "InvalidMessageContents"),
        ("RETRYING", "InternalError"),
        ("RETRYING", "Unanswered"),
    ];
    assert_eq!(rows, expected);
    let sent = aws.calls("SendMessageBatch");
    let reminders = sent
        .iter()
        .find(|call| call["QueueUrl"] == RETRIES)
        .unwrap();
    let delays: Vec<_> = reminders["Entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["DelaySeconds"])
        .collect();
    assert_eq!(delays, [&json!(1), &json!(1)]);
    // The malformed record, and the message that no queue takes.
    assert_eq!(aws.calls("SendMessage").len(), 2);
}

#[tokio::test]
async fn a_throttled_queue_leaves_a_row_for_every_event_and_the_stream_goes_on() {
    let aws = aws(|operation, body| {
        is_delivery(operation, body).then(|| refusal("com.amazonaws.sqs#RequestThrottled"))
    });
    let answer = dispatch(&aws, &recorded()).await.unwrap();
    assert_eq!(answer, BatchAnswer::default());
    let (receipts, rows) = receipts_and_rows(&aws);
    assert_eq!((receipts.len(), rows.len()), (1, 4));
    assert!(
        rows.iter()
            .all(|row| told(row) == ("RETRYING", "RequestThrottled"))
    );
}

#[tokio::test]
async fn a_queue_that_is_gone_suspends_its_subscription_in_one_transaction_and_leaves_no_row() {
    let aws = aws(|operation, body| {
        is_delivery(operation, body).then(|| refusal("com.amazonaws.sqs#QueueDoesNotExist"))
    });
    let answer = dispatch(&aws, &recorded()).await.unwrap();
    assert_eq!(answer, BatchAnswer::default());
    let (receipts, rows) = receipts_and_rows(&aws);
    assert_eq!((receipts.len(), rows.len()), (1, 0));
    let group = &receipts[0]["groups"]["L"][0]["M"];
    assert_eq!(group["withheld"], json!({ "L": [{ "S": "connector" }] }));
    let [suspension] = &aws.calls("TransactWriteItems")[..] else {
        panic!("one transaction");
    };
    let update = &suspension["TransactItems"][0]["Update"];
    let values = &update["ExpressionAttributeValues"];
    assert_eq!(values[":state"], json!({ "S": "SUSPENDED" }));
    assert_eq!(values[":seen"], json!({ "N": "3" }));
    // Since the first of the events, whose ids are of 12:00:00.
    assert_eq!(values[":since"], json!({ "N": "1795435200000" }));
}

#[tokio::test]
async fn suspensions_and_what_writing_used_are_measured() {
    let aws = aws(|operation, body| match operation {
        "PutItem" => Some((200, json!({ "ConsumedCapacity": { "CapacityUnits": 2.0 } }))),
        _ => is_delivery(operation, body).then(|| refusal("com.amazonaws.sqs#QueueDoesNotExist")),
    });
    let metrics = MemoryMetrics::of("dispatch");
    measured(&aws, &recorded(), &metrics).await.unwrap();
    let writes = aws.calls("PutItem").len();
    let expected = pillarbox_testkit::metrics::told([
        ("ColdStart", "dispatch", &[1.0]),
        ("BatchSize", "dispatch", &[6.0]),
        ("WriteUnits", "dispatch", &[2.0 * writes as f64]),
        ("EventsDispatched", "order", &[4.0]),
        ("DispatchLatency", "order", &[0.0; 4]),
        ("SubscriptionsSuspended", "", &[1.0]),
    ]);
    assert_eq!(metrics.values(), expected);
}

#[tokio::test]
async fn a_suspension_that_is_refused_leaves_rows_instead() {
    let aws = aws(|operation, body| match operation {
        "TransactWriteItems" => Some(refusal("com.amazonaws.dynamodb#AccessDeniedException")),
        _ => is_delivery(operation, body).then(|| refusal("com.amazonaws.sqs#QueueDoesNotExist")),
    });
    let answer = dispatch(&aws, &recorded()).await.unwrap();
    assert_eq!(answer, BatchAnswer::default());
    let (_, rows) = receipts_and_rows(&aws);
    assert_eq!(rows.len(), 4);
}

#[tokio::test]
async fn a_refused_receipt_brings_the_batch_again_from_its_first_event() {
    let aws = aws(|operation, body| {
        let is_refused = operation == "PutItem" && is_receipt(body);
        is_refused.then(|| refusal("com.amazonaws.dynamodb#ProvisionedThroughputExceededException"))
    });
    let answer = dispatch(&aws, &recorded()).await.unwrap();
    assert_eq!(answer, failed("000000000000000000001"));
}

#[tokio::test]
async fn a_refused_row_brings_the_batch_again_from_its_event_and_leaves_it_out_of_the_receipt() {
    let aws = aws(|operation, body| match operation {
        "PutItem" if !is_receipt(body) => {
            Some(refusal("com.amazonaws.dynamodb#ThrottlingException"))
        }
        _ => is_delivery(operation, body).then(|| {
            let failed = json!([{ "Id": "1", "Code": "InternalError", "SenderFault": false }]);
            let taken: Vec<_> = ["0", "2", "3"]
                .map(|id| json!({ "Id": id, "MessageId": "m", "MD5OfMessageBody": "" }))
                .into();
            (200, json!({ "Successful": taken, "Failed": failed }))
        }),
    });
    let answer = dispatch(&aws, &recorded()).await.unwrap();
    assert_eq!(answer, failed("000000000000000000003"));
    let (receipts, _) = receipts_and_rows(&aws);
    let ids = receipts[0]["groups"]["L"].as_array().unwrap().iter();
    let bytes: usize = ids
        .map(|group| group["M"]["event_ids"]["B"].as_str().unwrap().len())
        .sum();
    assert_eq!(bytes, 3 * 64 / 3, "three ids of 16 bytes, as base64");
}

#[tokio::test]
async fn a_malformed_record_goes_to_the_dead_letters_with_its_reason_and_stops_nobody() {
    let aws = aws(|_, _| None);
    let answer = dispatch(&aws, &recorded()).await.unwrap();
    assert_eq!(answer, BatchAnswer::default());
    let [put] = &aws.calls("SendMessage")[..] else {
        panic!("one dead letter");
    };
    assert_eq!(put["QueueUrl"], DEAD_LETTERS);
    let attribute = |name: &str| put["MessageAttributes"][name]["StringValue"].clone();
    assert_eq!(attribute("origin"), "dispatch");
    assert_eq!(attribute("error_class"), "Malformed");
    assert!(
        put["MessageBody"]
            .as_str()
            .unwrap()
            .contains("T#demo#K#/shop#broken")
    );
    let deliveries = &aws.calls("SendMessageBatch")[0];
    assert_eq!(deliveries["Entries"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn subscriptions_that_cannot_be_read_bring_the_whole_batch_again() {
    let aws = aws(|operation, _| {
        let is_read = matches!(operation, "Query" | "GetItem");
        is_read.then(|| refusal("com.amazonaws.dynamodb#ThrottlingException"))
    });
    let answer = dispatch(&aws, &recorded()).await.unwrap();
    assert_eq!(answer, failed("000000000000000000001"));
    assert!(aws.calls("SendMessageBatch").is_empty());
}

/// What a batch costs once subscriptions and marks are known.
#[tokio::test]
async fn a_hundred_events_to_one_subscription_are_ten_sends_and_one_receipt() {
    let aws = aws(|_, _| None);
    let recorded = recorded();
    let event = &recorded["Records"][0];
    let records: Vec<Value> = (0..100)
        .map(|n| {
            let mut record = event.clone();
            let (pk, id) = (
                format!("T#demo#K#/shop#{n}"),
                format!("01a20846-fe00-7000-8000-{n:012}"),
            );
            record["dynamodb"]["NewImage"]["pk"] = json!({ "S": pk });
            record["dynamodb"]["NewImage"]["event_id"] = json!({ "S": id });
            record["dynamodb"]["SequenceNumber"] = json!(format!("{n:021}"));
            record
        })
        .collect();
    let answer = dispatch(&aws, &json!({ "Records": records }))
        .await
        .unwrap();
    assert_eq!(answer, BatchAnswer::default());
    assert_eq!(aws.calls("SendMessageBatch").len(), 10);
    assert_eq!(aws.calls("PutItem").len(), 1);
    // Cold: a revision and a query for the tenant and for the bus, and the mark of one hour.
    let reads = aws.calls("GetItem").len() + aws.calls("Query").len();
    assert_eq!((reads, aws.calls("UpdateItem").len()), (4, 1));
}
