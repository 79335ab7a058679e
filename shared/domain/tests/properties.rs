//! What has to hold for every event: it comes out as it went in, whatever form it went in by, and no other event
//! is taken for it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;

use data_encoding::BASE64;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use pillarbox_domain::cloud_event::{AttributeName, AttributeValue};
use pillarbox_domain::delivery::{Delivery, Received};
use pillarbox_domain::{CloudEvent, Data, Fingerprint, TraceParent, event_key};
use pillarbox_testkit::ManualClock;
use pillarbox_testkit::builders::{logged, tenant};
use proptest::prelude::*;
use serde_json::json;

/// What HTTP headers cannot hold as it is: the specification's set and whatever is not ASCII.
const NOT_IN_HEADERS: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// An event as its producer has it.
#[derive(Clone, Debug)]
struct Sent {
    source: String,
    id: String,
    event_type: String,
    context: BTreeMap<String, AttributeValue>,
    data: Option<SentData>,
}

#[derive(Clone, Debug, PartialEq)]
enum SentData {
    /// JSON text, as it is sent.
    Json(String),
    Binary(Vec<u8>),
}

impl Sent {
    fn structured(&self) -> String {
        let mut members = vec![
            member("specversion", "1.0"),
            member("id", &self.id),
            member("source", &self.source),
            member("type", &self.event_type),
        ];
        for (name, value) in &self.context {
            members.push(format!(
                "\"{name}\" :{}",
                serde_json::to_string(value).unwrap()
            ));
        }
        match &self.data {
            Some(SentData::Json(json)) => members.insert(0, format!("\"data\": {json} ")),
            Some(SentData::Binary(bytes)) => {
                members.push(member("data_base64", &BASE64.encode(bytes)));
            }
            None => {}
        }
        format!(" {{ {} }}\n", members.join(",\t"))
    }

    /// Headers, names and values; and the body.
    fn binary(&self) -> (Vec<(String, Vec<u8>)>, Vec<u8>) {
        let encoded = |text: &str| {
            utf8_percent_encode(text, NOT_IN_HEADERS)
                .to_string()
                .into_bytes()
        };
        let mut headers = vec![
            ("ce-specversion".to_owned(), b"1.0".to_vec()),
            ("ce-id".to_owned(), encoded(&self.id)),
            ("ce-source".to_owned(), encoded(&self.source)),
            ("ce-type".to_owned(), encoded(&self.event_type)),
            ("user-agent".to_owned(), b"a producer".to_vec()),
        ];
        for (name, value) in &self.context {
            headers.push((format!("ce-{name}"), encoded(&as_text(value))));
        }
        let (content_type, body) = match &self.data {
            Some(SentData::Json(json)) => {
                ("application/vnd.x+JSON; charset=utf-8", json.clone().into())
            }
            Some(SentData::Binary(bytes)) => ("application/octet-stream", bytes.clone()),
            None => ("text/plain", vec![]),
        };
        headers.push(("content-type".to_owned(), content_type.into()));
        (headers, body)
    }

    /// Whether the event that was read is this one, byte for byte.
    fn check(&self, read: &CloudEvent) -> Result<(), TestCaseError> {
        prop_assert_eq!(read.source(), &self.source);
        prop_assert_eq!(read.id(), &self.id);
        prop_assert_eq!(read.event_type(), &self.event_type);
        let context = read.context().iter();
        let context: BTreeMap<_, _> = context
            .map(|(name, value)| (name.to_string(), value.clone()))
            .collect();
        prop_assert_eq!(&context, &self.context);
        let data = read.data().map(|data| match data {
            Data::Json(json) => SentData::Json(json.get().to_owned()),
            Data::Binary(bytes) => SentData::Binary(bytes.clone()),
        });
        prop_assert_eq!(&data, &self.data);
        Ok(())
    }
}

fn member(name: &str, text: &str) -> String {
    format!("\"{name}\":{}", json!(text))
}

/// An attribute as a header tells it.
fn as_text(value: &AttributeValue) -> String {
    match value {
        AttributeValue::Boolean(value) => value.to_string(),
        AttributeValue::Integer(value) => value.to_string(),
        AttributeValue::String(text) => text.clone(),
    }
}

fn read(structured: &str) -> CloudEvent {
    CloudEvent::from_structured(structured.as_bytes()).unwrap()
}

