//! Minutes are rolled up once they are settled, whoever dies in between.

use std::time::Duration;

use pillarbox_domain::Clock;
use pillarbox_domain::receipt::Bucket;
use pillarbox_domain::stats::{Minute, RollEnd, RollRules, RollupStore, SETTLE, Window};

use super::world::*;

/// Three minutes of two tenants, with a batch that came again.
async fn busy() -> World {
    let world = World::default();
    world.roll().await;
    for n in 0..36_u64 {
        world.clock.advance(SECOND * 5);
        let owner = ["demo", "other"][usize::try_from(n % 2).unwrap()];
        let events = [
            world.event(owner, "order.created", "a b"),
            world.event(owner, "order.paid", "a -c"),
            world.event(owner, "order.lost", ""),
            world.event(owner, "order.held", "-c"),
        ];
        world.clock.advance(Duration::from_millis(7 * n));
        world.hand_over(&events).await.unwrap();
        if n % 5 == 0 {
            world.clock.advance(SECOND);
            world.hand_over(&events[..2]).await.unwrap();
        }
    }
    world
}

fn all(world: &World) -> Window {
    Window {
        from: ManualStart::of(world),
        to: world.clock.now() + Duration::from_millis(1),
    }
}

/// When every world begins.
struct ManualStart;

impl ManualStart {
    fn of(_: &World) -> time::UtcDateTime {
        World::default().clock.now()
    }
}

#[tokio::test]
async fn a_minute_is_rolled_up_once_it_is_settled_and_what_is_not_is_read_from_receipts() {
    let world = busy().await;
    let begun = world.rollups.state().await.unwrap().unwrap().begun;
    assert_eq!(world.rollups.all(), []);
    world.assert_true("demo", all(&world)).await;
    let rolled = world.roll().await;
    let settled = Bucket::at(world.clock.now() - SETTLE);
    assert_eq!(rolled.end, RollEnd::Done);
    assert_eq!(rolled.rolled_before, Some(settled.start()));
    let rollups = world.rollups.all();
    assert_eq!(rolled.rollups, rollups.len());
    assert!(
        rollups
            .iter()
            .all(|it| it.minute >= begun && it.counted_before <= settled.start())
    );
    let looks = world.receipts.looks();
    world.assert_true("demo", all(&world)).await;
    world.assert_true("other", all(&world)).await;
    let minutes_read = (world.receipts.looks() - looks) / 6 / 2;
    assert!(minutes_read <= 1, "{minutes_read} minutes of receipts");
    world.assert_true("nobody", all(&world)).await;
}

#[tokio::test]
async fn a_rollup_is_kept_as_long_as_the_longest_kept_of_its_receipts() {
    let world = busy().await;
    world.clock.advance(MINUTE * 3);
    world.roll().await;
    let written = world.receipts.written();
    for rollup in world.rollups.all() {
        let of_minute = written
            .iter()
            .filter(|receipt| Minute::at(receipt.bucket.start()) == rollup.minute)
            .filter(|receipt| receipt.groups.iter().any(|it| it.tenant == rollup.tenant));
        let expiries = of_minute.map(|receipt| receipt.expires_at);
        assert_eq!(Some(rollup.expires_at), expiries.max());
    }
}

#[tokio::test]
async fn a_run_does_so_much_and_the_next_goes_on() {
    let world = busy().await;
    world.clock.advance(MINUTE * 10);
    let rules = RollRules {
        minutes: 4,
        ..RollRules::default()
    };
    let mut ends = Vec::new();
    while ends.last() != Some(&RollEnd::Done) {
        let rolled = world.roller().run(&rules).await.unwrap();
        assert!(rolled.minutes <= 4);
        ends.push(rolled.end);
        world.assert_true("demo", all(&world)).await;
    }
    assert!(ends.len() > 2, "{ends:?}");
    let rules = RollRules {
        budget: Duration::ZERO,
        ..RollRules::default()
    };
    world.clock.advance(MINUTE);
    let rolled = world.roller().run(&rules).await.unwrap();
    // The rest of the minute that was begun, and the beginning of the next.
    assert_eq!((rolled.end, rolled.minutes), (RollEnd::Done, 2));
}

#[tokio::test]
async fn whoever_dies_between_two_writes_has_it_done_by_the_next_run() {
    for writes in 0.. {
        let world = busy().await;
        world.clock.advance(MINUTE * 3);
        world.rollups.fail_after(Some(writes));
        let died = world.roller().run(&RollRules::default()).await.is_err();
        world.rollups.fail_after(None);
        world.assert_true("demo", all(&world)).await;
        world.assert_true("other", all(&world)).await;
        let rolled = world.roll().await;
        assert_eq!(rolled.end, RollEnd::Done);
        world.assert_true("demo", all(&world)).await;
        if !died {
            assert!(writes > 10, "{writes}");
            return;
        }
    }
}

#[tokio::test]
async fn a_minute_that_cannot_be_read_is_left_open_and_stops_no_other() {
    let world = busy().await;
    world.clock.advance(MINUTE * 5);
    let start = ManualStart::of(&world);
    let bad = Bucket::at(start + MINUTE);
    world.receipts.set_malformed(bad, true);
    for _ in 0..2 {
        let rolled = world.roll().await;
        assert_eq!(rolled.end, RollEnd::Done);
        let blocked = rolled.blocked.iter().map(|(minute, _)| *minute);
        assert_eq!(blocked.collect::<Vec<_>>(), [Minute::at(bad.start())]);
    }
    let early = Window {
        from: start,
        to: start + MINUTE,
    };
    world.assert_true("demo", early).await;
    let reader = world.reader();
    let demo = "demo".parse().unwrap();
    assert!(reader.stats(&demo, &query(all(&world))).await.is_err());
    world.receipts.set_malformed(bad, false);
    let rolled = world.roll().await;
    assert_eq!((rolled.again, rolled.blocked.len()), (1, 0));
    world.assert_true("demo", all(&world)).await;
    assert_eq!(world.rollups.state().await.unwrap().unwrap().open.len(), 0);
}

#[tokio::test]
async fn two_runs_at_a_time_come_to_the_same() {
    let world = busy().await;
    world.clock.advance(MINUTE * 5);
    let (roller, rules) = (world.roller(), RollRules::default());
    let (one, other) = tokio::join!(roller.run(&rules), roller.run(&rules));
    let ends = [one.unwrap().end, other.unwrap().end];
    assert!(ends.contains(&RollEnd::Done), "{ends:?}");
    world.assert_true("demo", all(&world)).await;
}

#[tokio::test]
async fn what_was_handed_over_before_rolling_up_began_is_read_from_receipts() {
    let world = World::default();
    let start = world.clock.now();
    let event = world.event("demo", "t", "a");
    world.hand_over(&[event]).await.unwrap();
    world.clock.advance(MINUTE * 30);
    let rolled = world.roll().await;
    assert_eq!(rolled.minutes, 1);
    let stats = world.stats("demo", start).await;
    assert_eq!(stats.total.figures.events(), 1);
}
