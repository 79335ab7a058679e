//! The suite of rows of deliveries in trouble.

use std::time::Duration;

use pillarbox_domain::dead_letter::Failure;
use pillarbox_domain::gauges::Counted;
use pillarbox_domain::log_hour::{IdRange, Order, Position};
use pillarbox_domain::trouble::{
    Attempt, DeliveryKey, GRACE, HOLD, OpenStatus, RetryingCount, TroubleLedger, TroubleStatus,
    TroubledDeliveries, TroubledDelivery, TroubledEvents,
};
use pillarbox_domain::{Clock, EventId, TenantId};
use serde_json::json;
use time::UtcDateTime;

use crate::ManualClock;
use crate::builders::{event, logged, tenant};

const SECOND: Duration = Duration::from_secs(1);

/// The suite of [`TroubledDeliveries`].
pub async fn troubled_deliveries<T: TroubledDeliveries>(rows: &T, clock: &ManualClock) {
    a_row_is_opened_once(rows, clock).await;
    a_row_is_held_by_one_when_it_is_due(rows, clock).await;
    a_hold_that_ran_out_is_taken_over_and_its_holder_settles_nothing(rows, clock).await;
    what_became_of_a_row_comes_back_and_is_final(rows, clock).await;
    a_row_that_nobody_looked_at_is_overdue_until_it_is_reminded_of(rows, clock).await;
    an_event_has_its_own_rows_only(rows, clock).await;
}

/// The suite of [`RetryingCount`], on rows of nobody else.
pub async fn retrying_count<T>(rows: &T, clock: &ManualClock)
where
    T: TroubledDeliveries + RetryingCount,
{
    let retrying = async |limit| rows.retrying(limit).await.unwrap();
    assert_eq!(retrying(10).await, Counted::all(0));
    // Due or not, and whoever's they are; ids differ in their last byte, by which a store may part them.
    for (owner, wait) in [("a", Duration::ZERO), ("b", GRACE), ("c", HOLD)] {
        opened(rows, clock, owner, wait).await;
    }
    let row = opened(rows, clock, "d", Duration::ZERO).await;
    assert_eq!(retrying(10).await, Counted::all(4));
    let mut held = rows.hold(&row.key, clock.now()).await.unwrap().unwrap();
    assert_eq!(retrying(10).await, Counted::all(4), "it is tried just now");
    held.status = TroubleStatus::Recovered { at: clock.now() };
    assert!(rows.settle(&held).await.unwrap());
    assert_eq!(retrying(10).await, Counted::all(3));
    let none = retrying(0).await;
    assert_eq!((none.count, none.is_at_least), (0, true));
}

fn row(clock: &ManualClock, owner: &TenantId, wait: Duration) -> TroubledDelivery {
    let event = logged(clock, owner, event("1", json!(1)));
    let now = clock.now();
    let status = TroubleStatus::Retrying {
        next_attempt_at: now + wait,
    };
    let attempt = Attempt {
        at: now,
        failure: Failure::new("ServiceUnavailable", "come back \u{1F600}"),
    };
    TroubledDelivery::new(&event, &"orders".parse().unwrap(), status, attempt)
}

async fn opened<T: TroubledDeliveries>(
    rows: &T,
    clock: &ManualClock,
    owner: &str,
    wait: Duration,
) -> TroubledDelivery {
    let row = row(clock, &tenant(owner), wait);
    assert!(rows.open(&row).await.unwrap());
    row
}

async fn only<T: TroubledDeliveries>(rows: &T, key: &DeliveryKey) -> TroubledDelivery {
    let found = rows.of_event(&key.tenant, key.event_id).await.unwrap();
    assert_eq!(found.len(), 1);
    found[0].clone()
}

async fn a_row_is_opened_once<T: TroubledDeliveries>(rows: &T, clock: &ManualClock) {
    let first = opened(rows, clock, "opened", SECOND).await;
    let mut second = first.clone();
    second.attempts[0].failure = Failure::new("Other", "later");
    second.status = TroubleStatus::Failed { at: clock.now() };
    assert!(!rows.open(&second).await.unwrap());
    assert_eq!(only(rows, &first.key).await, first);
}

async fn a_row_is_held_by_one_when_it_is_due<T: TroubledDeliveries>(rows: &T, clock: &ManualClock) {
    let row = opened(rows, clock, "held", 10 * SECOND).await;
    assert_eq!(rows.hold(&row.key, clock.now()).await.unwrap(), None);
    clock.advance(8 * SECOND);
    assert_eq!(rows.hold(&row.key, clock.now()).await.unwrap(), None);
    // Two clocks are never the same: a second early is due.
    clock.advance(SECOND);
    let held = rows.hold(&row.key, clock.now()).await.unwrap();
    let expected = TroubledDelivery { holds: 1, ..row };
    assert_eq!(held, Some(expected.clone()));
    assert_eq!(rows.hold(&expected.key, clock.now()).await.unwrap(), None);
    let nobody = DeliveryKey {
        subscription: "prices".parse().unwrap(),
        ..expected.key
    };
    assert_eq!(rows.hold(&nobody, clock.now()).await.unwrap(), None);
}

