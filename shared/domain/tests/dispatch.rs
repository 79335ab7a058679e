//! Dispatching, on queues and receipts in memory that fail where the test wants it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use pillarbox_domain::active_hours::MarkedHours;
use pillarbox_domain::dead_letter::Origin;
use pillarbox_domain::delivery::Received;
use pillarbox_domain::dispatch::{
    DispatchError, Dispatched, Dispatcher, Refusal, Subscriptions, Trouble,
};
use pillarbox_domain::log_hour::{HourRange, LogHour, Order};
use pillarbox_domain::logged_event::OutboxMode;
use pillarbox_domain::receipt::{BUCKET_SECONDS, HandedOver, ReceiptReader};
use pillarbox_domain::schema::delivery::Upcasting;
use pillarbox_domain::subscription::SubscriptionState;
use pillarbox_domain::subscription_cache::{CachedSubscriptions, MAX_AGE, MAX_UNCHANGED_AGE};
use pillarbox_domain::trouble::{DeliveryKey, GRACE, TroubleStatus};
use pillarbox_domain::{Clock, LoggedEvent, TenantId};
use pillarbox_testkit::builders::{subscription, tenant};
use pillarbox_testkit::{ManualClock, MemoryBus, MemoryRegistry};
use time::UtcDateTime;

fn key(event: &LoggedEvent, subscription: &str) -> DeliveryKey {
    DeliveryKey {
        tenant: event.tenant.clone(),
        event_id: event.event_id,
        subscription: subscription.parse().unwrap(),
    }
}

fn names(handed_over: &HandedOver) -> Vec<&str> {
    handed_over
        .subscriptions
        .iter()
        .map(|id| id.as_str())
        .collect()
}

#[tokio::test]
async fn what_is_only_logged_goes_to_nobody_and_has_no_receipt() {
    let bus = MemoryBus::with([subscription(&tenant("demo"), "all", &["*"])]);
    let dispatched = bus.event("demo", "1", "order.created");
    let mut logged_only = bus.event("demo", "2", "order.created");
    logged_only.outbox = OutboxMode::None;
    let outcomes = bus
        .dispatch(&[logged_only, dispatched.clone()])
        .await
        .outcomes;
    let matched: Vec<usize> = outcomes
        .iter()
        .map(|outcome| outcome.as_ref().unwrap().subscriptions.len())
        .collect();
    assert_eq!(matched, [0, 1]);
    assert_eq!(bus.queues.bodies("all").len(), 1);
    assert_eq!(bus.receipted(), [dispatched.event_id.to_string()]);
    assert_eq!(bus.receipts.written()[0].expires_at, dispatched.expires_at);
}

#[tokio::test]
async fn an_event_goes_to_every_subscription_that_asked_and_to_no_other() {
    let (demo, other) = (tenant("demo"), tenant("other"));
    let bus = MemoryBus::with([
        subscription(&demo, "orders", &["order.*"]),
        subscription(&demo, "prices", &["price.*"]),
        subscription(&demo, "both", &["price.changed", "order.created"]),
        subscription(&other, "foreign", &["*"]),
        subscription(&TenantId::bus(), "_audit", &["*"]),
    ]);
    let outcomes = bus
        .dispatch(&[bus.event("demo", "1", "order.created")])
        .await
        .outcomes;
    assert_eq!(
        names(outcomes[0].as_ref().unwrap()),
        ["both", "orders", "_audit"]
    );
    for (queue, deliveries) in [
        ("orders", 1),
        ("both", 1),
        ("_audit", 1),
        ("prices", 0),
        ("foreign", 0),
    ] {
        assert_eq!(bus.queues.bodies(queue).len(), deliveries, "{queue}");
    }
}

#[tokio::test]
async fn an_event_of_the_bus_itself_goes_to_its_subscriptions_once() {
    let bus = MemoryBus::with([subscription(&TenantId::bus(), "_audit", &["*"])]);
    let outcomes = bus.dispatch(&[bus.event("_bus", "1", "t")]).await.outcomes;
    assert_eq!(names(outcomes[0].as_ref().unwrap()), ["_audit"]);
    assert_eq!(bus.queues.bodies("_audit").len(), 1);
}

