//! A stream that is behind, that loses, and that is gone for longer than it keeps anything.

use std::collections::VecDeque;
use std::time::Duration;

use pillarbox_domain::dispatch_switch::SwitchState;
use pillarbox_domain::log_shard::LogShards;
use pillarbox_domain::logged_event::OutboxMode;
use pillarbox_domain::publish::EventLog;
use pillarbox_domain::sweep::{End, Rules};
use pillarbox_domain::tenant_settings::{SettingsChange, TenantSettingsWriter};
use pillarbox_domain::{Clock, LoggedEvent};
use pillarbox_testkit::builders::tenant;

use super::support::*;

const TENANTS: [&str; 2] = ["demo", "other"];

#[tokio::test]
async fn what_was_published_in_thirty_hours_without_dispatch_is_delivered_once_and_the_ledger_balances()
 {
    let bus = bus(&TENANTS).await;
    let mut events = Vec::new();
    bus.switch.set(SwitchState::Disabled);
    for n in 0..300 {
        events.extend(publish(&bus, &TENANTS, n).await);
        if n % 5 == 0 {
            assert_eq!(bus.sweep().await.end, End::Off);
        }
        bus.clock.advance(6 * MINUTE);
    }
    assert!(deliveries(&bus, &TENANTS).is_empty());

    // Its place in the stream is lost: from now on dispatch sees what is new, and nothing else.
    bus.switch.set(SwitchState::Enabled);
    for n in 300..330 {
        let new = publish(&bus, &TENANTS, n).await;
        bus.dispatch(&new).await;
        events.extend(new);
        bus.clock.advance(5 * MINUTE);
        bus.sweep().await;
    }
    assert_each_once(&bus, &TENANTS, &events);
    let swept = bus.sweep().await;
    assert_eq!((swept.missing, swept.open), (0, 0));
    assert!(swept.swept_before.unwrap() >= bus.clock.now() - 10 * MINUTE);
}

#[tokio::test]
async fn while_dispatch_fails_on_its_own_everything_is_delivered_once_within_an_hour_and_a_half() {
    let bus = bus(&TENANTS).await;
    let mut events = Vec::new();
    for n in 0..180 {
        events.extend(publish(&bus, &TENANTS, n).await);
        bus.clock.advance(10 * MINUTE);
        bus.sweep().await;
        let late = bus.clock.now() - 90 * MINUTE;
        let due = events
            .iter()
            .filter(|event| event.event_id.accepted_at() < late);
        assert!(receipted(&bus).len() >= due.count());
    }
    bus.clock.advance(2 * HOUR);
    bus.sweep().await;
    assert_each_once(&bus, &TENANTS, &events);
}

/// Three hours of backlog, which dispatch works off twice as fast as it grows.
#[tokio::test]
async fn what_a_stream_that_is_merely_behind_will_bring_is_not_delivered_twice() {
    let bus = bus(&TENANTS).await;
    let (mut events, mut stream) = (Vec::new(), VecDeque::new());
    let mut publish_next = async |n: usize, stream: &mut VecDeque<LoggedEvent>| {
        let new = publish(&bus, &TENANTS, n).await;
        stream.extend(new.clone());
        events.extend(new);
        bus.clock.advance(5 * MINUTE);
    };
    bus.switch.set(SwitchState::Disabled);
    for n in 0..36 {
        publish_next(n, &mut stream).await;
        bus.sweep().await;
    }
    bus.switch.set(SwitchState::Enabled);
    for n in 36..90 {
        publish_next(n, &mut stream).await;
        let batch: Vec<LoggedEvent> = stream.drain(..stream.len().min(4)).collect();
        bus.dispatch(&batch).await;
        let swept = bus.sweep().await;
        let is_behind = stream.len() > 4;
        assert_eq!(swept.end == End::Waiting, is_behind, "{n}: {swept:?}");
        assert!(swept.handed.dispatched.is_empty());
    }
    assert!(stream.is_empty());
    bus.clock.advance(15 * MINUTE);
    assert_eq!(bus.sweep().await.missing, 0);
    assert_each_once(&bus, &TENANTS, &events);
}

