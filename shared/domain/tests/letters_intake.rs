//! What is read of a message on the dead letter queue, of every kind that there is.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;

use pillarbox_domain::LoggedEvent;
use pillarbox_domain::delivery::{Delivery, Message};
use pillarbox_domain::letters::{
    DeadLetter, Failure, Keeper, Kept, LetterRetention, LetterStore, Origin, QueueMessage, read,
};
use pillarbox_domain::limits::{MAX_ERROR_MESSAGE_BYTES, MAX_JOB_BYTES};
use pillarbox_testkit::builders::{event_with, logged, tenant};
use pillarbox_testkit::{ManualClock, MemoryLetters};
use serde_json::json;
use time::macros::utc_datetime;

const RECORD: &str = r#"{"requestContext":{"requestId":"r","functionArn":"arn:aws:lambda:eu-west-1:1:function:pb-dispatch","condition":"RetryAttemptsExhausted","approximateInvokeCount":21},"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},"version":"1.0","timestamp":"2026-11-23T12:00:00.000Z","DDBStreamBatchInfo":{"shardId":"shardId-0001","startSequenceNumber":"100","endSequenceNumber":"119","approximateArrivalOfFirstRecord":"2026-11-23T11:00:00Z","approximateArrivalOfLastRecord":"2026-11-23T11:00:05Z","batchSize":20,"streamArn":"arn:aws:dynamodb:eu-west-1:1:table/log/stream/1"}}"#;

/// A message that a test puts together.
struct Sent {
    body: String,
    attributes: BTreeMap<&'static str, String>,
    source_queue: Option<&'static str>,
}

impl Sent {
    fn delivery(event: &LoggedEvent, job: Option<&str>) -> Self {
        let subscription = "connector".parse().unwrap();
        let Message {
            body, attributes, ..
        } = Delivery {
            event,
            subscription: &subscription,
            attempt: 1,
            job,
        }
        .to_message();
        Self {
            body,
            attributes: attributes.into_iter().collect(),
            source_queue: None,
        }
    }

    fn raw(body: &str) -> Self {
        Self {
            body: body.to_owned(),
            attributes: BTreeMap::new(),
            source_queue: None,
        }
    }