#[tokio::test]
async fn a_delivery_tells_its_event_its_subscription_and_its_attempt() {
    let bus = MemoryBus::with([subscription(&tenant("demo"), "orders", &["*"])]);
    let event = bus.event("demo", "1", "order.created");
    bus.dispatch(std::slice::from_ref(&event)).await;
    let received = Received::parse(&bus.queues.bodies("orders")[0]).unwrap();
    assert_eq!(received.event, event.event);
    assert_eq!(received.event_id, event.event_id);
    assert_eq!(received.subscription.as_str(), "orders");
    assert_eq!((received.attempt, received.job), (1, None));
}

#[tokio::test]
async fn an_event_that_nobody_asked_for_has_a_receipt_too() {
    let bus = MemoryBus::with([]);
    let event = bus.event("demo", "1", "order.created");
    let outcomes = bus.dispatch(std::slice::from_ref(&event)).await.outcomes;
    assert!(names(outcomes[0].as_ref().unwrap()).is_empty());
    assert_eq!(bus.receipted(), [event.event_id.to_string()]);
}

#[tokio::test]
async fn a_queue_that_refuses_one_message_leaves_a_row_for_it_and_everything_is_receipted() {
    let bus = MemoryBus::with([
        subscription(&tenant("demo"), "flaky", &["*"]),
        subscription(&tenant("demo"), "sound", &["*"]),
    ]);
    let events = ["1", "2", "3"].map(|id| bus.event("demo", id, "order.created"));
    bus.queues.refuse("flaky", r#""id":"2""#);
    let outcomes = bus.dispatch(&events).await.outcomes;
    let retrying: Vec<usize> = outcomes
        .iter()
        .map(|outcome| outcome.as_ref().unwrap().retrying)
        .collect();
    assert_eq!(retrying, [0, 1, 0]);
    assert_eq!(names(outcomes[1].as_ref().unwrap()), ["flaky", "sound"]);
    assert_eq!(bus.queues.bodies("sound").len(), 3);
    assert_eq!(bus.receipted().len(), 3);
    let [row] = &bus.rows.rows()[..] else {
        panic!("{:?}", bus.rows.rows());
    };
    assert_eq!(row.key, key(&events[1], "flaky"));
    let TroubleStatus::Retrying { next_attempt_at } = row.status else {
        panic!("{row:?}");
    };
    let wait = next_attempt_at - bus.clock.now();
    assert!((800..=1_000).contains(&wait.whole_milliseconds()), "{wait}");
    let told = row.attempts[0].failure.to_string();
    assert_eq!(told, "ServiceUnavailable: as the test wants it");
    let [(reminded, delay)] = &bus.reminders.take()[..] else {
        panic!("one reminder");
    };
    assert_eq!((reminded, *delay), (&row.key, wait.unsigned_abs()));
}

#[tokio::test]
async fn an_answer_that_leaves_messages_out_is_no_acceptance() {
    let bus = MemoryBus::with([subscription(&tenant("demo"), "silent", &["*"])]);
    let events = ["1", "2"].map(|id| bus.event("demo", id, "order.created"));
    bus.queues.fall_silent();
    let outcomes = bus.dispatch(&events).await.outcomes;
    assert!(
        outcomes
            .iter()
            .all(|outcome| outcome.as_ref().unwrap().retrying == 1)
    );
    let rows = bus.rows.rows();
    assert!(
        rows.iter()
            .all(|row| row.attempts[0].failure.class == "Unanswered")
    );
    assert_eq!(rows.len(), 2);
}

#[tokio::test]
async fn a_row_that_cannot_be_written_brings_its_event_again() {
    let bus = MemoryBus::with([subscription(&tenant("demo"), "flaky", &["*"])]);
    let events = ["1", "2"].map(|id| bus.event("demo", id, "order.created"));
    bus.queues.refuse("flaky", r#""id":"2""#);
    bus.rows.set_failing(true);
    let outcomes = bus.dispatch(&events).await.outcomes;
    assert!(outcomes[0].is_ok());
    assert!(
        matches!(&outcomes[1], Err(DispatchError::Row { .. })),
        "{outcomes:?}"
    );
    assert_eq!(bus.receipted(), [events[0].event_id.to_string()]);
    bus.rows.set_failing(false);
    let outcomes = bus.dispatch(&events[1..]).await.outcomes;
    assert_eq!(outcomes[0].as_ref().unwrap().retrying, 1);
}

#[tokio::test]
async fn a_repeated_batch_leaves_a_row_as_it_is_and_reminds_of_it_no_more() {
    let bus = MemoryBus::with([subscription(&tenant("demo"), "flaky", &["*"])]);
    let events = [bus.event("demo", "1", "order.created")];
    bus.queues.refuse("flaky", "");
    bus.dispatch(&events).await;
    let first = bus.rows.rows();
    assert_eq!(bus.reminders.take().len(), 1);
    bus.clock.advance(Duration::from_secs(3));
    bus.dispatch(&events).await;
    assert_eq!(bus.rows.rows(), first);
    assert!(bus.reminders.take().is_empty());
}

#[tokio::test]
async fn a_reminder_that_is_not_taken_is_told_and_loses_nothing() {
    let bus = MemoryBus::with([subscription(&tenant("demo"), "flaky", &["*"])]);
    let events = [bus.event("demo", "1", "order.created")];
    bus.queues.refuse("flaky", "");
    bus.reminders.set_failing(true);
    let dispatched = bus.dispatch(&events).await;
    assert!(dispatched.outcomes[0].is_ok());
    assert_eq!(dispatched.unreminded[0].0, key(&events[0], "flaky"));
    bus.reminders.set_failing(false);
    bus.clock.advance(GRACE + Duration::from_secs(2));
    assert_eq!(bus.remind_of_overdue().await, 1);
    assert_eq!(
        bus.reminders.take(),
        [(key(&events[0], "flaky"), Duration::ZERO)]
    );
    assert_eq!(bus.remind_of_overdue().await, 0);
}

#[tokio::test]
async fn a_message_that_no_queue_will_take_is_a_dead_letter_at_once() {
    let bus = MemoryBus::with([
        subscription(&tenant("demo"), "strict", &["*"]),
        subscription(&tenant("demo"), "sound", &["*"]),
    ]);
    let event = bus.event("demo", "1", "order.created");
    let code = "InvalidMessageContents";
    bus.queues.refuse_with("strict", "", code, Refusal::Message);
    let outcomes = bus.dispatch(std::slice::from_ref(&event)).await.outcomes;
    let handed_over = outcomes[0].as_ref().unwrap();
    assert_eq!((handed_over.dead_lettered, handed_over.retrying), (1, 0));
    let [dead] = &bus.dead_letters.taken()[..] else {
        panic!("one dead letter");
    };
    assert_eq!((&*dead.error.class, dead.origin), (code, Origin::Dispatch));
    let received = Received::parse(&dead.message.body).unwrap();
    assert_eq!(
        (received.event_id, received.subscription.as_str()),
        (event.event_id, "strict")
    );
    let row = &bus.rows.rows()[0];
    assert!(
        matches!(row.status, TroubleStatus::Failed { .. }),
        "{row:?}"
    );
    assert_eq!(bus.queues.bodies("sound").len(), 1);

    // What cannot be put away is not settled either.
    let bus = MemoryBus::with([subscription(&tenant("demo"), "strict", &["*"])]);
    bus.queues.refuse_with("strict", "", code, Refusal::Message);
    bus.dead_letters.set_failing(true);
    let outcomes = bus.dispatch(&[event]).await.outcomes;
    assert!(matches!(
        &outcomes[0],
        Err(DispatchError::DeadLetter { .. })
    ));
    assert!(bus.rows.rows().is_empty() && bus.receipted().is_empty());
}

#[tokio::test]
async fn a_queue_that_is_gone_suspends_its_subscription_once_and_leaves_no_row() {
    let demo = tenant("demo");
    let bus = MemoryBus::with([
        subscription(&demo, "gone", &["*"]),
        subscription(&demo, "sound", &["*"]),
    ]);
    bus.queues.remove("gone");
    let first = bus.event("demo", "1", "t");
    bus.clock.advance(Duration::from_secs(1));
    let events = [bus.event("demo", "2", "t"), first.clone()];
    let dispatched = bus.dispatch(&events).await;
    for outcome in &dispatched.outcomes {
        let handed_over = outcome.as_ref().unwrap();
        assert_eq!(names(handed_over), ["sound"]);
        assert_eq!(handed_over.withheld, ["gone".parse().unwrap()]);
    }
    let [suspension] = &dispatched.suspended[..] else {
        panic!("{:?}", dispatched.suspended);
    };
    let expected = SubscriptionState::Suspended {
        since: first.event_id.accepted_at(),
        reason: "QueueDoesNotExist: as the test wants it".to_owned(),
    };
    assert_eq!(suspension.id.as_str(), "gone");
    let there = bus.registry.registered(&demo, "gone").unwrap();
    assert_eq!(there.subscription.state, expected);
    assert!(bus.rows.rows().is_empty());
    assert_eq!(bus.queues.bodies("sound").len(), 2);

    // From now on nothing is sent to it, and what it would have had is written down.
    let event = bus.event("demo", "3", "t");
    bus.queues.recover();
    let dispatched = bus.dispatch(std::slice::from_ref(&event)).await;
    assert!(dispatched.suspended.is_empty());
    assert!(bus.queues.bodies("gone").is_empty());
    let receipts = bus.receipts.of_event(&demo, event.event_id).await.unwrap();
    assert_eq!(receipts[0].withheld, ["gone".parse().unwrap()]);
}

#[tokio::test]
async fn a_suspension_that_cannot_be_written_leaves_rows_instead() {
    let bus = MemoryBus::with([subscription(&tenant("demo"), "gone", &["*"])]);
    bus.queues.remove("gone");
    let events = [bus.event("demo", "1", "t")];
    let mut elsewhere = subscription(&tenant("demo"), "gone", &["*"]);
    elsewhere.queue_url = "https://sqs.test/1/new".parse().unwrap();
    let registry = MemoryRegistry::with([elsewhere]);
    let stale = MemoryBus {
        registry,
        ..MemoryBus::default()
    };
    // The subscription has another queue by now: it is not suspended, and this delivery is tried again there.
    let dispatched = dispatch_with_roster_of(&bus, &stale, &events).await;
    assert!(dispatched.suspended.is_empty());
    assert_eq!(dispatched.outcomes[0].as_ref().unwrap().retrying, 1);
    let there = stale.registry.registered(&tenant("demo"), "gone").unwrap();
    assert!(there.subscription.state.is_active());
    assert_eq!(bus.rows.rows().len(), 1);
}

/// Dispatches by the subscriptions of one bus, as a cache would, and suspends in the registry of another.
async fn dispatch_with_roster_of(
    bus: &MemoryBus,
    registered: &MemoryBus,
    events: &[LoggedEvent],
) -> Dispatched {
    let dispatcher = Dispatcher {
        subscriptions: &bus.registry,
        queues: &bus.queues,
        receipts: &bus.receipts,
        marks: &bus.marks,
        reopenings: &bus.reopenings,
        upcasts: &Upcasting::new(&bus.registry, bus.clock.clone()),
        clock: &bus.clock,
        trouble: Trouble {
            rows: &bus.rows,
            reminders: &bus.reminders,
            dead_letters: &bus.dead_letters,
            suspensions: &registered.registry,
        },
    };
    dispatcher.dispatch(events).await
}

#[tokio::test]
async fn what_is_paused_gets_nothing_and_loses_nothing() {
    let demo = tenant("demo");
    let mut paused = subscription(&demo, "paused", &["*"]);
    paused.state = SubscriptionState::Paused {
        since: UtcDateTime::UNIX_EPOCH,
        reason: None,
    };
    let bus = MemoryBus::with([paused]);
    let event = bus.event("demo", "1", "t");
    let outcomes = bus.dispatch(std::slice::from_ref(&event)).await.outcomes;
    assert_eq!(outcomes[0].as_ref().unwrap().withheld.len(), 1);
    assert!(bus.queues.bodies("paused").is_empty());
    let receipts = bus.receipts.of_event(&demo, event.event_id).await.unwrap();
    assert_eq!(
        (receipts[0].withheld.len(), receipts[0].subscriptions.len()),
        (1, 0)
    );
}

#[tokio::test]
async fn a_dead_queue_does_not_keep_another_from_its_messages() {
    let demo = tenant("demo");
    let others = (0..20).map(|n| subscription(&demo, &format!("sound-{n}"), &["*"]));
    let bus = MemoryBus::with(others.chain([
        subscription(&demo, "dead", &["*"]),
        subscription(&demo, "slow", &["*"]),
    ]));
    bus.queues.remove("dead");
    bus.queues.refuse("slow", "");
    let events: Vec<_> = (0..50)
        .map(|n| bus.event("demo", &n.to_string(), "t"))
        .collect();
    let outcomes = bus.dispatch(&events).await.outcomes;
    assert!(outcomes.iter().all(Result::is_ok));
    for n in 0..20 {
        assert_eq!(bus.queues.bodies(&format!("sound-{n}")).len(), 50);
    }
    assert_eq!(bus.rows.rows().len(), 50);
}

#[tokio::test]
async fn a_receipt_that_cannot_be_written_takes_its_events_back_and_a_repeat_mends_it() {
    let bus = MemoryBus::with([subscription(&tenant("demo"), "orders", &["*"])]);
    let events = ["1", "2"].map(|id| bus.event("demo", id, "order.created"));
    bus.receipts.set_failing(true);
    let outcomes = bus.dispatch(&events).await.outcomes;
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Err(DispatchError::Receipt(_))))
    );
    bus.receipts.set_failing(false);
    let repeated = bus.dispatch(&events).await.outcomes;
    assert!(repeated.iter().all(Result::is_ok));
    // The queue had them before: a repeat, never a loss.
    assert_eq!(bus.queues.bodies("orders").len(), 4);
    assert_eq!(bus.receipted().len(), 2);
}