/// Any text that an attribute may have, the odd parts of Unicode more often than not.
fn text(length: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    let odd = prop::sample::select(vec![
        '"',
        '\\',
        '/',
        '%',
        '#',
        '<',
        '\u{a0}',
        '\u{e9}',
        '\u{301}',
        '\u{2028}',
        '\u{200f}',
        '\u{feff}',
        '\u{fffd}',
        '\u{d7ff}',
        '\u{e000}',
        '\u{1f600}',
        '\u{10fffd}',
    ]);
    let any = any::<char>().prop_filter("an attribute may have it", |c| is_allowed(*c));
    let character = prop_oneof![odd, any, prop::char::range(' ', '~')];
    prop::collection::vec(character, length).prop_map(String::from_iter)
}

fn is_allowed(c: char) -> bool {
    let code = u32::from(c);
    !c.is_control() && code & 0xFFFE != 0xFFFE && !(0xFDD0..=0xFDEF).contains(&code)
}

fn source() -> impl Strategy<Value = String> {
    prop_oneof![
        "/[a-z0-9](([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-F]{2}){0,6}/){0,4}(\\?[a-z=&/?]{0,6})?(#[a-z/?]{0,4})?",
        "[a-z][a-z0-9+.-]{0,6}://[a-z0-9.-]{1,12}(:[0-9]{1,4})?(/[a-z]{0,6})?",
        "urn:[a-z0-9]{1,8}:[a-z0-9:.-]{1,12}",
    ]
}

fn attribute_value() -> impl Strategy<Value = AttributeValue> {
    prop_oneof![
        text(0..20).prop_map(AttributeValue::String),
        prop_oneof![any::<i32>(), Just(i32::MIN), Just(i32::MAX)].prop_map(AttributeValue::Integer),
        any::<bool>().prop_map(AttributeValue::Boolean),
    ]
}

fn context() -> impl Strategy<Value = BTreeMap<String, AttributeValue>> {
    let string = |text: String| AttributeValue::String(text);
    let known = prop_oneof![
        (
            "subject|partitionkey|causationid|traceparent|correlationid",
            text(1..20)
        ),
        (
            "time",
            "20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9])"
        ),
        ("dataschema", "[a-z]{1,6}:[a-z0-9/.]{1,12}"),
    ];
    let known = known.prop_map(move |(name, text)| (name, string(text)));
    let extension = ("x[a-z0-9]{0,63}", attribute_value());
    let attributes = prop::collection::vec(prop_oneof![known, extension], 0..8);
    attributes.prop_map(|attributes| attributes.into_iter().collect())
}

/// JSON text: numbers of any size, strings with any escapes, white space anywhere.
fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        "-?(0|[1-9][0-9]{0,40})",
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?",
        json_string(),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        let members = prop::collection::vec((json_string(), inner.clone()), 0..5);
        let members = members.prop_map(|members| {
            let named = members.into_iter().enumerate();
            // What two members of one name mean, JSON leaves open; so the names are made to differ.
            let member = |(n, (name, value)): (usize, (String, String))| {
                format!("{}{n}\" :{value}", name.strip_suffix('"').unwrap())
            };
            format!("{{ {}}}", named.map(member).collect::<Vec<_>>().join(" ,"))
        });
        prop_oneof![
            prop::collection::vec(inner, 0..5)
                .prop_map(|items| format!("[{} ]", items.join("\n, "))),
            members,
        ]
    })
}

/// A JSON string, its characters escaped in one of the ways that there are, or not at all.
fn json_string() -> impl Strategy<Value = String> {
    let character = (any::<char>(), 0..3_u8).prop_map(|(c, way)| match (way, c) {
        (0, '"' | '\\') | (1, '/') => format!("\\{c}"),
        (2, _) => c
            .encode_utf16(&mut [0; 2])
            .iter()
            .map(|unit| format!("\\u{unit:04X}"))
            .collect(),
        (_, '"' | '\\' | '\0'..='\u{1f}') => format!("\\u{:04x}", u32::from(c)),
        _ => c.to_string(),
    });
    prop::collection::vec(character, 0..8)
        .prop_map(|characters| format!("\"{}\"", characters.concat()))
}

