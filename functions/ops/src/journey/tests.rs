//! Journeys, from receipts, rows and dead letters in memory.

use pillarbox_domain::dead_letter::Failure;
use pillarbox_domain::log_hour::LogHour;
use pillarbox_domain::publish::EventLog;
use pillarbox_domain::receipt::{HandedOver, Receipts, receipts};
use pillarbox_domain::seal::{SealHead, SealLink, SealRow, SealStore};
use pillarbox_domain::trouble::{Attempt, TroubleStatus, TroubledDeliveries, TroubledDelivery};
use pillarbox_domain::{Clock, EventId, LoggedEvent};
use pillarbox_testkit::builders::{event_with, logged, subscription, tenant};
use serde_json::{Value, json};

use crate::test_ops::{Call, TestOps, answer, ops};

async fn journey(ops: &TestOps, event_id: EventId) -> (i64, Value) {
    let call = Call {
        route: "GET /v1/events/{event_id}/journey",
        scopes: "read",
        path: json!({ "event_id": event_id.to_string() }),
        query: "",
        body: Value::Null,
    };
    answer(ops, call).await
}

async fn published(ops: &TestOps) -> LoggedEvent {
    let members = json!({ "id": "1", "correlationid": "sync-7", "data": { "total": 5 } });
    let event = logged(&ops.events.clock, &tenant("demo"), event_with(members));
    ops.events.log.append(&event).await.unwrap();
    event
}

#[tokio::test]
async fn an_event_that_dispatch_has_not_seen_is_pending() {
    let ops = ops();
    let event = published(&ops).await;
    let (status, told) = journey(&ops, event.event_id).await;
    assert_eq!(status, 200, "{told}");
    let expected = json!({
        "event_id": event.event_id, "state": "PENDING", "source": "/shop", "id": "1",
        "type": "order.created", "correlation_id": "sync-7",
        "accepted_at": "2026-11-23T12:00:00Z", "expires_at": "2026-11-30T12:00:00Z",
        "handed_over_at": null, "deliveries": [], "not_matched": [], "replays": [],
    });
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_journey_tells_what_was_handed_over_what_is_in_trouble_and_why_not() {
    let ops = ops();
    let event = published(&ops).await;
    let demo = tenant("demo");
    for id in ["prices", "late"] {
        let types: &[&str] = if id == "late" { &["*"] } else { &["price.*"] };
        ops.registry.put(subscription(&demo, id, types));
    }
    let now = ops.events.clock.now();
    let names = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
    let done = HandedOver {
        tenant: demo.clone(),
        event_type: "order.created".to_owned(),
        event_id: event.event_id,
        subscriptions: names(&["orders", "slow"]),
        withheld: names(&["paused"]),
        retrying: 1,
        dead_lettered: 0,
    };
    for receipt in receipts(&[done], ops.events.clock.next_id(), now, event.expires_at) {
        ops.deliveries.receipts.put(&receipt).await.unwrap();
    }
    let attempt = Attempt {
        at: now,
        failure: Failure::new("RequestThrottled", "slow down"),
    };
    let status = TroubleStatus::Retrying {
        next_attempt_at: now,
    };
    let row = TroubledDelivery::new(&event, &"slow".parse().unwrap(), status, attempt);
    ops.deliveries.rows.open(&row).await.unwrap();
    // Another tenant's row of the same event id is none of this tenant's.
    let mut foreign = row.clone();
    foreign.key.tenant = tenant("other");
    ops.deliveries.rows.open(&foreign).await.unwrap();

    let (_, told) = journey(&ops, event.event_id).await;
    assert_eq!(
        (&told["state"], &told["handed_over_at"]),
        (&json!("PROCESSING"), &json!("2026-11-23T12:00:00Z"))
    );
    let states: Vec<_> = told["deliveries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["subscription"].as_str().unwrap(),
                one["state"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        states,
        [
            ("orders", "HANDED_OVER"),
            ("paused", "WITHHELD"),
            ("slow", "RETRYING")
        ]
    );
    let slow = &told["deliveries"][2];
    assert_eq!(
        slow["attempts"][0]["error"],
        json!({ "class": "RequestThrottled", "message": "slow down" })
    );
    assert_eq!(slow["attempts"][0]["attempt"], 1);
    let others = told["not_matched"].as_array().unwrap();
    assert_eq!(others[0]["subscription"], "late");
    assert_eq!(others[1]["decided_by"]["field"], "type");
}

#[tokio::test]
async fn there_is_no_journey_of_an_event_that_is_not_there() {
    let ops = ops();
    let unknown = ops.events.clock.next_id();
    assert_eq!(journey(&ops, unknown).await.0, 404);
    let foreign = logged(&ops.events.clock, &tenant("other"), event_with(json!({})));
    ops.events.log.append(&foreign).await.unwrap();
    assert_eq!(journey(&ops, foreign.event_id).await.0, 404);
}

#[tokio::test]
async fn an_event_before_the_watermark_is_completed_although_its_receipts_are_gone() {
    let ops = ops();
    let event = published(&ops).await;
    let hour = LogHour::of(event.event_id);
    for (sealed_before, state) in [(hour, "PENDING"), (hour.next(), "COMPLETED")] {
        let link = SealLink {
            key: "seals/x".to_owned(),
            sha256: "00".to_owned(),
        };
        let seen = ops.vault.seals.head().await.unwrap();
        let row = SealRow {
            hour: sealed_before,
            revision: 0,
            link: link.clone(),
            previous: None,
            events: 1,
            sealed_at: ops.events.clock.now(),
        };
        let head = SealHead {
            link,
            sealed_before,
        };
        let seals = &ops.vault.seals;
        assert!(seals.append(&row, seen.as_ref(), &head).await.unwrap());
        let (_, told) = journey(&ops, event.event_id).await;
        assert_eq!(told["state"], state);
    }
    // What is known of it makes no difference to what failed, and costs no look at the seals.
    let attempt = Attempt {
        at: ops.events.clock.now(),
        failure: Failure::new("Refused", "no"),
    };
    let status = TroubleStatus::Failed {
        at: ops.events.clock.now(),
    };
    let row = TroubledDelivery::new(&event, &"orders".parse().unwrap(), status, attempt);
    ops.deliveries.rows.open(&row).await.unwrap();
    ops.vault.seals.set_failing(true);
    assert_eq!(journey(&ops, event.event_id).await.1["state"], "FAILED");
}

#[tokio::test]
async fn a_journey_names_the_jobs_that_send_the_event_again_and_no_others() {
    let ops = ops();
    let event = published(&ops).await;
    let replay = |body: Value| Call {
        route: "POST /v1/replays",
        scopes: "operate",
        path: json!({}),
        query: "",
        body,
    };
    let target = json!({ "all": true });
    let mut jobs = Vec::new();
    for filter in [
        json!({ "correlation_id": "sync-7" }),
        json!({ "from": "2026-11-23T00:00:00Z", "types": ["price.*"] }),
    ] {
        ops.events.clock.advance(std::time::Duration::from_secs(1));
        let asked = json!({ "filter": filter, "target": target });
        let (status, job) = answer(&ops, replay(asked)).await;
        assert_eq!(status, 202, "{job}");
        jobs.push(job["job_id"].clone());
    }
    let (_, told) = journey(&ops, event.event_id).await;
    let expected = json!([{
        "job_id": jobs[0], "state": "PLANNING", "target": target, "schedule": null,
        "created_at": "2026-11-23T12:00:01Z", "finished_at": null,
    }]);
    assert_eq!(told["replays"], expected);
}