#[tokio::test]
async fn without_its_subscriptions_no_event_is_taken_for_unwanted() {
    let bus = MemoryBus::with([subscription(&tenant("demo"), "orders", &["*"])]);
    bus.registry.set_failing(true);
    let outcomes = bus
        .dispatch(&[bus.event("demo", "1", "order.created")])
        .await
        .outcomes;
    assert!(matches!(
        &outcomes[0],
        Err(DispatchError::Subscriptions { .. })
    ));
    assert!(bus.receipts.written().is_empty());
}

#[tokio::test]
async fn receipts_group_events_by_bucket_tenant_type_and_subscriptions() {
    let bus = MemoryBus::with([subscription(&tenant("demo"), "orders", &["order.*"])]);
    let mut events = vec![
        bus.event("demo", "1", "order.created"),
        bus.event("demo", "2", "order.created"),
        bus.event("demo", "3", "price.changed"),
        bus.event("other", "4", "order.created"),
    ];
    bus.clock
        .advance(Duration::from_secs(BUCKET_SECONDS.unsigned_abs()));
    events.push(bus.event("demo", "5", "order.created"));
    bus.dispatch(&events).await;
    let receipts = bus.receipts.written();
    let sizes: Vec<Vec<usize>> = receipts
        .iter()
        .map(|receipt| {
            receipt
                .groups
                .iter()
                .map(|group| group.event_ids.len())
                .collect()
        })
        .collect();
    assert_eq!(sizes, [vec![2, 1, 1], vec![1]]);
    assert!(
        receipts
            .iter()
            .all(|receipt| receipt.handed_over_at == bus.clock.now())
    );
    assert_eq!(receipts[0].batch.id, receipts[1].batch.id);
}

