//! Recorded stream records through the real handler, on queues and tables in memory.

mod figures;
mod recorded_answers;

use pillarbox_domain::dead_letter::{Failure, Origin};
use pillarbox_domain::payload::{PayloadKey, Payloads};
use pillarbox_domain::schema::delivery::Upcasting;
use pillarbox_domain::{StoreError, Subscription};
use pillarbox_runtime::batch::{Batch, BatchAnswer};
use pillarbox_testkit::builders::{subscription, tenant};
use pillarbox_testkit::{
    ManualClock, MemoryActiveHours, MemoryDeadLetterQueue, MemoryMetrics, MemoryPayloads,
    MemoryQueues, MemoryReceipts, MemoryRegistry, MemoryReopenings, MemoryRetryQueue,
    MemoryTroubledDeliveries, logged,
};
use serde_json::{Value, json};
use time::UtcDateTime;

use super::Dispatch;

type TestDispatch = Dispatch<
    MemoryPayloads,
    MemoryRegistry,
    MemoryQueues,
    MemoryReceipts,
    MemoryActiveHours,
    MemoryReopenings,
    Upcasting<MemoryRegistry, ManualClock>,
    MemoryDeadLetterQueue,
    ManualClock,
    MemoryTroubledDeliveries,
    MemoryRetryQueue,
    MemoryRegistry,
>;

fn dispatch_to(subscriptions: impl IntoIterator<Item = Subscription>) -> TestDispatch {
    Dispatch {
        payloads: MemoryPayloads::default(),
        subscriptions: MemoryRegistry::with(subscriptions),
        queues: MemoryQueues::default(),
        receipts: MemoryReceipts::default(),
        marks: MemoryActiveHours::default(),
        reopenings: MemoryReopenings::default(),
        upcasts: Upcasting::new(MemoryRegistry::default(), ManualClock::default()),
        dead_letters: MemoryDeadLetterQueue::default(),
        clock: ManualClock::default(),
        rows: MemoryTroubledDeliveries::default(),
        reminders: MemoryRetryQueue::default(),
        suspensions: MemoryRegistry::default(),
        metrics: MemoryMetrics::of("dispatch").metrics,
    }
}

fn dispatch_to_connector() -> TestDispatch {
    dispatch_to([subscription(&tenant("demo"), "connector", &["order.*"])])
}

fn recorded() -> Value {
    serde_json::from_str(include_str!("../../fixtures/stream_batch.json")).unwrap()
}

fn batch(records: &Value) -> Batch {
    serde_json::from_value(records.clone()).unwrap()
}

fn failed(sequence: &str) -> BatchAnswer {
    [sequence.to_owned()].into_iter().collect()
}

fn ids_of(bodies: &[String]) -> Vec<Value> {
    let id = |body: &String| serde_json::from_str::<Value>(body).unwrap()["id"].clone();
    bodies.iter().map(id).collect()
}

