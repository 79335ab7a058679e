//! What bodies of replays and redrives are taken for, and which are refused and why.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use pillarbox_domain::TenantId;
use pillarbox_domain::job::request::{redrive, replay};
use pillarbox_domain::job::{Job, JobId, JobSpec, JobState, SETTLING, ShownJob, Target, Work};
use pillarbox_domain::letters::StateName;
use pillarbox_domain::limits::{
    MAX_CORRELATION_ID_BYTES, MAX_ERROR_CLASS_BYTES, MAX_ERROR_MESSAGE_BYTES, MAX_EVENT_KEY_BYTES,
    MAX_EVENTS_PER_SECOND, MAX_JOB_LEAD, MAX_RAMP_SECONDS, MAX_TYPE_PATTERNS,
};
use pillarbox_domain::subscription::request::FieldFault;
use proptest::prelude::*;
use serde_json::{Value, json};
use time::UtcDateTime;
use time::macros::utc_datetime;

const NOW: UtcDateTime = utc_datetime!(2026-11-23 12:00:00.0005);
const PREFIX: &str = "pb-sub-";
const FROM: &str = "2026-11-23T08:00:00Z";
const QUEUE: &str = "https://sqs.test/1/pb-sub-orders";

fn replayed(body: &Value) -> Result<JobSpec, Vec<FieldFault>> {
    replay(body, PREFIX, NOW)
}

fn redriven(body: &Value) -> Result<JobSpec, Vec<FieldFault>> {
    redrive(body, NOW)
}

