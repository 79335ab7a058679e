//! `pillarbox replay`, `redrive` and `jobs`, the binary itself, against a real HTTP server.
#![allow(
    clippy::unwrap_used,
    reason = "a helper of tests that fails is a test that fails"
)]

mod support;

use serde_json::{Value, json};
use support::*;
use tokio::process::Command;

const ID: &str = "01a20811-3f40-7c55-8a3e-0b1f2a3c4d5e";

/// A job that runs, with these members over it.
fn job(members: Value) -> String {
    let mut job = json!({
        "job_id": ID, "kind": "REPLAY", "state": "RUNNING", "reason": null, "dry_run": false,
        "filter": { "from": "2026-11-01T00:00:00Z", "to": "2026-11-23T10:00:00Z", "types": ["order.*"] },
        "target": { "subscription": "orders" }, "max_events_per_second": 500, "ramp_seconds": 60,
        "schedule": null, "total": 120_000, "done": 30_000, "sent": 29_100, "skipped": 899, "failed": 1,
        "bytes": 25_608_000,
        "estimate": { "bytes": 105_600_000, "bytes_are_sampled": true, "cost_usd": 0.0226 },
        "units": 240, "units_done": 60, "events_per_second": 480.5, "seconds_left": 188,
        "created_at": "2026-11-23T10:00:00.064Z", "started_at": "2026-11-23T10:00:07.31Z",
        "finished_at": null, "expires_at": null,
    });
    for (name, value) in members.as_object().unwrap() {
        job[name] = value.clone();
    }
    job.to_string()
}

fn planning() -> Value {
    json!({
        "state": "PLANNING", "total": null, "done": 0, "sent": 0, "skipped": 0, "failed": 0, "bytes": 0,
        "estimate": null, "events_per_second": null, "seconds_left": null, "started_at": null,
    })
}

fn completed() -> Value {
    json!({
        "state": "COMPLETED", "done": 120_000, "failed": 0, "seconds_left": null,
        "finished_at": "2026-11-23T10:04:17.1Z", "expires_at": "2026-12-23T10:04:17.1Z",
    })
}

fn accepted(members: Value) -> Reply {
    answer(202, &job(members))
}

fn shown(members: Value) -> Reply {
    answer(200, &job(members))
}

async fn ran_on(bus: &Bus, arguments: &[&str]) -> Ran {
    run(pillarbox_on(bus, arguments), b"").await
}

fn calls(bus: &Bus) -> Vec<String> {
    let requests = bus.requests().into_iter();
    requests
        .map(|request| {
            let path = request.path.strip_prefix("/base/$default/v1/").unwrap();
            format!("{} {path}", request.method)
        })
        .collect()
}

