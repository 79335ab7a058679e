//! The suite of receipts.

use std::time::Duration;

use pillarbox_domain::receipt::{HandedOver, ReceiptReader, Receipted, Receipts, receipts};
use pillarbox_domain::{Clock, LoggedEvent, SubscriptionId};
use serde_json::json;

use crate::ManualClock;
use crate::builders::{event, logged, tenant};

/// The suite of [`Receipts`] and [`ReceiptReader`].
pub async fn receipts_of_events<R: Receipts + ReceiptReader>(store: &R, clock: &ManualClock) {
    let demo = tenant("receipts");
    let events: Vec<LoggedEvent> = (0..3)
        .map(|n| logged(clock, &demo, event(&n.to_string(), json!(n))))
        .collect();
    // Another tenant's event of the same id, in the same receipt.
    let mut foreign = events[0].clone();
    foreign.tenant = tenant("receipts-other");
    let done = [
        handed_over(&events[0], &["a", "b"], &[]),
        handed_over(&events[1], &["a"], &["c"]),
        handed_over(&foreign, &["d"], &[]),
    ];
    write(store, clock, &done).await;
    let first = clock.now();
    clock.advance(Duration::from_secs(30));
    write(store, clock, &done[1..2]).await;

    let found = async |event: &LoggedEvent| {
        let found = store.of_event(&event.tenant, event.event_id).await;
        found.unwrap()
    };
    let told = |subscriptions: &[&str], withheld: &[&str], handed_over_at| Receipted {
        subscriptions: ids(subscriptions),
        withheld: ids(withheld),
        handed_over_at,
    };
    assert_eq!(found(&events[0]).await, [told(&["a", "b"], &[], first)]);
    let twice = [
        told(&["a"], &["c"], first),
        told(&["a"], &["c"], clock.now()),
    ];
    assert_eq!(found(&events[1]).await, twice);
    assert_eq!(found(&events[2]).await, []);
    assert_eq!(found(&foreign).await, [told(&["d"], &[], first)]);
}

async fn write<R: Receipts>(store: &R, clock: &ManualClock, done: &[HandedOver]) {
    let expires_at = clock.now() + Duration::from_secs(3_600);
    for receipt in receipts(done, clock.next_id(), clock.now(), expires_at) {
        store.put(&receipt).await.unwrap();
    }
}

fn handed_over(event: &LoggedEvent, subscriptions: &[&str], withheld: &[&str]) -> HandedOver {
    HandedOver {
        tenant: event.tenant.clone(),
        event_type: event.event.event_type().to_owned(),
        event_id: event.event_id,
        subscriptions: ids(subscriptions),
        withheld: ids(withheld),
        retrying: 0,
        dead_lettered: 0,
    }
}

fn ids(names: &[&str]) -> Vec<SubscriptionId> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}
