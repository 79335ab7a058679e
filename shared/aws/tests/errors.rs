//! What the adapters make of answers that no engine here can be made to give: recorded answers of AWS,
//! through the real SDK.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};

use aws_smithy_http_client::test_util::StaticReplayClient;
use pillarbox_aws::{
    DynamoEventLog, DynamoReceipts, DynamoRegistry, SqsDeadLetterQueue, SqsDeliveryQueues,
    SqsVisibility,
};
use pillarbox_domain::dead_letter::{DeadLetterQueue, Failure, GivenUp, Origin};
use pillarbox_domain::delivery::Message;
use pillarbox_domain::dispatch::{DeliveryQueues, Refusal, SendError};
use pillarbox_domain::publish::{Appended, AtomicAppendError, EventLog};
use pillarbox_domain::receipt::{HandedOver, Receipts, receipts};
use pillarbox_domain::registry::SubscriptionRegistry;
use pillarbox_domain::subscription_cache::SubscriptionSource;
use pillarbox_domain::tenant_settings::TenantSettingsReader;
use pillarbox_domain::visibility::{Hidden, NotHidden, Visibility};
use pillarbox_domain::{Clock, ErrorChain, LoggedEvent, StoreError};
use pillarbox_testkit::builders::{event, event_with, logged, subscription, tenant};
use pillarbox_testkit::{ManualClock, MemoryPayloads};
use serde_json::{Value, json};
use support::{calls, dynamodb, json_answer};

/// AWS, answering one call with this.
fn aws(status: u16, answer: &Value) -> StaticReplayClient {
    StaticReplayClient::new(vec![json_answer(status, answer)])
}

fn refusal(code: &str) -> StaticReplayClient {
    let kind = format!("com.amazonaws#{code}");
    aws(400, &json!({ "__type": kind, "message": "as recorded" }))
}

