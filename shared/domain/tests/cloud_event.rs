//! The envelope: what is refused and how it is named, and that nothing else is changed on the way through.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use pillarbox_domain::CloudEvent;
use pillarbox_domain::cloud_event::{Fault, ParseError, Violation};
use pillarbox_domain::limits::{
    MAX_ATTRIBUTE_NAME_BYTES, MAX_CONTEXT_BYTES, MAX_CORRELATION_ID_BYTES, MAX_EVENT_BYTES,
    MAX_EVENT_KEY_BYTES, MAX_TYPE_BYTES,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn minimal() -> Value {
    json!({ "specversion": "1.0", "id": "1", "source": "/shop", "type": "order.created" })
}

fn with(name: &str, value: impl Into<Value>) -> Value {
    let mut event = minimal();
    event[name] = value.into();
    event
}

fn parse(event: &Value) -> Result<CloudEvent, ParseError> {
    CloudEvent::from_structured(event.to_string().as_bytes())
}

fn violations(event: &Value) -> Vec<Violation> {
    match parse(event) {
        Err(ParseError::Invalid(violations)) => violations,
        other => panic!("{event}: {other:?}"),
    }
}

#[test]
fn every_missing_attribute_is_named() {
    let found = violations(&json!({}));
    let expected: Vec<_> = ["specversion", "id", "source", "type"]
        .map(|field| Violation::new(field, Fault::Missing))
        .into();
    assert_eq!(found, expected);
}

#[test]
fn what_breaks_a_rule_is_named_with_the_rule() {
    let string = Fault::NotA("string");
    let scalar = Fault::NotA("string, boolean or 32-bit integer");
    let uri_reference = Fault::NotA("URI reference (RFC 3986)");
    let timestamp = Fault::NotA("timestamp (RFC 3339)");
    let cases = [
        ("specversion", json!("0.3"), Fault::WrongVersion),
        ("specversion", json!(1.0), scalar.clone()),
        ("id", json!(7), string.clone()),
        ("id", json!(""), Fault::Empty),
        ("id", json!(null), Fault::Missing),
        ("source", json!(""), Fault::Empty),
        ("source", json!("my shop"), uri_reference.clone()),
        ("source", json!("/50%"), uri_reference),
        ("type", json!(["a"]), scalar.clone()),
        ("type", json!("a\u{7f}"), Fault::NotAllowed('\u{7f}')),
        ("subject", json!(""), Fault::Empty),
        ("subject", json!(true), string.clone()),
        ("subject", json!("a\u{ffff}"), Fault::NotAllowed('\u{ffff}')),
        ("subject", json!("a\u{fdd0}"), Fault::NotAllowed('\u{fdd0}')),
        ("time", json!("yesterday"), timestamp.clone()),
        ("time", json!("2026-02-30T00:00:00Z"), timestamp),
        (
            "dataschema",
            json!("/relative"),
            Fault::NotA("absolute URI (RFC 3986)"),
        ),
        ("correlationid", json!(1), string),
        ("seq", json!(2_147_483_648_u32), scalar.clone()),
        ("seq", json!(1.5), scalar.clone()),
        ("nested", json!({}), scalar),
        (
            "data_base64",
            json!("!"),
            Fault::NotA("base64 text (RFC 4648, padded)"),
        ),
        ("pbeventid", json!("x"), Fault::Reserved),
        ("pk", json!("x"), Fault::Reserved),
        ("correlationId", json!("x"), Fault::BadName),
        ("with_underscore", json!("x"), Fault::BadName),
    ];
    for (field, value, fault) in cases {
        assert_eq!(
            violations(&with(field, value.clone())),
            [Violation::new(field, fault)],
            "{value}"
        );
    }
}

#[test]
fn one_byte_over_a_limit_is_too_long() {
    let over = |limit: usize| Fault::TooLong {
        limit,
        actual: limit + 1,
    };
    let key = MAX_EVENT_KEY_BYTES - "/shop".len();
    let cases = [
        ("type", "type", MAX_TYPE_BYTES),
        ("correlationid", "correlationid", MAX_CORRELATION_ID_BYTES),
        ("id", "source and id", key),
        (
            "subject",
            "context attributes",
            MAX_CONTEXT_BYTES - "subject".len(),
        ),
    ];
    for (attribute, field, most) in cases {
        assert!(
            parse(&with(attribute, "x".repeat(most))).is_ok(),
            "{attribute}"
        );
        let found = violations(&with(attribute, "x".repeat(most + 1)));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].field, field);
        assert!(matches!(found[0].fault, Fault::TooLong { .. }), "{found:?}");
    }
    let found = violations(&with("type", "x".repeat(MAX_TYPE_BYTES + 1)));
    assert_eq!(found, [Violation::new("type", over(MAX_TYPE_BYTES))]);
    let long_name = "x".repeat(MAX_ATTRIBUTE_NAME_BYTES + 1);
    assert!(parse(&with(&long_name[1..], "x")).is_ok());
    assert_eq!(
        violations(&with(&long_name, "x")),
        [Violation::new(long_name, Fault::BadName)]
    );
}