#[tokio::test]
async fn a_receipt_too_large_for_an_item_is_written_in_parts() {
    let wanted =
        (0..50).map(|n| subscription(&tenant("demo"), &format!("{}-{n}", "s".repeat(60)), &["*"]));
    let bus = MemoryBus::with(wanted);
    let types = (0..200).map(|n| format!("{n}.{}", "t".repeat(200)));
    let events: Vec<_> = types.map(|name| bus.event("demo", &name, &name)).collect();
    let repeated = bus.dispatch(&events).await.outcomes;
    assert!(repeated.iter().all(Result::is_ok));
    let receipts = bus.receipts.written();
    let parts: Vec<usize> = receipts.iter().map(|receipt| receipt.batch.part).collect();
    assert_eq!(parts, [0, 1, 2]);
    assert_eq!(bus.receipted().len(), 200);
}

#[tokio::test]
async fn subscriptions_are_asked_for_once_in_their_age_and_read_when_they_have_changed() {
    let clock = ManualClock::default();
    let registry = MemoryRegistry::with([subscription(&tenant("demo"), "a", &["*"])]);
    let cached = CachedSubscriptions::new(&registry, clock.clone());
    let demo = tenant("demo");
    // Of the reads, one asks for the revision and one for the subscriptions.
    for (wait, reads) in [(Duration::ZERO, 2), (MAX_AGE / 2, 2), (MAX_AGE / 2, 3)] {
        clock.advance(wait);
        assert_eq!(cached.of(&demo).await.unwrap().len(), 1);
        assert_eq!(registry.reads(), reads, "{wait:?}");
    }
    registry.put(subscription(&demo, "b", &["*"]));
    assert_eq!(cached.of(&demo).await.unwrap().len(), 1);
    clock.advance(MAX_AGE);
    assert_eq!(cached.of(&demo).await.unwrap().len(), 2);
    assert_eq!(registry.reads(), 5);
    clock.advance(MAX_UNCHANGED_AGE);
    assert_eq!(cached.of(&demo).await.unwrap().len(), 2);
    assert_eq!(registry.reads(), 7, "now and then all is read again");
}

