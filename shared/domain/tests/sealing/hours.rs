//! Hours in their order, and what keeps one from being sealed.

use std::collections::BTreeSet;
use std::time::Duration;

use pillarbox_domain::logged_event::OutboxMode;
use pillarbox_domain::seal::{Pass, Unsealed};
use pillarbox_domain::{Clock, EventId, LoggedEvent};
use pillarbox_testkit::builders::tenant;
use serde_json::json;

use crate::harness::{HOUR, World, as_archived, hour};
use crate::mortal::Life;

#[tokio::test]
async fn an_hour_of_some_tenants_and_shards_is_archived_event_by_event() {
    let world = World::default();
    let shop = world.dispatched("shop", 0, 30).await;
    let depot = world.dispatched("depot", 1, 7).await;
    let bus = world.dispatched("_bus", 3, 2).await;
    let next_hour = world.dispatched("shop", 60, 5).await;

    let pass = world.pass().await;
    assert_eq!(pass.sealed, [hour(0)]);
    assert_eq!((pass.events, pass.waiting, pass.dispatched), (39, 0, 0));
    assert!(pass.left.is_empty() && pass.unreadable.is_empty());
    assert_eq!(world.archived("shop", hour(0)), as_archived(&shop));
    assert_eq!(world.archived("depot", hour(0)), as_archived(&depot));
    assert_eq!(world.archived("_bus", hour(0)), as_archived(&bus));
    assert_eq!(world.manifest("empty", hour(0)), None);
    let types = world.manifest("shop", hour(0)).unwrap().types;
    let expected = [
        ("order.created", 10),
        ("order.paid", 10),
        ("stock.counted", 10),
    ];
    assert_eq!(
        types,
        expected
            .map(|(name, count)| (name.to_owned(), count))
            .into()
    );
    world.assert_all_is_named();

    world.advance(HOUR);
    let pass = world.pass().await;
    assert_eq!(pass.sealed, [hour(1)]);
    assert_eq!(world.archived("shop", hour(1)), as_archived(&next_hour));
    assert_eq!(world.chain().len(), 2);
    world.assert_all_is_named();
}

#[tokio::test]
async fn receipts_are_archived_beside_their_events() {
    let world = World::default();
    let events = world.dispatched("shop", 0, 3).await;
    let mut logged = world.event_at("shop", 9, json!({ "id": "logged" }));
    logged.outbox = OutboxMode::None;
    let logged = world.log(logged).await;
    world.pass().await;

    let receipts = world.receipts("shop", hour(0));
    let at = "2026-11-23T12:30:00Z";
    let expected = [
        (0, "order.created", json!(["billing", "everything"])),
        (1, "order.paid", json!(["billing", "everything"])),
        (2, "stock.counted", json!(["everything"])),
    ];
    let expected = expected.map(|(n, kind, subscriptions)| {
        json!({
            "event_id": events[n].event_id.to_string(), "type": kind,
            "subscriptions": subscriptions, "withheld": [], "handed_over_at": at,
        })
    });
    assert_eq!(receipts, expected);
    let archived = world.archived("shop", hour(0));
    assert_eq!(archived.last().unwrap().event_id, logged.event_id);
    assert_eq!(archived.last().unwrap().outbox, OutboxMode::None);
}

#[tokio::test]
async fn an_event_without_a_receipt_is_dispatched_and_its_hour_sealed_by_the_next_pass() {
    let world = World::default();
    let mut events = world.dispatched("shop", 0, 10).await;
    world.dispatched("depot", 0, 3).await;
    let missed = [4, 31].map(|minutes| {
        let members = json!({ "id": format!("missed-{minutes}"), "type": "order.created" });
        world.event_at("shop", minutes, members)
    });
    for event in &missed {
        events.push(world.log(event.clone()).await);
    }

    let pass = world.pass().await;
    assert_eq!(
        (pass.sealed.len(), pass.dispatched, pass.waiting),
        (0, 2, 1)
    );
    let [left] = &pass.left[..] else {
        panic!("{pass:?}");
    };
    let Unsealed::Unproven {
        events: 2, first, ..
    } = left.why
    else {
        panic!("{left:?}");
    };
    assert_eq!((left.hour, first), (hour(0), missed[0].event_id));
    assert!(
        world.archive.keys().is_empty(),
        "nothing is archived that is not proven"
    );

    let pass = world.pass().await;
    assert_eq!((pass.sealed, pass.dispatched), (vec![hour(0)], 0));
    assert_eq!(world.archived("shop", hour(0)), as_archived(&events));
    assert_eq!(world.receipts("shop", hour(0)).len(), 12);
}

#[tokio::test]
async fn an_hour_is_not_sealed_before_the_stream_has_forgotten_it_and_the_index_has_followed() {
    let world = World::default();
    world.pass().await;
    assert_eq!(world.chain().len(), 1);
    world.advance(Duration::from_secs(39 * 60 + 59));
    let pass = world.pass().await;
    assert!(pass.sealed.is_empty());
    assert_eq!(pass.waiting, 0);
    world.advance(Duration::from_secs(1));
    assert_eq!(world.pass().await.sealed, [hour(1)]);
}

