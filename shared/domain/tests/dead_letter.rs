//! What the dead letter queue is given: the message that failed, and what happened to it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use pillarbox_domain::LoggedEvent;
use pillarbox_domain::dead_letter::{Failure, GivenUp, MAX_MESSAGE_BYTES, Origin};
use pillarbox_domain::delivery::{Delivery, Message};
use pillarbox_testkit::ManualClock;
use pillarbox_testkit::builders::{event_with, logged, tenant};
use proptest::prelude::*;
use serde_json::{Value, json};
use time::macros::utc_datetime;

fn given_up(message: Message, error: Failure) -> GivenUp {
    GivenUp {
        origin: Origin::Subscriber,
        error,
        attempts: 6,
        first_failed_at: utc_datetime!(2026-11-23 12:00:00),
        last_failed_at: utc_datetime!(2026-11-23 12:00:31.250),
        message,
    }
}

fn raw(body: &str) -> Message {
    Message {
        body: body.to_owned(),
        attributes: vec![],
        group: String::new(),
    }
}

fn timeout() -> Failure {
    Failure::new("Timeout", "it took too long")
}

fn delivery(event: &LoggedEvent) -> Message {
    Delivery {
        event,
        subscription: &"shop".parse().unwrap(),
        attempt: 1,
        job: None,
    }
    .to_message()
}

fn logged_with(members: Value) -> LoggedEvent {
    logged(
        &ManualClock::default(),
        &tenant("demo"),
        event_with(members),
    )
}

fn attribute<'a>(message: &'a Message, name: &str) -> &'a str {
    let mut attributes = message.attributes.iter();
    &attributes.find(|(own, _)| *own == name).unwrap().1
}

fn bytes(message: &Message) -> usize {
    let attributes = message.attributes.iter();
    let attributes = attributes.map(|(name, value)| name.len() + "String".len() + value.len());
    message.body.len() + attributes.sum::<usize>()
}

#[test]
fn a_delivery_stays_as_it_was_and_its_attributes_say_what_happened() {
    let delivery = delivery(&logged_with(json!({ "data": { "total": 1 } })));
    let message = given_up(delivery.clone(), timeout()).to_message();
    assert_eq!(message.body, delivery.body);
    assert_eq!(message.group, "demo");
    let own = delivery.attributes.len();
    assert_eq!(message.attributes[..own], delivery.attributes);
    let failures = r#"{"attempts":6,"first_failed_at":"2026-11-23T12:00:00Z","last_failed_at":"2026-11-23T12:00:31.25Z"}"#;
    let expected = [
        ("origin", "subscriber".to_owned()),
        ("error_class", "Timeout".to_owned()),
        ("error_message", "it took too long".to_owned()),
        ("failures", failures.to_owned()),
    ];
    assert_eq!(message.attributes[own..], expected);
    assert!(message.attributes.len() <= 10, "SQS takes no more");
}

#[test]
fn a_traced_delivery_of_a_job_has_no_more_attributes_than_sqs_takes() {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let event = logged_with(json!({ "traceparent": parent }));
    let delivery = Delivery {
        event: &event,
        subscription: &"shop".parse().unwrap(),
        attempt: 1,
        job: Some("a-replay"),
    }
    .to_message();
    assert_eq!(delivery.attributes.len(), 7);
    let message = given_up(delivery.clone(), timeout()).to_message();
    assert_eq!(message.attributes.len(), 10);
    assert_eq!(attribute(&message, "job"), "a-replay");
    assert_eq!(message.trace_parent(), None);
    assert!(message.body.contains(parent), "{}", message.body);
}

#[test]
fn the_largest_event_fits_whole_with_the_longest_of_everything() {
    let source = format!("/{}", "s".repeat(1_800));
    let members = |data: &str| json!({ "source": source, "type": "t".repeat(256), "data": data });
    let rest = event_with(members("")).to_structured().len();
    let event = logged_with(members(&"x".repeat(1_000_000 - rest)));
    assert_eq!(event.event.to_structured().len(), 1_000_000);
    let delivery = delivery(&event);
    let error = Failure::new("C".repeat(2_000), "m".repeat(2_000));
    let message = given_up(delivery.clone(), error).to_message();
    assert_eq!(message.body, delivery.body);
    assert!(bytes(&message) <= MAX_MESSAGE_BYTES);
}

#[test]
fn a_record_that_does_not_fit_is_cut_between_characters_and_says_so() {
    let record = format!("{{\"S\":\"{}\"}}", "é".repeat(600_000));
    let message = given_up(raw(&record), timeout()).to_message();
    assert!(bytes(&message) <= MAX_MESSAGE_BYTES);
    assert!(
        bytes(&message) > MAX_MESSAGE_BYTES - 4,
        "more is cut than has to be"
    );
    assert!(record.starts_with(&message.body));
    let failures: Value = serde_json::from_str(attribute(&message, "failures")).unwrap();
    assert_eq!(failures["cut_from_bytes"], record.len());
}

#[test]
fn one_byte_decides_whether_a_record_is_cut() {
    let around = bytes(&given_up(raw("x"), timeout()).to_message()) - 1;
    let most = MAX_MESSAGE_BYTES - around;
    let whole = given_up(raw(&"x".repeat(most)), timeout()).to_message();
    assert_eq!((whole.body.len(), bytes(&whole)), (most, MAX_MESSAGE_BYTES));
    assert!(!attribute(&whole, "failures").contains("cut_from_bytes"));
    let cut = given_up(raw(&"x".repeat(most + 1)), timeout()).to_message();
    assert!(attribute(&cut, "failures").contains("cut_from_bytes"));
}

#[test]
fn what_sqs_refuses_is_escaped_and_what_is_empty_is_named() {
    let cases = [
        ("\u{1}a\u{fffe}\u{ffff}\tb", "\\u{1}a\\u{fffe}\\u{ffff}\tb"),
        ("", "Timeout"),
        (" \n", "Timeout"),
    ];
    for (text, expected) in cases {
        let message = given_up(raw("{}"), Failure::new("Timeout", text)).to_message();
        assert_eq!(attribute(&message, "error_message"), expected);
    }
    let message = given_up(raw(""), Failure::new("", "")).to_message();
    assert_eq!(attribute(&message, "error_class"), "Unnamed");
    assert_eq!(attribute(&message, "error_message"), "Unnamed");
    assert_eq!(message.body, r#""""#, "a queue takes no empty body");
    let message = given_up(raw("{\"S\":\"\u{ffff}\"}"), timeout()).to_message();
    assert_eq!(message.body, r#"{"S":"\uffff"}"#);
}

#[test]
fn an_origin_is_read_as_it_is_written() {
    for origin in [
        Origin::Dispatch,
        Origin::Retry,
        Origin::Subscriber,
        Origin::Replay,
    ] {
        assert_eq!(origin.as_str().parse(), Ok(origin));
    }
    assert!("Dispatch".parse::<Origin>().is_err());
}

proptest! {
    /// Whatever an error says, the attributes are such as SQS takes as they are.
    #[test]
    fn any_error_can_be_told(class in any::<String>(), text in any::<String>(), times in 1..200_usize) {
        let error = Failure::new(class, text.repeat(times));
        let message = given_up(raw("{}"), error).to_message();
        for (name, most) in [("error_class", 128), ("error_message", 1_024)] {
            let value = attribute(&message, name);
            prop_assert!(!value.is_empty() && value.len() <= most);
            let refused = |c: char| (c < ' ' && !"\t\n\r".contains(c)) || "\u{fffe}\u{ffff}".contains(c);
            prop_assert!(!value.contains(refused));
        }
    }
}
