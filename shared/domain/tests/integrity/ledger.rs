//! The log against its receipts and rows.

use pillarbox_domain::dead_letter::Failure;
use pillarbox_domain::event_query::IndexPart;
use pillarbox_domain::integrity::{Counts, FindingKind, ShownAudit};
use pillarbox_domain::log_hour::LogHour;
use pillarbox_domain::log_shard::LogShard;
use pillarbox_domain::logged_event::OutboxMode;
use pillarbox_domain::trouble::{Attempt, TroubleStatus, TroubledDeliveries, TroubledDelivery};
use time::Duration;
use time::macros::utc_datetime;

use crate::world::{NOW, World, a_good_day, entry};

#[tokio::test]
async fn where_all_is_well_nothing_is_found_and_the_ledger_balances() {
    let (world, day) = a_good_day().await;
    let whole = world.audit("demo").await;
    assert_eq!(whole.findings, []);
    let counts = |logged, logged_only, receipted, pending| Counts {
        logged,
        logged_only,
        receipted,
        in_trouble: 0,
        pending,
    };
    let cases = [
        (&day.sealed[0], counts(5, 0, 5, 0), Some(5)),
        (&day.logged_only, counts(1, 1, 0, 0), Some(1)),
        (&day.recent, counts(1, 0, 1, 0), None),
        (&day.pending, counts(1, 0, 0, 1), None),
    ];
    for (event, expected, archived) in cases {
        let row = whole.hour(event.event_id.accepted_at());
        assert_eq!((row.counts, row.archived), (expected, archived));
        assert_eq!(row.is_sealed, archived.is_some());
    }
    // Ten sealed hours, of which two have events, and two that are not sealed.
    assert_eq!(whole.hours.len(), 12);
}

#[tokio::test]
async fn an_audit_has_the_names_of_the_api() {
    let (world, day) = a_good_day().await;
    world.receipts.lose(day.recent.event_id);
    let query = world.query(
        "demo",
        &[
            ("from", "2026-11-22T09:30:00Z"),
            ("to", "2026-11-23T12:00:00Z"),
        ],
    );
    let audit = world.page("demo", &query).await;
    let mut shown = serde_json::to_value(ShownAudit(&audit)).unwrap();
    shown["head"]["sha256"] = "of its document".into();
    insta::with_settings!({ sort_maps => true }, { insta::assert_json_snapshot!(shown) });
}

#[tokio::test]
async fn a_receipt_that_was_dropped_is_missed_once_its_slice_closed_long_ago() {
    let (world, day) = a_good_day().await;
    for event in [&day.sealed[2], &day.recent] {
        world.receipts.lose(event.event_id);
    }
    let whole = world.audit("demo").await;
    let found = whole.findings.iter();
    let found: Vec<_> = found
        .map(|it| (it.kind, it.hour.unwrap(), it.event_ids.clone()))
        .collect();
    let missing = |event: &pillarbox_domain::LoggedEvent| {
        let id = event.event_id;
        (FindingKind::MissingReceipt, LogHour::of(id), vec![id])
    };
    assert_eq!(found, [missing(&day.sealed[2]), missing(&day.recent)]);
    let row = whole.hour(day.recent.event_id.accepted_at());
    assert_eq!((row.counts.receipted, row.counts.pending), (0, 1));
}

#[tokio::test]
async fn what_may_still_be_on_its_way_is_pending_and_no_finding() {
    let world = World::default();
    for (minutes, found) in [(29, false), (30, false), (31, true)] {
        let at = NOW - Duration::minutes(minutes);
        let event = world.event("demo", at, OutboxMode::Dispatch);
        world.log(&event).await;
        let whole = world.audit("demo").await;
        assert_eq!(!whole.findings.is_empty(), found, "{minutes}");
    }
}