/// A stream is many shards. In two hours of backlog, one tenant's events come by one that is five minutes further
/// behind.
#[tokio::test]
async fn a_shard_that_is_a_little_behind_the_others_is_waited_for() {
    let bus = bus(&TENANTS).await;
    let (mut events, mut shards) = (Vec::new(), [VecDeque::new(), VecDeque::new()]);
    let mut seen = bus.clock.now();
    for n in 0..80 {
        let new = publish(&bus, &TENANTS, n).await;
        events.extend(new.clone());
        for (shard, event) in shards.iter_mut().zip(new) {
            shard.push_back(event);
        }
        bus.clock.advance(5 * MINUTE);
        let is_on = n >= 24;
        bus.switch.set(match is_on {
            true => SwitchState::Enabled,
            false => SwitchState::Disabled,
        });
        if is_on {
            seen = bus.clock.now().min(seen + 10 * MINUTE);
            for (shard, behind) in shards.iter_mut().zip([0, 5]) {
                let is_seen = |event: &mut LoggedEvent| {
                    event.event_id.accepted_at() <= seen - behind * MINUTE
                };
                while let Some(event) = shard.pop_front_if(is_seen) {
                    bus.dispatch(&[event]).await;
                }
            }
        }
        assert!(bus.sweep().await.handed.dispatched.is_empty());
    }
    for shard in shards {
        bus.dispatch(&Vec::from(shard)).await;
    }
    assert_each_once(&bus, &TENANTS, &events);
}

#[tokio::test]
async fn one_event_that_is_lost_in_a_busy_stream_is_found_once_the_stream_has_passed_it() {
    let bus = bus(&TENANTS).await;
    let mut events = Vec::new();
    let mut lost: Option<LoggedEvent> = None;
    for n in 0..120 {
        let mut new = publish(&bus, &TENANTS, n).await;
        events.extend(new.clone());
        if n == 60 {
            lost = new.pop();
        }
        bus.dispatch(&new).await;
        bus.clock.advance(MINUTE);
        let swept = bus.sweep().await;
        let found = &swept.handed.dispatched;
        if let Some(lost) = lost.as_ref().filter(|_| !found.is_empty()) {
            let age = bus.clock.now() - lost.event_id.accepted_at();
            assert_eq!(found[0].event_id, lost.event_id);
            assert!(
                (10 * MINUTE..=12 * MINUTE).contains(&age.unsigned_abs()),
                "{age}"
            );
        }
        assert!(found.len() <= 1);
    }
    assert_each_once(&bus, &TENANTS, &events);
}

#[tokio::test]
async fn an_event_that_is_lost_while_nothing_else_comes_waits_for_an_hour() {
    let bus = bus(&TENANTS).await;
    let events = publish(&bus, &["demo"], 1).await;
    for _ in 0..11 {
        bus.clock.advance(5 * MINUTE);
        let swept = bus.sweep().await;
        assert_eq!(swept.handed.dispatched.len(), 0);
    }
    bus.clock.advance(5 * MINUTE);
    let swept = bus.sweep().await;
    assert_eq!((swept.missing, swept.handed.dispatched.len()), (1, 1));
    assert_each_once(&bus, &TENANTS, &events);
}

/// A backlog that begins to come in is not to be delivered before it by the sweep.
#[tokio::test]
async fn dispatch_that_is_just_switched_on_is_given_time_before_it_counts_as_silent() {
    let bus = bus(&TENANTS).await;
    let events = publish(&bus, &TENANTS, 1).await;
    bus.switch.set(SwitchState::Disabled);
    for _ in 0..36 {
        bus.clock.advance(5 * MINUTE);
        assert_eq!(bus.sweep().await.end, End::Off);
    }
    for (state, end) in [
        (SwitchState::Changing, End::Off),
        (SwitchState::Enabled, End::Waiting),
    ] {
        bus.switch.set(state);
        bus.clock.advance(5 * MINUTE);
        assert_eq!(bus.sweep().await.end, end);
    }
    bus.dispatch(&events).await;
    bus.clock.advance(15 * MINUTE);
    assert_eq!(bus.sweep().await.end, End::Closed);
    assert_each_once(&bus, &TENANTS, &events);
}