#[tokio::test]
async fn a_failed_read_is_not_remembered() {
    let registry = MemoryRegistry::with([subscription(&tenant("demo"), "a", &["*"])]);
    let cached = CachedSubscriptions::new(&registry, ManualClock::default());
    registry.set_failing(true);
    assert!(cached.of(&tenant("demo")).await.is_err());
    registry.set_failing(false);
    assert_eq!(cached.of(&tenant("demo")).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_hour_of_every_event_is_marked_also_of_one_that_is_only_logged() {
    let bus = MemoryBus::with([]);
    let mut silent = bus.event("demo", "1", "t");
    silent.outbox = OutboxMode::None;
    let events = [silent, bus.event("other", "2", "t")];
    bus.dispatch(&events).await;
    for event in &events {
        let hour = LogHour::of(event.event_id);
        let range = HourRange {
            first: hour,
            last: hour,
        };
        let marked = bus.marks.marked(&event.tenant, range, Order::Oldest).await;
        assert_eq!(marked.unwrap().hours, [hour]);
    }
}

#[tokio::test]
async fn an_event_whose_hour_cannot_be_marked_comes_again() {
    let bus = MemoryBus::with([subscription(&tenant("demo"), "all", &["*"])]);
    bus.marks.set_failing(true);
    let event = bus.event("demo", "1", "t");
    let outcomes = bus.dispatch(std::slice::from_ref(&event)).await.outcomes;
    assert!(matches!(outcomes[..], [Err(DispatchError::Mark(_))]));
    assert!(bus.receipted().is_empty());
    bus.marks.set_failing(false);
    let outcomes = bus.dispatch(&[event]).await.outcomes;
    assert!(outcomes[0].is_ok());
}

/// An event whose id says that it was accepted so long ago.
fn late_event(bus: &MemoryBus, owner: &str, id: &str, late: Duration) -> LoggedEvent {
    let mut event = bus.event(owner, id, "t");
    event.event_id = ManualClock::at(bus.clock.now() - late).next_id();
    event
}

#[tokio::test]
async fn an_hour_that_something_comes_late_to_is_noted_once_for_a_batch_and_each_time() {
    const HOUR: Duration = Duration::from_secs(3_600);
    let bus = MemoryBus::with([subscription(&tenant("demo"), "all", &["*"])]);
    let mut silent = late_event(&bus, "other", "3", 27 * HOUR);
    silent.outbox = OutboxMode::None;
    let events = [
        late_event(&bus, "demo", "1", 26 * HOUR),
        late_event(&bus, "demo", "2", 26 * HOUR),
        silent,
        // The stream may bring what is up to a day old, and an hour is closed 25 hours after it has begun.
        late_event(&bus, "demo", "4", 25 * HOUR),
        late_event(&bus, "demo", "5", Duration::ZERO),
    ];
    let places = || -> Vec<(String, UtcDateTime)> {
        let noted = bus.reopenings.noted().into_iter();
        noted
            .map(|it| (it.tenant.to_string(), it.noted_at))
            .collect()
    };
    for _ in 0..2 {
        let outcomes = bus.dispatch(&events).await.outcomes;
        assert!(outcomes.iter().all(Result::is_ok));
        let now = bus.clock.now();
        let expected = [("other".to_owned(), now), ("demo".to_owned(), now)];
        assert_eq!(places(), expected);
        bus.clock.advance(Duration::from_secs(1));
    }
}

#[tokio::test]
async fn a_late_event_comes_again_when_its_hour_cannot_be_noted_and_no_other_does() {
    const DAYS: Duration = Duration::from_secs(48 * 3_600);
    let bus = MemoryBus::with([subscription(&tenant("demo"), "all", &["*"])]);
    let events = [
        late_event(&bus, "demo", "1", DAYS),
        late_event(&bus, "demo", "2", Duration::ZERO),
    ];
    bus.reopenings.set_failing(true);
    let outcomes = bus.dispatch(&events).await.outcomes;
    assert!(matches!(outcomes[..], [Err(DispatchError::Late(_)), Ok(_)]));
    assert_eq!(bus.receipted(), [events[1].event_id.to_string()]);
    bus.reopenings.set_failing(false);
    let outcomes = bus.dispatch(&events[..1]).await.outcomes;
    assert!(outcomes[0].is_ok());
    assert_eq!(bus.reopenings.noted().len(), 1);
}