#[test]
fn escapes_count_towards_the_key() {
    // Written `%2523`: five bytes for three. The id takes one more.
    let hashes = "%23".repeat((MAX_EVENT_KEY_BYTES - 1) / 5);
    assert!(parse(&with("source", hashes.clone())).is_ok());
    let more = format!("{hashes}%23");
    assert_eq!(violations(&with("source", more))[0].field, "source and id");
}

#[test]
fn one_byte_over_the_size_is_too_large() {
    let padded = |bytes: usize| {
        let empty = with("data", "").to_string().len();
        with("data", "x".repeat(bytes - empty))
    };
    assert!(parse(&padded(MAX_EVENT_BYTES)).is_ok());
    let actual = MAX_EVENT_BYTES + 1;
    assert_eq!(parse(&padded(actual)), Err(ParseError::TooLarge { actual }));
}

#[test]
fn an_event_that_would_outgrow_a_message_on_its_way_out_is_too_large() {
    // Each U+FFFF is 3 bytes here and 6 in an SQS message: it has to be written as an escape there.
    let event = with("data", "\u{ffff}".repeat(MAX_EVENT_BYTES / 6));
    assert!(event.to_string().len() < MAX_EVENT_BYTES);
    assert!(matches!(parse(&event), Err(ParseError::TooLarge { .. })));
}

#[test]
fn what_is_not_an_object_is_malformed() {
    for body in [
        "",
        "{",
        "[]",
        "null",
        "\"event\"",
        "{\"id\":\"1\",}",
        "{\"id\":\u{1}}",
    ] {
        let error = CloudEvent::from_structured(body.as_bytes());
        assert!(
            matches!(error, Err(ParseError::Malformed(_))),
            "{body}: {error:?}"
        );
    }
    assert!(matches!(
        CloudEvent::from_structured(b"\xff"),
        Err(ParseError::Malformed(_))
    ));
}

#[test]
fn a_member_given_twice_is_refused() {
    let twice = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","id":"2"}"#;
    let found = CloudEvent::from_structured(twice.as_bytes());
    assert_eq!(
        found,
        Err(ParseError::Invalid(vec![Violation::new(
            "id",
            Fault::Twice
        )]))
    );
    let mut both = with("data", 1);
    both["data_base64"] = "AA==".into();
    assert_eq!(
        violations(&both),
        [Violation::new("data_base64", Fault::DataTwice)]
    );
}

#[test]
fn all_faults_are_told_at_once() {
    let event = r#"{"specversion":"0.3","Bad":1,"id":7,"source":"a b","time":"x"}"#;
    let Err(ParseError::Invalid(found)) = CloudEvent::from_structured(event.as_bytes()) else {
        panic!("{event} was taken");
    };
    let fields: Vec<&str> = found.iter().map(|found| found.field.as_str()).collect();
    assert_eq!(
        fields,
        ["Bad", "id", "specversion", "type", "source", "time"]
    );
}

#[test]
fn data_and_spelling_come_out_as_they_went_in() {
    let text = concat!(
        r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","seq":-7,"test":false,"#,
        r#""time":"2026-01-01T00:00:00.120+01:00","data":{"b":1.50,"a":1e2,"z":12345678901234567890123}}"#
    );
    let event = CloudEvent::from_structured(text.as_bytes()).unwrap();
    assert_eq!(event.to_structured(), text);
}

#[test]
fn null_is_not_set_but_null_data_is_data() {
    let event = parse(&with("subject", Value::Null)).unwrap();
    assert!(event.context().is_empty());
    let event = parse(&with("data", Value::Null)).unwrap();
    assert_eq!(event.data().unwrap().bytes(), b"null");
    assert!(parse(&minimal()).unwrap().data().is_none());
}

fn binary(headers: &[(&str, &str)], body: &[u8]) -> Result<CloudEvent, ParseError> {
    let required = [
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/shop"),
        ("ce-type", "order.created"),
    ];
    let headers = required.iter().chain(headers);
    CloudEvent::from_binary(headers.map(|(name, value)| (*name, value.as_bytes())), body)
}