fn sqs(answers: StaticReplayClient) -> aws_sdk_sqs::Client {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("a", "b", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .http_client(answers);
    aws_sdk_sqs::Client::from_conf(config.build())
}

fn queues(answers: StaticReplayClient) -> SqsDeliveryQueues {
    SqsDeliveryQueues::new(&sqs(answers))
}

/// What was asked of AWS, call by call.
fn asked(aws: &StaticReplayClient) -> Vec<Value> {
    let calls = aws.actual_requests();
    let bodies = calls.map(|call| serde_json::from_slice(call.body().bytes().unwrap()));
    bodies.map(Result::unwrap).collect()
}

type Log = DynamoEventLog<MemoryPayloads, ManualClock>;

fn log(answers: StaticReplayClient, clock: &ManualClock) -> Log {
    let (table, payloads) = ("events".to_owned(), MemoryPayloads::default());
    DynamoEventLog::new(dynamodb(answers), table, payloads, clock.clone())
}

async fn append(answers: StaticReplayClient) -> StoreError {
    let clock = ManualClock::default();
    let log = log(answers, &clock);
    let event = logged(&clock, &tenant("demo"), event("1", json!(1)));
    log.append(&event).await.unwrap_err()
}

#[tokio::test]
async fn a_log_that_throttles_asks_for_patience() {
    for code in [
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "RequestLimitExceeded",
    ] {
        let error = append(refusal(code)).await;
        let StoreError::Throttled { operation } = error else {
            panic!("{code}: {error:?}");
        };
        assert_eq!(operation, "PutItem");
    }
}

#[tokio::test]
async fn any_other_refusal_is_a_failure_whose_chain_names_it() {
    for code in ["AccessDeniedException", "UnrecognizedClientException"] {
        let error = append(refusal(code)).await;
        let chain = ErrorChain(&error).to_string();
        assert!(chain.contains(code), "{chain}");
    }
}

#[tokio::test]
async fn a_taken_key_without_its_item_is_no_duplicate() {
    let error = append(refusal("ConditionalCheckFailedException")).await;
    let malformed = matches!(error, StoreError::Malformed { .. });
    assert!(malformed, "{error:?}");
}

#[tokio::test]
async fn receipts_and_subscriptions_tell_throttling_too() {
    let clock = ManualClock::default();
    let handed_over = HandedOver {
        tenant: tenant("demo"),
        event_type: "t".to_owned(),
        event_id: clock.next_id(),
        subscriptions: vec![],
        withheld: vec![],
        retrying: 0,
        dead_lettered: 0,
    };
    let batch = clock.next_id();
    let receipt = &receipts(&[handed_over], batch, clock.now(), clock.now())[0];
    let throttling = || dynamodb(refusal("ThrottlingException"));
    let store = DynamoReceipts::new(throttling(), "outbox".to_owned());
    let error = store.put(receipt).await.unwrap_err();
    assert!(matches!(error, StoreError::Throttled { .. }), "{error:?}");

    let registry = DynamoRegistry::new(throttling(), "registry".to_owned());
    let error = registry.revision(&tenant("demo")).await.unwrap_err();
    assert!(matches!(error, StoreError::Throttled { .. }), "{error:?}");
    let registry = DynamoRegistry::new(throttling(), "registry".to_owned());
    let wanted = subscription(&tenant("demo"), "a", &["*"]);
    let error = registry.add_subscription(&wanted, clock.now()).await;
    assert!(matches!(error, Err(StoreError::Throttled { .. })));
}

async fn send(answers: StaticReplayClient, count: usize) -> Vec<Result<(), SendError>> {
    let message = Message {
        body: "{}".to_owned(),
        attributes: vec![],
        group: "demo".to_owned(),
    };
    let queue = "https://sqs.eu-west-1.amazonaws.com/1/q".parse().unwrap();
    queues(answers).send(&queue, &vec![message; count]).await
}

#[tokio::test]
async fn a_200_with_failed_entries_is_read_entry_by_entry() {
    let body_md5 = "99914b932bd37a50b983c5e7c90ae93b"; // of `{}`
    let answer = json!({
        "Successful": [{ "Id": "2", "MessageId": "m", "MD5OfMessageBody": body_md5 }],
        "Failed": [
            { "Id": "0", "Code": "InternalError", "SenderFault": false },
            { "Id": "1", "Code": "InvalidMessageContents", "SenderFault": true, "Message": "U+FFFF" },
        ],
    });
    let answers = send(aws(200, &answer), 4).await;
    let [internal, invalid, taken, forgotten] = &answers[..] else {
        panic!("{answers:?}");
    };
    let internal = internal.as_ref().unwrap_err();
    assert_eq!(
        (&*internal.code, internal.refusal),
        ("InternalError", Refusal::Transient)
    );
    let invalid = invalid.as_ref().unwrap_err();
    assert_eq!(
        (&*invalid.detail, invalid.refusal),
        ("U+FFFF", Refusal::Message)
    );
    assert_eq!(*taken, Ok(()));
    assert_eq!(*forgotten, Err(SendError::unanswered()));
}

#[tokio::test]
async fn a_call_that_fails_fails_for_every_message_of_it() {
    let cases = [
        ("QueueDoesNotExist", Refusal::Queue),
        ("AWS.SimpleQueueService.NonExistentQueue", Refusal::Queue),
        ("AccessDeniedException", Refusal::Queue),
        ("BatchRequestTooLong", Refusal::Message),
        ("ThrottlingException", Refusal::Transient),
        ("SomethingNew", Refusal::Transient),
    ];
    for (code, expected) in cases {
        let answers = send(refusal(code), 3).await;
        assert_eq!(answers.len(), 3);
        for answer in answers {
            let error = answer.unwrap_err();
            assert_eq!((&*error.code, error.refusal), (code, expected));
        }
    }
}

/// A message of an event that came with this trace.
fn traced(traceparent: &str) -> Message {
    let event = event_with(json!({ "traceparent": traceparent }));
    let event = logged(&ManualClock::default(), &tenant("demo"), event);
    subscription(&tenant("demo"), "connector", &["*"]).message(&event, 1, None)
}

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn trace_header() -> Value {
    let value = "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1";
    json!({ "AWSTraceHeader": { "DataType": "String", "StringValue": value } })
}

#[tokio::test]
async fn a_delivery_tells_x_ray_of_its_trace() {
    let aws = aws(200, &json!({ "Successful": [], "Failed": [] }));
    let messages = [traced(PARENT), traced("none")];
    let queue = "https://sqs.eu-west-1.amazonaws.com/1/q".parse().unwrap();
    queues(aws.clone()).send(&queue, &messages).await;
    let call = &asked(&aws)[0];
    let entry = &call["Entries"][0];
    assert_eq!(entry["MessageSystemAttributes"], trace_header());
    let attribute = &entry["MessageAttributes"]["traceparent"]["StringValue"];
    assert_eq!(attribute, PARENT);
    let untraced = &call["Entries"][1];
    assert_eq!(untraced["MessageSystemAttributes"], Value::Null);
    assert_eq!(untraced["MessageAttributes"]["traceparent"], Value::Null);
}

#[tokio::test]
async fn a_dead_letter_tells_x_ray_of_its_trace_and_has_no_attribute_for_it() {
    let aws = aws(200, &json!({ "MessageId": "m" }));
    let url = "https://sqs.eu-west-1.amazonaws.com/1/dead".to_owned();
    let dead_letters = SqsDeadLetterQueue::new(sqs(aws.clone()), url);
    let now = ManualClock::default().now();
    let given_up = GivenUp {
        origin: Origin::Retry,
        error: Failure::new("Timeout", "it took too long"),
        attempts: 1,
        first_failed_at: now,
        last_failed_at: now,
        message: traced(PARENT),
    };
    dead_letters.put(&given_up).await.unwrap();
    let call = &asked(&aws)[0];
    assert_eq!(call["MessageSystemAttributes"], trace_header());
    assert_eq!(call["MessageAttributes"]["traceparent"], Value::Null);
}

/// A log on these answers, and as many new events as are wanted.
fn log_and_events(aws: &StaticReplayClient, count: usize) -> (Log, Vec<LoggedEvent>) {
    let clock = ManualClock::default();
    let new = |n: usize| logged(&clock, &tenant("demo"), event(&n.to_string(), json!(n)));
    let events = (0..count).map(new).collect();
    let log = log(aws.clone(), &clock);
    (log, events)
}

#[tokio::test]
async fn a_hundred_new_events_are_four_calls() {
    let stored = json!({ "Responses": vec![json!({ "TableName": "events" }); 25] });
    let answers = (0..4).map(|_| json_answer(200, &stored)).collect();
    let aws = StaticReplayClient::new(answers);
    let (log, events) = log_and_events(&aws, 100);
    let appended = log.append_all(&events).await;
    assert_eq!(appended.len(), 100);
    assert!(
        appended
            .iter()
            .all(|appended| matches!(appended, Ok(Appended::New)))
    );
    assert_eq!(calls(&aws), ["BatchExecuteStatement"; 4]);
}

#[tokio::test]
async fn a_hundred_events_as_a_whole_are_one_call() {
    let aws = StaticReplayClient::new(vec![json_answer(200, &json!({}))]);
    let (log, events) = log_and_events(&aws, 100);
    let appended = log.append_atomically(&events).await.unwrap();
    assert_eq!(appended, vec![Appended::New; 100]);
    assert_eq!(calls(&aws), ["TransactWriteItems"]);
}

/// Reasons as DynamoDB gives them: one for each item, in their order.
fn cancelled(codes: [&str; 2]) -> StaticReplayClient {
    let reasons = codes.map(|code| json!({ "Code": code, "Message": "as recorded" }));
    let kind = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
    let message = format!(
        "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
        codes.join(", ")
    );
    let answer = json!({ "__type": kind, "Message": message, "CancellationReasons": reasons });
    aws(400, &answer)
}

#[tokio::test]
async fn a_transaction_that_meets_another_or_is_throttled_asks_for_patience() {
    for code in [
        "TransactionConflict",
        "ProvisionedThroughputExceeded",
        "ThrottlingError",
    ] {
        let aws = cancelled(["None", code]);
        let (log, events) = log_and_events(&aws, 2);
        let error = log.append_atomically(&events).await.unwrap_err();
        let throttled = matches!(
            error,
            AtomicAppendError::Store(StoreError::Throttled { .. })
        );
        assert!(throttled, "{code}: {error:?}");
    }
}

#[tokio::test]
async fn a_transaction_that_is_cancelled_for_another_reason_is_a_failure_that_names_it() {
    let aws = cancelled(["None", "ItemCollectionSizeLimitExceeded"]);
    let (log, events) = log_and_events(&aws, 2);
    let error = log.append_atomically(&events).await.unwrap_err();
    let chain = ErrorChain(&error).to_string();
    assert!(chain.contains("ItemCollectionSizeLimitExceeded"), "{chain}");
}

#[tokio::test]
async fn what_a_batch_call_did_not_store_is_settled_by_a_call_of_its_own() {
    let mut responses = vec![json!({ "TableName": "events" }); 25];
    for (index, code) in [(3, "DuplicateItem"), (7, "ThrottlingError")] {
        responses[index] = json!({ "Error": { "Code": code, "Message": "as recorded" } });
    }
    let aws = StaticReplayClient::new(vec![
        json_answer(200, &json!({ "Responses": responses })),
        json_answer(200, &json!({})),
        json_answer(
            400,
            &json!({ "__type": "com.amazonaws#ThrottlingException" }),
        ),
    ]);
    let (log, events) = log_and_events(&aws, 25);
    let appended = log.append_all(&events).await;
    let failed: Vec<usize> = (0..25).filter(|index| appended[*index].is_err()).collect();
    assert_eq!(failed, [7]);
    assert_eq!(calls(&aws), ["BatchExecuteStatement", "PutItem", "PutItem"]);
}

#[tokio::test]
async fn a_batch_call_that_fails_leaves_each_event_to_a_call_of_its_own() {
    let mut answers = vec![json_answer(
        400,
        &json!({ "__type": "com.amazonaws#AccessDeniedException" }),
    )];
    answers.extend((0..3).map(|_| json_answer(200, &json!({}))));
    let aws = StaticReplayClient::new(answers);
    let (log, events) = log_and_events(&aws, 3);
    let appended = log.append_all(&events).await;
    assert!(
        appended
            .iter()
            .all(|appended| matches!(appended, Ok(Appended::New)))
    );
    assert_eq!(calls(&aws)[1..], ["PutItem"; 3]);
}

/// A number of shards that is too old would hide events.
#[tokio::test]
async fn what_is_set_for_a_tenant_is_read_as_it_is_now() {
    let aws = aws(200, &json!({ "Items": [], "Count": 0, "ScannedCount": 0 }));
    let registry = DynamoRegistry::new(dynamodb(aws.clone()), "registry".to_owned());
    assert_eq!(registry.settings(&tenant("demo")).await.unwrap(), None);
    let call = aws.actual_requests().next().unwrap();
    let asked: Value = serde_json::from_slice(call.body().bytes().unwrap()).unwrap();
    assert_eq!(asked["ConsistentRead"], true);
}

fn hidden(count: usize) -> Vec<Hidden> {
    let hidden = (0..count).map(|n| Hidden {
        receipt_handle: format!("h-{n}"),
        lasting: Duration::from_millis(1_001),
    });
    hidden.collect()
}

async fn hide(aws: &StaticReplayClient, messages: &[Hidden]) -> Vec<Result<(), NotHidden>> {
    let queue_url = "https://sqs.eu-west-1.amazonaws.com/1/q".to_owned();
    let visibility = SqsVisibility::new(sqs(aws.clone()), queue_url);
    visibility.hide(messages).await
}

#[tokio::test]
async fn visibility_is_changed_by_tens_and_each_answer_is_read() {
    let answer = json!({
        "Successful": [{ "Id": "1" }],
        "Failed": [
            { "Id": "0", "Code": "ReceiptHandleIsInvalid", "SenderFault": true, "Message": "it is gone" },
        ],
    });
    let second = json!({ "Successful": [{ "Id": "0" }], "Failed": [] });
    let aws = StaticReplayClient::new(vec![json_answer(200, &answer), json_answer(200, &second)]);
    let answers = hide(&aws, &hidden(11)).await;
    let gone = NotHidden {
        code: "ReceiptHandleIsInvalid".to_owned(),
        detail: "it is gone".to_owned(),
    };
    assert_eq!(answers.len(), 11);
    assert_eq!(answers[..2], [Err(gone), Ok(())]);
    let forgotten = answers[2..10].iter();
    assert!(forgotten.eq(&vec![Err(NotHidden::unanswered()); 8]));
    assert_eq!(answers[10], Ok(()));
    let asked = asked(&aws);
    let entries: Vec<usize> = asked
        .iter()
        .map(|call| call["Entries"].as_array().unwrap().len())
        .collect();
    assert_eq!(entries, [10, 1]);
    let expected = json!({ "Id": "0", "ReceiptHandle": "h-10", "VisibilityTimeout": 2 });
    assert_eq!(asked[1]["Entries"][0], expected, "no message comes early");
}

#[tokio::test]
async fn no_message_is_hidden_longer_than_sqs_allows() {
    let answer = json!({ "Successful": [{ "Id": "0" }], "Failed": [] });
    let aws = aws(200, &answer);
    let for_ever = Hidden {
        receipt_handle: "h".to_owned(),
        lasting: Duration::MAX,
    };
    assert_eq!(hide(&aws, &[for_ever]).await, [Ok(())]);
    let lasting = &asked(&aws)[0]["Entries"][0]["VisibilityTimeout"];
    assert_eq!(*lasting, 43_200 - 900);
}

#[tokio::test]
async fn a_call_that_cannot_hide_fails_for_each_message() {
    for code in ["QueueDoesNotExist", "AccessDeniedException"] {
        let answers = hide(&refusal(code), &hidden(3)).await;
        assert_eq!(answers.len(), 3);
        assert!(
            answers
                .iter()
                .all(|answer| answer.as_ref().unwrap_err().code == code)
        );
    }
}

fn given_up(message: Message) -> GivenUp {
    let at = ManualClock::default().now();
    GivenUp {
        origin: Origin::Subscriber,
        error: Failure::new("Timeout", "too long"),
        attempts: 6,
        first_failed_at: at,
        last_failed_at: at,
        message,
    }
}

async fn put(aws: &StaticReplayClient, group: &str) -> Result<(), StoreError> {
    let queue_url = "https://sqs.eu-west-1.amazonaws.com/1/dead".to_owned();
    let dead_letters = SqsDeadLetterQueue::new(sqs(aws.clone()), queue_url);
    let message = Message {
        body: "{}".to_owned(),
        attributes: vec![("tenant", "demo".to_owned())],
        group: group.to_owned(),
    };
    dead_letters.put(&given_up(message)).await
}

#[tokio::test]
async fn a_dead_letter_is_the_message_with_what_happened_as_attributes() {
    let answer = json!({
        "MessageId": "m", "MD5OfMessageBody": "99914b932bd37a50b983c5e7c90ae93b",
    });
    for (group, expected) in [("demo", json!("demo")), ("", Value::Null)] {
        let aws = aws(200, &answer);
        put(&aws, group).await.unwrap();
        let asked = &asked(&aws)[0];
        assert_eq!(asked["MessageBody"], "{}");
        assert_eq!(asked["MessageGroupId"], expected);
        let attributes = asked["MessageAttributes"].as_object().unwrap();
        let mut names: Vec<&str> = attributes.keys().map(String::as_str).collect();
        names.sort_unstable();
        let all = [
            "error_class",
            "error_message",
            "failures",
            "origin",
            "tenant",
        ];
        assert_eq!(names, all);
        let class = json!({ "DataType": "String", "StringValue": "Timeout" });
        assert_eq!(attributes["error_class"], class);
    }
}

#[tokio::test]
async fn a_dead_letter_that_is_not_taken_is_told() {
    let error = put(&refusal("ThrottlingException"), "demo")
        .await
        .unwrap_err();
    let throttled = matches!(
        error,
        StoreError::Throttled {
            operation: "SendMessage"
        }
    );
    assert!(throttled, "{error:?}");
    for code in [
        "QueueDoesNotExist",
        "AccessDeniedException",
        "InvalidMessageContents",
    ] {
        let error = put(&refusal(code), "demo").await.unwrap_err();
        let chain = ErrorChain(&error).to_string();
        assert!(chain.contains(code), "{chain}");
    }
}