    fn with(mut self, attributes: &[(&'static str, &str)]) -> Self {
        let attributes = attributes.iter();
        self.attributes
            .extend(attributes.map(|(name, value)| (*name, (*value).to_owned())));
        self
    }

    fn message(&self) -> QueueMessage<'_> {
        let attributes = self.attributes.iter();
        QueueMessage {
            id: "m-1",
            body: &self.body,
            attributes: attributes
                .map(|(name, value)| (*name, value.as_str()))
                .collect(),
            source_queue: self.source_queue,
            first_received_at: Some(utc_datetime!(2026-11-23 07:00:00.123456)),
        }
    }

    fn read(&self) -> Failure {
        read(&self.message())
    }
}

fn an_event(clock: &ManualClock) -> LoggedEvent {
    let event = event_with(json!({ "id": "42", "correlationid": "c-1", "data": { "n": 1 } }));
    logged(clock, &tenant("demo"), event)
}

fn a_delivery() -> (LoggedEvent, Sent) {
    let event = an_event(&ManualClock::default());
    let sent = Sent::delivery(&event, None);
    (event, sent)
}

const SAID: [(&str, &str); 4] = [
    ("origin", "retry"),
    ("error_class", "AccessDenied"),
    ("error_message", "the queue's policy denies it"),
    (
        "failures",
        r#"{"attempts":6,"first_failed_at":"2026-11-23T09:00:00.123456789+01:00","last_failed_at":"2026-11-23T08:01:00Z"}"#,
    ),
];

#[test]
fn what_our_own_code_gave_up_on_says_who_why_and_how_often() {
    let (event, sent) = a_delivery();
    for (origin, expected) in [
        ("dispatch", Origin::Dispatch),
        ("retry", Origin::Retry),
        ("subscriber", Origin::Subscriber),
        ("replay", Origin::Replay),
    ] {
        let sent = Sent::raw(&sent.body)
            .with(&[("tenant", "demo"), ("subscription", "connector")])
            .with(&SAID)
            .with(&[("origin", origin)]);
        let failure = sent.read();
        assert_eq!(failure.origin, expected);
        assert_eq!(failure.owner, tenant("demo"));
        assert_eq!(failure.error.class, "AccessDenied");
        assert_eq!(failure.error.message, "the queue's policy denies it");
        assert_eq!(failure.attempts, Some(6));
        let first = utc_datetime!(2026-11-23 08:00:00.123);
        assert_eq!(failure.first_failed_at, Some(first));
        let last = utc_datetime!(2026-11-23 08:01:00);
        assert_eq!(failure.last_failed_at, Some(last));
        let delivery = failure.delivery.unwrap();
        assert_eq!(delivery.event_id, event.event_id);
        assert_eq!(delivery.event_type, "order.created");
        assert_eq!((&*delivery.source, &*delivery.id), ("/shop", "42"));
        assert_eq!(delivery.correlation_id.as_deref(), Some("c-1"));
    }
}

#[test]
fn what_is_not_said_of_the_failures_is_not_known() {
    let unknown = (None, None, None);
    for failures in [
        "",
        "nonsense",
        "[]",
        "{}",
        r#"{"attempts":-1}"#,
        r#"{"first_failed_at":"yesterday"}"#,
    ] {
        let (_, sent) = a_delivery();
        let failure = sent
            .with(&[("origin", "retry"), ("failures", failures)])
            .read();
        assert!(failure.delivery.is_some(), "{failures}: {failure:?}");
        let known = (
            failure.attempts,
            failure.first_failed_at,
            failure.last_failed_at,
        );
        assert_eq!(known, unknown, "{failures}");
        assert_eq!(failure.error.class, "Unspecified");
    }
}

#[test]
fn what_a_queue_gave_up_on_names_the_queue_and_its_first_receive() {
    let (_, mut sent) = a_delivery();
    sent.source_queue = Some("arn:aws:sqs:eu-west-1:123456789012:pb-sub-connector");
    let failure = sent.read();
    assert_eq!(failure.origin, Origin::Queue);
    assert_eq!(failure.error.class, "ReceivesExhausted");
    let told = &failure.error.message;
    assert!(told.contains("pb-sub-connector"), "{told}");
    assert_eq!((failure.attempts, failure.last_failed_at), (None, None));
    let first = utc_datetime!(2026-11-23 07:00:00.123);
    assert_eq!(failure.first_failed_at, Some(first));
    sent.source_queue = None;
    assert_eq!(sent.read().error.class, "ReceivesExhausted");
}

#[test]
fn a_batch_that_the_stream_gave_up_on_is_the_bus_s_with_its_positions() {
    let failure = Sent::raw(RECORD).read();
    assert!(failure.owner.is_bus() && failure.delivery.is_none());
    assert_eq!(failure.origin, Origin::Stream);
    assert_eq!(failure.error.class, "StreamBatchGivenUp");
    assert_eq!(failure.attempts, Some(21));
    for told in [
        "20 records",
        "100 to 119",
        "shardId-0001",
        "RetryAttemptsExhausted",
        "21 inv",
    ] {
        assert!(failure.error.message.contains(told), "{failure:?}");
    }
    let bare = Sent::raw(r#"{"DDBStreamBatchInfo":{}}"#).read();
    assert_eq!(bare.origin, Origin::Stream);
}

#[test]
fn a_quarantined_record_is_its_tenant_s_where_that_is_known() {
    let said = [("origin", "dispatch"), ("error_class", "Malformed")];
    for (owner, expected) in [
        (Some("demo"), "demo"),
        (Some("Not a tenant"), "_bus"),
        (None, "_bus"),
    ] {
        let mut sent = Sent::raw(r#"{"eventName":"INSERT"}"#).with(&said);
        if let Some(owner) = owner {
            sent = sent.with(&[("tenant", owner)]);
        }
        let failure = sent.read();
        assert_eq!(failure.owner.as_str(), expected);
        assert_eq!(failure.origin, Origin::Dispatch);
        assert_eq!(failure.error.class, "Malformed");
        assert_eq!(failure.delivery, None);
    }
}

#[test]
fn what_cannot_be_understood_is_the_bus_s_with_the_reason() {
    let (_, delivery) = a_delivery();
    let body = delivery.body.clone();
    let of = |body: &str| Sent {
        body: body.to_owned(),
        attributes: delivery.attributes.clone(),
        source_queue: None,
    };
    let another = "01a20846-fe00-7000-8000-00000000ffff";
    let long_job = "j".repeat(MAX_JOB_BYTES + 1);
    let with_job = |job: &str| {
        body.replace(
            "\"pbattempt\"",
            &format!("\"pbjob\":\"{job}\",\"pbattempt\""),
        )
    };
    let mut no_tenant = of(&body);
    no_tenant.attributes.remove("tenant");
    let cases = [
        (Sent::raw("not json"), "neither a delivery nor a record"),
        (Sent::raw(""), "neither a delivery nor a record"),
        (Sent::raw("[]"), "neither a delivery nor a record"),
        (Sent::raw(&body), "neither a delivery nor a record"),
        (of("not json"), "not a JSON object"),
        (of("{}"), "specversion is required"),
        (of(&body.replace("pbeventid", "x")), "pbeventid is required"),
        (no_tenant, "the attribute tenant"),
        (
            of(&body).with(&[("tenant", "De mo")]),
            "the attribute tenant",
        ),
        (
            of(&body).with(&[("event_id", another)]),
            "the attribute event_id is",
        ),
        (
            of(&body).with(&[("subscription", "other")]),
            "the attribute subscription is",
        ),
        (of(&body).with(&[("job", "j")]), "the attribute job is"),
        (
            of(&with_job("k")).with(&[("job", "j")]),
            "the attribute job is",
        ),
        (of(&with_job(&long_job)), "128 is the most"),
        (
            of(&body).with(&[("origin", "nobody")]),
            "the origin 'nobody'",
        ),
        (Sent::raw("x").with(&[("origin", "")]), "the origin ''"),
    ];
    for (sent, reason) in cases {
        let failure = sent.read();
        assert!(failure.owner.is_bus(), "{reason}: {failure:?}");
        assert_eq!(failure.delivery, None, "{reason}");
        assert_eq!(failure.error.class, "Unreadable", "{reason}: {failure:?}");
        let told = &failure.error.message;
        assert!(told.contains(reason), "'{reason}' is not in '{told}'");
    }
    // What is told of it is not lost with it.
    let failure = of("not json").with(&SAID).read();
    let told = &failure.error.message;
    assert!(told.contains("AccessDenied"), "{told}");
    assert_eq!(failure.origin, Origin::Retry);
}

#[test]
fn an_error_message_is_cut_where_a_character_ends() {
    let (_, sent) = a_delivery();
    let long = "ä".repeat(MAX_ERROR_MESSAGE_BYTES);
    let failure = sent
        .with(&[("origin", "retry"), ("error_message", &long)])
        .read();
    let message = failure.error.message;
    assert!(message.len() <= MAX_ERROR_MESSAGE_BYTES && message.ends_with("ä…"));
}

#[test]
fn letters_are_kept_long_enough_to_know_every_repeat() {
    for good in ["30", "90", "3650"] {
        assert!(good.parse::<LetterRetention>().is_ok(), "{good}");
    }
    for bad in ["29", "3651", "", "-1", "ten"] {
        assert!(bad.parse::<LetterRetention>().is_err(), "{bad}");
    }
}

fn keeper(clock: &ManualClock) -> Keeper<MemoryLetters, ManualClock> {
    Keeper {
        letters: MemoryLetters::default(),
        clock: clock.clone(),
        retention: "90".parse().unwrap(),
    }
}

/// The letter whose redrive has this name, as a redrive leaves it.
async fn redriven(store: &MemoryLetters, letter: &DeadLetter, clock: &ManualClock) -> String {
    use pillarbox_domain::letters::{Change, Redrive, RedriveId};
    let id = RedriveId::new(pillarbox_domain::Clock::next_id(clock));
    let at = pillarbox_domain::Clock::now(clock);
    let take = Change::Take {
        redrive: Redrive { id, at },
        held_until: at,
    };
    for change in [take, Change::Close(id)] {
        store
            .change(&letter.tenant, letter.id, &change)
            .await
            .unwrap();
    }
    id.to_string()
}

#[tokio::test]
async fn a_redriven_delivery_that_fails_again_is_linked_to_the_first_of_all() {
    let clock = ManualClock::default();
    let (keeper, event) = (keeper(&clock), an_event(&clock));
    let first = Sent::delivery(&event, None);
    let first = keeper.keep(&first.message()).await.unwrap().letter;
    assert_eq!(first.first_dead_letter_id, None);
    let mut last = first.clone();
    for _ in 0..2 {
        let job = redriven(&keeper.letters, &last, &clock).await;
        let again = Sent::delivery(&event, Some(&job));
        last = keeper.keep(&again.message()).await.unwrap().letter;
        assert_eq!(last.first_dead_letter_id, Some(first.id));
        assert_eq!(last.job, Some(job));
    }
    let replayed = Sent::delivery(&event, Some("a-replay"));
    let replayed = keeper.keep(&replayed.message()).await.unwrap();
    assert_eq!(replayed.kept, Kept::New);
    assert_eq!(replayed.letter.first_dead_letter_id, None);
    let demo = tenant("demo");
    let all = keeper.letters.of_event(&demo, event.event_id).await;
    assert_eq!(all.unwrap().len(), 4);
}

#[tokio::test]
async fn a_repeat_is_answered_with_the_first_letter() {
    let clock = ManualClock::default();
    let keeper = keeper(&clock);
    for sent in [
        Sent::delivery(&an_event(&clock), None),
        Sent::raw("not json"),
    ] {
        let first = keeper.keep(&sent.message()).await.unwrap();
        let again = keeper.keep(&sent.message()).await.unwrap();
        assert_eq!(again.kept, Kept::Repeat(first.letter.id));
        assert_eq!(again.dead_letter_id(), first.dead_letter_id());
    }
    let raw = Sent::raw("not json");
    let another = QueueMessage {
        id: "m-2",
        ..raw.message()
    };
    assert_eq!(keeper.keep(&another).await.unwrap().kept, Kept::New);
}