#[test]
fn the_binary_form_carries_json_as_it_came_and_anything_else_as_bytes() {
    let cases = [
        (
            "application/json",
            r#"{"b":1.50,"a":1e2}"#,
            r#""data":{"b":1.50,"a":1e2}"#,
        ),
        (
            "application/vnd.shop+json; charset=utf-8",
            "[1]",
            r#""data":[1]"#,
        ),
        ("text/plain", "hello", r#""data_base64":"aGVsbG8=""#),
        ("application/xml", "<a/>", r#""data_base64":"PGEvPg==""#),
    ];
    for (content_type, body, data) in cases {
        let event = binary(&[("content-type", content_type)], body.as_bytes()).unwrap();
        assert_eq!(event.text("datacontenttype"), Some(content_type));
        let written = event.to_structured();
        assert!(written.contains(data), "{written}");
        assert_eq!(CloudEvent::from_structured(written.as_bytes()), Ok(event));
    }
    assert!(binary(&[], b"").unwrap().data().is_none());
}

#[test]
fn headers_are_percent_decoded_and_others_are_none_of_the_events() {
    let headers = [
        ("ce-subject", "Euro%20%E2%82%AC"),
        ("ce-seq", "7"),
        ("host", "x"),
    ];
    let event = binary(&headers, b"").unwrap();
    assert_eq!(event.text("subject"), Some("Euro €"));
    assert_eq!(event.text("seq"), Some("7"));
    assert_eq!(event.context().len(), 2);
}

#[test]
fn the_binary_form_is_refused_by_name_as_the_structured_one_is() {
    let cases = [
        (
            ("ce-time", "yesterday"),
            "time",
            Fault::NotA("timestamp (RFC 3339)"),
        ),
        (
            ("ce-subject", "%FF"),
            "subject",
            Fault::NotA("percent-encoded UTF-8 text"),
        ),
        (("ce-data", "x"), "data", Fault::BadName),
        (
            ("ce-datacontenttype", "x"),
            "datacontenttype",
            Fault::BadName,
        ),
        (("ce-pbjob", "x"), "pbjob", Fault::Reserved),
        (("ce-", "x"), "", Fault::BadName),
    ];
    for (header, field, fault) in cases {
        let expected = ParseError::Invalid(vec![Violation::new(field, fault)]);
        assert_eq!(binary(&[header], b""), Err(expected), "{header:?}");
    }
    let missing = CloudEvent::from_binary([], b"").unwrap_err();
    let ParseError::Invalid(violations) = missing else {
        panic!("{missing:?}")
    };
    assert_eq!(violations.len(), 4);
}

#[test]
fn binary_data_that_would_outgrow_a_message_as_base64_is_too_large() {
    let fits = MAX_EVENT_BYTES / 4 * 3 - 300;
    assert!(binary(&[], &vec![0; fits]).is_ok());
    assert!(matches!(
        binary(&[], &vec![0; fits + 300]),
        Err(ParseError::TooLarge { .. })
    ));
    assert!(matches!(
        binary(&[], &vec![0; MAX_EVENT_BYTES + 1]),
        Err(ParseError::TooLarge { .. })
    ));
}

fn attribute_value() -> impl Strategy<Value = Value> {
    let text = proptest::string::string_regex("[^\\p{C}]{0,20}").unwrap();
    prop_oneof![
        text.prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from)
    ]
}

fn json_data() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(
            |number| serde_json::Number::from_f64(number).map_or(Value::Null, Value::from)
        ),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_event_comes_back_from_its_own_form(
        id in "[^\\p{C}]{1,40}",
        source in "[a-z/:.#?%2-9-]{1,40}".prop_filter("a URI reference", |text| parse(&with("source", text.as_str())).is_ok()),
        extensions in prop::collection::btree_map("x[a-z0-9]{0,10}", attribute_value(), 0..6),
        data in prop::option::of(json_data()),
    ) {
        let mut event = with("id", id);
        event["source"] = source.into();
        for (name, value) in extensions {
            event[name] = value;
        }
        if let Some(data) = data {
            event["data"] = data;
        }
        let parsed = parse(&event).unwrap();
        let written = parsed.to_structured();
        prop_assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), event);
        prop_assert_eq!(CloudEvent::from_structured(written.as_bytes()), Ok(parsed));
    }

    #[test]
    fn no_bytes_make_the_parser_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(CloudEvent::from_structured(&body).is_err());
    }
}

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[test]
fn an_event_keeps_its_own_trace_whatever_that_says() {
    let parent = PARENT.parse().unwrap();
    for own in [
        "00-11111111111111111111111111111111-2222222222222222-00",
        "none",
        "",
    ] {
        let event = parse(&with("traceparent", own)).unwrap();
        assert_eq!(event.clone().traced(parent), event);
    }
    let traced = parse(&minimal()).unwrap().traced(parent);
    assert_eq!(traced.text("traceparent"), Some(PARENT));
}

#[test]
fn an_event_that_is_as_large_as_may_be_goes_without_a_trace() {
    let parent = PARENT.parse().unwrap();
    let room = r#","traceparent":"""#.len() + PARENT.len();
    let rest = with("data", "").to_string().len();
    let of_bytes = |bytes: usize| parse(&with("data", "x".repeat(bytes - rest))).unwrap();
    for (bytes, is_traced) in [
        (MAX_EVENT_BYTES - room, true),
        (MAX_EVENT_BYTES - room + 1, false),
        (MAX_EVENT_BYTES, false),
    ] {
        let traced = of_bytes(bytes).traced(parent);
        assert_eq!(traced.trace_parent().is_some(), is_traced, "{bytes}");
        assert!(parse(&serde_json::from_str(&traced.to_structured()).unwrap()).is_ok());
    }
    let room = "traceparent".len() + PARENT.len();
    let most = MAX_CONTEXT_BYTES - "subject".len() - room;
    for (bytes, is_traced) in [(most, true), (most + 1, false)] {
        let event = parse(&with("subject", "x".repeat(bytes))).unwrap();
        assert_eq!(event.traced(parent).trace_parent().is_some(), is_traced);
    }
}