fn data() -> impl Strategy<Value = Option<SentData>> {
    prop::option::of(prop_oneof![
        json_text().prop_map(SentData::Json),
        prop::collection::vec(any::<u8>(), 1..64).prop_map(SentData::Binary),
    ])
}

fn sent() -> impl Strategy<Value = Sent> {
    let parts = (source(), text(1..24), text(1..24), context(), data());
    parts.prop_map(|(source, id, event_type, context, data)| Sent {
        source,
        id,
        event_type,
        context,
        data,
    })
}

/// A way to make another event of one: with any other attribute, other data, or what looks the same and is not.
fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        text(1..24).prop_map(Change::Type),
        (
            "x[a-z0-9]{0,8}|subject|correlationid|partitionkey|dataversion",
            text(1..10)
        )
            .prop_map(|(name, text)| Change::Attribute(name, AttributeValue::String(text))),
        ("x[a-z0-9]{0,8}", attribute_value())
            .prop_map(|(name, value)| Change::Attribute(name, value)),
        any::<prop::sample::Index>().prop_map(Change::ValueToText),
        any::<prop::sample::Index>().prop_map(Change::Drop),
        data().prop_map(Change::Data),
    ]
}

#[derive(Clone, Debug)]
enum Change {
    Type(String),
    Attribute(String, AttributeValue),
    /// `7` becomes `"7"`.
    ValueToText(prop::sample::Index),
    Drop(prop::sample::Index),
    Data(Option<SentData>),
}

impl Change {
    /// The other event; `None` when the change would change nothing that counts.
    fn of(self, event: &Sent) -> Option<Sent> {
        let mut other = event.clone();
        let named = |index: prop::sample::Index| {
            let names: Vec<_> = event.context.keys().collect();
            (!names.is_empty()).then(|| (*index.get(&names)).clone())
        };
        match self {
            Self::Type(event_type) => other.event_type = event_type,
            Self::Attribute(name, value) => {
                other.context.insert(name, value);
            }
            Self::ValueToText(index) => {
                let name = named(index)?;
                let text = as_text(&event.context[&name]);
                other.context.insert(name, AttributeValue::String(text));
            }
            Self::Drop(index) => {
                other.context.remove(&named(index)?);
            }
            Self::Data(data) => other.data = data,
        }
        let counting = |event: &Sent| {
            let mut context = event.context.clone();
            context.retain(|name, _| name != "time" && name != "traceparent");
            (
                event.event_type.clone(),
                context,
                event.data.as_ref().map(meaning),
            )
        };
        (counting(event) != counting(&other)).then_some(other)
    }
}

/// Data as they count: JSON by its value, in which a number is what its digits say when it is an integer and the
/// nearest double otherwise.
fn meaning(data: &SentData) -> String {
    match data {
        SentData::Json(json) => format!("json {}", value_of(&mut json.as_bytes())),
        SentData::Binary(bytes) => format!("binary {bytes:?}"),
    }
}

/// The value at the beginning of the text, in one spelling. What is read is JSON for sure.
fn value_of(text: &mut &[u8]) -> String {
    skip_space(text);
    match text[0] {
        open @ (b'[' | b'{') => {
            let parts = parts_of(text, open);
            format!("{}{}", char::from(open), parts.join(","))
        }
        b'"' => {
            let mut strings = serde_json::Deserializer::from_slice(text).into_iter::<String>();
            let string = strings.next().unwrap().unwrap();
            *text = &text[strings.byte_offset()..];
            format!("{string:?}")
        }
        _ => {
            let end = text.iter().position(|byte| b",]} \n\t\r".contains(byte));
            let (scalar, rest) = text.split_at(end.unwrap_or(text.len()));
            *text = rest;
            number_or_word(str::from_utf8(scalar).unwrap())
        }
    }
}

fn parts_of(text: &mut &[u8], open: u8) -> Vec<String> {
    *text = &text[1..];
    let mut parts = vec![];
    loop {
        skip_space(text);
        match text[0] {
            b']' | b'}' => break,
            b',' => *text = &text[1..],
            _ => {
                let mut part = value_of(text);
                if open == b'{' {
                    skip_space(text);
                    *text = &text[1..];
                    part = format!("{part}:{}", value_of(text));
                }
                parts.push(part);
            }
        }
    }
    *text = &text[1..];
    if open == b'{' {
        parts.sort();
    }
    parts.push(char::from(if open == b'{' { b'}' } else { b']' }).to_string());
    parts
}