async fn a_hold_that_ran_out_is_taken_over_and_its_holder_settles_nothing<T: TroubledDeliveries>(
    rows: &T,
    clock: &ManualClock,
) {
    let row = opened(rows, clock, "taken-over", Duration::ZERO).await;
    let mut late = rows.hold(&row.key, clock.now()).await.unwrap().unwrap();
    clock.advance(HOLD + SECOND);
    let mut holder = rows.hold(&row.key, clock.now()).await.unwrap().unwrap();
    assert_eq!((late.holds, holder.holds), (1, 2));
    late.status = TroubleStatus::Failed { at: clock.now() };
    assert!(!rows.settle(&late).await.unwrap());
    holder.status = TroubleStatus::Recovered { at: clock.now() };
    assert!(rows.settle(&holder).await.unwrap());
    assert_eq!(only(rows, &row.key).await, holder);
}

async fn what_became_of_a_row_comes_back_and_is_final<T: TroubledDeliveries>(
    rows: &T,
    clock: &ManualClock,
) {
    let again = |at: UtcDateTime| TroubleStatus::Retrying {
        next_attempt_at: at + SECOND,
    };
    let row = opened(rows, clock, "settled", Duration::ZERO).await;
    for _ in 0..3 {
        let mut held = rows.hold(&row.key, clock.now()).await.unwrap().unwrap();
        held.attempts.push(Attempt {
            at: clock.now(),
            failure: Failure::new("Again", ""),
        });
        held.status = again(clock.now());
        assert!(rows.settle(&held).await.unwrap());
        assert_eq!(only(rows, &row.key).await, held);
        clock.advance(SECOND);
    }
    let mut held = rows.hold(&row.key, clock.now()).await.unwrap().unwrap();
    assert_eq!((held.attempts.len(), held.holds), (4, 4));
    held.status = TroubleStatus::Failed { at: clock.now() };
    assert!(rows.settle(&held).await.unwrap());
    held.status = again(clock.now());
    assert!(!rows.settle(&held).await.unwrap(), "it is settled");
    clock.advance(HOLD + GRACE);
    assert_eq!(rows.hold(&row.key, clock.now()).await.unwrap(), None);
    let overdue = rows.overdue(clock.now(), 1_000).await.unwrap();
    assert!(!overdue.contains(&row.key));
}

async fn a_row_that_nobody_looked_at_is_overdue_until_it_is_reminded_of<T: TroubledDeliveries>(
    rows: &T,
    clock: &ManualClock,
) {
    let overdue = async |key: &DeliveryKey| {
        let found = rows.overdue(clock.now(), 1_000).await.unwrap();
        found.contains(key)
    };
    let first = opened(rows, clock, "overdue", SECOND).await.key;
    let second = opened(rows, clock, "overdue", 2 * SECOND).await.key;
    clock.advance(GRACE);
    assert!(!overdue(&first).await);
    clock.advance(3 * SECOND);
    let both = rows.overdue(clock.now(), 1_000).await.unwrap();
    let place = |key: &DeliveryKey| both.iter().position(|found| found == key);
    assert!(place(&first).unwrap() < place(&second).unwrap(), "{both:?}");
    assert_eq!(rows.overdue(clock.now(), 1).await.unwrap().len(), 1);

    rows.reminded(&first, clock.now()).await.unwrap();
    assert!(!overdue(&first).await && overdue(&second).await);
    rows.hold(&second, clock.now()).await.unwrap().unwrap();
    assert!(!overdue(&second).await, "somebody has it");
    clock.advance(GRACE + SECOND);
    assert!(overdue(&first).await, "the reminder was lost, too");
    clock.advance(HOLD);
    assert!(overdue(&second).await, "whoever had it is gone");
}