#[tokio::test]
async fn every_event_of_a_recorded_batch_is_handed_over_and_the_rest_is_put_away() {
    let dispatch = dispatch_to_connector();
    let answer = dispatch.handle(batch(&recorded())).await.unwrap();
    assert_eq!(answer, BatchAnswer::default());
    let bodies = dispatch.queues.bodies("connector");
    assert_eq!(ids_of(&bodies), ["1", "3", "4", "1"]);
    assert!(
        bodies[0].contains(r#""data":{"total":12.50}"#),
        "{}",
        bodies[0]
    );
    assert!(bodies[1].contains(r#""sku": "A-39""#), "{}", bodies[1]);
    assert!(
        bodies[2].contains(r#""data_base64":"AAH/""#),
        "{}",
        bodies[2]
    );
    assert!(
        bodies[3].contains(r#""data":"after expiry""#),
        "{}",
        bodies[3]
    );
    let dead = dispatch.dead_letters.taken();
    assert_eq!(dead.len(), 1);
    let expected = Failure::new(
        "Malformed",
        "a stored event is malformed: expires_at is missing",
    );
    assert_eq!(
        (dead[0].origin, &dead[0].error),
        (Origin::Dispatch, &expected)
    );
    let record = recorded()["Records"][1].clone();
    let put_away: Value = serde_json::from_str(&dead[0].message.body).unwrap();
    assert_eq!(put_away, record, "it is put away as it came");
}

#[tokio::test]
async fn a_refused_delivery_has_a_row_and_holds_up_nothing() {
    let dispatch = dispatch_to_connector();
    dispatch.queues.refuse("connector", r#""id":"3""#);
    let answer = dispatch.handle(batch(&recorded())).await.unwrap();
    assert_eq!(answer, BatchAnswer::default());
    assert_eq!(
        ids_of(&dispatch.queues.bodies("connector")),
        ["1", "4", "1"]
    );
    let rows = dispatch.rows.rows();
    assert_eq!((rows.len(), &*rows[0].id), (1, "3"));
}

#[tokio::test]
async fn the_first_event_whose_row_cannot_be_written_is_where_the_stream_has_to_begin_again() {
    let dispatch = dispatch_to_connector();
    dispatch.queues.refuse("connector", r#""id":"3""#);
    dispatch.rows.set_failing(true);
    let answer = dispatch.handle(batch(&recorded())).await.unwrap();
    assert_eq!(answer, failed("000000000000000000003"));
    // What stands behind it was handed over, too; it will come again, with the same event id.
    assert_eq!(
        ids_of(&dispatch.queues.bodies("connector")),
        ["1", "4", "1"]
    );
}

/// Data whose reading panics.
struct Explosive;

impl Payloads for Explosive {
    async fn put(&self, _: &PayloadKey, _: Vec<u8>) -> Result<(), StoreError> {
        unreachable!("dispatch writes no data")
    }

    async fn get(&self, _: &PayloadKey) -> Result<Option<Vec<u8>>, StoreError> {
        panic!("at the data of one record")
    }
}

#[tokio::test]
async fn a_panic_in_one_record_puts_that_record_away_and_no_other() {
    let TestDispatch {
        subscriptions,
        queues,
        receipts,
        marks,
        reopenings,
        upcasts,
        dead_letters,
        clock,
        rows,
        reminders,
        suspensions,
        metrics,
        ..
    } = dispatch_to_connector();
    let dispatch = Dispatch {
        payloads: Explosive,
        subscriptions,
        queues,
        receipts,
        marks,
        reopenings,
        upcasts,
        dead_letters,
        clock,
        rows,
        reminders,
        suspensions,
        metrics,
    };
    let answer = dispatch.handle(batch(&large())).await.unwrap();
    assert_eq!(answer, BatchAnswer::default());
    assert_eq!(
        ids_of(&dispatch.queues.bodies("connector")),
        ["3", "4", "1"]
    );
    let taken = dispatch.dead_letters.taken();
    let dead = taken.iter().find(|dead| dead.error.class == "Panicked");
    let dead = dead.expect("the record is put away");
    assert!(dead.error.message.contains("at the data of one record"));
    assert!(dead.message.body.contains("T#demo#K#/shop#1"));
    // When it cannot be put away it comes again, by its own number.
    dispatch.dead_letters.set_failing(true);
    let answer = dispatch.handle(batch(&large())).await.unwrap();
    assert_eq!(answer, failed("000000000000000000001"));
}

#[tokio::test]
async fn a_receipt_that_is_refused_brings_the_whole_batch_again() {
    let dispatch = dispatch_to_connector();
    dispatch.receipts.set_failing(true);
    let answer = dispatch.handle(batch(&recorded())).await.unwrap();
    assert_eq!(answer, failed("000000000000000000001"));
}

#[tokio::test]
async fn an_hour_that_cannot_be_marked_brings_the_whole_batch_again() {
    let dispatch = dispatch_to_connector();
    dispatch.marks.set_failing(true);
    let answer = dispatch.handle(batch(&recorded())).await.unwrap();
    assert_eq!(answer, failed("000000000000000000001"));
    assert!(dispatch.receipts.written().is_empty());
}

#[tokio::test]
async fn a_malformed_record_that_cannot_be_put_away_comes_again() {
    let dispatch = dispatch_to_connector();
    dispatch.dead_letters.set_failing(true);
    let answer = dispatch.handle(batch(&recorded())).await.unwrap();
    assert_eq!(answer, failed("000000000000000000002"));
    assert_eq!(dispatch.queues.bodies("connector").len(), 4);
}

#[tokio::test]
async fn a_record_that_is_not_even_a_record_is_put_away_and_blocks_nothing() {
    let dispatch = dispatch_to_connector();
    let mut records = recorded();
    records["Records"][0] = json!({ "eventName": 7 });
    records["Records"][2] = json!("nonsense");
    let answer = dispatch.handle(batch(&records)).await.unwrap();
    assert_eq!(answer, BatchAnswer::default());
    assert_eq!(ids_of(&dispatch.queues.bodies("connector")), ["4", "1"]);
    assert_eq!(dispatch.dead_letters.taken().len(), 3);
    dispatch.dead_letters.set_failing(true);
    assert!(
        dispatch.handle(batch(&records)).await.is_err(),
        "nothing could name it: all again"
    );
}

#[tokio::test]
async fn an_item_whose_data_is_not_what_it_says_is_put_away() {
    let cases = [
        ("data_json", json!({ "S": "{" })),
        ("data_json_zstd", json!({ "B": "AAAA" })),
        ("data_binary", json!({ "B": "AAAA" })),
        ("content_sha256", json!({ "B": "AAAA" })),
        (
            "event_id",
            json!({ "S": "919108f7-52d1-4320-9bac-f847db4148a8" }),
        ),
        ("expires_at", json!({ "N": "1e400" })),
        ("pk", json!({ "S": "T#DEMO#K#/shop#1" })),
        ("subject", json!({ "M": {} })),
        ("Subject", json!({ "S": "x" })),
        ("seq", json!({ "N": "99999999999" })),
        ("data_object", json!({ "S": "avro" })),
        ("data_object", json!({ "S": "json" })),
        ("outbox_mode", json!({ "S": "later" })),
        ("log_pk", json!({ "S": "T#demo#2026112300" })),
        // What it would be found by is another tenant's, or another hour's, or not to be there.
        ("log_pk", json!({ "S": "T#other#2026112312#0" })),
        ("log_pk", json!({ "S": "T#demo#2026112313#0" })),
        ("corr_pk", json!({ "S": "T#other#C#c-1" })),
        ("pk", json!({ "S": "T#other#K#/shop#1" })),
        ("pk", json!({ "S": "T#demo#K#/caf%C3%A9#1" })),
        (
            "event_id",
            json!({ "S": "01A20846-FE00-7000-8000-000000000001" }),
        ),
    ];
    for (name, value) in cases {
        let dispatch = dispatch_to_connector();
        let mut records = recorded();
        records["Records"][0]["dynamodb"]["NewImage"][name] = value.clone();
        let answer = dispatch.handle(batch(&records)).await.unwrap();
        assert_eq!(answer, BatchAnswer::default(), "{name} {value}");
        assert_eq!(dispatch.dead_letters.taken().len(), 2, "{name} {value}");
        assert_eq!(
            dispatch.queues.bodies("connector").len(),
            3,
            "{name} {value}"
        );
    }
}

#[tokio::test]
async fn without_subscriptions_the_batch_comes_again() {
    let dispatch = dispatch_to_connector();
    dispatch.subscriptions.set_failing(true);
    let answer = dispatch.handle(batch(&recorded())).await.unwrap();
    assert_eq!(answer, failed("000000000000000000001"));
    assert!(dispatch.receipts.written().is_empty());
}

/// The first record, with its data in the payload bucket.
fn large() -> Value {
    let mut records = recorded();
    let image = &mut records["Records"][0]["dynamodb"]["NewImage"];
    image.as_object_mut().unwrap().remove("data_json");
    image["data_object"] = json!({ "S": "json" });
    records
}

fn payload_key(records: &Value) -> PayloadKey {
    let image = &records["Records"][0]["dynamodb"]["NewImage"];
    let expires_at: i64 = image["expires_at"]["N"].as_str().unwrap().parse().unwrap();
    PayloadKey {
        tenant: tenant("demo"),
        event_id: image["event_id"]["S"].as_str().unwrap().parse().unwrap(),
        expires_at: UtcDateTime::from_unix_timestamp(expires_at).unwrap(),
    }
}

#[tokio::test]
async fn data_that_is_elsewhere_is_fetched() {
    let dispatch = dispatch_to_connector();
    let records = large();
    let data = br#"{"total":99}"#.to_vec();
    dispatch
        .payloads
        .put(&payload_key(&records), data)
        .await
        .unwrap();
    let answer = dispatch.handle(batch(&records)).await.unwrap();
    assert_eq!(answer, BatchAnswer::default());
    let bodies = dispatch.queues.bodies("connector");
    assert!(
        bodies[0].contains(r#""data":{"total":99}"#),
        "{}",
        bodies[0]
    );
}

#[tokio::test]
async fn data_that_cannot_be_had_brings_the_event_again_and_data_that_is_gone_puts_it_away() {
    let dispatch = dispatch_to_connector();
    dispatch.payloads.set_failing(true);
    let answer = dispatch.handle(batch(&large())).await.unwrap();
    assert_eq!(answer, failed("000000000000000000001"));
    dispatch.payloads.set_failing(false);
    let answer = dispatch.handle(batch(&large())).await.unwrap();
    assert_eq!(answer, BatchAnswer::default());
    let dead = dispatch.dead_letters.taken();
    let gone = "a stored event is malformed: data_object names data that is gone";
    assert!(
        dead.iter().any(|dead| dead.error.message == gone),
        "{dead:?}"
    );
}

/// The lines that this batch's dispatch logs.
async fn lines(records: &Value) -> Vec<Value> {
    logged::lines();
    let answer = dispatch_to_connector().handle(batch(records)).await;
    assert_eq!(answer.unwrap(), BatchAnswer::default());
    logged::lines()
}

fn skews(lines: &[Value], message: &str) -> Vec<Value> {
    let lines = lines.iter().filter(|line| line["message"] == message);
    lines.map(|line| line["id_skew_ms"].clone()).collect()
}

#[tokio::test]
async fn each_line_tells_how_far_the_id_is_from_the_stream_s_time() {
    let mut records = recorded();
    // The ids are of 12:00:00; the stream counts seconds.
    let noon = 1_795_435_200_u64;
    let times = [
        json!(noon + 60),
        json!(noon),
        json!(noon - 61),
        json!(noon + 61),
    ];
    for (record, time) in [0, 2, 3, 4].into_iter().zip(times) {
        records["Records"][record]["dynamodb"]["ApproximateCreationDateTime"] = time;
    }
    let lines = lines(&records).await;
    let expected = [json!(60_000), json!(0), json!(-61_000), json!(61_000)];
    assert_eq!(skews(&lines, "event.dispatched"), expected);
    assert_eq!(skews(&lines, "event.id_skewed"), expected[2..]);
}

#[tokio::test]
async fn each_line_has_the_trace_of_its_event() {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let mut records = recorded();
    let image = &mut records["Records"][0]["dynamodb"]["NewImage"];
    image["traceparent"] = json!({ "S": parent });
    let lines = lines(&records).await;
    let dispatched = lines
        .iter()
        .filter(|line| line["message"] == "event.dispatched");
    for (place, line) in dispatched.enumerate() {
        let own = line["event.id"].as_str().unwrap().replace('-', "");
        let expected = if place == 0 { &parent[3..35] } else { &own };
        assert_eq!(line["trace.id"], expected);
    }
}

#[tokio::test]
async fn a_record_without_a_time_has_no_skew() {
    let mut records = recorded();
    for record in records["Records"].as_array_mut().unwrap() {
        let change = record["dynamodb"].as_object_mut().unwrap();
        change.remove("ApproximateCreationDateTime");
    }
    let lines = lines(&records).await;
    assert_eq!(skews(&lines, "event.dispatched"), vec![Value::Null; 4]);
    assert!(skews(&lines, "event.id_skewed").is_empty());
}
