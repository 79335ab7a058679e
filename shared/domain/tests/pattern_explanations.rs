//! What is said of an event that does not meet a pattern.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use pillarbox_domain::pattern::{Decision, EventDocument, Pattern, Verdict};
use pillarbox_domain::{CloudEvent, Data};
use pillarbox_testkit::builders::event_with;
use serde_json::value::RawValue;

/// The field that decided, its tests, and what was found.
fn decision(pattern: &str, members: &str) -> (String, String, Option<String>) {
    let event = event_with(serde_json::from_str(members).unwrap());
    let pattern = Pattern::parse(pattern).unwrap();
    match pattern.explain(&EventDocument::of(&event)) {
        Verdict::Missed(Decision { field, test, found }) => (field, test, found),
        Verdict::Matched => panic!("{pattern} is met by {members}"),
    }
}

#[test]
fn the_first_field_that_is_not_met_decides() {
    for (pattern, members, (field, test, found)) in [
        (
            r#"{"type": ["a", {"prefix": "b."}]}"#,
            "{}",
            (
                "type",
                r#"["a",{"prefix":"b."}]"#,
                Some(r#""order.created""#),
            ),
        ),
        (
            r#"{"type": ["order.created"], "subject": ["s"], "source": ["x"]}"#,
            "{}",
            ("subject", r#"["s"]"#, None),
        ),
        (
            r#"{"data": {"total": [{"numeric": [">", 100]}]}, "source": ["x"]}"#,
            r#"{"data": {"total": 99.50}}"#,
            ("source", r#"["x"]"#, Some(r#""/shop""#)),
        ),
        (
            r#"{"data": {"total": [{"numeric": [">", 100]}], "x": ["y"]}}"#,
            r#"{"data": {"total": 101}}"#,
            ("data.x", r#"["y"]"#, None),
        ),
        (
            r#"{"data": {"a": {"b": {"c": [1]}}}}"#,
            r#"{"data": {"a": {"b": 5}}}"#,
            ("data.a.b.c", "[1]", None),
        ),
        (
            r#"{"data": {"a": [1]}}"#,
            r#"{"data": {"a": {"b": [1, null]}}}"#,
            ("data.a", "[1]", Some(r#"{"b":[1,null]}"#)),
        ),
        (
            r#"{"data": {"a": [{"exists": false}]}}"#,
            r#"{"data": {"a": null}}"#,
            ("data.a", r#"[{"exists":false}]"#, Some("null")),
        ),
    ] {
        let expected = (field.to_owned(), test.to_owned(), found.map(str::to_owned));
        assert_eq!(decision(pattern, members), expected, "{pattern} {members}");
    }
}

#[test]
fn of_elements_and_alternatives_the_closest_decides() {
    let lines =
        r#"{"data": {"lines": {"sku": ["a"], "count": [{"numeric": [">", 5]}], "gift": [true]}}}"#;
    for (pattern, members, (field, found)) in [
        (
            lines,
            r#"{"data": {"lines": [{"sku": "b", "count": 9}, {"sku": "a", "count": 5, "gift": true}, {"sku": "a"}]}}"#,
            ("data.lines.count", Some("5")),
        ),
        (
            lines,
            r#"{"data": {"lines": []}}"#,
            ("data.lines.sku", None),
        ),
        (
            lines,
            r#"{"data": {"lines": [1, [{"sku": "c", "count": 6, "gift": true}]]}}"#,
            ("data.lines.sku", Some(r#""c""#)),
        ),
        (
            r#"{"$or": [{"source": ["x"], "subject": ["s"]}, {"type": ["order.created"], "subject": ["s"]}, {"id": ["9"]}]}"#,
            "{}",
            ("subject", None),
        ),
        (
            r#"{"$or": [{"source": ["x"]}, {"id": ["9"]}]}"#,
            "{}",
            ("source", Some(r#""/shop""#)),
        ),
        // What is met by an array has no part in the miss.
        (
            r#"{"data": {"a": {"x": [1]}, "b": [2]}}"#,
            r#"{"data": {"a": [{"x": 0}, {"x": 1}], "b": 3}}"#,
            ("data.b", Some("3")),
        ),
        (
            r#"{"data": {"a": {"x": [{"exists": false}]}}}"#,
            r#"{"data": {"a": [{"y": 0}, {"x": 1}]}}"#,
            ("data.a.x", Some("1")),
        ),
    ] {
        let (decided, _, what) = decision(pattern, members);
        assert_eq!(
            (decided.as_str(), what.as_deref()),
            (field, found),
            "{pattern} {members}"
        );
    }
}

#[test]
fn what_was_found_is_cut() {
    let long = "ä".repeat(5_000);
    let (_, _, found) = decision(r#"{"data": ["x"]}"#, &format!(r#"{{"data": "{long}"}}"#));
    assert_eq!(found.unwrap(), format!("\"{}…", "ä".repeat(199)));
    let exact = "x".repeat(198);
    let (_, _, found) = decision(r#"{"data": ["x"]}"#, &format!(r#"{{"data": "{exact}"}}"#));
    assert_eq!(found.unwrap(), format!("\"{exact}\""));
}

/// The log takes no such data; should they come another way, the patterns on attributes are still met.
#[test]
fn data_that_cannot_be_read_are_absent() {
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    for data in [r#"{"x": "\ud800", "y": 1}"#, &deep] {
        let data = RawValue::from_string(data.to_owned()).unwrap();
        let event = CloudEvent::new(
            "/s".into(),
            "1".into(),
            "t".into(),
            Default::default(),
            Some(Data::Json(data)),
        )
        .unwrap();
        let document = EventDocument::of(&event);
        let is_met = |pattern: &str| Pattern::parse(pattern).unwrap().matches(&document);
        assert!(is_met(r#"{"type": ["t"]}"#));
        assert!(!is_met(r#"{"data": {"y": [1]}}"#));
        assert!(is_met(r#"{"data": {"y": [{"exists": false}]}}"#));
    }
}