#[tokio::test]
async fn replay_is_started_and_followed_to_its_end() {
    let bus = Bus::with_script([
        accepted(planning()),
        shown(planning()),
        shown(json!({})),
        shown(completed()),
    ])
    .await;
    let ran = ran_on(
        &bus,
        &[
            "replay",
            "--type",
            "order.*",
            "--type",
            "price.changed",
            "--source",
            "/shop/7",
            "--from",
            "2026-11-01T00:00:00Z",
            "--to",
            "2026-11-23T10:00:00Z",
            "--correlation-id",
            "sync-42",
            "--to-subscription",
            "orders",
            "--rate",
            "500",
            "--ramp",
            "60",
            "--follow",
        ],
    )
    .await;
    assert_eq!((ran.code, &*ran.stderr), (0, ""));
    insta::assert_snapshot!(ran.stdout, @r#"
    job           01a20811-3f40-7c55-8a3e-0b1f2a3c4d5e
    kind          REPLAY
    state         COMPLETED
    filter        {"from":"2026-11-01T00:00:00Z","to":"2026-11-23T10:00:00Z","types":["order.*"]}
    target        subscription orders
    speed limit   500/s, reached after 60 s
    done          120000 of 120000 events
    sent          29100 messages, 25.61 MB
    skipped       899
    failed        0
    estimate      about 105.60 MB, about $0.023 (list prices of AWS in us-east-1)
    speed         480.5/s
    created       2026-11-23T10:00:00.064Z
    started       2026-11-23T10:00:07.31Z
    finished      2026-11-23T10:04:17.1Z
    kept until    2026-12-23T10:04:17.1Z
    "#);
    let body = json!({
        "filter": {
            "types": ["order.*", "price.changed"], "source": "/shop/7", "correlation_id": "sync-42",
            "from": "2026-11-01T00:00:00Z", "to": "2026-11-23T10:00:00Z",
        },
        "target": { "subscription": "orders" },
        "max_events_per_second": 500,
        "ramp_seconds": 60,
    });
    assert_eq!(bus.requests()[0].json(), body);
    let show = format!("GET jobs/{ID}");
    assert_eq!(calls(&bus), ["POST replays", &show, &show, &show]);
}

#[tokio::test]
async fn each_target_is_sent_and_a_job_that_nobody_watches_tells_how_to() {
    let bus = Bus::answering(|_, _| accepted(planning())).await;
    for (arguments, target) in [
        (&["--all"][..], json!({ "all": true })),
        (
            &["--to-queue", "https://sqs/1/q"],
            json!({ "queue_url": "https://sqs/1/q" }),
        ),
    ] {
        let arguments = [&["replay", "--correlation-id", "a"], arguments].concat();
        let ran = ran_on(&bus, &arguments).await;
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(ran.stdout, format!("job {ID} is PLANNING\n"));
        assert_eq!(
            ran.stderr,
            format!("watch it with `pillarbox jobs follow {ID}`\n")
        );
        let sent = bus.requests().pop().unwrap().json();
        assert_eq!(
            sent,
            json!({ "filter": { "correlation_id": "a" }, "target": target })
        );
    }
    let json = ran_on(
        &bus,
        &["replay", "--all", "--correlation-id", "a", "--json"],
    )
    .await;
    assert_eq!(
        (json.json()["job_id"].as_str(), &*json.stderr),
        (Some(ID), "")
    );
}

#[tokio::test]
async fn the_last_hours_are_counted_back_from_now() {
    let bus = Bus::answering(|_, _| accepted(planning())).await;
    let ran = ran_on(&bus, &["replay", "--all", "--last", "24h"]).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let filter = &bus.requests()[0].json()["filter"];
    let from = filter["from"].as_str().unwrap();
    assert!(from.ends_with('Z') && from.starts_with("20"), "{from}");
    assert_eq!(filter.get("to"), None);
}

#[tokio::test]
async fn dry_run_waits_for_the_count_and_tells_events_bytes_and_cost() {
    let counted = json!({ "state": "COUNTED", "dry_run": true, "done": 0, "failed": 0 });
    let counting = json!({ "dry_run": true, "state": "PLANNING", "total": null, "estimate": null });
    let script = [
        accepted(counting.clone()),
        shown(counting),
        shown(counted.clone()),
    ];
    let bus = Bus::with_script(script.clone()).await;
    let dry_run = ["replay", "--last", "7d", "--dry-run"];
    let ran = ran_on(&bus, &dry_run).await;
    assert_eq!((ran.code, &*ran.stderr), (0, ""));
    insta::assert_snapshot!(ran.stdout, @r#"
    events        120000
    bytes         about 105.60 MB
    cost          about $0.023 (list prices of AWS in us-east-1)
    "#);
    let sent = bus.requests()[0].json();
    assert_eq!((&sent["dry_run"], sent.get("target")), (&json!(true), None));

    let bus = Bus::with_script(script).await;
    let json = ran_on(&bus, &[&dry_run[..], &["--json"]].concat()).await;
    assert_eq!(json.stdout, format!("{}\n", job(counted)));
}

#[tokio::test]
async fn redrive_sends_its_filter_and_tells_of_dead_letters() {
    let counted = json!({
        "kind": "REDRIVE", "state": "COUNTED", "dry_run": true, "target": null, "total": 12, "done": 0,
        "failed": 0, "estimate": { "bytes": 12_288, "bytes_are_sampled": false, "cost_usd": 0.000_042 },
    });
    let bus = Bus::with_script([accepted(json!({ "dry_run": true })), shown(counted)]).await;
    let ran = ran_on(
        &bus,
        &[
            "redrive",
            "--type",
            "order.*",
            "--subscription",
            "orders",
            "--error-class",
            "Timeout",
            "--text",
            "did not answer",
            "--from",
            "2026-11-01T00:00:00Z",
            "--rate",
            "50",
            "--dry-run",
        ],
    )
    .await;
    assert_eq!((ran.code, &*ran.stderr), (0, ""));
    insta::assert_snapshot!(ran.stdout, @r#"
    dead letters  12
    bytes         12.29 kB
    cost          about $0.000042 (list prices of AWS in us-east-1)
    "#);
    let body = json!({
        "filter": {
            "types": ["order.*"], "subscription": "orders", "error_class": "Timeout",
            "text": "did not answer", "from": "2026-11-01T00:00:00Z",
        },
        "max_events_per_second": 50,
        "dry_run": true,
    });
    assert_eq!(bus.requests()[0].json(), body);
    assert_eq!(calls(&bus)[0], "POST redrives");
}

#[tokio::test]
async fn all_open_letters_are_redriven_when_somebody_says_all() {
    let bus = Bus::answering(|_, _| accepted(planning())).await;
    let ran = ran_on(&bus, &["redrive", "--all"]).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(bus.requests()[0].json(), json!({ "filter": {} }));
}

#[tokio::test]
async fn what_was_not_sent_fails_the_command() {
    let failed = json!({ "state": "COMPLETED", "done": 120_000, "failed": 7 });
    let bus = Bus::with_script([shown(failed)]).await;
    let ran = ran_on(&bus, &["jobs", "follow", ID]).await;
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("failed        7\n"), "{}", ran.stdout);
    assert_eq!(
        ran.stderr,
        format!("error: 7 of 120000 were not sent: `pillarbox jobs failures {ID}` tells why\n")
    );
}

#[tokio::test]
async fn job_that_the_bus_paused_is_left_with_the_reason_and_one_that_somebody_paused_is_watched() {
    let by_bus = json!({ "state": "PAUSED", "reason": "the queue https://sqs/1/q is gone" });
    let by_hand = json!({ "state": "PAUSED" });
    let bus = Bus::with_script([shown(by_hand), shown(by_bus)]).await;
    let ran = ran_on(&bus, &["jobs", "follow", ID]).await;
    assert_eq!(ran.code, 1);
    assert_eq!(
        ran.stderr,
        format!(
            "error: the bus paused job {ID}: the queue https://sqs/1/q is gone\n\
             Put that right, and `pillarbox jobs resume {ID}` goes on where it was\n"
        )
    );
    let cancelled = json!({ "state": "CANCELLED" });
    let bus = Bus::with_script([shown(cancelled)]).await;
    let ran = ran_on(&bus, &["jobs", "follow", ID]).await;
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("was cancelled"), "{}", ran.stderr);
}

#[tokio::test]
async fn watching_survives_a_bus_that_does_not_answer_for_a_while() {
    let bus = Bus::with_script([
        shown(json!({})),
        busy(),
        Reply::HangUp,
        problem(500, "{}"),
        shown(completed()),
    ])
    .await;
    let ran = ran_on(&bus, &["jobs", "follow", ID]).await;
    assert_eq!((ran.code, &*ran.stderr), (0, ""));
    assert_eq!(bus.requests().len(), 5);
}

#[tokio::test]
async fn watching_a_job_that_is_not_there_ends_at_once() {
    let bus = Bus::answering(|_, _| problem(404, r#"{"title":"Not found","status":404}"#)).await;
    let ran = ran_on(&bus, &["jobs", "follow", ID]).await;
    assert_eq!((ran.code, &*ran.stdout), (1, ""));
    assert_eq!(bus.requests().len(), 1);
}

#[tokio::test]
async fn interrupt_leaves_the_job_alone_and_tells_how_to_watch_it_again() {
    let mut bus = Bus::answering(|_, _| shown(json!({}))).await;
    let child = pillarbox_on(&bus, &["jobs", "follow", ID]).spawn().unwrap();
    // Once it asks again it has begun to listen.
    bus.arrival().await;
    bus.arrival().await;
    let pid = child.id().unwrap().to_string();
    let killed = Command::new("kill").args(["-INT", &pid]).status().await;
    assert!(killed.unwrap().success());
    let ran = finish(child).await;
    assert_eq!((ran.code, &*ran.stdout), (130, ""));
    assert_eq!(
        ran.stderr,
        format!(
            "error: stopped watching; the job goes on, and `pillarbox jobs follow {ID}` watches it again\n"
        )
    );
    assert!(bus.requests().iter().all(|request| request.method == "GET"));
}

#[tokio::test]
async fn jobs_are_listed_in_a_table() {
    let redrive = json!({ "kind": "REDRIVE", "target": null, "state": "PLANNING", "total": null });
    let page = |next: &str| {
        let (one, two) = (job(json!({})), job(redrive.clone()));
        answer(
            200,
            &format!(r#"{{"jobs":[{one},{two}],"next_cursor":{next}}}"#),
        )
    };
    let bus = Bus::with_script([page(r#""AbC""#), page("null"), page("null")]).await;
    let ran = ran_on(&bus, &["jobs", "ls"]).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    insta::assert_snapshot!(ran.stdout, @r#"
    created                   job                                   kind     state     done                    failed
    2026-11-23T10:00:00.064Z  01a20811-3f40-7c55-8a3e-0b1f2a3c4d5e  REPLAY   RUNNING   30000 of 120000 events  1
    2026-11-23T10:00:00.064Z  01a20811-3f40-7c55-8a3e-0b1f2a3c4d5e  REDRIVE  PLANNING  not counted yet         1
    "#);
    assert_eq!(ran.stderr, "2 jobs; more with --all, or --cursor AbC\n");
    let arguments = [
        "--kind", "Replay", "--state", "running", "--limit", "2", "--cursor", "AbC",
    ];
    let ran = ran_on(&bus, &[&["jobs", "ls"], &arguments[..]].concat()).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let json = ran_on(&bus, &["jobs", "ls", "--json"]).await;
    assert_eq!(json.json()["jobs"].as_array().unwrap().len(), 2);
    let sent = "GET jobs?kind=REPLAY&state=RUNNING&limit=2&cursor=AbC";
    assert_eq!(calls(&bus), ["GET jobs", sent, "GET jobs"]);
}

#[tokio::test]
async fn job_is_shown_with_everything_that_is_known() {
    let bus = Bus::answering(|_, _| shown(json!({}))).await;
    let ran = ran_on(&bus, &["jobs", "show", ID]).await;
    assert_eq!((ran.code, &*ran.stderr), (0, ""));
    insta::assert_snapshot!(ran.stdout, @r#"
    job           01a20811-3f40-7c55-8a3e-0b1f2a3c4d5e
    kind          REPLAY
    state         RUNNING
    filter        {"from":"2026-11-01T00:00:00Z","to":"2026-11-23T10:00:00Z","types":["order.*"]}
    target        subscription orders
    speed limit   500/s, reached after 60 s
    done          30000 of 120000 events
    sent          29100 messages, 25.61 MB
    skipped       899
    failed        1
    estimate      about 105.60 MB, about $0.023 (list prices of AWS in us-east-1)
    speed         480.5/s
    time left     3 m 8 s
    created       2026-11-23T10:00:00.064Z
    started       2026-11-23T10:00:07.31Z
    "#);
    let json = ran_on(&bus, &["jobs", "show", ID, "--json"]).await;
    assert_eq!(json.stdout, format!("{}\n", job(json!({}))));
}

#[tokio::test]
async fn job_is_paused_resumed_and_cancelled() {
    let refused =
        r#"{"title":"Something else is there","status":409,"detail":"Job 'x' is COMPLETED"}"#;
    let bus = Bus::with_script([
        shown(json!({ "state": "PAUSED" })),
        shown(json!({})),
        shown(json!({ "state": "CANCELLED" })),
        problem(409, refused),
    ])
    .await;
    for (step, state) in [
        ("pause", "PAUSED"),
        ("resume", "RUNNING"),
        ("cancel", "CANCELLED"),
    ] {
        let ran = ran_on(&bus, &["jobs", step, ID]).await;
        assert_eq!((ran.code, &*ran.stderr), (0, ""));
        assert_eq!(ran.stdout, format!("job {ID} is {state}\n"));
    }
    let ran = ran_on(&bus, &["jobs", "pause", ID]).await;
    assert_eq!((ran.code, &*ran.stdout), (1, ""));
    assert!(ran.stderr.contains("is COMPLETED"), "{}", ran.stderr);
    let path = |step| format!("POST jobs/{ID}/{step}");
    assert_eq!(
        calls(&bus),
        [path("pause"), path("resume"), path("cancel"), path("pause")]
    );
}

#[tokio::test]
async fn failures_are_listed_on_every_page() {
    let page = |event: &str, subscription: &str, next: &str| {
        let error = r#"{"class":"AccessDenied","message":"the queue's policy\u001b[2J says no"}"#;
        let failure =
            format!(r#"{{"event_id":"{event}","subscription":{subscription},"error":{error}}}"#);
        answer(
            200,
            &format!(r#"{{"failures":[{failure}],"next_cursor":{next}}}"#),
        )
    };
    let one = "01a207a4-78eb-71a1-b142-3d3bf61d7f76";
    let two = "01a207a4-78eb-71a1-b142-3d3bf61d7f77";
    let bus = Bus::with_script([
        page(one, r#""orders""#, r#""on""#),
        page(two, "null", "null"),
    ])
    .await;
    let ran = ran_on(&bus, &["jobs", "failures", ID, "--all"]).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    insta::assert_snapshot!(ran.stdout, @r#"
    event                                 subscription  error
    01a207a4-78eb-71a1-b142-3d3bf61d7f76  orders        AccessDenied: the queue's policy [2J says no
    01a207a4-78eb-71a1-b142-3d3bf61d7f77  -  AccessDenied: the queue's policy [2J says no
    "#);
    assert_eq!(ran.stderr, "2 failures\n");
    let path = format!("GET jobs/{ID}/failures");
    assert_eq!(calls(&bus), [path.clone(), format!("{path}?cursor=on")]);
}

#[tokio::test]
async fn refusal_of_the_bus_names_each_member() {
    let body = r#"{"title":"The request breaks rules","status":400,"errors":[
        {"field":"filter.from","detail":"must be in the past"},{"field":"target.subscription","detail":"is not there"}]}"#;
    let bus = Bus::with_script([problem(400, body)]).await;
    let from = ["--from", "2999-01-01T00:00:00Z", "--to-subscription", "x"];
    let ran = ran_on(&bus, &[&["replay"], &from[..]].concat()).await;
    assert_eq!((ran.code, &*ran.stdout), (1, ""));
    for line in [
        "filter.from: must be in the past",
        "target.subscription: is not there",
    ] {
        assert!(ran.stderr.contains(line), "{}", ran.stderr);
    }
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_before_anything_is_sent() {
    let bus = Bus::with_script([]).await;
    let since = ["replay", "--last", "1h"];
    for arguments in [
        vec!["replay"],
        vec!["replay", "--all"],
        since.to_vec(),
        [&since[..], &["--all", "--to-subscription", "a"]].concat(),
        [&since[..], &["--to-queue", "a", "--to-subscription", "a"]].concat(),
        [&since[..], &["--all", "--from", "2026-01-01T00:00:00Z"]].concat(),
        [&since[..], &["--all", "--ramp", "5"]].concat(),
        [&since[..], &["--all", "--rate", "-1"]].concat(),
        [&since[..], &["--all", "--follow", "--detach"]].concat(),
        vec!["replay", "--all", "--last", "yesterday"],
        vec!["redrive"],
        vec!["redrive", "--rate", "5"],
        vec!["jobs", "show"],
        vec!["jobs", "show", ".."],
        vec!["jobs", "ls", "--state", "OPEN"],
    ] {
        let ran = ran_on(&bus, &arguments).await;
        assert_eq!((ran.code, &*ran.stdout), (2, ""), "{arguments:?}");
    }
    assert!(bus.requests().is_empty());
}
