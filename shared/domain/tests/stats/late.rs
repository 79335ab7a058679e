//! What comes late to a minute that is rolled up.

use std::time::Duration;

use pillarbox_domain::Clock;
use pillarbox_domain::receipt::{Bucket, Receipts};
use pillarbox_domain::stats::{
    LATE_AFTER, LateReceipts, REMEMBERED_FOR, RollupStore, SETTLE, STALE_SETTLE, Window,
};

use super::world::*;

fn since(start: time::UtcDateTime, world: &World) -> Window {
    Window {
        from: start,
        to: world.clock.now() + Duration::from_millis(1),
    }
}

/// A world that is rolled up to some minutes after the events that are returned were accepted, of which only the
/// first was handed over.
async fn rolled_up() -> (World, time::UtcDateTime, Vec<Event>) {
    let world = World::default();
    world.roll().await;
    let start = world.clock.now();
    let events: Vec<Event> = ["demo", "demo", "other"]
        .map(|owner| world.event(owner, "t", "a"))
        .into();
    world.clock.advance(SECOND);
    world.hand_over(&events[..1]).await.unwrap();
    world.clock.advance(MINUTE * 5);
    world.roll().await;
    assert_eq!(world.rollups.all().len(), 1);
    (world, start, events)
}

#[tokio::test]
async fn what_is_on_time_notes_nothing() {
    let world = World::default();
    let event = world.event("demo", "t", "a");
    let end = Bucket::of(event.event_id).next().start();
    let until_late = end + LATE_AFTER - world.clock.now();
    world.clock.advance(until_late.unsigned_abs() - SECOND);
    world.hand_over(std::slice::from_ref(&event)).await.unwrap();
    assert_eq!(world.rollups.all_stale(), []);
    world.clock.advance(SECOND);
    world.hand_over(&[event]).await.unwrap();
    assert_eq!(world.rollups.all_stale().len(), 1);
}

#[tokio::test]
async fn a_late_receipt_makes_its_minute_stale_and_it_is_rolled_up_again() {
    let (world, start, events) = rolled_up().await;
    world.hand_over(&events[1..]).await.unwrap();
    let stale = world.rollups.all_stale();
    let owners: Vec<&str> = stale.iter().map(|it| it.tenant.as_str()).collect();
    assert_eq!(owners, ["demo", "other"]);
    for owner in ["demo", "other"] {
        world.assert_true(owner, since(start, &world)).await;
    }
    // Whoever noted it may still be about to write a receipt.
    world.clock.advance(STALE_SETTLE - SECOND);
    let rolled = world.roll().await;
    assert_eq!((rolled.again, rolled.stale), (0, 2));
    world.clock.advance(SECOND);
    let rolled = world.roll().await;
    assert_eq!((rolled.again, rolled.rollups, rolled.stale), (1, 2, 0));
    assert_eq!(world.rollups.all_stale(), []);
    let looks = world.receipts.looks();
    let early = Window {
        from: start,
        to: start + MINUTE,
    };
    for owner in ["demo", "other"] {
        world.assert_true(owner, early).await;
    }
    assert_eq!(world.receipts.looks(), looks);
}

#[tokio::test]
async fn a_crash_at_any_write_of_a_late_receipt_is_harmless() {
    for writes in 0..3 {
        let (world, start, events) = rolled_up().await;
        world.rollups.fail_after(Some(writes));
        let died = world.hand_over(&events[1..]).await.is_err();
        world.rollups.fail_after(None);
        assert_eq!(died, writes < 2, "{writes}");
        let written = world.receipts.written().len();
        assert_eq!(written, if died { 1 } else { 2 }, "a note comes first");
        world.clock.advance(STALE_SETTLE + SECOND);
        world.roll().await;
        world.assert_true("demo", since(start, &world)).await;
        // The batch comes again.
        world.hand_over(&events[1..]).await.unwrap();
        world.assert_true("demo", since(start, &world)).await;
        world.clock.advance(STALE_SETTLE + SECOND);
        world.roll().await;
        world.assert_true("demo", since(start, &world)).await;
        world.assert_true("other", since(start, &world)).await;
        assert_eq!(world.rollups.all_stale(), []);
    }
}

