//! The message that a queue carries: this is what consumers in any language rely on.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use pillarbox_domain::delivery::{Delivery, Message, Received, parse_tenant};
use pillarbox_domain::{CloudEvent, LoggedEvent};
use pillarbox_testkit::ManualClock;
use pillarbox_testkit::builders::{event_with, logged, tenant};
use serde_json::json;

fn message_of(event: &LoggedEvent) -> Message {
    let subscription = "connector".parse().unwrap();
    Delivery {
        event,
        subscription: &subscription,
        attempt: 1,
        job: None,
    }
    .to_message()
}

fn logged_event(event: CloudEvent) -> LoggedEvent {
    logged(&ManualClock::default(), &tenant("demo"), event)
}

#[test]
fn a_message_is_a_cloud_event_with_what_routes_it_beside_it() {
    let event =
        event_with(json!({ "id": "42", "correlationid": "sync-7", "data": { "total": 12.5 } }));
    let message = message_of(&logged_event(event));
    insta::assert_snapshot!(message.body, @r#"{"specversion":"1.0","id":"42","source":"/shop","type":"order.created","correlationid":"sync-7","data":{"total":12.5},"pbeventid":"01a20846-fe00-7000-8000-000000000001","pbsubscription":"connector","pbattempt":1}"#);
    let attributes: Vec<(&str, &str)> = message
        .attributes
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let expected = [
        ("type", "order.created"),
        ("source", "/shop"),
        ("tenant", "demo"),
        ("event_id", "01a20846-fe00-7000-8000-000000000001"),
        ("subscription", "connector"),
    ];
    assert_eq!(attributes, expected);
    assert_eq!(message.group, "demo");
}

#[test]
fn a_message_has_the_trace_of_its_event_beside_it_and_counts_it() {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let traced = logged_event(event_with(json!({ "traceparent": parent })));
    let message = message_of(&traced);
    let attribute = ("traceparent", parent.to_owned());
    assert_eq!(message.attributes.last(), Some(&attribute));
    assert_eq!(message.trace_parent().unwrap().to_string(), parent);
    let mut untraced = message.clone();
    untraced.attributes.pop();
    let bytes = "traceparent".len() + "String".len() + parent.len();
    assert_eq!(message.bytes() - untraced.bytes(), bytes);
    let received = Received::parse(&message.body).unwrap();
    assert_eq!(received.trace_id(), traced.trace_id());
    assert_eq!(received.event.trace_parent(), message.trace_parent());
}

#[test]
fn an_event_without_a_trace_that_can_be_read_begins_one_with_its_own_id() {
    for members in [json!({}), json!({ "traceparent": "00-0-0-01" })] {
        let logged = logged_event(event_with(members));
        let message = message_of(&logged);
        assert_eq!(message.trace_parent(), None);
        let own = logged.event_id.to_string().replace('-', "");
        assert_eq!(logged.trace_id().to_string(), own);
        let received = Received::parse(&message.body).unwrap();
        assert_eq!(received.trace_id(), logged.trace_id());
    }
}

#[test]
fn what_sqs_refuses_is_escaped_and_means_the_same() {
    let event = event_with(json!({ "data": { "\u{fffe}": "a\u{ffff}b" } }));
    let logged = logged_event(event);
    let message = message_of(&logged);
    assert!(!message.body.contains(['\u{fffe}', '\u{ffff}']));
    let received: serde_json::Value = serde_json::from_str(&message.body).unwrap();
    assert_eq!(received["data"], json!({ "\u{fffe}": "a\u{ffff}b" }));
}

#[test]
fn a_message_that_is_not_a_delivery_is_refused_by_name() {
    let plain = event_with(json!({})).to_structured();
    let error = Received::parse(&plain).unwrap_err();
    assert!(format!("{error:?}").contains("pbeventid"), "{error:?}");
    assert!(Received::parse("not json").is_err());
    let message = message_of(&logged_event(event_with(json!({})))).body;
    for (good, bad) in [
        ("\"pbattempt\":1", "\"pbattempt\":\"1\""),
        ("connector", "Conn ector"),
    ] {
        assert!(
            Received::parse(&message.replace(good, bad)).is_err(),
            "{bad}"
        );
    }
    assert!(parse_tenant(None).is_err());
    assert!(parse_tenant(Some("Not a tenant")).is_err());
    assert_eq!(parse_tenant(Some("demo")).unwrap(), tenant("demo"));
}
