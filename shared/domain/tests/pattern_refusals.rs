//! What is no pattern, and what is said about it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use pillarbox_domain::limits::{
    MAX_NUMERIC_BOUND, MAX_PATTERN_BYTES, MAX_PATTERN_COMBINATIONS, MAX_PATTERN_LEVELS,
    MAX_TYPE_BYTES, MAX_TYPE_PATTERNS,
};
use pillarbox_domain::pattern::{EventDocument, Pattern};
use pillarbox_domain::subscription::TypePattern;
use pillarbox_testkit::builders::event_with;
use serde_json::json;

fn refused_at(pattern: &str) -> String {
    match Pattern::parse(pattern) {
        Ok(pattern) => panic!("{pattern} must be refused"),
        Err(error) => {
            assert_eq!(
                error.to_string(),
                format!("{}: {}", error.place, error.reason)
            );
            error.place
        }
    }
}

#[test]
fn what_is_no_pattern_is_refused_at_its_place() {
    for (pattern, place) in [
        ("", "pattern"),
        ("nonsense", "pattern"),
        (r#"{"a": ["x"]"#, "pattern"),
        (r#"{"a": ["x"]} {}"#, "pattern"),
        (r#"{"a": ["x",]}"#, "pattern"),
        (r#"{"a": [01]}"#, "pattern"),
        (r#"{"a": ["\ud800"]}"#, "pattern"),
        ("[]", "pattern"),
        ("null", "pattern"),
        (r#""type""#, "pattern"),
        ("{}", "pattern"),
        (r#"{"data": {}}"#, "data"),
        (r#"{"data": {"a": {}}}"#, "data.a"),
        (r#"{"type": "x"}"#, "type"),
        (r#"{"type": null}"#, "type"),
        (r#"{"data": {"total": 5}}"#, "data.total"),
        (r#"{"type": []}"#, "type"),
        (r#"{"type": [["x"]]}"#, "type[0]"),
        (r#"{"type": ["x", [1]]}"#, "type[1]"),
        (r#"{"type": [{}]}"#, "type[0]"),
        (r#"{"type": [{"prefix": "a", "suffix": "b"}]}"#, "type[0]"),
        (r#"{"type": [{"prefix": "a", "prefix": "b"}]}"#, "type[0]"),
        (r#"{"type": [{"contains": "a"}]}"#, "type[0].contains"),
        (r#"{"type": [{"exactly": "a"}]}"#, "type[0].exactly"),
        (r#"{"type": ["a"], "type": ["b"]}"#, "type"),
        (
            r#"{"data": {"location": [{"prefix": "us-"}], "location": [{"anything-but": "us-east"}]}}"#,
            "data.location",
        ),
        (r#"{"data": {"a": [1], "\u0061": [2]}}"#, "data.a"),
    ] {
        assert_eq!(refused_at(pattern), place, "{pattern}");
    }
}

#[test]
fn what_is_no_test_is_refused_at_its_place() {
    for (test, place) in [
        (r#"{"prefix": 1}"#, "prefix"),
        (r#"{"prefix": ["a"]}"#, "prefix"),
        (r#"{"prefix": null}"#, "prefix"),
        (r#"{"prefix": {"wildcard": "a"}}"#, "prefix.wildcard"),
        (
            r#"{"prefix": {"equals-ignore-case": 1}}"#,
            "prefix.equals-ignore-case",
        ),
        (
            r#"{"prefix": {"equals-ignore-case": ["a"]}}"#,
            "prefix.equals-ignore-case",
        ),
        (r#"{"prefix": {}}"#, "prefix"),
        (r#"{"suffix": true}"#, "suffix"),
        (r#"{"suffix": {"prefix": "a"}}"#, "suffix.prefix"),
        (r#"{"equals-ignore-case": 5}"#, "equals-ignore-case"),
        (r#"{"equals-ignore-case": ["a"]}"#, "equals-ignore-case"),
        (r#"{"wildcard": 5}"#, "wildcard"),
        (r#"{"wildcard": "a**b"}"#, "wildcard"),
        (r#"{"wildcard": "**"}"#, "wildcard"),
        (r#"{"wildcard": "a\\b"}"#, "wildcard"),
        (r#"{"wildcard": "a\\"}"#, "wildcard"),
        (r#"{"wildcard": ["a*"]}"#, "wildcard"),
        (r#"{"exists": "true"}"#, "exists"),
        (r#"{"exists": null}"#, "exists"),
        (r#"{"exists": [true]}"#, "exists"),
        (r#"{"cidr": "10.0.0.0"}"#, "cidr"),
        (r#"{"cidr": "10.0.0.0/33"}"#, "cidr"),
        (r#"{"cidr": "10.0.0.0/-1"}"#, "cidr"),
        (r#"{"cidr": "10.0.0.0/+1"}"#, "cidr"),
        (r#"{"cidr": "10.0.0.0/"}"#, "cidr"),
        (r#"{"cidr": "10.0.0.0/8/8"}"#, "cidr"),
        (r#"{"cidr": "10.0.0.256/8"}"#, "cidr"),
        (r#"{"cidr": "example.com/8"}"#, "cidr"),
        (r#"{"cidr": "::/129"}"#, "cidr"),
        (r#"{"cidr": ["10.0.0.0/8"]}"#, "cidr"),
        (r#"{"anything-but": null}"#, "anything-but"),
        (r#"{"anything-but": true}"#, "anything-but"),
        (r#"{"anything-but": []}"#, "anything-but"),
        (r#"{"anything-but": ["a", 1]}"#, "anything-but"),
        (r#"{"anything-but": ["a", null]}"#, "anything-but[1]"),
        (r#"{"anything-but": [["a"]]}"#, "anything-but[0]"),
        (r#"{"anything-but": {}}"#, "anything-but"),
        (r#"{"anything-but": {"prefix": ""}}"#, "anything-but.prefix"),
        (
            r#"{"anything-but": {"suffix": ["a", ""]}}"#,
            "anything-but.suffix[1]",
        ),
        (r#"{"anything-but": {"prefix": []}}"#, "anything-but.prefix"),
        (r#"{"anything-but": {"prefix": 1}}"#, "anything-but.prefix"),
        (
            r#"{"anything-but": {"prefix": {"equals-ignore-case": "a"}}}"#,
            "anything-but.prefix",
        ),
        (
            r#"{"anything-but": {"wildcard": "**"}}"#,
            "anything-but.wildcard",
        ),
        (
            r#"{"anything-but": {"numeric": [">", 1]}}"#,
            "anything-but.numeric",
        ),
        (
            r#"{"anything-but": {"cidr": "10.0.0.0/8"}}"#,
            "anything-but.cidr",
        ),
        (
            r#"{"anything-but": {"prefix": "a", "suffix": "b"}}"#,
            "anything-but",
        ),
        (r#"{"numeric": 5}"#, "numeric"),
        (r#"{"numeric": []}"#, "numeric"),
        (r#"{"numeric": [">"]}"#, "numeric"),
        (r#"{"numeric": [5]}"#, "numeric"),
        (r#"{"numeric": [5, ">"]}"#, "numeric"),
        (r#"{"numeric": [">", "5"]}"#, "numeric"),
        (r#"{"numeric": [">", null]}"#, "numeric"),
        (r#"{"numeric": ["!=", 5]}"#, "numeric"),
        (r#"{"numeric": ["==", 5]}"#, "numeric"),
        (r#"{"numeric": [">", 0, "<"]}"#, "numeric"),
        (r#"{"numeric": [">", 0, "<", 5, "<", 6]}"#, "numeric"),
        (r#"{"numeric": ["<", 5, ">", 0]}"#, "numeric"),
        (r#"{"numeric": [">", 0, ">", 5]}"#, "numeric"),
        (r#"{"numeric": ["<", 0, "<", 5]}"#, "numeric"),
        (r#"{"numeric": ["=", 0, "=", 0]}"#, "numeric"),
        (r#"{"numeric": [">", 5, "<", 5]}"#, "numeric"),
        (r#"{"numeric": [">", 6, "<", 5]}"#, "numeric"),
        (r#"{"numeric": [">", 5000000000.1]}"#, "numeric"),
        (r#"{"numeric": ["<", -1e400]}"#, "numeric"),
    ] {
        let pattern = format!(r#"{{"data": {{"total": ["x", {test}]}}}}"#);
        assert_eq!(
            refused_at(&pattern),
            format!("data.total[1].{place}"),
            "{test}"
        );
    }
}

#[test]
fn what_is_no_choice_is_refused_at_its_place() {
    for (pattern, place) in [
        (r#"{"$or": {"a": [1]}}"#, "$or"),
        (r#"{"$or": []}"#, "$or"),
        (r#"{"$or": [{"a": [1]}]}"#, "$or"),
        (r#"{"$or": [{"a": [1]}, 5]}"#, "$or[1]"),
        (r#"{"$or": [{"a": [1]}, {}]}"#, "$or[1]"),
        (r#"{"$or": [{"a": [1]}, {"b": 2}]}"#, "$or[1].b"),
        (
            r#"{"data": {"$or": [{"a": [1]}, {"b": {"c": []}}]}}"#,
            "data.$or[1].b.c",
        ),
        (
            r#"{"$or": [{"a": [1]}, {"$or": [{"b": [1]}]}]}"#,
            "$or[1].$or",
        ),
        (
            r#"{"data": {"x": {"$or": [{"numeric": [">", 1]}, {"exists": [false]}]}}}"#,
            "data.x.$or[0].numeric",
        ),
        (
            r#"{"$or": [{"a": [1]}, {"data": {"prefix": ["x"]}}]}"#,
            "$or[1].data.prefix",
        ),
        (
            r#"{"type": ["a"], "$or": [{"type": ["b"]}, {"id": ["c"]}]}"#,
            "type",
        ),
        (
            r#"{"data": {"a": {"b": [1]}}, "$or": [{"id": ["1"]}, {"data": {"a": {"b": [2]}}}]}"#,
            "data.a.b",
        ),
        (
            r#"{"data": {"a": [1]}, "$or": [{"id": ["1"]}, {"data": {"a": {"b": [2]}}}]}"#,
            "data.a",
        ),
        (
            r#"{"$or": [{"a": {"$or": [{"x": [1]}, {"y": [1]}]}}, {"b": [1]}], "a": {"$or": [{"y": [2]}, {"z": [1]}]}}"#,
            "a.y",
        ),
    ] {
        assert_eq!(refused_at(pattern), place, "{pattern}");
    }
    // The same field in two alternatives is asked for once.
    Pattern::parse(r#"{"$or": [{"a": [1]}, {"a": [2]}, {"a": {"b": [1]}}]}"#).unwrap();
}

#[test]
fn a_pattern_has_a_most_of_bytes() {
    let of_bytes = |bytes: usize| {
        let frame = r#"{"type":[""]}"#.len();
        format!(r#"{{"type":["{}"]}}"#, "x".repeat(bytes - frame))
    };
    assert_eq!(of_bytes(MAX_PATTERN_BYTES).len(), MAX_PATTERN_BYTES);
    Pattern::parse(&of_bytes(MAX_PATTERN_BYTES)).unwrap();
    assert_eq!(refused_at(&of_bytes(MAX_PATTERN_BYTES + 1)), "pattern");
}

#[test]
fn a_pattern_has_a_most_of_levels() {
    let of_levels = |levels: usize| {
        let objects = levels - 1;
        format!("{}[1]{}", r#"{"a":"#.repeat(objects), "}".repeat(objects))
    };
    Pattern::parse(&of_levels(MAX_PATTERN_LEVELS)).unwrap();
    assert_eq!(refused_at(&of_levels(MAX_PATTERN_LEVELS + 1)), "pattern");
    assert_eq!(refused_at(&"[".repeat(MAX_PATTERN_BYTES)), "pattern");
    assert_eq!(
        refused_at(&format!("{}1{}", r#"{"a":"#.repeat(600), "}".repeat(600))),
        "pattern"
    );
}

#[test]
fn choices_have_a_most_of_combinations() {
    let choice = |name: &str, alternatives: usize| {
        let alternative = |number| format!(r#"{{"{name}":[{number}]}}"#);
        let all: Vec<String> = (0..alternatives).map(alternative).collect();
        format!(r#""$or":[{}]"#, all.join(","))
    };
    let three = |last: usize| {
        let (a, b, c) = (choice("x", 10), choice("x", 10), choice("x", last));
        format!(r#"{{"a":{{{a}}},"b":{{{b}}},"c":{{{c}}}}}"#)
    };
    assert_eq!(MAX_PATTERN_COMBINATIONS, 1_000);
    Pattern::parse(&three(10)).unwrap();
    assert_eq!(refused_at(&three(11)), "$or");
    // Alternatives within an alternative add up.
    Pattern::parse(&format!(
        r#"{{"a":{{{}}},"$or":[{{"b":[1]}},{{"c":{{{}}}}}]}}"#,
        choice("x", 10),
        choice("y", 99)
    ))
    .unwrap();
    assert_eq!(
        refused_at(&format!(
            r#"{{"a":{{{}}},"$or":[{{"b":[1]}},{{"c":{{{}}}}}]}}"#,
            choice("x", 10),
            choice("y", 100)
        )),
        "$or"
    );
    // However large the product is, it is told.
    let many: Vec<String> = (0..150)
        .map(|name| format!(r#""{name}":{{{}}}"#, choice("x", 2)))
        .collect();
    let error = Pattern::from_stored(&format!("{{{}}}", many.join(","))).unwrap_err();
    assert_eq!(error.place, "$or");
}

#[test]
fn a_bound_is_not_farther_from_zero_than_eventbridge_compares() {
    let bound = |bound: &str| format!(r#"{{"a":[{{"numeric":[">=",{bound}]}}]}}"#);
    Pattern::parse(&bound(&MAX_NUMERIC_BOUND.to_string())).unwrap();
    Pattern::parse(&bound(&format!("-{MAX_NUMERIC_BOUND}"))).unwrap();
    assert_eq!(
        refused_at(&bound(&(MAX_NUMERIC_BOUND + 1).to_string())),
        "a[0].numeric"
    );
    assert_eq!(
        refused_at(&bound(&format!("-{MAX_NUMERIC_BOUND}.1"))),
        "a[0].numeric"
    );
}

#[test]
fn the_text_of_a_pattern_is_compact_and_otherwise_as_it_was_given() {
    let given = " { \"type\" : [ \"\\u0061\\/\\n\" , 1.50E+2 , null ], \"$or\": [ {\"b\":[ true ]}, { \"a\" : [ {\"exists\" : false} ] } ] } ";
    let pattern = Pattern::parse(given).unwrap();
    assert_eq!(
        pattern.as_json(),
        r#"{"type":["a/\n",1.50E+2,null],"$or":[{"b":[true]},{"a":[{"exists":false}]}]}"#
    );
    assert_eq!(Pattern::parse(pattern.as_json()).unwrap(), pattern);
}

#[test]
fn patterns_of_types_are_met_by_the_same_events_as_the_types() {
    let types = ["order.created", "order.*", "*", "a\"\\b*", "\u{1}"]
        .map(|text| text.parse::<TypePattern>().unwrap());
    let all = Pattern::of_types(&types);
    assert_eq!(
        all.as_json(),
        r#"{"type":["order.created",{"prefix":"order."},{"prefix":""},{"prefix":"a\"\\b"},"\u0001"]}"#
    );
    assert_eq!(Pattern::parse(all.as_json()).unwrap(), all);
    for wanted in &types {
        let pattern = Pattern::of_types(std::slice::from_ref(wanted));
        for event_type in ["order.created", "order.", "order", "a\"\\bc", "x"] {
            let event = event_with(json!({ "type": event_type }));
            let is_met = pattern.matches(&EventDocument::of(&event));
            assert_eq!(
                is_met,
                wanted.matches(event_type),
                "{wanted:?} {event_type}"
            );
        }
    }
    assert!(!Pattern::of_types(&[]).matches(&EventDocument::of(&event_with(json!({})))));
}

#[test]
fn what_many_types_make_can_be_stored() {
    let longest = format!("{}*", "\u{1}".repeat(MAX_TYPE_BYTES - 1))
        .parse::<TypePattern>()
        .unwrap();
    let pattern = Pattern::of_types(&vec![longest; MAX_TYPE_PATTERNS]);
    assert!(Pattern::parse(pattern.as_json()).is_err());
    assert_eq!(Pattern::from_stored(pattern.as_json()).unwrap(), pattern);
}