#[tokio::test]
async fn deliveries_in_trouble_are_counted_with_their_event_once() {
    let (world, day) = a_good_day().await;
    let attempt = || Attempt {
        at: NOW,
        failure: Failure::new("Refused", "no"),
    };
    let retrying = TroubleStatus::Retrying {
        next_attempt_at: NOW,
    };
    let failed = TroubleStatus::Failed { at: NOW };
    let recovered = TroubleStatus::Recovered { at: NOW };
    let rows = [
        (&day.sealed[0], "one", retrying),
        (&day.sealed[0], "two", failed),
        (&day.sealed[1], "one", failed),
        (&day.sealed[2], "one", recovered),
    ];
    for (event, subscription, status) in rows {
        let subscription = subscription.parse().unwrap();
        let row = TroubledDelivery::new(event, &subscription, status, attempt());
        assert!(world.rows.open(&row).await.unwrap());
        let mut foreign = row;
        foreign.key.tenant = "other".parse().unwrap();
        foreign.key.subscription = "mine".parse().unwrap();
        assert!(world.rows.open(&foreign).await.is_ok());
    }
    let whole = world.audit("demo").await;
    assert_eq!(whole.findings, []);
    let row = whole.hour(day.sealed[0].event_id.accepted_at());
    assert_eq!((row.counts.in_trouble, row.counts.receipted), (2, 5));
}

#[tokio::test]
async fn two_entries_of_one_id_and_two_events_of_one_key_are_found() {
    let (world, day) = a_good_day().await;
    let mut twin = entry(&day.recent);
    twin.id = "another".to_owned();
    let part = || IndexPart::Hour(LogHour::of(day.recent.event_id), LogShard::default());
    world.index.put(&day.recent.tenant, part(), twin);
    let whole = world.audit("demo").await;
    let found = whole.only();
    assert_eq!(found.kind, FindingKind::DuplicateEventId);
    assert_eq!(found.event_ids, [day.recent.event_id]);

    let (world, day) = a_good_day().await;
    let second = world
        .delivered("demo", utc_datetime!(2026-11-23 11:40))
        .await;
    world.index.remove(second.event_id);
    let mut same_key = entry(&day.sealed[1]);
    same_key.event_id = second.event_id;
    world.index.put(&second.tenant, part(), same_key);
    let whole = world.audit("demo").await;
    let found = whole.only();
    assert_eq!(found.kind, FindingKind::DuplicateKey);
    assert_eq!(found.event_ids, [day.sealed[1].event_id, second.event_id]);
}

#[tokio::test]
async fn an_entry_out_of_order_or_in_an_hour_that_is_not_its_own_is_found() {
    let (world, day) = a_good_day().await;
    world
        .delivered("demo", utc_datetime!(2026-11-23 11:09))
        .await;
    world.index.mix_up();
    let whole = world.audit("demo").await;
    assert_eq!(whole.only().kind, FindingKind::Order);

    for at in [
        utc_datetime!(2026-11-23 10:59),
        utc_datetime!(2026-11-23 12:00),
    ] {
        let (world, _) = a_good_day().await;
        let strayed = world.event("demo", at, OutboxMode::None);
        let part = IndexPart::Hour(LogHour::of(day.recent.event_id), LogShard::default());
        world.index.put(&strayed.tenant, part, entry(&strayed));
        let whole = world.audit("demo").await;
        let found = whole.only();
        assert_eq!(found.kind, FindingKind::Order);
        assert_eq!(found.event_ids, [strayed.event_id]);
        assert_eq!(found.hour, Some(LogHour::of(day.recent.event_id)));
    }
}

