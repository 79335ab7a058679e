//! The suite of rollups.

use std::collections::BTreeSet;
use std::time::Duration;

use pillarbox_domain::receipt::Bucket;
use pillarbox_domain::stats::{
    Figures, Minute, MinuteRange, RollState, RolledHour, Rollup, RollupStore, StaleMarks,
    StaleMinute, TypeFigures,
};
use pillarbox_domain::{Clock, TenantId};

use crate::ManualClock;
use crate::builders::tenant;

/// The suite of [`RollupStore`] and [`StaleMarks`].
pub async fn rollups<S: RollupStore + StaleMarks>(store: &S, clock: &ManualClock) {
    the_state_is_saved_in_the_place_of_the_one_that_was_read(store, clock).await;
    rollups_of_an_hour_come_back_by_tenant_and_minute(store, clock).await;
    of_two_rollups_the_one_that_counts_more_stays_then_the_later_one(store, clock).await;
    a_rollup_of_any_size_comes_back_whole_and_may_become_smaller(store, clock).await;
    a_stale_minute_is_known_until_its_note_is_taken_away(store, clock).await;
}

async fn the_state_is_saved_in_the_place_of_the_one_that_was_read<S: RollupStore>(
    store: &S,
    clock: &ManualClock,
) {
    assert_eq!(store.state().await.unwrap(), None);
    let begun = Minute::at(clock.now());
    let mut state = RollState {
        begun,
        rolled_before: Bucket::at(begun.start()),
        open: BTreeSet::new(),
        version: 0,
    };
    assert!(store.save(&state).await.unwrap());
    assert!(!store.save(&state).await.unwrap(), "another began");
    state.version = 1;
    assert_eq!(store.state().await.unwrap().as_ref(), Some(&state));
    state.rolled_before = Bucket::at(begun.end()).next();
    state.open = BTreeSet::from([begun, begun.next()]);
    assert!(store.save(&state).await.unwrap());
    assert!(!store.save(&state).await.unwrap(), "another went on");
    state.version = 2;
    assert_eq!(store.state().await.unwrap(), Some(state));
}

async fn rollups_of_an_hour_come_back_by_tenant_and_minute<S: RollupStore>(
    store: &S,
    clock: &ManualClock,
) {
    let (demo, other) = (tenant("rollups"), tenant("rollups-other"));
    let first = Minute::at(clock.now());
    let minutes = [first, first.next(), first.next().next()];
    for minute in minutes {
        store.put(&rollup(&demo, minute, clock, 3)).await.unwrap();
    }
    let foreign = rollup(&other, first, clock, 4);
    store.put(&foreign).await.unwrap();
    let some = MinuteRange::of(minutes[1], minutes[2]).unwrap();
    let found = store.rolled(&demo, some).await.unwrap();
    let expected = minutes[1..].iter();
    let expected: Vec<Rollup> = expected
        .map(|minute| rollup(&demo, *minute, clock, 3))
        .collect();
    assert_eq!(found.rollups, expected);
    assert_eq!(found.unfinished, BTreeSet::new());
    assert_eq!(only(store, &other, first).await.rollups, [foreign]);
    let none = only(store, &tenant("rollups-none"), first).await;
    assert_eq!(none, RolledHour::default());
}

async fn of_two_rollups_the_one_that_counts_more_stays_then_the_later_one<S: RollupStore>(
    store: &S,
    clock: &ManualClock,
) {
    let demo = tenant("later");
    let minute = Minute::at(clock.now());
    let early = rollup(&demo, minute, clock, 1);
    clock.advance(Duration::from_secs(1));
    let late = rollup(&demo, minute, clock, 2);
    let mut partial = rollup(&demo, minute, clock, 3);
    partial.counted_before -= Duration::from_secs(10);
    for (written, expected) in [
        (&partial, &partial),
        (&early, &early),
        (&partial, &early),
        (&late, &late),
        (&early, &late),
        (&late, &late),
    ] {
        store.put(written).await.unwrap();
        let found = only(store, &demo, minute).await.rollups;
        assert_eq!(found, std::slice::from_ref(expected));
    }
}

