//! A query as a caller writes it: what is wrong with it is told.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use pillarbox_domain::event_query::EventQuery;
use pillarbox_domain::limits::{MAX_CORRELATION_ID_BYTES, MAX_EVENT_KEY_BYTES, MAX_PAGE_EVENTS};
use pillarbox_testkit::builders::tenant;

fn faults(parameters: &[(&str, &str)]) -> Vec<String> {
    let parameters = parameters.iter();
    let owned = parameters.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let owned: Vec<(String, String)> = owned.collect();
    let faults = EventQuery::parse(&tenant("demo"), &owned).unwrap_err();
    faults.iter().map(ToString::to_string).collect()
}

#[test]
fn every_fault_of_a_query_is_told_at_once() {
    let told = faults(&[
        ("type", "a*b"),
        ("from", "yesterday"),
        ("to", "2026-11-23"),
        ("limit", "101"),
        ("order", "up"),
        ("sort", "x"),
        ("source", ""),
        ("type", "b"),
        ("cursor", "x"),
    ]);
    assert_eq!(
        told,
        [
            "sort is not a parameter of this query",
            "type is given twice",
            "type must be 1 to 256 bytes, with * at the end only",
            "source must not be empty",
            "from must be a time (RFC 3339), as in 2026-11-23T08:00:00Z; a + in it is written %2B",
            "to must be a time (RFC 3339), as in 2026-11-23T08:00:00Z; a + in it is written %2B",
            "order must be newest or oldest",
            "limit must be 1 to 100",
        ]
    );
}

#[test]
fn every_limit_of_a_query_is_told() {
    let source = "x".repeat(MAX_EVENT_KEY_BYTES + 1);
    let correlation_id = "x".repeat(MAX_CORRELATION_ID_BYTES + 1);
    let over = (MAX_PAGE_EVENTS + 1).to_string();
    for (name, value, limit) in [
        ("limit", "0", "1 to 100"),
        ("limit", &*over, "1 to 100"),
        ("limit", "-1", "1 to 100"),
        ("limit", "ten", "1 to 100"),
        ("source", &*source, "1900 bytes"),
        ("correlation_id", &*correlation_id, "512 bytes"),
        ("from", "2026-02-30T00:00:00Z", "RFC 3339"),
        ("to", "9999-12-31T23:59:59-12:00", "RFC 3339"),
    ] {
        let told = faults(&[(name, value)]);
        assert!(told.len() == 1 && told[0].contains(limit), "{told:?}");
    }
    let beyond = [
        ("from", "2026-11-23T09:00:00Z"),
        ("to", "2026-11-23T09:30:00+01:00"),
    ];
    assert_eq!(faults(&beyond), ["from must not be later than to"]);
}
