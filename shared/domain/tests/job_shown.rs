//! What readers of the API see of a job: its progress, speed and price.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use pillarbox_domain::job::price::Estimate;
use pillarbox_domain::job::request::{redrive, replay};
use pillarbox_domain::job::{
    Counts, FailedEvent, Job, JobId, JobState, Plan, ShownFailure, ShownJob,
};
use serde_json::{Value, json};
use time::UtcDateTime;
use time::macros::utc_datetime;

const NOW: UtcDateTime = utc_datetime!(2026-11-23 12:00:00);

fn id() -> JobId {
    "01a20846-fe00-7000-8000-000000000001".parse().unwrap()
}

fn body() -> Value {
    json!({
        "filter": { "types": ["order.*", "x"], "source": "/shop/7", "from": "2026-11-23T08:00:00Z" },
        "target": { "subscription": "orders" },
        "max_events_per_second": 500,
        "ramp_seconds": 60,
    })
}

fn job(body: &Value) -> Job {
    let spec = replay(body, "pb-sub-", NOW).unwrap();
    Job::asked_for("demo".parse().unwrap(), id(), spec, NOW)
}

/// A job that has done 250 of 1,000 in ten seconds, by `now`.
fn running() -> (Job, UtcDateTime) {
    let started_at = NOW + Duration::from_secs(3);
    let job = Job {
        state: JobState::Running,
        plan: Plan {
            rest: None,
            is_whole: true,
            units: 4,
            units_done: 1,
            total: 1_000,
            sampled_bytes: 90_000,
            sampled: 100,
        },
        done: Counts {
            events: 250,
            sent: 240,
            skipped: 7,
            failed: 3,
            bytes: 216_000,
        },
        started_at: Some(started_at),
        ..job(&body())
    };
    (job, started_at + Duration::from_secs(10))
}

fn shown(job: &Job, now: UtcDateTime) -> Value {
    serde_json::to_value(ShownJob { job, now }).unwrap()
}

/// With the members in their order.
fn text(job: &Job, now: UtcDateTime) -> String {
    serde_json::to_string_pretty(&ShownJob { job, now }).unwrap()
}