fn skip_space(text: &mut &[u8]) {
    *text = text.trim_ascii_start();
}

fn number_or_word(scalar: &str) -> String {
    let Ok(double) = scalar.parse::<f64>() else {
        return scalar.to_owned();
    };
    let is_integer = scalar
        .bytes()
        .all(|byte| byte == b'-' || byte.is_ascii_digit());
    match is_integer && double.abs() > 9_007_199_254_740_991.0 {
        true => scalar.to_owned(),
        // Both zeros are 0 in RFC 8785.
        false => format!("{:e}", double + 0.0),
    }
}

proptest! {
    #[test]
    fn any_event_in_structured_mode_comes_out_as_it_went_in(sent in sent()) {
        let event = read(&sent.structured());
        sent.check(&event)?;
        sent.check(&read(&event.to_structured()))?;
    }

    #[test]
    fn any_event_in_binary_mode_comes_out_as_it_went_in(sent in sent()) {
        let (headers, body) = sent.binary();
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        let event = CloudEvent::from_binary(headers, &body).unwrap();
        let mut expected = sent;
        for value in expected.context.values_mut() {
            *value = AttributeValue::String(as_text(value));
        }
        let content_type = event.text("datacontenttype").unwrap().to_owned();
        expected.context.insert("datacontenttype".to_owned(), AttributeValue::String(content_type));
        expected.check(&event)?;
        expected.check(&read(&event.to_structured()))?;
    }

    #[test]
    fn any_events_in_a_batch_come_out_as_they_went_in(batch in prop::collection::vec(sent(), 1..6)) {
        let events: Vec<String> = batch.iter().map(Sent::structured).collect();
        let read = CloudEvent::from_batch(format!("[{}]\n", events.join(",\n")).as_bytes()).unwrap();
        prop_assert_eq!(read.len(), batch.len());
        for (sent, event) in batch.iter().zip(read) {
            sent.check(&event.unwrap())?;
        }
    }

    #[test]
    fn any_event_is_delivered_as_it_went_in(sent in sent()) {
        let event = logged(&ManualClock::default(), &tenant("demo"), read(&sent.structured()));
        let subscription = "orders".parse().unwrap();
        let message = Delivery { event: &event, subscription: &subscription, attempt: 1, job: None }.to_message();
        let is_refused_by_sqs = |c: char| matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
        prop_assert!(!message.body.contains(is_refused_by_sqs));
        let received = Received::parse(&message.body).unwrap();
        prop_assert_eq!(received.event_id, event.event_id);
        let mut expected = sent;
        // Two characters that SQS refuses are escapes in the message, which mean the same.
        if let Some(SentData::Json(json)) = &mut expected.data {
            *json = json.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff");
        }
        expected.check(&received.event)?;
    }

    #[test]
    fn two_events_that_differ_never_share_a_fingerprint(first in sent(), change in change()) {
        let Some(other) = change.of(&first) else { return Ok(()) };
        let (first, other) = (read(&first.structured()), read(&other.structured()));
        let fingerprints = (Fingerprint::of(&first), Fingerprint::of(&other));
        prop_assert_ne!(fingerprints.0.unwrap(), fingerprints.1.unwrap());
        prop_assert!(!Fingerprint::differing(&first, &other).is_empty());
    }

    #[test]
    fn any_text_is_a_trace_or_none_and_what_is_shown_of_one_is_read_as_the_same(
        text in prop_oneof![
            any::<String>(),
            text(50..60),
            "[0-9a-fA-F]{2}-[0-9a-f]{31,33}-[0-9a-f]{15,17}-[0-9a-f]{1,3}(-.{0,6})?",
            "[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.{0,6})?",
        ],
    ) {
        if let Ok(parent) = text.parse::<TraceParent>() {
            let shown = parent.to_string();
            prop_assert_eq!(shown.len(), 55);
            prop_assert_eq!(shown.parse::<TraceParent>(), Ok(parent));
            prop_assert_eq!(&shown[3..52], &text[3..52]);
            prop_assert_eq!(parent.trace_id().to_string(), &text[3..35]);
        }
    }

    #[test]
    fn a_trace_that_is_well_formed_is_read(trace in "[0-9a-f]{31}[1-9a-f]", parent in "[1-9a-f][0-9a-f]{15}") {
        let text = format!("00-{trace}-{parent}-01");
        let read: TraceParent = text.parse().unwrap();
        prop_assert_eq!(read.to_string(), text);
    }

    #[test]
    fn a_trace_is_added_to_an_event_that_has_none_and_changes_nothing_else(sent in sent()) {
        let parent: TraceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().unwrap();
        let event = read(&sent.structured());
        let traced = event.clone().traced(parent);
        if event.text("traceparent").is_some() {
            prop_assert_eq!(traced, event);
        } else {
            prop_assert_eq!(traced.trace_parent(), Some(parent));
            prop_assert_eq!(traced.context().len(), event.context().len() + 1);
            prop_assert_eq!(Fingerprint::of(&traced).unwrap(), Fingerprint::of(&event).unwrap());
        }
    }

    #[test]
    fn what_a_retry_may_renew_and_how_json_is_written_do_not_count(
        mut sent in sent(), times in ("2026-01-0[1-9]T00:00:00Z", "2027-01-0[1-9]T00:00:00Z"), trace in text(0..9),
    ) {
        sent.context.insert("time".to_owned(), AttributeValue::String(times.0));
        let first = Fingerprint::of(&read(&sent.structured())).unwrap();
        sent.context.insert("time".to_owned(), AttributeValue::String(times.1));
        sent.context.insert("traceparent".to_owned(), AttributeValue::String(trace));
        if let Some(SentData::Json(json)) = &mut sent.data {
            *json = respelled(json);
        }
        prop_assert_eq!(first, Fingerprint::of(&read(&sent.structured())).unwrap());
    }

    #[test]
    fn numbers_that_differ_never_share_a_fingerprint(
        digits in "[1-9][0-9]{0,40}", sign in any::<bool>(), step in 1..1_000_u16, wrap in any::<bool>(),
    ) {
        let sign = if sign { "-" } else { "" };
        let spelled = |digits: &str| match wrap {
            true => format!(r#"{{"a":[{sign}{digits},{{}}]}}"#),
            false => format!("{sign}{digits}"),
        };
        let with = |digits: &str| {
            let text = format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{}}}"#, spelled(digits));
            Fingerprint::of(&read(&text)).unwrap()
        };
        prop_assert_ne!(with(&digits), with(&plus(&digits, step)));
    }

    #[test]
    fn two_pairs_of_source_and_id_never_share_a_key(
        first in ("[a%#235/]{0,6}", "[a%#235/]{0,6}"), other in ("[a%#235/]{0,6}", "[a%#235/]{0,6}"),
    ) {
        let same = event_key::encode(&first.0, &first.1) == event_key::encode(&other.0, &other.1);
        prop_assert_eq!(same, first == other);
    }

    #[test]
    fn a_boundary_that_moves_makes_another_key(text in "[a-c%#235]{1,12}", at in any::<prop::sample::Index>(), to in any::<prop::sample::Index>()) {
        let key = |at: usize| event_key::encode(&text[..at], &text[at..]);
        let (at, to) = (at.index(text.len() + 1), to.index(text.len() + 1));
        prop_assert_eq!(key(at) == key(to), at == to);
    }
}

/// The same JSON without white space.
fn respelled(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    let counts = |c: &char| {
        let counts = in_string || !c.is_ascii_whitespace();
        match c {
            _ if escaped => escaped = false,
            '"' => in_string = !in_string,
            '\\' => escaped = in_string,
            _ => {}
        }
        counts
    };
    json.chars().filter(counts).collect()
}

/// A decimal number and a small one, added as in school.
fn plus(digits: &str, step: u16) -> String {
    let mut carry = u32::from(step);
    let mut sum: Vec<char> = vec![];
    for digit in digits.chars().rev() {
        carry += digit.to_digit(10).unwrap();
        sum.push(char::from_digit(carry % 10, 10).unwrap());
        carry /= 10;
    }
    while carry > 0 {
        sum.push(char::from_digit(carry % 10, 10).unwrap());
        carry /= 10;
    }
    sum.iter().rev().collect()
}

#[test]
fn a_name_that_is_generated_here_is_one_that_a_producer_may_set() {
    assert!(AttributeName::new("x").is_ok());
    assert!(AttributeName::new(&"x".repeat(64)).is_ok());
}
