//! What a pattern or an event made to take long does not achieve, and how many patterns are looked at.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use pillarbox_domain::CloudEvent;
use pillarbox_domain::pattern::{EventDocument, Pattern, PatternIndex, Verdict};
use pillarbox_testkit::builders::event_with;
use serde_json::json;

fn event(data: &str) -> CloudEvent {
    let text =
        format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{data}}}"#);
    CloudEvent::from_structured(text.as_bytes()).unwrap()
}

fn is_met(pattern: &str, event: &CloudEvent) -> bool {
    Pattern::parse(pattern)
        .unwrap()
        .matches(&EventDocument::of(event))
}

/// An evaluator that goes back to try every split of the text would not end in a lifetime.
#[test]
fn a_wildcard_never_goes_back() {
    let text = "a".repeat(900_000);
    let event = event(&format!(r#"{{"x":"{text}"}}"#));
    let many = "*a".repeat(1_900);
    assert!(!is_met(
        &format!(r#"{{"data":{{"x":[{{"wildcard":"{many}*b"}}]}}}}"#),
        &event
    ));
    assert!(is_met(
        &format!(r#"{{"data":{{"x":[{{"wildcard":"{many}"}}]}}}}"#),
        &event
    ));
    let repeated = format!("*{}b*", "a".repeat(2_000));
    assert!(!is_met(
        &format!(r#"{{"data":{{"x":[{{"wildcard":"{repeated}"}}]}}}}"#),
        &event
    ));
}

#[test]
fn data_as_deep_as_they_may_be_are_looked_through() {
    let deep = |levels: usize| format!("{}7{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
    let levels = 120;
    let pattern = |number: u8| {
        format!(
            r#"{{"data":{}}}"#,
            deep(levels).replace('7', &format!("[{number}]"))
        )
    };
    assert!(is_met(&pattern(7), &event(&deep(levels))));
    assert!(!is_met(&pattern(8), &event(&deep(levels))));

    let arrays = event(&format!(
        r#"{{"a":{}7{}}}"#,
        "[".repeat(120),
        "]".repeat(120)
    ));
    assert!(is_met(r#"{"data":{"a":[7]}}"#, &arrays));
    assert!(is_met(
        r#"{"data":{"a":{"b":[{"exists":false}]}}}"#,
        &arrays
    ));
}

/// 60,000 objects, and a pattern whose fields they meet one by one but never together.
#[test]
fn an_array_of_many_objects_is_gone_through_once() {
    let items: Vec<String> = (0..60_000)
        .map(|n| format!(r#"{{"a":{},"b":{}}}"#, n % 2, (n + 1) % 2))
        .collect();
    let event = event(&format!(r#"{{"items":[{}]}}"#, items.join(",")));
    let together = r#"{"data":{"items":{"a":[1],"b":[1],"c":[{"exists":false}]}}}"#;
    assert!(!is_met(together, &event));
    let document = EventDocument::of(&event);
    assert!(matches!(
        Pattern::parse(together).unwrap().explain(&document),
        Verdict::Missed(_)
    ));
    assert!(is_met(r#"{"data":{"items":{"a":[1],"b":[0]}}}"#, &event));
    // As many alternatives as are allowed.
    let choice = |name: &str| {
        let all: Vec<String> = (2..12).map(|n| format!(r#"{{"{name}":[{n}]}}"#)).collect();
        format!(r#""$or":[{}]"#, all.join(","))
    };
    let (a, b) = (choice("a"), choice("b"));
    assert!(!is_met(
        &format!(r#"{{"data":{{"items":{{{a},"x":{{{b}}},"y":{{{b}}}}}}}}}"#),
        &event
    ));
}

/// Absence is asked anew at each of the arrays that are in one another, no more often.
#[test]
fn absence_below_many_arrays_is_found_in_time() {
    let depth = 40;
    let mut data = r#"{"x":1}"#.to_owned();
    let mut pattern = r#"{"gone":[{"exists":false}],"x":[2]}"#.to_owned();
    for _ in 0..depth {
        data = format!(r#"[{{"a":{data}}},{{"x":1}}]"#);
        pattern = format!(r#"{{"a":{pattern},"gone":[{{"exists":false}}]}}"#);
    }
    assert!(!is_met(&format!(r#"{{"data":{pattern}}}"#), &event(&data)));
}

/// Patterns as subscribers have them: most name a type, some a family of types, few neither.
fn typical_patterns() -> Vec<Pattern> {
    let patterns = (0..5_000).map(|n| match n % 10 {
        0..=5 => format!(r#"{{"type":["com.example.t{}.created"],"data":{{"total":[{{"numeric":[">",{n}]}}]}}}}"#, n % 1_000),
        6 | 7 => format!(r#"{{"type":[{{"prefix":"com.example.t{}."}}],"data":{{"country":["DE","FR"]}}}}"#, n % 1_000),
        8 => format!(r#"{{"source":["/shop/{}"],"data":{{"tags":["x"]}}}}"#, n % 1_000),
        _ => format!(r#"{{"subject":["customer/{n}"]}}"#),
    });
    patterns
        .map(|text| Pattern::parse(&text).unwrap())
        .collect()
}

#[test]
fn few_of_many_patterns_are_looked_at() {
    let index = PatternIndex::new(&typical_patterns());
    let mut looked_at = 0;
    for n in 0..100 {
        let event = event_with(json!({
            "type": format!("com.example.t{}.created", n * 10), "source": format!("/shop/{}", n * 7),
            "subject": format!("customer/{}", n * 10 + 9), "data": { "total": 9_000, "country": "DE", "tags": ["x"] },
        }));
        let document = EventDocument::of(&event);
        looked_at += index.candidates(&document).len();
        assert!(!index.matching(&document).is_empty());
    }
    assert!(looked_at <= 100 * 15, "{looked_at} of 500,000 evaluations");
}

/// A subscription for each customer: all of one type, told apart by the data.
#[test]
fn few_of_many_patterns_for_one_type_are_looked_at() {
    let patterns = (0..5_000).map(|n| match n % 3 {
        0 => format!(r#"{{"type":["t"],"data":{{"customer":{{"id":["c{n}"]}}}}}}"#),
        1 => format!(r#"{{"type":["t"],"data":{{"orders":{{"number":[{n}, {n}.5]}}}}}}"#),
        _ => format!(r#"{{"type":["t"],"data":{{"$or":[{{"sku":["s{n}"]}},{{"sku":[{{"prefix":"p{n}."}}]}}]}}}}"#),
    });
    let patterns: Vec<Pattern> = patterns
        .map(|text| Pattern::parse(&text).unwrap())
        .collect();
    let index = PatternIndex::new(&patterns);
    let event = event(
        r#"{"customer":[{"id":"c3"},{"id":["c6","c7"]}],"orders":{"number":4e0},"sku":["s5","p8.x"]}"#,
    );
    let document = EventDocument::of(&event);
    assert_eq!(index.matching(&document), [3, 4, 5, 6, 8]);
    assert_eq!(index.candidates(&document), [3, 4, 5, 6, 8]);
}

#[test]
fn a_pattern_is_kept_under_what_it_restricts() {
    let cases = [
        (r#"{"type": ["t"]}"#, true),
        (r#"{"type": ["u", {"prefix": "v"}, 5, null]}"#, false),
        (r#"{"type": [{"wildcard": "t*x"}]}"#, true),
        (r#"{"type": [{"wildcard": "u*"}]}"#, false),
        (r#"{"type": [{"prefix": ""}], "source": ["/other"]}"#, false),
        (
            r#"{"type": [{"suffix": "u"}], "source": [{"prefix": "/o"}]}"#,
            false,
        ),
        (
            r#"{"type": [{"anything-but": "t"}], "subject": ["a"]}"#,
            false,
        ),
        (r#"{"subject": [{"exists": false}, "a"]}"#, true),
        (r#"{"$or": [{"type": ["u"]}, {"type": ["v"]}]}"#, false),
        (r#"{"$or": [{"type": ["u"]}, {"subject": ["v"]}]}"#, true),
        (
            r#"{"$or": [{"data": {"a": [1]}}, {"data": {"b": [1]}}], "type": ["u"], "data": {"c": [1]}}"#,
            false,
        ),
        (r#"{"type": {"a": [1]}}"#, false),
        (r#"{"data": {"type": ["u"]}}"#, false),
        (r#"{"data": {"type": [{"anything-but": "u"}]}}"#, true),
    ];
    let event = event("{}");
    for (text, is_looked_at) in cases {
        let pattern = Pattern::parse(text).unwrap();
        let index = PatternIndex::new([&pattern]);
        assert_eq!(
            index.candidates(&EventDocument::of(&event)),
            Vec::from_iter(is_looked_at.then_some(0)),
            "{text}"
        );
    }
}

#[test]
fn an_empty_index_finds_nothing() {
    let index = PatternIndex::new([]);
    assert_eq!(
        index.matching(&EventDocument::of(&event("1"))),
        Vec::<usize>::new()
    );
}

#[test]
fn documents_and_indexes_can_be_shared_between_threads() {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<EventDocument<'static>>();
    is_shared::<PatternIndex>();
    is_shared::<Pattern>();
}
