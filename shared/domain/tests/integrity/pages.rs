//! Bounds and cursors: pages of any size find the same.

use pillarbox_domain::integrity::Bounds;
use pillarbox_domain::logged_event::OutboxMode;
use pillarbox_domain::trouble::{Attempt, TroubleStatus, TroubledDeliveries, TroubledDelivery};
use pillarbox_domain::{LoggedEvent, dead_letter::Failure};
use proptest::prelude::*;
use time::macros::utc_datetime;
use time::{Duration, UtcDateTime};

use crate::world::{NOW, Whole, World, a_good_day, entry};

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Delivered,
    OnlyLogged,
    Pending,
    Failed,
    /// Its receipt is there, and it is not.
    Lost,
    /// Two entries have its id.
    Doubled,
    /// It came after its hour was sealed.
    Late,
    Unreadable,
    /// It stands in another hour.
    Strayed,
}

const FATES: [Fate; 9] = [
    Fate::Delivered,
    Fate::OnlyLogged,
    Fate::Pending,
    Fate::Failed,
    Fate::Lost,
    Fate::Doubled,
    Fate::Late,
    Fate::Unreadable,
    Fate::Strayed,
];

#[derive(Clone, Debug)]
struct Given {
    /// Second, from the first hour on; and what becomes of it.
    events: Vec<(i64, Fate)>,
    shards: u64,
    object_lines: usize,
    /// Objects that are deleted or altered, by their places.
    bent: Vec<(prop::sample::Index, bool)>,
    bounds: Bounds,
}

fn given() -> impl Strategy<Value = Given> {
    let fate = prop::sample::select(FATES.to_vec());
    // Two hours that are sealed, and one that is not; some of them within the same seconds.
    let second = prop_oneof![0..3 * 3_600_i64, 3_590..3_610_i64];
    let bounds = (
        1..4_usize,
        1..80_usize,
        1..500_usize,
        1..20_usize,
        1..2_000_u64,
    );
    let bounds = bounds.prop_map(
        |(hours, entries, buckets, receipted, archive_bytes)| Bounds {
            hours,
            entries,
            buckets,
            receipted,
            archive_bytes,
        },
    );
    (
        prop::collection::vec((second, fate), 0..120),
        1..4_u64,
        1..6_usize,
        prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..3),
        bounds,
    )
        .prop_map(|(events, shards, object_lines, bent, bounds)| Given {
            events,
            shards,
            object_lines,
            bent,
            bounds,
        })
}

const FIRST: UtcDateTime = utc_datetime!(2026-11-22 8:00);

async fn world(given: &Given) -> World {
    let mut world = World::default();
    world.shards = given.shards;
    world.object_lines = given.object_lines;
    let mut late = Vec::new();
    for (second, fate) in &given.events {
        let at = FIRST + Duration::seconds(*second);
        match fate {
            Fate::Delivered | Fate::Doubled | Fate::Unreadable => {
                let event = world.delivered("demo", at).await;
                bend(&world, &event, *fate);
            }
            Fate::OnlyLogged => {
                world.only_logged("demo", at).await;
            }
            Fate::Pending => world.log(&dispatched(&world, at)).await,
            Fate::Failed => {
                let event = world.delivered("demo", at).await;
                fail(&world, &event).await;
            }
            Fate::Lost => world.receipt(&[&dispatched(&world, at)], at).await,
            Fate::Late => late.push(at),
            Fate::Strayed => {
                let event = dispatched(&world, at + Duration::hours(1));
                let part = pillarbox_domain::event_query::IndexPart::Hour(
                    pillarbox_domain::log_hour::LogHour::at(at),
                    event.shard,
                );
                world.index.put(&event.tenant, part, entry(&event));
            }
        }
        world.delivered("other", at).await;
    }
    world.seal(FIRST, FIRST + Duration::hours(2)).await;
    for at in late {
        world.delivered("demo", at).await;
    }
    break_archive(&world, given);
    world
}

fn dispatched(world: &World, at: UtcDateTime) -> LoggedEvent {
    world.event("demo", at, OutboxMode::Dispatch)
}

fn bend(world: &World, event: &LoggedEvent, fate: Fate) {
    let hour = pillarbox_domain::log_hour::LogHour::of(event.event_id);
    match fate {
        Fate::Doubled => {
            let mut twin = entry(event);
            twin.id = format!("{}-twin", twin.id);
            let part = pillarbox_domain::event_query::IndexPart::Hour(hour, event.shard);
            world.index.put(&event.tenant, part, twin);
        }
        Fate::Unreadable => world.index.make_unreadable(event.event_id),
        _ => {}
    }
}

async fn fail(world: &World, event: &LoggedEvent) {
    let attempt = Attempt {
        at: NOW,
        failure: Failure::new("Refused", "no"),
    };
    for subscription in ["a", "b"] {
        let row = TroubledDelivery::new(
            event,
            &subscription.parse().unwrap(),
            TroubleStatus::Failed { at: NOW },
            attempt.clone(),
        );
        world.rows.open(&row).await.unwrap();
    }
}

fn break_archive(world: &World, given: &Given) {
    for (place, is_deleted) in &given.bent {
        let keys = world.archive.keys();
        if keys.is_empty() {
            continue;
        }
        let key = &keys[place.index(keys.len())];
        match is_deleted {
            true => world.archive.delete(key),
            false => world.archive.flip(key, 12),
        }
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pages_of_any_size_find_what_one_page_finds(given in given()) {
        let (one, many) = block_on(async {
            let mut world = world(&given).await;
            let one = world.audit("demo").await;
            world.bounds = given.bounds;
            (one, world.audit("demo").await)
        });
        prop_assert_eq!(one.pages, 1);
        prop_assert_eq!(&one.findings, &many.findings);
        prop_assert_eq!(&one.hours, &many.hours);
        for row in &one.hours {
            let counts = row.counts;
            let told = counts.logged_only + counts.receipted + counts.pending;
            prop_assert_eq!(counts.logged, told);
        }
    }
}

#[tokio::test]
async fn a_request_reads_no_more_than_it_may() {
    let (mut world, _) = a_good_day().await;
    world.bounds = Bounds {
        buckets: 100,
        ..Bounds::default()
    };
    let query = world.query("demo", &[("from", "2026-11-22T03:00:00Z")]);
    let page = world.page("demo", &query).await;
    assert!(page.next_cursor.is_some());
    // Calls are made side by side.
    assert!(
        world.receipts.looks() <= 100 + 16,
        "{}",
        world.receipts.looks()
    );
}

#[tokio::test]
async fn of_an_hour_without_events_no_receipts_are_read() {
    let (world, _) = a_good_day().await;
    world.audit("nobody").await;
    assert_eq!(world.receipts.looks(), 0);
}

#[tokio::test]
async fn a_long_quiet_time_costs_one_page() {
    let (world, _) = a_good_day().await;
    let Whole { pages, hours, .. } = world.audit_from("demo", "2016-01-01T00:00:00Z").await;
    assert_eq!((pages, hours.len()), (1, 12));
    let query = world.query("demo", &[("from", "2030-01-01T00:00:00Z")]);
    let page = world.page("demo", &query).await;
    assert_eq!(
        (page.range, page.hours.len(), page.next_cursor),
        (None, 0, None)
    );
}
