//! More than one run hands over itself.

use pillarbox_domain::publish::EventLog;
use pillarbox_domain::seal::Redispatch;
use pillarbox_domain::sweep::{
    ASK_AGAIN_AFTER, Asking, End, MAX_OPEN, Rules, SweepState, SweepStore,
};
use pillarbox_domain::{Clock, LoggedEvent};

use super::support::*;

const TENANTS: [&str; 2] = ["demo", "other"];

fn at_once(at_once: usize) -> Rules {
    Rules {
        at_once,
        ..Rules::default()
    }
}

#[tokio::test]
async fn what_is_beyond_a_thousand_goes_to_the_queue_and_its_slice_is_closed_when_receipts_are_there()
 {
    let bus = bus(&TENANTS).await;
    let mut events = Vec::new();
    for n in 0..750 {
        events.extend(publish(&bus, &TENANTS, n).await);
    }
    bus.clock.advance(2 * HOUR);
    let swept = bus.sweep().await;
    let counts = (swept.missing, swept.handed.dispatched.len(), swept.asked);
    assert_eq!(counts, (1_500, 1_000, 500));
    assert_eq!((swept.end, swept.open), (End::Closed, 1));
    let watermark = swept.swept_before.unwrap();
    assert!(watermark <= events[0].event_id.accepted_at());

    // It is not asked for again while its messages may be on their way.
    bus.clock.advance(5 * MINUTE);
    let swept = bus.sweep().await;
    assert_eq!((swept.missing, swept.asked, swept.open), (0, 0, 1));
    assert_eq!(swept.swept_before, Some(watermark));
    let handed = bus.take_asked().await;
    assert_eq!(handed.len(), 5);
    bus.clock.advance(ASK_AGAIN_AFTER);
    let swept = bus.sweep().await;
    assert_eq!((swept.missing, swept.open), (0, 0));
    assert!(swept.swept_before.unwrap() > watermark);
    assert_each_once(&bus, &TENANTS, &events);
}

#[tokio::test]
async fn a_message_that_fails_is_asked_for_again_and_the_others_are_not_handed_over_twice() {
    let bus = bus(&TENANTS).await;
    let mut events = Vec::new();
    for n in 0..125 {
        events.extend(publish(&bus, &TENANTS, n).await);
    }
    bus.clock.advance(2 * HOUR);
    assert_eq!(bus.sweep_by(at_once(0)).await.unwrap().asked, 250);
    bus.queues.refuse("other", r#""id":"7""#);
    bus.rows.set_failing(true);
    let handed = bus.take_asked().await;
    let failed: usize = handed.iter().map(|handed| handed.failed.len()).sum();
    assert_eq!((handed.len(), failed), (3, 1));

    bus.queues.recover();
    bus.rows.set_failing(false);
    bus.clock.advance(ASK_AGAIN_AFTER);
    let swept = bus.sweep_by(at_once(0)).await.unwrap();
    assert_eq!((swept.missing, swept.asked), (1, 1));
    bus.take_asked().await;
    assert_each_once(&bus, &TENANTS, &events);
}

#[tokio::test]
async fn a_message_that_comes_after_the_stream_brought_its_events_does_nothing() {
    let bus = bus(&TENANTS).await;
    let events = publish(&bus, &TENANTS, 1).await;
    bus.clock.advance(2 * HOUR);
    bus.sweep_by(at_once(0)).await.unwrap();
    bus.dispatch(&events).await;
    let handed = bus.take_asked().await;
    assert_eq!((handed[0].receipted, handed[0].dispatched.len()), (2, 0));
    assert_each_once(&bus, &TENANTS, &events);
}

#[tokio::test]
async fn what_the_queue_does_not_take_is_asked_for_by_the_next_run() {
    let bus = bus(&TENANTS).await;
    let events = publish(&bus, &TENANTS, 1).await;
    bus.clock.advance(2 * HOUR);
    bus.asked.set_failing(true);
    let swept = bus.sweep_by(at_once(0)).await.unwrap();
    assert_eq!((swept.unasked.len(), swept.asked, swept.open), (1, 0, 1));
    bus.asked.set_failing(false);
    assert_eq!(bus.sweep_by(at_once(0)).await.unwrap().asked, 2);
    bus.take_asked().await;
    assert_each_once(&bus, &TENANTS, &events);
}

#[tokio::test]
async fn slices_after_one_that_is_asked_for_do_not_wait_for_it() {
    let bus = bus(&TENANTS).await;
    let mut events = publish(&bus, &TENANTS, 1).await;
    bus.clock.advance(HOUR);
    events.extend(publish(&bus, &TENANTS, 2).await);
    bus.clock.advance(2 * HOUR);
    let swept = bus.sweep_by(at_once(0)).await.unwrap();
    assert_eq!((swept.asked, swept.open), (4, 2));
    bus.take_asked().await;
    assert_each_once(&bus, &TENANTS, &events);
}

/// Ten days without a sweep, and a queue that takes nothing.
#[tokio::test]
async fn when_as_many_slices_are_open_as_may_be_the_sweep_goes_no_further_and_loses_nothing() {
    let bus = bus(&["demo"]).await;
    let begun = bus.clock.now();
    let ten_days_ago = SweepState {
        looked_before: begun,
        ..SweepState::beginning(begun)
    };
    assert!(bus.sweeps.save(&ten_days_ago).await.unwrap());
    let mut events: Vec<LoggedEvent> = Vec::new();
    for n in 0..MAX_OPEN + 20 {
        events.extend(publish(&bus, &["demo"], n).await);
        bus.clock.advance(5 * MINUTE);
    }
    bus.clock.advance(5 * 24 * HOUR);
    bus.asked.set_failing(true);
    let swept = bus.sweep_by(at_once(0)).await.unwrap();
    assert_eq!((swept.end, swept.open), (End::Full, MAX_OPEN));
    assert_eq!(swept.swept_before, Some(begun));

    bus.asked.set_failing(false);
    for _ in 0..4 {
        bus.sweep_by(at_once(0)).await.unwrap();
        bus.take_asked().await;
        bus.clock.advance(ASK_AGAIN_AFTER);
    }
    assert_eq!(bus.sweep().await.open, 0);
    assert_each_once(&bus, &["demo"], &events);
}

#[tokio::test]
async fn two_events_of_one_slice_need_not_be_asked_for_together() {
    let bus = bus(&["demo"]).await;
    let late = event_of(&bus, "demo", "late", 30 * HOUR);
    bus.log.append(&late).await.unwrap();
    let state = SweepState {
        looked_before: bus.clock.now() - 48 * HOUR,
        ..SweepState::beginning(bus.clock.now())
    };
    assert!(bus.sweeps.save(&state).await.unwrap());
    let swept = bus.sweep_by(at_once(1)).await.unwrap();
    assert_eq!((swept.handed.dispatched.len(), swept.asked), (1, 0));
    assert_each_once(&bus, &["demo"], &[late]);
}

#[tokio::test]
async fn what_a_seal_finds_missing_is_handed_over_by_the_queue_unless_it_has_a_receipt_by_then() {
    let bus = bus(&TENANTS).await;
    let events = publish(&bus, &TENANTS, 1).await;
    Asking(&bus.asked).redispatch(&events).await.unwrap();
    bus.dispatch(&events[..1]).await;
    let handed = bus.take_asked().await;
    assert_eq!((handed[0].receipted, handed[0].dispatched.len()), (1, 1));
    assert_each_once(&bus, &TENANTS, &events);
}
