//! `pillarbox doctor` and `top`, the binary itself, against a real HTTP server.
#![allow(
    clippy::unwrap_used,
    reason = "a helper of tests that fails is a test that fails"
)]

mod support;

use serde_json::{Value, json};
use support::*;
use tokio::process::Command;

fn check(name: &str, status: &str, message: &str, value: u64) -> Value {
    json!({
        "name": name, "status": status, "message": message,
        "figure": { "value": value, "unit": "count", "is_at_least": name == "pending_events" },
    })
}

fn well() -> Vec<Value> {
    vec![
        check(
            "pending_events",
            "ok",
            "At least 3 events wait to be handed over.",
            3,
        ),
        check(
            "dispatch_lag",
            "ok",
            "The first event that waits does so for 2 s.",
            2,
        ),
        check("retries", "ok", "No delivery is tried again.", 0),
        check("dead_letters", "ok", "No dead letter is open.", 0),
        check(
            "suspended_subscriptions",
            "ok",
            "No subscription is suspended.",
            0,
        ),
    ]
}

fn examination(status: &str, checks: &[Value]) -> Reply {
    let body = json!({
        "status": status, "checked_at": "2026-11-23T12:00:00Z", "checks": checks,
    });
    answer(200, &body.to_string())
}

fn unwell() -> Reply {
    let mut checks = well();
    checks[1] = check(
        "dispatch_lag",
        "fail",
        "The first event that waits does so for 7 min 0 s.",
        420,
    );
    checks[3] = check(
        "dead_letters",
        "warn",
        "2 dead letters are open, the first for 1 h 5 min.",
        2,
    );
    examination("fail", &checks)
}

fn totals() -> Value {
    json!({
        "events": 3_720, "handed_over": 3_718, "withheld": 0, "unrouted": 12, "deliveries": 7_424,
        "deliveries_withheld": 0, "retried": 3, "retries": 5, "retrying": 0, "recovered": 2, "dead_lettered": 1,
        "events_per_second": 12.4, "success_rate": 0.999_865, "retry_rate": 0.000_404, "failure_rate": 0.000_135,
        "latency_ms": { "p50": 41, "p95": 120, "p99": 310, "max": 1_250 },
    })
}

fn stats() -> Reply {
    let mut of_type = totals();
    of_type["type"] = json!("order.created");
    let mut rare = totals();
    rare["type"] = json!("price.changed");
    rare["events"] = json!(4);
    rare["latency_ms"] = Value::Null;
    let points = [0.0, 3.0, 12.4, 24.8, 12.4];
    let series = points.map(|rate| json!({ "events_per_second": rate, "latency_ms": null }));
    let body = json!({
        "tenant": "demo", "from": "2026-11-23T11:55:00Z", "to": "2026-11-23T12:00:00Z",
        "is_complete": true, "step_minutes": 1, "total": totals(), "types": [of_type, rare],
        "types_left_out": 0, "series": series, "failures_are_at_least": false,
    });
    answer(200, &body.to_string())
}

fn forbidden() -> Reply {
    problem(
        403,
        r#"{"title":"Forbidden","detail":"needs the scope admin"}"#,
    )
}

fn busy_without_patience() -> Reply {
    problem(
        503,
        r#"{"title":"Busy","detail":"the database is throttled"}"#,
    )
}

async fn ran_on(bus: &Bus, arguments: &[&str]) -> Ran {
    run(pillarbox_on(bus, arguments), b"").await
}

#[tokio::test]
async fn a_bus_that_is_well_is_told_in_a_line() {
    let bus = Bus::answering(|_, _| examination("ok", &well())).await;
    let ran = ran_on(&bus, &["doctor"]).await;
    assert_eq!((ran.code, &*ran.stderr), (0, ""));
    assert_eq!(ran.stdout, "all 5 checks are fine\n");
    assert!(bus.requests()[0].path.ends_with("/v1/health/deep"));
    let all = ran_on(&bus, &["doctor", "--all"]).await;
    assert_eq!(all.stdout.lines().count(), 7, "{}", all.stdout);
}

#[tokio::test]
async fn each_finding_is_told_with_what_to_do_and_a_failure_ends_with_1() {
    let bus = Bus::answering(|_, _| unwell()).await;
    let ran = ran_on(&bus, &["doctor"]).await;
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!(ran.stdout, @r"
    fail  dispatch_lag  The first event that waits does so for 7 min 0 s.
                        Unless dispatch is off, its function fails or is throttled: look at its log and at its iterator age.
    warn  dead_letters  2 dead letters are open, the first for 1 h 5 min.
                        `pillarbox dead-letters ls --state open` shows why; mend the cause, then redrive or discard.

    3 checks are fine, 1 to look at, 1 failed
    ");
    assert_eq!(
        ran.stderr,
        "error: 1 check failed: docs/health.md says what each means\n"
    );
}

#[tokio::test]
async fn what_only_should_be_looked_at_is_no_failure() {
    let checks = [check("sweep", "warn", "It has not run yet.", 0)];
    let bus = Bus::answering(move |_, _| examination("warn", &checks)).await;
    let ran = ran_on(&bus, &["doctor"]).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stdout
            .contains("0 checks are fine, 1 to look at, 0 failed"),
        "{}",
        ran.stdout
    );
}