async fn an_event_has_its_own_rows_only<T: TroubledDeliveries>(rows: &T, clock: &ManualClock) {
    let first = row(clock, &tenant("own"), SECOND);
    // A producer may choose its event ids: another tenant's event may have the same.
    let mut foreign = first.clone();
    foreign.key.tenant = tenant("own-other");
    let mut second = first.clone();
    second.key.subscription = "_audit".parse().unwrap();
    for row in [&first, &foreign, &second] {
        assert!(rows.open(row).await.unwrap());
    }
    let key = &first.key;
    let found = rows.of_event(&key.tenant, key.event_id).await.unwrap();
    assert_eq!(found, [second, first.clone()]);
    let of_other = rows.of_event(&tenant("own-other"), key.event_id).await;
    assert_eq!(of_other.unwrap(), [foreign]);
    let nobody = rows.of_event(&tenant("nobody"), key.event_id).await;
    assert!(nobody.unwrap().is_empty());
}

/// The suite of [`TroubleLedger`].
pub async fn trouble_ledger<T: TroubledDeliveries + TroubleLedger>(rows: &T, clock: &ManualClock) {
    a_row_is_found_by_its_status(rows, clock).await;
    a_range_has_the_events_of_its_bounds_and_each_once(rows, clock).await;
    a_ledger_is_read_in_parts(rows, clock).await;
}

/// The events of a tenant with this status.
async fn of_status<T: TroubleLedger>(
    rows: &T,
    owner: &str,
    status: OpenStatus,
    range: IdRange,
) -> Vec<EventId> {
    let found = rows.of_status(&tenant(owner), status, range, 1_000).await;
    let found = found.unwrap();
    assert_eq!(found.rest, None);
    found.event_ids
}

async fn a_row_is_found_by_its_status<T: TroubledDeliveries + TroubleLedger>(
    rows: &T,
    clock: &ManualClock,
) {
    let found = async |status| of_status(rows, "by-status", status, IdRange::ALL).await;
    let key = opened(rows, clock, "by-status", Duration::ZERO).await.key;
    assert_eq!(found(OpenStatus::Retrying).await, [key.event_id]);
    assert!(found(OpenStatus::Failed).await.is_empty());
    let mut held = rows.hold(&key, clock.now()).await.unwrap().unwrap();
    held.status = TroubleStatus::Failed { at: clock.now() };
    assert!(rows.settle(&held).await.unwrap());
    assert!(found(OpenStatus::Retrying).await.is_empty());
    assert_eq!(found(OpenStatus::Failed).await, [key.event_id]);

    let other = opened(rows, clock, "by-status", Duration::ZERO).await.key;
    let mut held = rows.hold(&other, clock.now()).await.unwrap().unwrap();
    held.status = TroubleStatus::Recovered { at: clock.now() };
    assert!(rows.settle(&held).await.unwrap());
    assert!(found(OpenStatus::Retrying).await.is_empty());
    assert_eq!(found(OpenStatus::Recovered).await, [other.event_id]);
    assert_eq!(found(OpenStatus::Failed).await, [key.event_id]);
    let of_others = of_status(rows, "by-status-2", OpenStatus::Failed, IdRange::ALL).await;
    assert!(of_others.is_empty());
}

async fn a_range_has_the_events_of_its_bounds_and_each_once<
    T: TroubledDeliveries + TroubleLedger,
>(
    rows: &T,
    clock: &ManualClock,
) {
    let mut ids = Vec::new();
    for _ in 0..3 {
        let mut row = opened(rows, clock, "bounds", Duration::ZERO).await;
        ids.push(row.key.event_id);
        row.key.subscription = "zebra".parse().unwrap();
        assert!(rows.open(&row).await.unwrap());
    }
    let found = async |range| of_status(rows, "bounds", OpenStatus::Retrying, range).await;
    assert_eq!(found(IdRange::ALL).await, ids);
    for (place, id) in ids.iter().enumerate() {
        let position = Position::of(*id);
        let from = IdRange::ALL.starting_at(position, Order::Oldest).unwrap();
        let until = IdRange::ALL.starting_at(position, Order::Newest).unwrap();
        assert_eq!(found(from).await, ids[place..]);
        assert_eq!(found(until).await, ids[..=place]);
        assert_eq!(found(IdRange::one(*id)).await, [*id]);
    }
}

async fn a_ledger_is_read_in_parts<T: TroubledDeliveries + TroubleLedger>(
    rows: &T,
    clock: &ManualClock,
) {
    let owner = tenant("parts");
    let mut ids = Vec::new();
    for _ in 0..5 {
        let row = opened(rows, clock, "parts", Duration::ZERO).await;
        ids.push(row.key.event_id);
    }
    let (mut range, mut found) = (Some(IdRange::ALL), Vec::new());
    while let Some(part) = range {
        let read = rows.of_status(&owner, OpenStatus::Retrying, part, 2).await;
        let TroubledEvents { event_ids, rest } = read.unwrap();
        assert!(event_ids.len() <= 2);
        found.extend(event_ids);
        range = rest;
    }
    assert_eq!(found, ids);
}