#[tokio::test]
async fn an_id_that_its_hand_over_or_the_clock_belies_is_found() {
    let (world, _) = a_good_day().await;
    let at = utc_datetime!(2026-11-23 11:30);
    let mut expected = Vec::new();
    for (millis, found) in [(-1_001, true), (-1_000, false), (5, false)] {
        let event = world.event("demo", at, OutboxMode::Dispatch);
        world.log(&event).await;
        world
            .receipt(&[&event], at + Duration::milliseconds(millis))
            .await;
        // A second receipt is a repeat: the first tells when it was handed over.
        world.receipt(&[&event], at + Duration::seconds(5)).await;
        expected.extend(found.then_some(event.event_id));
    }
    let whole = world.audit("demo").await;
    let found = whole.only();
    assert_eq!(
        (found.kind, &found.event_ids),
        (FindingKind::IdSkew, &expected)
    );

    let (world, _) = a_good_day().await;
    let near = world.event("demo", NOW + Duration::seconds(1), OutboxMode::None);
    let future = world.event("demo", NOW + Duration::seconds(2), OutboxMode::None);
    world.log(&near).await;
    world.log(&future).await;
    let whole = world.audit("demo").await;
    assert_eq!(whole.only().kind, FindingKind::IdSkew);
    assert_eq!(whole.only().event_ids, [future.event_id]);
}

#[tokio::test]
async fn a_receipt_of_an_event_that_the_log_lost_is_found() {
    let (world, day) = a_good_day().await;
    world.index.remove(day.recent.event_id);
    let whole = world.audit("demo").await;
    let found = whole.only();
    assert_eq!(found.kind, FindingKind::ReceiptWithoutEvent);
    assert_eq!(found.event_ids, [day.recent.event_id]);
}

#[tokio::test]
async fn an_entry_that_an_index_does_not_show_yet_is_not_lost() {
    let (world, day) = a_good_day().await;
    // Its receipt is there, and its entry is on the way into the index.
    world.receipt(&[&day.pending], NOW).await;
    world.index.remove(day.pending.event_id);
    assert_eq!(world.audit("demo").await.findings, []);
}

#[tokio::test]
async fn an_event_that_expired_before_its_receipt_is_no_finding() {
    let world = World::default();
    let old = world
        .delivered("demo", utc_datetime!(2026-11-15 8:00))
        .await;
    world.index.remove(old.event_id);
    let from = "2026-11-15T00:00:00Z";
    // Nothing of the hour is left, and it is older than any event is kept for sure.
    assert_eq!(world.audit_from("demo", from).await.findings, []);
    world
        .delivered("demo", utc_datetime!(2026-11-15 8:01))
        .await;
    let whole = world.audit_from("demo", from).await;
    assert_eq!(whole.only().kind, FindingKind::ReceiptWithoutEvent);
}

#[tokio::test]
async fn what_is_of_another_tenant_in_the_index_is_counted_and_not_shown() {
    let (world, day) = a_good_day().await;
    let foreign = world.event("other", utc_datetime!(2026-11-23 11:20), OutboxMode::None);
    let part = IndexPart::Hour(LogHour::of(foreign.event_id), LogShard::default());
    world.index.put(&day.recent.tenant, part, entry(&foreign));
    world.index.make_unreadable(foreign.event_id);
    let whole = world.audit("demo").await;
    let found = whole.only();
    assert_eq!(found.kind, FindingKind::Unreadable);
    assert_eq!((found.event_count, found.event_ids.len()), (Some(1), 0));
    assert_eq!(
        whole.hour(day.recent.event_id.accepted_at()).counts.logged,
        1
    );
}

#[tokio::test]
async fn a_tenant_sees_nothing_of_what_is_wrong_with_another() {
    let (world, day) = a_good_day().await;
    world.receipts.lose(day.sealed[2].event_id);
    world.index.remove(day.recent.event_id);
    let keys = world.archive.keys();
    let object = keys
        .iter()
        .find(|key| key.starts_with("events/tenant=demo/"));
    world.archive.delete(object.unwrap());
    assert_eq!(world.audit("demo").await.findings.len(), 3);
    let other = world.audit("other").await;
    assert_eq!(other.findings, []);
    let logged: u64 = other.hours.iter().map(|row| row.counts.logged).sum();
    assert_eq!(logged, 7);
    assert_eq!(world.audit("nobody").await.findings, []);
}