#[tokio::test]
async fn as_json_it_is_the_answer_as_it_came() {
    let bus = Bus::answering(|_, _| unwell()).await;
    let ran = ran_on(&bus, &["doctor", "--json"]).await;
    assert_eq!(ran.code, 1);
    assert_eq!(ran.json()["status"], "fail");
    assert_eq!(ran.json()["checks"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn a_tenant_s_key_is_refused_in_the_bus_s_words() {
    let bus = Bus::answering(|_, _| forbidden()).await;
    let ran = ran_on(&bus, &["doctor"]).await;
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("needs the scope admin"),
        "{}",
        ran.stderr
    );
}

fn is_stats(request: &Request) -> bool {
    request.path.contains("/v1/stats?")
}

#[tokio::test]
async fn top_draws_rates_latencies_and_what_waits() {
    let bus = Bus::answering(|_, request| match is_stats(request) {
        true => stats(),
        false => unwell(),
    })
    .await;
    let ran = ran_on(&bus, &["top", "--once"]).await;
    assert_eq!((ran.code, &*ran.stderr), (0, ""));
    insta::assert_snapshot!(ran.stdout, @r"
    pillarbox top  tenant demo, the last 5 m to 2026-11-23T12:00:00Z

    events      12.4/s  3720  ▁▁▄█▄
    deliveries  7424  12 unrouted  0 withheld
    succeeded   99.99 %  3 retried  1 dead
    latency     p50 41 ms  p95 120 ms  p99 310 ms  max 1.2 s

    pending 3+   oldest 7 m   retrying 0   dead letters 2   suspended 0
    failed: dispatch_lag; ask `pillarbox doctor`

     type           events  /s    p50    p95     p99     retried  dead
     order.created  3720    12.4  41 ms  120 ms  310 ms  3        1
     price.changed  4       12.4  -      -       -       3        1
    ");
    let requests = bus.requests();
    let asked = requests.iter().find(|request| is_stats(request)).unwrap();
    assert!(
        asked.path.contains("from=") && asked.path.contains("&to="),
        "{}",
        asked.path
    );
}

#[tokio::test]
async fn top_of_a_tenant_shows_its_own_rates_and_asks_for_the_bus_once() {
    let bus = Bus::answering(|_, request| match is_stats(request) {
        true => stats(),
        false => forbidden(),
    })
    .await;
    let ran = ran_on(&bus, &["top", "--once", "--window", "1h"]).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("the last 1 h to"), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("is shown to its administrators"),
        "{}",
        ran.stdout
    );
}

#[tokio::test]
async fn top_as_json_is_both_answers_as_they_came() {
    let bus = Bus::answering(|_, request| match is_stats(request) {
        true => stats(),
        false => examination("ok", &well()),
    })
    .await;
    let ran = ran_on(&bus, &["top", "--once", "--json", "--tenant", "shop"]).await;
    assert_eq!(ran.json()["stats"]["total"]["events"], 3_720);
    assert_eq!(ran.json()["health"]["status"], "ok");
    let requests = bus.requests();
    let asked = requests.iter().find(|request| is_stats(request)).unwrap();
    assert!(asked.path.ends_with("&tenant=shop"), "{}", asked.path);
}

async fn interrupt(child: &tokio::process::Child) {
    let id = child.id().unwrap().to_string();
    let told = Command::new("kill").args(["-INT", &id]).status().await;
    assert!(told.unwrap().success());
}

#[tokio::test]
async fn top_draws_again_and_again_until_it_is_interrupted_and_asks_again_after_a_failure() {
    let mut bus = Bus::answering(|nth, request| match (is_stats(request), nth) {
        (true, 2) => busy_without_patience(),
        (true, _) => stats(),
        (false, _) => examination("ok", &well()),
    })
    .await;
    let child = pillarbox_on(&bus, &["top", "--every", "1s"])
        .spawn()
        .unwrap();
    for _ in 0..5 {
        bus.arrival().await;
    }
    interrupt(&child).await;
    let ran = finish(child).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let drawn = ran.stdout.matches("pillarbox top").count();
    assert!((2..=4).contains(&drawn), "{drawn}: {}", ran.stdout);
    assert!(ran.stderr.contains("asking again"), "{}", ran.stderr);
}

#[tokio::test]
async fn top_that_gets_no_answer_at_first_ends() {
    let bus = Bus::answering(|_, _| busy_without_patience()).await;
    let ran = ran_on(&bus, &["top"]).await;
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("throttled"), "{}", ran.stderr);
}