#[tokio::test]
async fn what_is_only_logged_is_not_missing() {
    let bus = bus(&TENANTS).await;
    let mut silent = bus.event("demo", "1", "t");
    silent.outbox = OutboxMode::None;
    bus.log.append(&silent).await.unwrap();
    bus.clock.advance(30 * HOUR);
    let swept = bus.sweep().await;
    assert_eq!(
        (swept.end, swept.logged, swept.missing),
        (End::Closed, 0, 0)
    );
}

#[tokio::test]
async fn every_shard_of_every_tenant_is_looked_at_and_the_bus_itself() {
    let bus = bus(&TENANTS).await;
    let shards = LogShards::new(5).unwrap();
    let change = SettingsChange {
        log_shards: Some(shards),
        ..SettingsChange::default()
    };
    let demo = tenant("demo");
    bus.registry.change_settings(&demo, &change).await.unwrap();
    for (n, shard) in shards.iter().enumerate() {
        let mut event = bus.event("demo", &n.to_string(), "t");
        event.shard = shard;
        bus.log.append(&event).await.unwrap();
    }
    bus.logged("other", "1", "t").await;
    bus.logged("_bus", "1", "t").await;
    bus.clock.advance(2 * HOUR);
    let swept = bus.sweep().await;
    assert_eq!(swept.handed.dispatched.len(), 7);
    assert_eq!(receipted(&bus).len(), 7);
}

#[tokio::test]
async fn an_event_whose_id_another_tenant_s_event_has_is_missing_all_the_same() {
    let bus = bus(&TENANTS).await;
    let own = bus.event("demo", "1", "t");
    let mut foreign = bus.event("other", "1", "t");
    foreign.event_id = own.event_id;
    for event in [&own, &foreign] {
        bus.log.append(event).await.unwrap();
    }
    bus.dispatch(std::slice::from_ref(&foreign)).await;
    bus.clock.advance(2 * HOUR);
    assert_eq!(bus.sweep().await.handed.dispatched.len(), 1);
    assert_each_once(&bus, &TENANTS, &[own, foreign]);
}

#[tokio::test]
async fn an_empty_run_asks_each_bucket_since_the_watermark_and_each_log_once() {
    let bus = bus(&TENANTS).await;
    bus.clock.advance(2 * HOUR);
    bus.sweep().await;
    let (receipts, registry) = (bus.receipts.looks(), bus.registry.reads());
    bus.clock.advance(5 * MINUTE);
    let swept = bus.sweep().await;
    assert_eq!((swept.slices, swept.end), (1, End::Closed));
    // Fifteen minutes in tens of seconds, and the one that has begun.
    assert_eq!(bus.receipts.looks() - receipts, 91);
    // The list of tenants, and the settings of each and of the bus.
    assert_eq!(bus.registry.reads() - registry, 4);
    // Nothing is closed since.
    let (receipts, saved) = (bus.receipts.looks(), bus.sweeps.saved());
    assert_eq!(bus.sweep().await.slices, 0);
    assert_eq!(
        (bus.receipts.looks(), bus.sweeps.saved()),
        (receipts, saved)
    );
}

#[tokio::test]
async fn a_run_whose_time_is_over_stops_before_its_next_slice() {
    let bus = bus(&TENANTS).await;
    let events = publish(&bus, &TENANTS, 1).await;
    bus.clock.advance(2 * HOUR);
    let none = Rules {
        budget: Duration::ZERO,
        ..Rules::default()
    };
    let swept = bus.sweep_by(none).await.unwrap();
    assert_eq!((swept.end, swept.slices), (End::OutOfTime, 0));
    bus.sweep().await;
    assert_each_once(&bus, &TENANTS, &events);
}