/// Of more than an item holds, and more than a page of a query.
async fn a_rollup_of_any_size_comes_back_whole_and_may_become_smaller<S: RollupStore>(
    store: &S,
    clock: &ManualClock,
) {
    let demo = tenant("large");
    let minute = Minute::at(clock.now());
    let mut large = rollup(&demo, minute, clock, 1);
    for n in 0..4 {
        let latencies = (0..150_000_u64).map(|millis| (millis * 300, 1 + millis % 9));
        let figures = TypeFigures {
            deliveries: n,
            latencies: latencies.collect(),
            ..TypeFigures::default()
        };
        large.figures.insert(format!("large.{n}"), figures);
    }
    assert!(large.parts().len() > 4, "{}", large.parts().len());
    store.put(&large).await.unwrap();
    assert_eq!(only(store, &demo, minute).await.rollups, [large]);
    clock.advance(Duration::from_secs(1));
    let small = rollup(&demo, minute, clock, 1);
    store.put(&small).await.unwrap();
    let found = only(store, &demo, minute).await;
    assert_eq!((found.rollups, found.unfinished.len()), (vec![small], 0));
}

async fn a_stale_minute_is_known_until_its_note_is_taken_away<S: RollupStore + StaleMarks>(
    store: &S,
    clock: &ManualClock,
) {
    let (demo, other) = (tenant("stale"), tenant("stale-other"));
    let minute = Minute::at(clock.now());
    let stale = |owner: &TenantId, minute| StaleMinute {
        minute,
        tenant: owner.clone(),
        noted_at: clock.now(),
    };
    let rolled = rollup(&demo, minute, clock, 1);
    store.put(&rolled).await.unwrap();
    let first = stale(&demo, minute);
    let foreign = stale(&other, minute.next());
    store.mark(&foreign).await.unwrap();
    store.mark(&first).await.unwrap();
    assert_eq!(
        store.stale(9).await.unwrap(),
        [first.clone(), foreign.clone()]
    );
    assert_eq!(store.stale(1).await.unwrap(), std::slice::from_ref(&first));
    let found = only(store, &demo, minute).await;
    assert_eq!(found.unfinished, BTreeSet::from([minute]));
    assert_eq!(found.rollups, [rolled]);

    clock.advance(Duration::from_secs(1));
    let again = stale(&demo, minute);
    store.mark(&again).await.unwrap();
    store.mark(&first).await.unwrap();
    store.clear(&first).await.unwrap();
    assert_eq!(
        store.stale(9).await.unwrap(),
        [again.clone(), foreign.clone()]
    );
    store.clear(&again).await.unwrap();
    store.clear(&again).await.unwrap();
    assert_eq!(only(store, &demo, minute).await.unfinished, BTreeSet::new());
    assert_eq!(
        store.stale(9).await.unwrap(),
        std::slice::from_ref(&foreign)
    );
    store.clear(&foreign).await.unwrap();
    assert_eq!(store.stale(9).await.unwrap(), []);
}

async fn only<S: RollupStore>(store: &S, tenant: &TenantId, minute: Minute) -> RolledHour {
    let minute = MinuteRange::of(minute, minute).unwrap();
    store.rolled(tenant, minute).await.unwrap()
}

/// A rollup that was made now.
fn rollup(tenant: &TenantId, minute: Minute, clock: &ManualClock, deliveries: u64) -> Rollup {
    let figures = TypeFigures {
        unrouted: 1,
        withheld: 2,
        deliveries,
        deliveries_withheld: 4,
        latencies: [(0, 1), (17, 3), (70_000, 1)].into_iter().collect(),
    };
    Rollup {
        tenant: tenant.clone(),
        minute,
        counted_before: minute.end(),
        rolled_at: clock.now(),
        expires_at: minute.start() + Duration::from_secs(86_400),
        figures: Figures::from([
            ("order.created".to_owned(), figures),
            ("order.paid".to_owned(), TypeFigures::default()),
        ]),
    }
}