/// A replay that is right, with these members over it.
fn replay_with(members: Value) -> Value {
    let mut body = json!({ "filter": { "from": FROM }, "target": { "all": true } });
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn filter_with(members: Value) -> Value {
    let mut filter = json!({ "from": FROM });
    for (name, value) in members.as_object().unwrap() {
        filter[name] = value.clone();
    }
    replay_with(json!({ "filter": filter }))
}

fn fields(read: &Result<JobSpec, Vec<FieldFault>>) -> Vec<&str> {
    let faults = read.as_ref().unwrap_err();
    faults.iter().map(|fault| fault.field.as_str()).collect()
}

fn shown(spec: &JobSpec) -> Value {
    let id = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f".parse().unwrap();
    let tenant: TenantId = "demo".parse().unwrap();
    let job = Job::asked_for(tenant, JobId::new(id), spec.clone(), NOW);
    serde_json::to_value(ShownJob {
        job: &job,
        now: NOW,
    })
    .unwrap()
}

#[test]
fn the_set_ends_now_though_nobody_says_so() {
    let spec = replayed(&replay_with(json!({}))).unwrap();
    let (from, to) = spec.range.times();
    assert_eq!(from, Some(utc_datetime!(2026-11-23 8:00)));
    // An event of this very millisecond may still come in, so it is none of the set.
    assert_eq!(to, Some(utc_datetime!(2026-11-23 12:00)));
    assert_eq!(spec.wait(NOW), SETTLING);
}

#[test]
fn an_end_in_the_past_is_kept_and_one_far_away_is_now() {
    for (to, expected) in [
        ("2026-11-23T10:00:00+01:00", utc_datetime!(2026-11-23 9:00)),
        ("2026-11-23T12:00:30.001Z", utc_datetime!(2026-11-23 12:00)),
        ("9999-12-31T23:59:59Z", utc_datetime!(2026-11-23 12:00)),
    ] {
        let spec = replayed(&filter_with(json!({ "to": to }))).unwrap();
        assert_eq!(spec.range.times().1, Some(expected), "{to}");
        assert_eq!(spec.wait(NOW), SETTLING);
    }
}

#[test]
fn an_end_within_moments_is_waited_for() {
    let near = filter_with(json!({ "to": "2026-11-23T12:00:30Z" }));
    let spec = replayed(&near).unwrap();
    assert_eq!(
        spec.range.times().1,
        Some(utc_datetime!(2026-11-23 12:00:30))
    );
    let wait = spec.wait(NOW) - SETTLING;
    assert!(
        wait <= MAX_JOB_LEAD && wait > MAX_JOB_LEAD - Duration::from_millis(1),
        "{wait:?}"
    );
}

#[test]
fn a_replay_of_one_operation_needs_no_beginning() {
    let body = json!({ "filter": { "correlation_id": "sync-42" }, "target": { "all": true } });
    let spec = replayed(&body).unwrap();
    assert_eq!(spec.range.times().0, None);
    assert_eq!(shown(&spec)["filter"].get("from"), None);
}

#[test]
fn a_dry_run_goes_to_nobody_so_it_need_not_say_to_whom() {
    let body = json!({ "filter": { "from": FROM }, "dry_run": true });
    let spec = replayed(&body).unwrap();
    assert!(spec.dry_run);
    let wrong = json!({ "filter": { "from": FROM }, "dry_run": true, "target": {} });
    assert_eq!(fields(&replayed(&wrong)), ["target"]);
}

#[test]
fn each_target_is_read() {
    let target = |target: Value| match replayed(&replay_with(json!({ "target": target }))) {
        Ok(JobSpec {
            work: Work::Replay { target, .. },
            ..
        }) => target,
        other => panic!("{other:?}"),
    };
    assert_eq!(target(json!({ "all": true })), Target::All);
    assert_eq!(
        target(json!({ "subscription": "orders", "all": null })),
        Target::Subscription("orders".parse().unwrap())
    );
    assert_eq!(
        target(json!({ "queue_url": QUEUE })),
        Target::Queue(QUEUE.parse().unwrap())
    );
}

#[test]
fn a_redrive_is_of_open_letters_and_of_all_when_nothing_is_said() {
    for body in [json!({}), json!({ "filter": { "state": "OPEN" } })] {
        let spec = redriven(&body).unwrap();
        let Work::Redrive { filter } = &spec.work else {
            panic!("{spec:?}");
        };
        assert_eq!(filter.state, Some(StateName::Open));
        assert_eq!(
            spec.range.times(),
            (None, Some(utc_datetime!(2026-11-23 12:00)))
        );
        assert_eq!(spec.named_subscription(&"demo".parse().unwrap()), None);
    }
}

#[test]
fn the_subscription_that_has_to_be_there_is_named_with_its_owner() {
    let demo: TenantId = "demo".parse().unwrap();
    for (subscription, is_bus) in [("orders", false), ("_audit", true)] {
        let replay = replay_with(json!({ "target": { "subscription": subscription } }));
        let spec = replayed(&replay).unwrap();
        let (field, id, owner) = spec.named_subscription(&demo).unwrap();
        // A tenant's own of that name is never there.
        assert_eq!(
            (field, id.as_str(), owner),
            ("target.subscription", subscription, demo.clone())
        );
        let spec = redriven(&json!({ "filter": { "subscription": subscription } })).unwrap();
        let (field, id, owner) = spec.named_subscription(&demo).unwrap();
        assert_eq!(
            (field, id.as_str(), owner.is_bus()),
            ("filter.subscription", subscription, is_bus)
        );
    }
}

#[test]
fn numbers_are_whole_however_they_are_spelled() {
    let body = replay_with(json!({ "max_events_per_second": 500.0, "ramp_seconds": 60 }));
    let spec = replayed(&body).unwrap();
    assert_eq!(spec.max_events_per_second, Some(500));
    assert_eq!(spec.ramp, Some(Duration::from_secs(60)));
}

/// Bodies of replays that are wrong, and the one member that is told.
fn refused_replays() -> Vec<(&'static str, Value)> {
    let of_types = |types| filter_with(json!({ "types": types }));
    let of_target = |target| replay_with(json!({ "target": target }));
    let paced =
        |rate, ramp| replay_with(json!({ "max_events_per_second": rate, "ramp_seconds": ramp }));
    vec![
        ("colour", replay_with(json!({ "colour": "red" }))),
        ("filter", replay_with(json!({ "filter": "order.*" }))),
        ("filter.colour", filter_with(json!({ "colour": null }))),
        ("filter.types", of_types(json!([]))),
        ("filter.types", of_types(json!("order.*"))),
        (
            "filter.types",
            of_types(json!(vec!["a"; MAX_TYPE_PATTERNS + 1])),
        ),
        ("filter.types[1]", of_types(json!(["a", "*.created"]))),
        ("filter.types[0]", of_types(json!([7]))),
        ("filter.source", filter_with(json!({ "source": "" }))),
        (
            "filter.source",
            filter_with(json!({ "source": "x".repeat(MAX_EVENT_KEY_BYTES + 1) })),
        ),
        ("filter.source", filter_with(json!({ "source": ["/shop"] }))),
        (
            "filter.correlation_id",
            filter_with(json!({ "correlation_id": "" })),
        ),
        (
            "filter.correlation_id",
            filter_with(json!({ "correlation_id": "x".repeat(MAX_CORRELATION_ID_BYTES + 1) })),
        ),
        ("filter.from", filter_with(json!({ "from": null }))),
        ("filter.from", replay_with(json!({ "filter": null }))),
        ("filter.from", replay_with(json!({ "filter": {} }))),
        ("filter.from", filter_with(json!({ "from": "yesterday" }))),
        ("filter.from", filter_with(json!({ "from": 1_700_000_000 }))),
        // The future, and the end that is now.
        (
            "filter.from",
            filter_with(json!({ "from": "2026-11-23T12:00:00Z" })),
        ),
        (
            "filter.from",
            filter_with(json!({ "from": "2026-11-23T12:00:10Z", "to": "2026-11-23T12:00:20Z" })),
        ),
        (
            "filter.from",
            filter_with(json!({ "from": "2027-01-01T00:00:00Z" })),
        ),
        // Empty and inverted.
        ("filter.from", filter_with(json!({ "to": FROM }))),
        (
            "filter.from",
            filter_with(json!({ "to": "2026-11-23T07:59:59Z" })),
        ),
        (
            "filter.from",
            filter_with(json!({
                "from": "2026-11-23T08:00:00.0001Z", "to": "2026-11-23T08:00:00.0002Z",
            })),
        ),
        (
            "filter.to",
            filter_with(json!({
                "from": null, "correlation_id": "a", "to": "1969-12-31T00:00:00Z",
            })),
        ),
        ("filter.to", filter_with(json!({ "to": "tomorrow" }))),
        (
            "filter.to",
            filter_with(json!({ "to": "9999-12-31T23:59:59-01:00" })),
        ),
        ("target", of_target(json!(null))),
        ("target", of_target(json!({}))),
        ("target", of_target(json!("all"))),
        (
            "target",
            of_target(json!({ "all": true, "subscription": "orders" })),
        ),
        (
            "target",
            of_target(json!({ "subscription": "orders", "queue_url": QUEUE })),
        ),
        ("target.all", of_target(json!({ "all": false }))),
        ("target.all", of_target(json!({ "all": "true" }))),
        (
            "target.queue",
            of_target(json!({ "all": true, "queue": QUEUE })),
        ),
        (
            "target.subscription",
            of_target(json!({ "subscription": "Orders" })),
        ),
        (
            "target.subscription",
            of_target(json!({ "subscription": 1 })),
        ),
        (
            "target.queue_url",
            of_target(json!({ "queue_url": "orders" })),
        ),
        (
            "target.queue_url",
            of_target(json!({ "queue_url": "https://sqs.test/1/orders" })),
        ),
        ("max_events_per_second", paced(json!(0), json!(null))),
        (
            "max_events_per_second",
            paced(json!(MAX_EVENTS_PER_SECOND + 1), json!(null)),
        ),
        ("max_events_per_second", paced(json!(1.5), json!(null))),
        ("max_events_per_second", paced(json!("5"), json!(null))),
        ("ramp_seconds", paced(json!(5), json!(0))),
        ("ramp_seconds", paced(json!(5), json!(MAX_RAMP_SECONDS + 1))),
        ("ramp_seconds", paced(json!(5), json!(-1))),
        ("ramp_seconds", paced(json!(null), json!(60))),
        ("dry_run", replay_with(json!({ "dry_run": "yes" }))),
    ]
}

#[test]
fn what_is_wrong_with_a_replay_is_told_by_its_member() {
    for (field, body) in refused_replays() {
        assert_eq!(fields(&replayed(&body)), [field], "{body}");
    }
    assert_eq!(
        fields(&replayed(&json!([]))),
        ["body", "filter.from", "target"]
    );
}

#[test]
fn what_is_wrong_with_a_redrive_is_told_by_its_member() {
    let of = |filter: Value| json!({ "filter": filter });
    let cases = [
        ("target", json!({ "target": { "all": true } })),
        ("filter", of(json!([]))),
        ("filter.source", of(json!({ "source": "/shop" }))),
        ("filter.event_id", of(json!({ "event_id": "1" }))),
        ("filter.types", of(json!({ "types": [] }))),
        ("filter.types[0]", of(json!({ "types": ["a*b*"] }))),
        ("filter.subscription", of(json!({ "subscription": "A" }))),
        ("filter.error_class", of(json!({ "error_class": "" }))),
        (
            "filter.error_class",
            of(json!({ "error_class": "x".repeat(MAX_ERROR_CLASS_BYTES + 1) })),
        ),
        (
            "filter.text",
            of(json!({ "text": "x".repeat(MAX_ERROR_MESSAGE_BYTES + 1) })),
        ),
        ("filter.from", of(json!({ "from": "9999-01-01T00:00:00Z" }))),
        ("filter.to", of(json!({ "to": "1970-01-01T00:00:00Z" }))),
        ("filter.state", of(json!({ "state": "REDRIVEN" }))),
        ("filter.state", of(json!({ "state": "DISCARDED" }))),
        ("filter.state", of(json!({ "state": "open" }))),
        (
            "max_events_per_second",
            json!({ "max_events_per_second": 0 }),
        ),
        ("ramp_seconds", json!({ "ramp_seconds": 5 })),
        ("dry_run", json!({ "dry_run": 1 })),
    ];
    for (field, body) in cases {
        assert_eq!(fields(&redriven(&body)), [field], "{body}");
    }
}

#[test]
fn every_fault_is_told_at_once() {
    let body = json!({
        "filter": { "types": ["ok", "*x"], "source": 1, "from": "never", "to": "x", "correlation_id": "" },
        "target": { "subscription": "!" },
        "max_events_per_second": 0,
        "ramp_seconds": 0,
        "dry_run": 0,
        "more": true,
    });
    let told = [
        "more",
        "filter.types[1]",
        "filter.source",
        "filter.correlation_id",
        "filter.from",
        "filter.to",
        "max_events_per_second",
        "ramp_seconds",
        "dry_run",
        "target.subscription",
    ];
    assert_eq!(fields(&replayed(&body)), told);
}

#[test]
fn a_new_job_has_nothing_planned_and_is_asked_for_to_the_millisecond() {
    let spec = replayed(&replay_with(json!({}))).unwrap();
    let id = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f".parse().unwrap();
    let job = Job::asked_for("demo".parse().unwrap(), JobId::new(id), spec.clone(), NOW);
    assert_eq!(job.state, JobState::Planning);
    assert_eq!(
        (job.plan.rest, job.plan.is_whole),
        (Some(spec.range), false)
    );
    assert_eq!(job.created_at, utc_datetime!(2026-11-23 12:00));
}

fn some<T: std::fmt::Debug>(of: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    proptest::option::of(of)
}

fn types() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec("[a-z.]{1,8}\\*?", 1..4)
}