#[tokio::test]
async fn a_receipt_that_becomes_late_while_it_is_written_is_noted_after_it() {
    let world = World::default();
    world.roll().await;
    let start = world.clock.now();
    let event = world.event("demo", "t", "a");
    world.clock.advance(SECOND * 10 + LATE_AFTER - SECOND);
    let slow = Slow {
        world: &world,
        takes: SETTLE,
    };
    let late = LateReceipts::new(slow, &world.rollups, world.clock.clone());
    let other = World::default();
    other.hand_over(&[event]).await.unwrap();
    let mut receipt = other.receipts.written().remove(0);
    receipt.handed_over_at = world.clock.now();
    late.put(&receipt).await.unwrap();
    assert_eq!(world.rollups.all_stale().len(), 1);
    assert_eq!(world.rollups.all(), [], "it was rolled up without it");
    world.assert_true("demo", since(start, &world)).await;
}

/// Takes so long for a receipt that its minute is rolled up meanwhile.
struct Slow<'a> {
    world: &'a World,
    takes: Duration,
}

impl Receipts for Slow<'_> {
    async fn put(
        &self,
        receipt: &pillarbox_domain::receipt::Receipt,
    ) -> Result<(), pillarbox_domain::StoreError> {
        self.world.clock.advance(self.takes);
        self.world.roll().await;
        self.world.receipts.put(receipt).await
    }
}

#[tokio::test]
async fn one_catching_up_notes_a_minute_once_in_a_while() {
    let (world, start, events) = rolled_up().await;
    let late = LateReceipts::new(&world.receipts, &world.rollups, world.clock.clone());
    let other = World::default();
    other.hand_over(&events[1..2]).await.unwrap();
    let receipt = other.receipts.written().remove(0);
    let noted_at = || world.rollups.all_stale()[0].noted_at;
    late.put(&receipt).await.unwrap();
    let first = noted_at();
    world.clock.advance(REMEMBERED_FOR);
    late.put(&receipt).await.unwrap();
    assert_eq!(noted_at(), first);
    world.clock.advance(SECOND);
    late.put(&receipt).await.unwrap();
    assert_eq!(noted_at(), world.clock.now());
    world.assert_true("demo", since(start, &world)).await;
}

#[tokio::test]
async fn a_note_of_a_minute_before_rolling_up_began_is_taken_away() {
    let world = World::default();
    let event = world.event("demo", "t", "a");
    let start = world.clock.now();
    world.clock.advance(MINUTE * 60);
    world.roll().await;
    world.hand_over(&[event]).await.unwrap();
    world.clock.advance(STALE_SETTLE + SECOND);
    let rolled = world.roll().await;
    assert_eq!((rolled.again, rolled.stale), (0, 0));
    assert_eq!(
        (world.rollups.all_stale(), world.rollups.all()),
        (vec![], vec![])
    );
    world.assert_true("demo", since(start, &world)).await;
}

#[tokio::test]
async fn a_note_of_a_minute_that_is_not_rolled_up_yet_waits_for_it() {
    let world = World::default();
    world.roll().await;
    let start = world.clock.now();
    let event = world.event("demo", "t", "a");
    world.clock.advance(MINUTE * 3);
    world.hand_over(&[event]).await.unwrap();
    let rolled = world.roll().await;
    assert!(rolled.minutes > 0 && rolled.stale == 1);
    world.assert_true("demo", since(start, &world)).await;
    assert!(world.rollups.state().await.unwrap().is_some());
    world.clock.advance(STALE_SETTLE);
    assert_eq!(world.roll().await.stale, 0);
    world.assert_true("demo", since(start, &world)).await;
}