#[tokio::test]
async fn many_hours_are_sealed_in_their_order_and_the_lag_tells_what_waits() {
    let mut world = World::default();
    world.pass().await;
    world.dispatched("shop", 60 * 3, 4).await;
    world.advance(10 * HOUR);
    // There is no time for anything.
    world.budget = Duration::ZERO;
    world.seals.set_failing(true);
    assert!(world.pass_of(&Life::default()).await.is_err());
    world.seals.set_failing(false);
    let lag = |pass: &Pass| pass.lag.as_secs() as f64 / 3_600.0;
    let pass = world.pass().await;
    assert_eq!(
        pass.sealed,
        [
            hour(1),
            hour(2),
            hour(3),
            hour(4),
            hour(5),
            hour(6),
            hour(7),
            hour(8),
            hour(9),
            hour(10)
        ]
    );
    assert_eq!((pass.waiting, lag(&pass)), (0, 24.5));
    assert_eq!(world.chain().len(), 11);
}

#[tokio::test]
async fn what_is_in_the_way_of_an_hour_is_in_the_way_of_the_next_ones_and_told() {
    let world = World::default();
    world.pass().await;
    world.dispatched("shop", 60, 2).await;
    world.advance(5 * HOUR);
    world.archive.set_failing(true);
    let pass = world.pass().await;
    assert_eq!((pass.sealed.len(), pass.waiting), (0, 5));
    assert_eq!(pass.lag, Duration::from_secs(29 * 3_600 + 1_800));
    assert_eq!(pass.left.len(), 1);
    assert!(matches!(pass.left[0].why, Unsealed::Store(_)));
    world.archive.set_failing(false);
    let pass = world.pass().await;
    assert_eq!(pass.sealed.len(), 5);
}

#[tokio::test]
async fn an_hour_without_events_is_one_document_and_one_row() {
    let world = World::default();
    let life = Life::default();
    world.pass_of(&life).await.unwrap();
    assert_eq!(world.archive.keys().len(), 1);
    let row = &world.seals.all()[0];
    assert_eq!((row.events, row.revision), (0, 0));
    // 360 buckets, a look at each shard of four tenants, and what is always done.
    let looks = 4 + 1 + 2 + 1;
    assert!(life.calls() < 360 + looks + 20, "{}", life.calls());
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_named_and_is_in_the_way_of_nothing() {
    let world = World::default();
    let mut events = world.dispatched("shop", 0, 9).await;
    let dispatched = events.remove(3).event_id;
    let never = world.event_at(
        "shop",
        40,
        json!({ "id": "never", "type": "order.created" }),
    );
    let never = world.log(never).await.event_id;
    world.make_unreadable([dispatched, never]);
    let only = world
        .log(world.event_at("depot", 5, json!({ "id": "only" })))
        .await;
    world.make_unreadable([only.event_id]);

    let pass = world.pass().await;
    assert_eq!((pass.sealed, pass.events), (vec![hour(0)], 8));
    let named: Vec<(&str, EventId)> = pass
        .unreadable
        .iter()
        .map(|it| (it.tenant.as_str(), it.event_id))
        .collect();
    assert_eq!(
        named,
        [
            ("depot", only.event_id),
            ("shop", dispatched),
            ("shop", never)
        ]
    );
    let manifest = world.manifest("shop", hour(0)).unwrap();
    assert_eq!(
        manifest.unreadable,
        [dispatched.to_string(), never.to_string()]
    );
    assert_eq!(world.archived("shop", hour(0)), as_archived(&events));
    let manifest = world.manifest("depot", hour(0)).unwrap();
    assert_eq!((manifest.events, manifest.unreadable.len()), (0, 1));
    world.assert_all_is_named();
}

/// Its key is free again once it has expired, and the index may be behind.
#[tokio::test]
async fn an_event_that_has_lost_its_key_to_another_is_not_taken_for_it() {
    let world = World::default();
    let mut events = world.dispatched("shop", 0, 2).await;
    let mut other = events[0].clone();
    other.event_id = world.bus.clock.next_id();
    let lost = events.remove(0).event_id;
    world.bodies.lock().unwrap().insert(lost, Some(other));
    let pass = world.pass().await;
    assert_eq!(pass.unreadable.len(), 1);
    assert_eq!(world.archived("shop", hour(0)), as_archived(&events));
}

#[tokio::test]
async fn events_that_share_an_id_are_all_archived() {
    let world = World::default();
    let mut events = world.dispatched("depot", 0, 3).await;
    // A page of the index ends within them.
    let first = world.event_at("depot", 7, json!({}));
    let mut shared = Vec::new();
    for n in 0..4 {
        let mut event = world.event_at("depot", 7, json!({ "id": format!("shared-{n}") }));
        event.event_id = first.event_id;
        shared.push(world.log(event).await);
    }
    world.bus.dispatch(&shared).await;
    events.extend(shared);
    events.extend(world.dispatched("depot", 9, 3).await);
    world.pass().await;
    let ids = |events: &[LoggedEvent]| {
        let ids = events.iter().map(|event| event.event.id().to_owned());
        ids.collect::<BTreeSet<String>>()
    };
    let archived = world.archived("depot", hour(0));
    assert_eq!(archived.len(), 10);
    assert_eq!(ids(&archived), ids(&events));

    // One more of them, late.
    let mut late = world.event_at("depot", 7, json!({ "id": "late" }));
    late.event_id = first.event_id;
    events.push(world.log(late).await);
    world.reopen("depot", hour(0)).await;
    world.advance(HOUR);
    world.pass().await;
    assert_eq!(ids(&world.archived("depot", hour(0))), ids(&events));
}

#[tokio::test]
async fn a_tenant_that_is_not_registered_and_was_handed_something_is_archived() {
    let mut world = World::default();
    let events = world.dispatched("depot", 0, 3).await;
    world.shards.remove(&tenant("depot"));
    world.pass().await;
    assert_eq!(world.archived("depot", hour(0)), as_archived(&events));
}