fn any_time() -> impl Strategy<Value = String> {
    // Up to the hour before now, with fractions of milliseconds.
    (0_i64..1_795_431_600, 0_u32..1_000_000_000).prop_map(|(second, nanosecond)| {
        let at = UtcDateTime::from_unix_timestamp(second).unwrap();
        let at = at.replace_nanosecond(nanosecond).unwrap();
        at.format(&time::format_description::well_known::Rfc3339)
            .unwrap()
    })
}

fn targets() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({ "all": true })),
        "[a-z][a-z-]{0,20}".prop_map(|id| json!({ "subscription": id })),
        "[a-z]{1,20}"
            .prop_map(|name| json!({ "queue_url": format!("https://sqs/1/pb-sub-{name}") })),
    ]
}

prop_compose! {
    fn pace()(rate in some(1..=MAX_EVENTS_PER_SECOND), ramp in some(1..=MAX_RAMP_SECONDS), dry_run: bool) -> Value {
        let ramp = rate.and(ramp);
        json!({ "max_events_per_second": rate, "ramp_seconds": ramp, "dry_run": dry_run })
    }
}

/// The request that a job shows, with no more than a caller may say.
fn asked_again(shown: &Value, is_replay: bool) -> Value {
    let mut body = json!({});
    for name in ["filter", "max_events_per_second", "ramp_seconds", "dry_run"] {
        body[name] = shown[name].clone();
    }
    if is_replay {
        body["target"] = shown["target"].clone();
    }
    body
}

