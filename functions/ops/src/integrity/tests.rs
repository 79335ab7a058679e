//! Audits and lists of archived hours, as the HTTP API asks for them.

use std::time::Duration;

use pillarbox_domain::active_hours::HourMarks;
use pillarbox_domain::archive::{ArchiveWriter, ArchivedObject, Manifest, layout, sha256_hex};
use pillarbox_domain::log_hour::LogHour;
use pillarbox_domain::publish::EventLog;
use pillarbox_domain::seal::{Seal, SealHead, SealLink, SealRow, SealStore, SealedManifest};
use pillarbox_domain::{Clock, LoggedEvent};
use pillarbox_testkit::builders::{event, logged, tenant};
use serde_json::{Value, json};

use crate::test_ops::{Call, TestOps, answer, ops};

async fn get(ops: &TestOps, route: &str, scopes: &str, query: &str) -> (i64, Value) {
    let call = Call {
        route,
        scopes,
        path: Value::Null,
        query,
        body: Value::Null,
    };
    answer(ops, call).await
}

async fn audit(ops: &TestOps, query: &str) -> (i64, Value) {
    get(ops, "GET /v1/integrity", "read", query).await
}

async fn archived(ops: &TestOps, query: &str) -> (i64, Value) {
    get(ops, "GET /v1/archive", "read", query).await
}

/// An event in the log that dispatch never saw.
async fn published(ops: &TestOps, owner: &str, id: &str) -> LoggedEvent {
    let event = logged(&ops.events.clock, &tenant(owner), event(id, json!(1)));
    ops.events.log.append(&event).await.unwrap();
    let hours = [LogHour::of(event.event_id)].into();
    let marks = &ops.events.marks;
    marks.mark(&event.tenant, &hours).await.unwrap();
    event
}

/// Seals an hour in which these tenants have an event each, of which the archive has an object that is not there.
async fn seal(ops: &TestOps, hour: LogHour, events: &[&LoggedEvent]) {
    let mut manifests = Vec::new();
    for event in events {
        manifests.push(archive(ops, hour, event).await);
    }
    ops.vault.seals.begin(hour).await.unwrap();
    let seen = ops.vault.seals.head().await.unwrap();
    let seal = Seal {
        format: 1,
        hour: layout::hour_text(hour),
        revision: 0,
        sealed_at: layout::hour_text(hour),
        previous: seen.as_ref().map(|head| head.link.clone()),
        events: events.len() as u64,
        manifests,
    };
    let link = put(ops, layout::seal(hour, 0), &seal).await;
    let row = SealRow {
        hour,
        revision: 0,
        link: link.clone(),
        previous: seal.previous,
        events: seal.events,
        sealed_at: ops.events.clock.now(),
    };
    let head = SealHead {
        link,
        sealed_before: hour.next(),
    };
    let seals = &ops.vault.seals;
    assert!(seals.append(&row, seen.as_ref(), &head).await.unwrap());
}

async fn archive(ops: &TestOps, hour: LogHour, event: &LoggedEvent) -> SealedManifest {
    let id = event.event_id.to_string();
    let manifest = Manifest {
        format: 1,
        tenant: event.tenant.to_string(),
        hour: layout::hour_text(hour),
        revision: 0,
        events: 1,
        bytes: 200,
        types: [("order.created".to_owned(), 1)].into(),
        objects: vec![ArchivedObject {
            key: layout::events(&event.tenant, hour, 0, 0),
            lines: 1,
            bytes: 200,
            stored_bytes: 90,
            sha256: "00".to_owned(),
            first_event_id: id.clone(),
            last_event_id: id,
        }],
        receipts: vec![],
        unreadable: vec![],
    };
    let key = layout::manifest(&event.tenant, hour, 0);
    let SealLink { key, sha256 } = put(ops, key, &manifest).await;
    SealedManifest {
        tenant: manifest.tenant,
        key,
        sha256,
        events: 1,
    }
}

async fn put<T: serde::Serialize>(ops: &TestOps, key: String, document: &T) -> SealLink {
    let bytes = serde_json::to_vec(document).unwrap();
    ops.vault.archive.put(&key, &bytes).await.unwrap();
    let sha256 = sha256_hex(&bytes);
    SealLink { key, sha256 }
}

