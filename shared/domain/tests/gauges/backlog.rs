//! What waits to be handed over, and since when.

use pillarbox_domain::Clock;
use pillarbox_domain::logged_event::OutboxMode;
use pillarbox_domain::publish::EventLog;
use pillarbox_domain::sweep::Rules;

use crate::support::*;

#[tokio::test]
async fn on_a_bus_where_nothing_happens_nothing_waits_and_no_receipt_is_read() {
    let bus = bus(&["demo"]).await;
    pass(&bus, 60).await;
    let looks = bus.receipts.looks();
    let found = backlog(&bus).await;
    assert_eq!((found.pending, found.oldest), (exactly(0), None));
    assert_eq!(bus.receipts.looks(), looks);
}

#[tokio::test]
async fn what_no_receipt_tells_of_waits_and_the_first_of_it_says_how_long() {
    let bus = bus(&["demo", "shop"]).await;
    let handed_over = published(&bus, "demo", 30).await;
    bus.dispatch(&handed_over).await;
    let waiting = published(&bus, "shop", 3).await;
    let more = published(&bus, "demo", 2).await;
    let found = backlog(&bus).await;
    assert_eq!(found.pending, exactly(5));
    assert_eq!(found.oldest, Some(waiting[0].event_id.accepted_at()));

    bus.dispatch(&waiting).await;
    let found = backlog(&bus).await;
    assert_eq!(found.pending, exactly(2));
    assert_eq!(found.oldest, Some(more[0].event_id.accepted_at()));
    bus.dispatch(&more).await;
    assert_eq!(backlog(&bus).await.pending, exactly(0));
}

#[tokio::test]
async fn an_event_that_is_only_logged_never_waits() {
    let bus = bus(&["demo"]).await;
    let mut event = bus.event("demo", "1", "order.created");
    event.outbox = OutboxMode::None;
    bus.log.append(&event).await.unwrap();
    assert_eq!(backlog(&bus).await.pending, exactly(0));
}

#[tokio::test]
async fn while_dispatch_stands_still_everything_since_waits_however_long_that_is() {
    let bus = bus(&["demo"]).await;
    let first = published(&bus, "demo", 10).await;
    bus.dispatch(&first).await;
    pass(&bus, 60).await;
    let waiting = published(&bus, "demo", 20).await;
    bus.clock.advance(40 * MINUTE);
    let late = published(&bus, "demo", 5).await;
    let found = backlog(&bus).await;
    assert_eq!(found.pending, exactly(25));
    assert_eq!(found.oldest, Some(waiting[0].event_id.accepted_at()));
    bus.dispatch(&waiting).await;
    assert_eq!(backlog(&bus).await.pending, exactly(5));
    bus.dispatch(&late).await;
    assert_eq!(backlog(&bus).await.pending, exactly(0));
}

/// One shard of the stream is some seconds behind another.
#[tokio::test]
async fn what_waits_a_little_behind_the_last_that_was_handed_over_is_counted() {
    let bus = bus(&["demo"]).await;
    let events = published(&bus, "demo", 30).await;
    let (waiting, handed_over): (Vec<_>, Vec<_>) = events
        .into_iter()
        .enumerate()
        .partition(|(place, _)| *place == 25);
    let events =
        |some: Vec<(usize, _)>| some.into_iter().map(|(_, event)| event).collect::<Vec<_>>();
    bus.dispatch(&events(handed_over)).await;
    let found = backlog(&bus).await;
    assert_eq!(found.pending, exactly(1));
    assert_eq!(
        found.oldest,
        Some(events(waiting)[0].event_id.accepted_at())
    );
}

/// What is lost further back is the sweep's; from then on its slice counts until it is found clean.
#[tokio::test]
async fn a_slice_in_which_the_sweep_found_something_missing_counts_as_one_event_at_the_least() {
    let bus = bus(&["demo"]).await;
    let lost = published(&bus, "demo", 1).await;
    bus.clock.advance(5 * MINUTE);
    for _ in 0..6 {
        let events = published(&bus, "demo", 1).await;
        bus.dispatch(&events).await;
        bus.clock.advance(5 * MINUTE);
    }
    assert_eq!(backlog(&bus).await.pending, exactly(0));
    bus.receipts.set_failing(true);
    bus.sweep().await;
    let found = backlog(&bus).await;
    assert_eq!(found.pending, at_least(1));
    assert!(found.oldest.unwrap() <= lost[0].event_id.accepted_at());
    bus.receipts.set_failing(false);
    bus.sweep().await;
    bus.sweep().await;
    assert_eq!(backlog(&bus).await.pending, exactly(0));
}

#[tokio::test]
async fn events_of_an_hour_ago_and_of_now_wait_on_either_side_of_the_hour() {
    let bus = bus(&["demo"]).await;
    bus.clock.advance(58 * MINUTE);
    pass(&bus, 0).await;
    published(&bus, "demo", 2).await;
    bus.clock.advance(4 * MINUTE);
    published(&bus, "demo", 3).await;
    assert_eq!(backlog(&bus).await.pending, exactly(5));
}

#[tokio::test]
async fn where_receipts_cannot_be_read_the_figure_is_the_least() {
    let bus = bus(&["demo"]).await;
    let events = published(&bus, "demo", 1).await;
    bus.clock.advance(20 * SECOND);
    published(&bus, "demo", 1).await;
    let bucket = pillarbox_domain::receipt::Bucket::of(events[0].event_id);
    bus.receipts.set_malformed(bucket, true);
    assert_eq!(backlog(&bus).await.pending, at_least(1));
}

#[tokio::test]
async fn a_backlog_beyond_the_bound_is_told_as_the_least_from_its_oldest_on() {
    let bus = bus(&["demo"]).await;
    let first = published(&bus, "demo", 2_000).await;
    let found = backlog(&bus).await;
    // 180 buckets of ten seconds each, of which the first may be a part.
    assert!(found.pending.is_at_least);
    assert!((1_790..=1_800).contains(&found.pending.count), "{found:?}");
    assert_eq!(found.oldest, Some(first[0].event_id.accepted_at()));
}

#[tokio::test]
async fn before_the_first_sweep_a_day_is_looked_at() {
    let bus = bus(&["demo"]).await;
    let mut old = bus.event("demo", "1", "order.created");
    old.event_id = behind(&bus, 20 * 60 * MINUTE).next_id();
    bus.log.append(&old).await.unwrap();
    let found = backlog(&bus).await;
    assert_eq!(
        (found.pending, found.oldest),
        (exactly(1), Some(old.event_id.accepted_at()))
    );
    // Not even by rules that look at everything at once.
    let rules = Rules {
        stalled_after: SECOND,
        ..Rules::default()
    };
    bus.sweep_by(rules).await.unwrap();
    assert_eq!(backlog(&bus).await.pending, exactly(0));
}