#[test]
fn a_job_is_shown_whole() {
    insta::assert_snapshot!(text(&job(&body()), NOW), @r#"
    {
      "job_id": "01a20846-fe00-7000-8000-000000000001",
      "kind": "REPLAY",
      "state": "PLANNING",
      "reason": null,
      "dry_run": false,
      "filter": {
        "types": [
          "order.*",
          "x"
        ],
        "source": "/shop/7",
        "from": "2026-11-23T08:00:00Z",
        "to": "2026-11-23T12:00:00Z"
      },
      "target": {
        "subscription": "orders"
      },
      "max_events_per_second": 500,
      "ramp_seconds": 60,
      "schedule": null,
      "total": null,
      "done": 0,
      "sent": 0,
      "skipped": 0,
      "failed": 0,
      "bytes": 0,
      "estimate": null,
      "units": 0,
      "units_done": 0,
      "events_per_second": null,
      "seconds_left": null,
      "created_at": "2026-11-23T12:00:00Z",
      "started_at": null,
      "finished_at": null,
      "expires_at": null
    }
    "#);
    let (running, now) = running();
    insta::assert_snapshot!(text(&running, now), @r#"
    {
      "job_id": "01a20846-fe00-7000-8000-000000000001",
      "kind": "REPLAY",
      "state": "RUNNING",
      "reason": null,
      "dry_run": false,
      "filter": {
        "types": [
          "order.*",
          "x"
        ],
        "source": "/shop/7",
        "from": "2026-11-23T08:00:00Z",
        "to": "2026-11-23T12:00:00Z"
      },
      "target": {
        "subscription": "orders"
      },
      "max_events_per_second": 500,
      "ramp_seconds": 60,
      "schedule": null,
      "total": 1000,
      "done": 250,
      "sent": 240,
      "skipped": 7,
      "failed": 3,
      "bytes": 216000,
      "estimate": {
        "bytes": 900000,
        "bytes_are_sampled": true,
        "cost_usd": 0.000198
      },
      "units": 4,
      "units_done": 1,
      "events_per_second": 25.0,
      "seconds_left": 30,
      "created_at": "2026-11-23T12:00:00Z",
      "started_at": "2026-11-23T12:00:03Z",
      "finished_at": null,
      "expires_at": null
    }
    "#);
}

#[test]
fn a_redrive_that_is_over_is_shown_whole() {
    let filter = json!({
        "types": ["order.*"], "subscription": "orders", "error_class": "Timeout", "text": "did not answer",
        "from": "2026-11-23T08:00:00.5+01:00", "to": "2026-11-23T09:00:00Z",
    });
    let spec = redrive(&json!({ "filter": filter, "dry_run": true }), NOW).unwrap();
    let job = Job {
        state: JobState::Counted,
        plan: Plan {
            is_whole: true,
            units: 1,
            total: 12,
            ..Plan::default()
        },
        finished_at: Some(NOW + Duration::from_millis(1_500)),
        expires_at: Some(NOW + Duration::from_secs(7 * 24 * 60 * 60)),
        ..Job::asked_for("demo".parse().unwrap(), id(), spec, NOW)
    };
    insta::assert_snapshot!(text(&job, NOW), @r#"
    {
      "job_id": "01a20846-fe00-7000-8000-000000000001",
      "kind": "REDRIVE",
      "state": "COUNTED",
      "reason": null,
      "dry_run": true,
      "filter": {
        "types": [
          "order.*"
        ],
        "subscription": "orders",
        "error_class": "Timeout",
        "text": "did not answer",
        "state": "OPEN",
        "from": "2026-11-23T07:00:00.5Z",
        "to": "2026-11-23T09:00:00Z"
      },
      "target": null,
      "max_events_per_second": null,
      "ramp_seconds": null,
      "schedule": null,
      "total": 12,
      "done": 0,
      "sent": 0,
      "skipped": 0,
      "failed": 0,
      "bytes": 0,
      "estimate": {
        "bytes": 12288,
        "bytes_are_sampled": true,
        "cost_usd": 0.000042
      },
      "units": 1,
      "units_done": 0,
      "events_per_second": null,
      "seconds_left": null,
      "created_at": "2026-11-23T12:00:00Z",
      "started_at": null,
      "finished_at": "2026-11-23T12:00:01.5Z",
      "expires_at": "2026-11-30T12:00:00Z"
    }
    "#);
}

#[test]
fn the_speed_is_the_mean_since_it_started_and_stands_still_at_the_end() {
    let (mut job, now) = running();
    assert_eq!(shown(&job, now)["events_per_second"], 25.0);
    assert_eq!(shown(&job, now)["seconds_left"], 30);
    let later = now + Duration::from_secs(2);
    assert_eq!(shown(&job, later)["events_per_second"], 20.83);
    job.finished_at = Some(now);
    job.state = JobState::Completed;
    assert_eq!(shown(&job, later)["events_per_second"], 25.0);
    assert_eq!(shown(&job, later)["seconds_left"], Value::Null);
}

#[test]
fn the_time_left_is_told_only_where_it_is_known() {
    let (running, now) = running();
    let left = |job: Job, now| shown(&job, now)["seconds_left"].clone();
    for state in [JobState::Paused, JobState::Planning, JobState::Cancelled] {
        let job = Job {
            state,
            ..running.clone()
        };
        assert_eq!(left(job, now), Value::Null, "{state:?}");
    }
    // Started this moment, or before, by another clock.
    assert_eq!(left(running.clone(), NOW), Value::Null);
    assert_eq!(shown(&running, NOW)["events_per_second"], Value::Null);
    let nothing_yet = Job {
        done: Counts::default(),
        ..running.clone()
    };
    assert_eq!(left(nothing_yet, now), Value::Null);
    // More was done than was counted.
    let beyond = Job {
        done: Counts {
            events: 2_000,
            ..running.done
        },
        ..running
    };
    assert_eq!(left(beyond, now), 0);
}

#[test]
fn a_failure_is_shown_with_its_error() {
    let failed = FailedEvent {
        event_id: id().uuid(),
        subscription: None,
        error_class: "AccessDenied".to_owned(),
        error_message: "the queue's policy says no".to_owned(),
    };
    let failed = serde_json::to_string_pretty(&ShownFailure(&failed)).unwrap();
    insta::assert_snapshot!(failed, @r#"
    {
      "event_id": "01a20846-fe00-7000-8000-000000000001",
      "subscription": null,
      "error": {
        "class": "AccessDenied",
        "message": "the queue's policy says no"
      }
    }
    "#);
}

/// Dollars for so many events of so many bytes.
fn cost(body: &Value, total: u64, bytes: u64) -> f64 {
    let spec = match body.get("target") {
        Some(_) => replay(body, "pb-sub-", NOW).unwrap(),
        None => redrive(body, NOW).unwrap(),
    };
    let plan = Plan {
        is_whole: true,
        total,
        sampled: total,
        sampled_bytes: total * bytes,
        ..Plan::default()
    };
    let estimate = Estimate::of(&spec, &plan).unwrap();
    assert_eq!(
        (estimate.bytes, estimate.bytes_are_sampled),
        (total * bytes, false)
    );
    estimate.cost_usd
}

#[test]
fn what_jobs_cost_by_number_and_size() {
    let replay = json!({ "filter": { "correlation_id": "a" }, "target": { "all": true } });
    let slow = json!({
        "filter": { "correlation_id": "a" }, "target": { "all": true }, "max_events_per_second": 10,
    });
    let redrive = json!({});
    let million = 1_000_000;
    let cases = [
        ("nothing", &replay, 0, 1_000, 0.0),
        ("one is not for nothing", &replay, 1, 1_000, 1e-6),
        // A million of 1 KB: 0.125 to read them, 0.006 for the index, 0.05 for 100,000 calls to the queue, 0.001 to write
        // places down, 0.004 for 667 s of a worker.
        ("small", &replay, million, 1_000, 0.186_801),
        // 64 KB: 16 units to read each, and every message is a request.
        ("medium", &replay, million, 65_536, 2.511_801),
        // 500 KB: an object each, and two messages a call.
        ("large", &replay, million, 500_000, 16.661_801),
        (
            "a worker waits for 100,000 s",
            &slow,
            million,
            1_000,
            0.973_107,
        ),
        ("letters", &redrive, million, 1_000, 3.472_101),
    ];
    for (name, body, total, bytes, expected) in cases {
        let cost = cost(body, total, bytes);
        assert!((cost - expected).abs() < 2e-6, "{name}: {cost}");
    }
}

#[test]
fn the_size_of_all_is_worked_out_from_some_or_assumed() {
    let spec = replay(&body(), "pb-sub-", NOW).unwrap();
    let mut plan = Plan {
        is_whole: true,
        total: 1_000,
        sampled: 10,
        sampled_bytes: 20_000,
        ..Plan::default()
    };
    let estimate = Estimate::of(&spec, &plan).unwrap();
    assert_eq!(
        (estimate.bytes, estimate.bytes_are_sampled),
        (2_000_000, true)
    );
    plan.sampled = 0;
    let assumed = Estimate::of(&spec, &plan).unwrap();
    assert_eq!(
        (assumed.bytes, assumed.bytes_are_sampled),
        (1_024_000, true)
    );
    plan.is_whole = false;
    assert_eq!(Estimate::of(&spec, &plan), None);
}