#[tokio::test]
async fn an_audit_tells_what_is_missing_of_the_callers_own_events() {
    let ops = ops();
    let event = published(&ops, "demo", "1").await;
    published(&ops, "other", "2").await;
    let (status, told) = audit(&ops, "").await;
    assert_eq!((status, &told["findings"]), (200, &json!([])), "{told}");
    assert_eq!(told["totals"]["pending"], 1);
    ops.events.clock.advance(Duration::from_secs(31 * 60));
    let (_, told) = audit(&ops, "").await;
    assert_eq!(told["findings"][0]["kind"], "missing_receipt");
    assert_eq!(told["findings"][0]["event_ids"], json!([event.event_id]));
    assert_eq!(told["findings"].as_array().unwrap().len(), 1);
    assert_eq!(told["from"], "2026-11-22T12:00:00Z");
    assert_eq!(told["to"], "2026-11-23T13:00:00Z");
    assert_eq!(told["next_cursor"], Value::Null);
}

#[tokio::test]
async fn an_audit_and_a_list_name_nothing_of_another_tenant() {
    let ops = ops();
    let (demo, other) = (
        published(&ops, "demo", "1").await,
        published(&ops, "other", "2").await,
    );
    let hour = LogHour::of(demo.event_id);
    seal(&ops, hour, &[&demo, &other]).await;
    let (_, told) = audit(&ops, "").await;
    let kinds: Vec<&Value> = told["findings"].as_array().unwrap().iter().collect();
    assert_eq!(kinds.len(), 1, "{told}");
    assert_eq!(kinds[0]["kind"], "object_missing");
    let (_, list) = archived(&ops, "").await;
    assert_eq!(list["hours"].as_array().unwrap().len(), 1);
    for answer in [told, list] {
        let text = answer.to_string();
        assert!(text.contains("tenant=demo"), "{text}");
        assert!(!text.contains("other"), "{text}");
        assert!(!text.contains(&other.event_id.to_string()), "{text}");
    }
}

#[tokio::test]
async fn archived_hours_are_listed_page_by_page_the_oldest_first() {
    let ops = ops();
    let mut expected = Vec::new();
    for id in 0..5 {
        let event = published(&ops, "demo", &id.to_string()).await;
        let hour = LogHour::of(event.event_id);
        seal(&ops, hour, &[&event]).await;
        expected.push(layout::hour_text(hour));
        ops.events.clock.advance(Duration::from_secs(5 * 60 * 60));
    }
    let mut found = Vec::new();
    let mut query = "limit=2".to_owned();
    loop {
        let (status, page) = archived(&ops, &query).await;
        assert_eq!(status, 200, "{page}");
        let hours = page["hours"].as_array().unwrap();
        assert!(hours.len() <= 2);
        found.extend(
            hours
                .iter()
                .map(|hour| hour["hour"].as_str().unwrap().to_owned()),
        );
        match page["next_cursor"].as_str() {
            Some(cursor) => query = format!("limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(found, expected);
    let (_, page) = archived(&ops, &format!("from={}&to={}", expected[1], expected[2])).await;
    let object = &page["hours"][0]["objects"][0]["key"];
    assert!(object.as_str().unwrap().starts_with("events/tenant=demo/"));
    let shown = &page["hours"][0];
    assert_eq!(
        (
            &shown["hour"],
            &shown["events"],
            &shown["stored_bytes"],
            &shown["revision"]
        ),
        (&json!(expected[1]), &json!(1), &json!(90), &json!(0))
    );
    assert_eq!(page["hours"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn without_a_seal_nothing_is_archived() {
    let ops = ops();
    published(&ops, "demo", "1").await;
    let empty = json!({ "hours": [], "next_cursor": null });
    assert_eq!(archived(&ops, "").await, (200, empty));
}

#[tokio::test]
async fn bad_parameters_are_named_and_the_scope_is_needed() {
    let ops = ops();
    let named = |problem: &Value| problem["errors"][0]["field"].clone();
    for (route, query, field) in [
        ("GET /v1/integrity", "from=x", "from"),
        ("GET /v1/integrity", "limit=1", "limit"),
        ("GET /v1/integrity", "cursor=AAAA", "cursor"),
        (
            "GET /v1/integrity",
            "from=2026-11-23T12:00:00Z&to=2026-11-22T12:00:00Z",
            "from",
        ),
        ("GET /v1/archive", "limit=101", "limit"),
        ("GET /v1/archive", "cursor=AAAA", "cursor"),
        ("GET /v1/archive", "type=a", "type"),
    ] {
        let (status, problem) = get(&ops, route, "read", query).await;
        assert_eq!((status, named(&problem)), (400, json!(field)), "{query}");
        assert_eq!(get(&ops, route, "publish operate", "").await.0, 403);
    }
}
