//! The suite of receipts.

use std::time::Duration;

use pillarbox_domain::receipt::{
    BUCKET_SECONDS, Bucket, HandedOver, Receipt, ReceiptLedger, ReceiptReader, Receipted, Receipts,
    receipts,
};
use pillarbox_domain::{Clock, LoggedEvent, SubscriptionId};
use serde_json::json;

use crate::ManualClock;
use crate::builders::{event, handed_over, logged, tenant};

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
        handed_over(&events[0], &["a", "b"]),
        withheld(handed_over(&events[1], &["a"]), &["c"]),
        handed_over(&foreign, &["d"]),
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

/// The suite of [`Receipts`] and [`ReceiptLedger`].
pub async fn receipts_of_a_time<R: Receipts + ReceiptLedger>(store: &R, clock: &ManualClock) {
    let bucket = Bucket::at(clock.now());
    let found = async |bucket: Bucket| {
        let mut found = store.in_bucket(bucket).await.unwrap();
        found.sort_by_key(|receipt| (receipt.batch.id, receipt.batch.part));
        found
    };
    assert_eq!(found(bucket).await, []);
    let mut expected = write_two_tenants(store, clock).await;
    expected.extend(write_parts(store, clock).await);
    assert_eq!(found(bucket).await, expected);

    clock.advance(Duration::from_secs(BUCKET_SECONDS.unsigned_abs()));
    assert_eq!(found(bucket.next()).await, []);
    let later = write_two_tenants(store, clock).await;
    assert_eq!(found(bucket.next()).await, later);
    assert_eq!(found(bucket).await, expected);
}

async fn write_two_tenants<R: Receipts>(store: &R, clock: &ManualClock) -> Vec<Receipt> {
    let event = |owner: &str| logged(clock, &tenant(owner), event("1", json!(1)));
    let (own, foreign) = (event("ledger"), event("ledger-other"));
    let done = [
        withheld(handed_over(&own, &["a", "b"]), &["c"]),
        handed_over(&foreign, &[]),
    ];
    write(store, clock, &done).await
}

/// Two receipts of one hand-over, since one item does not hold them, and more than a page together: ids are 16
/// bytes each, and a page of a query is 1 MB
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html>).
async fn write_parts<R: Receipts>(store: &R, clock: &ManualClock) -> Vec<Receipt> {
    const EVENTS: u32 = 90_000;
    let demo = tenant("ledger-parts");
    let done: Vec<HandedOver> = (0..EVENTS)
        .map(|n| HandedOver {
            tenant: demo.clone(),
            event_type: format!("t.{}", n % 9),
            event_id: clock.next_id(),
            subscriptions: ids(&["a"]),
            withheld: vec![],
            retrying: 0,
            dead_lettered: 0,
        })
        .collect();
    let written = write(store, clock, &done).await;
    assert!(written.len() > 3, "{}", written.len());
    written
}

async fn write<R: Receipts>(store: &R, clock: &ManualClock, done: &[HandedOver]) -> Vec<Receipt> {
    let expires_at = clock.now() + Duration::from_secs(3_600);
    let receipts = receipts(done, clock.next_id(), clock.now(), expires_at);
    for receipt in &receipts {
        store.put(receipt).await.unwrap();
    }
    receipts
}

fn withheld(event: HandedOver, from: &[&str]) -> HandedOver {
    let withheld = ids(from);
    HandedOver { withheld, ..event }
}

fn ids(names: &[&str]) -> Vec<SubscriptionId> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}