proptest! {
    #[test]
    fn a_replay_that_is_accepted_is_shown_as_it_was_asked_for(
        types in some(types()), source in some("[ -~]{1,30}"), correlation_id in some("[ -~]{1,30}"),
        from in some(any_time()), to in some(any_time()), target in targets(), pace in pace(),
    ) {
        let mut body = pace;
        body["filter"] = json!({
            "types": types, "source": source, "correlation_id": correlation_id, "from": from, "to": to,
        });
        body["target"] = target;
        if let Ok(spec) = replayed(&body) {
            let shown = shown(&spec);
            for name in ["types", "source", "correlation_id"] {
                prop_assert_eq!(shown["filter"].get(name).unwrap_or(&Value::Null), &body["filter"][name]);
            }
            prop_assert_eq!(&shown["target"], &body["target"]);
            // Asked again an hour later, it is of the same events.
            let later = NOW + Duration::from_secs(3_600);
            prop_assert_eq!(replay(&asked_again(&shown, true), PREFIX, later), Ok(spec));
        }
    }

    #[test]
    fn a_redrive_that_is_accepted_is_shown_as_it_was_asked_for(
        types in some(types()), subscription in some("_?[a-z][a-z-]{0,20}"), error_class in some("[A-Za-z]{1,30}"),
        text in some("[ -~]{1,30}"), from in some(any_time()), to in some(any_time()), pace in pace(),
    ) {
        let mut body = pace;
        body["filter"] = json!({
            "types": types, "subscription": subscription, "error_class": error_class, "text": text,
            "from": from, "to": to,
        });
        if let Ok(spec) = redriven(&body) {
            let shown = shown(&spec);
            for name in ["types", "subscription", "error_class", "text"] {
                prop_assert_eq!(shown["filter"].get(name).unwrap_or(&Value::Null), &body["filter"][name]);
            }
            let later = NOW + Duration::from_secs(3_600);
            prop_assert_eq!(redrive(&asked_again(&shown, false), later), Ok(spec));
        }
    }
}
