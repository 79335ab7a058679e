//! What has to hold for every pattern and every event: the evaluator agrees with a naive reference, the index with
//! the evaluator, and the explanation with both.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod pattern_reference;

use pillarbox_domain::CloudEvent;
use pillarbox_domain::pattern::{Decision, EventDocument, Pattern, PatternIndex, Verdict};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// Few names and values, so that patterns and events meet often.
const NAMES: [&str; 4] = ["a", "b", "c", "d.e"];

const VALUES: [&str; 30] = [
    r#""x""#,
    r#""xy""#,
    r#""yx""#,
    r#""xyx""#,
    r#""X""#,
    r#""""#,
    r#""*""#,
    r#""x\"\\y""#,
    r#""\u00e9""#,
    r#""É""#,
    r#""10.1.2.3""#,
    r#""10.255.0.1""#,
    r#""11.0.0.0""#,
    "null",
    "true",
    "false",
    "1",
    "1.0",
    "10e-1",
    "2.5",
    "25e-1",
    "-3",
    "0",
    "-0",
    "100",
    "1e2",
    "9007199254740992",
    "9007199254740993",
    "18446744073709551614",
    "18446744073709551615",
];

const OPERATORS: [&str; 27] = [
    r#"{"prefix":"x"}"#,
    r#"{"prefix":""}"#,
    r#"{"suffix":"y"}"#,
    r#"{"suffix":"x"}"#,
    r#"{"prefix":{"equals-ignore-case":"xY"}}"#,
    r#"{"suffix":{"equals-ignore-case":"X"}}"#,
    r#"{"equals-ignore-case":"Xy"}"#,
    r#"{"equals-ignore-case":"é"}"#,
    r#"{"wildcard":"x*"}"#,
    r#"{"wildcard":"*y*"}"#,
    r#"{"wildcard":"x*x"}"#,
    r#"{"wildcard":"\\*"}"#,
    r#"{"wildcard":"*\\\\*"}"#,
    r#"{"anything-but":"x"}"#,
    r#"{"anything-but":["x","xy","yx"]}"#,
    r#"{"anything-but":1}"#,
    r#"{"anything-but":[1.0,100,0]}"#,
    r#"{"anything-but":{"prefix":"x"}}"#,
    r#"{"anything-but":{"suffix":["x","y"]}}"#,
    r#"{"anything-but":{"equals-ignore-case":["X"]}}"#,
    r#"{"anything-but":{"wildcard":"*y*"}}"#,
    r#"{"exists":true}"#,
    r#"{"exists":false}"#,
    r#"{"numeric":[">",0,"<=",2.5]}"#,
    r#"{"numeric":["<",1]}"#,
    r#"{"numeric":["=",1e2]}"#,
    r#"{"cidr":"10.0.0.0/8"}"#,
];

fn object(members: impl IntoIterator<Item = (String, String)>) -> String {
    let members = members.into_iter();
    let members: Vec<String> = members
        .map(|(name, json)| format!("{name:?}:{json}"))
        .collect();
    format!("{{{}}}", members.join(","))
}

fn name() -> impl Strategy<Value = String> {
    select(&NAMES[..]).prop_map(str::to_owned)
}

fn json() -> impl Strategy<Value = String> {
    let value = select(&VALUES[..]).prop_map(str::to_owned);
    value.prop_recursive(4, 40, 4, |inner| {
        let members = prop::collection::btree_map(name(), inner.clone(), 0..4);
        let items = prop::collection::vec(inner, 0..4);
        prop_oneof![
            3 => members.prop_map(object),
            2 => items.prop_map(|items| format!("[{}]", items.join(" , "))),
        ]
    })
}

fn tests() -> impl Strategy<Value = String> {
    let test = prop_oneof![
        2 => select(&VALUES[..]),
        3 => select(&OPERATORS[..]),
        2 => Just(r#"{"exists":true}"#),
        2 => Just(r#"{"exists":false}"#),
        2 => Just(r#"{"anything-but":"xy"}"#),
    ];
    prop::collection::vec(test, 1..4).prop_map(|tests| format!("[{}]", tests.join(", ")))
}

/// What a pattern asks of an object; sometimes more than once for the same field.
fn fields() -> impl Strategy<Value = String> {
    let leaf = prop::collection::btree_map(name(), tests(), 1..3).prop_map(object);
    leaf.prop_recursive(4, 24, 3, |inner| {
        let field = prop_oneof![tests(), inner.clone()];
        let choice = prop::collection::vec(inner, 2..4);
        let choice = choice.prop_map(|all| ("$or".to_owned(), format!("[{}]", all.join(","))));
        (
            prop::collection::btree_map(name(), field, 1..3),
            prop::option::weighted(0.25, choice),
        )
            .prop_map(|(fields, choice)| object(fields.into_iter().chain(choice)))
    })
}

fn attribute_tests() -> impl Strategy<Value = String> {
    let test = select(
        &[
            r#""x""#,
            r#""xy""#,
            r#""yx""#,
            r#"{"prefix":"x"}"#,
            r#"{"prefix":"xy"}"#,
            r#"{"prefix":""}"#,
            r#"{"wildcard":"x*"}"#,
            r#"{"wildcard":"*x"}"#,
            r#"{"suffix":"x"}"#,
            r#"{"anything-but":"x"}"#,
            r#"{"exists":true}"#,
            r#"{"exists":false}"#,
            "1",
            "null",
            r#"{"numeric":["<",1]}"#,
            r#"{"prefix":{"equals-ignore-case":"X"}}"#,
        ][..],
    );
    prop::collection::vec(test, 1..3).prop_map(|tests| format!("[{}]", tests.join(",")))
}

/// A pattern over attributes and data, with `$or` at the top now and then.
fn pattern() -> impl Strategy<Value = String> {
    let attribute = select(&["type", "source", "subject", "n"][..]).prop_map(str::to_owned);
    let attributes = || prop::collection::btree_map(attribute.clone(), attribute_tests(), 0..3);
    let data = || prop::option::weighted(0.6, prop_oneof![4 => fields(), 1 => tests()]);
    let members = move || {
        (attributes(), data()).prop_map(|(mut members, data)| {
            members.extend(data.map(|data| ("data".to_owned(), data)));
            members
        })
    };
    let filled = |members: &std::collections::BTreeMap<String, String>| !members.is_empty();
    let alternative = members().prop_filter_map("empty", move |members| {
        filled(&members).then(|| object(members))
    });
    let choice = prop::option::weighted(0.3, prop::collection::vec(alternative, 2..4));
    (members(), choice).prop_filter_map("empty", |(mut members, choice)| {
        members.extend(choice.map(|all| ("$or".to_owned(), format!("[{}]", all.join(",")))));
        (!members.is_empty()).then(|| object(members))
    })
}

fn event() -> impl Strategy<Value = String> {
    let text = || select(&["x", "xy", "xyx", "yx", "z"][..]);
    let data = prop_oneof![
        8 => json().prop_map(|json| format!(r#","data":{json}"#)),
        1 => Just(r#","data_base64":"eA==""#.to_owned()),
        1 => Just(String::new()),
    ];
    let subject = prop::option::of(text());
    (text(), text(), subject, prop::option::of(0..2), data).prop_map(|(event_type, source, subject, n, data)| {
        let subject = subject.map(|text| format!(r#","subject":"{text}""#)).unwrap_or_default();
        let n = n.map(|n| format!(r#","n":{n}"#)).unwrap_or_default();
        format!(r#"{{"specversion":"1.0","id":"1","type":"{event_type}","source":"{source}"{subject}{n}{data}}}"#)
    })
}

fn parsed(event: &str) -> CloudEvent {
    CloudEvent::from_structured(event.as_bytes()).unwrap()
}

/// A pattern on data alone: the hardest part.
fn data_pattern() -> impl Strategy<Value = String> {
    fields().prop_map(|fields| format!(r#"{{"data":{fields}}}"#))
}

fn agrees_with_reference(pattern: &str, event: &str) -> Result<(), TestCaseError> {
    let expected = pattern_reference::is_met(pattern, event);
    let found = Pattern::parse(pattern);
    match (&expected, &found) {
        (Some(expected), Ok(found)) => {
            let event = parsed(event);
            prop_assert_eq!(found.matches(&EventDocument::of(&event)), *expected);
        }
        (None, Err(_)) => {}
        _ => prop_assert!(false, "{:?} but {:?}", expected, found),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn the_evaluator_agrees_with_the_reference_about_data(pattern in data_pattern(), event in event()) {
        agrees_with_reference(&pattern, &event)?;
    }

    #[test]
    fn the_evaluator_agrees_with_the_reference_about_events(pattern in pattern(), event in event()) {
        agrees_with_reference(&pattern, &event)?;
    }

    #[test]
    fn an_explanation_says_why_and_only_of_what_is_missed(pattern in pattern(), event in event()) {
        let Ok(pattern) = Pattern::parse(&pattern) else { return Ok(()) };
        let event = parsed(&event);
        let document = EventDocument::of(&event);
        match pattern.explain(&document) {
            Verdict::Matched => prop_assert!(pattern.matches(&document)),
            Verdict::Missed(Decision { field, test, .. }) => {
                prop_assert!(!pattern.matches(&document));
                let last = field.rsplit_once('.').map_or(field.as_str(), |(_, last)| last);
                let last = if last == "e" { "d.e" } else { last };
                prop_assert!(pattern.as_json().contains(&format!("{last:?}:{test}")), "{} {}", field, test);
            }
        }
    }

    #[test]
    fn the_text_of_a_pattern_is_the_pattern(pattern in pattern(), event in event()) {
        let Ok(first) = Pattern::parse(&pattern) else { return Ok(()) };
        let again = Pattern::from_stored(first.as_json()).unwrap();
        prop_assert_eq!(&again, &first);
        prop_assert_eq!(again.as_json(), first.as_json());
        let event = parsed(&event);
        let document = EventDocument::of(&event);
        prop_assert_eq!(again.matches(&document), first.matches(&document));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_index_finds_what_evaluating_each_pattern_finds(
        patterns in prop::collection::vec(pattern(), 0..60),
        events in prop::collection::vec(event(), 1..10),
    ) {
        let patterns: Vec<Pattern> = patterns.iter().filter_map(|text| Pattern::parse(text).ok()).collect();
        let index = PatternIndex::new(&patterns);
        for event in events {
            let event = parsed(&event);
            let document = EventDocument::of(&event);
            let places = 0..patterns.len();
            let expected: Vec<usize> = places.filter(|place| patterns[*place].matches(&document)).collect();
            prop_assert_eq!(index.matching(&EventDocument::of(&event)), expected.clone());
            let candidates = index.candidates(&document);
            prop_assert!(candidates.is_sorted() && expected.iter().all(|place| candidates.contains(place)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_parsing_panic(text in any::<String>()) {
        let _answer: Result<Pattern, _> = Pattern::parse(&text);
    }

    #[test]
    fn no_json_makes_parsing_panic(
        text in json(),
        wrapped in select(&["{}", r#"{"a":{}}"#, r#"{"a":[{}]}"#, r#"{"$or":{}}"#, r#"{"$or":[{},{}]}"#, r#"{"a":[{"anything-but":{}}]}"#,
            r#"{"a":[{"numeric":{}}]}"#, r#"{"a":[{"prefix":{}}]}"#, r#"{"a":[{"anything-but":{"wildcard":{}}}]}"#][..]),
    ) {
        let _answer: Result<Pattern, _> = Pattern::parse(&wrapped.replace("{}", &text));
    }

    #[test]
    fn no_damage_to_a_pattern_makes_parsing_panic(pattern in pattern(), at in any::<prop::sample::Index>(), with in "[\\PC\\\\\"\\[\\]{}:,*0-9$-]{0,3}") {
        let mut characters: Vec<char> = pattern.chars().collect();
        let at = at.index(characters.len());
        characters.splice(at..=at, with.chars());
        let damaged: String = characters.into_iter().collect();
        if let Ok(read) = Pattern::parse(&damaged) {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&damaged).is_ok());
            prop_assert_eq!(Pattern::parse(read.as_json()).unwrap(), read);
        }
    }
}

/// The properties above show little if nothing is ever met.
#[test]
fn the_generators_make_hits_and_misses_and_refusals() {
    let mut runner = TestRunner::deterministic();
    let (mut met, mut missed, mut refused) = (0, 0, 0);
    for _ in 0..2_000 {
        let (pattern, event) = (data_pattern(), event())
            .new_tree(&mut runner)
            .unwrap()
            .current();
        match pattern_reference::is_met(&pattern, &event) {
            Some(true) => met += 1,
            Some(false) => missed += 1,
            None => refused += 1,
        }
    }
    assert!(
        met > 300 && missed > 300 && refused > 20,
        "{met} met, {missed} missed, {refused} refused"
    );
}
