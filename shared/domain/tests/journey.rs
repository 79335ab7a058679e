//! The state of an event and of its deliveries, from receipts and rows.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use pillarbox_domain::dead_letter::Failure;
use pillarbox_domain::journey::{DeliveryState, EventState, deliveries, not_matched};
use pillarbox_domain::logged_event::OutboxMode;
use pillarbox_domain::receipt::Receipted;
use pillarbox_domain::subscription::Registered;
use pillarbox_domain::trouble::{Attempt, TroubleStatus, TroubledDelivery};
use pillarbox_domain::{LoggedEvent, SubscriptionId};
use pillarbox_testkit::MemoryBus;
use pillarbox_testkit::builders::{subscription, tenant};
use time::UtcDateTime;
use time::macros::utc_datetime;

const AT: UtcDateTime = utc_datetime!(2026-11-23 12:00:01);

fn event() -> LoggedEvent {
    MemoryBus::default().event("demo", "1", "order.created")
}

fn ids(names: &[&str]) -> Vec<SubscriptionId> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn receipt(subscriptions: &[&str], withheld: &[&str], handed_over_at: UtcDateTime) -> Receipted {
    Receipted {
        subscriptions: ids(subscriptions),
        withheld: ids(withheld),
        handed_over_at,
    }
}

fn row(event: &LoggedEvent, subscription: &str, status: TroubleStatus) -> TroubledDelivery {
    let attempt = Attempt {
        at: AT,
        failure: Failure::new("ServiceUnavailable", "later"),
    };
    TroubledDelivery::new(event, &subscription.parse().unwrap(), status, attempt)
}

fn retrying() -> TroubleStatus {
    TroubleStatus::Retrying {
        next_attempt_at: AT + Duration::from_secs(1),
    }
}

#[test]
fn the_state_of_an_event_follows_from_its_receipts_and_rows() {
    let event = event();
    let failed = TroubleStatus::Failed { at: AT };
    let recovered = TroubleStatus::Recovered { at: AT };
    let done = [receipt(&["a"], &[], AT)];
    let cases: [(&[Receipted], &[TroubleStatus], EventState); 9] = [
        (&[], &[], EventState::Pending),
        (&done, &[], EventState::Completed),
        (&done, &[retrying()], EventState::Processing),
        // A row is written before the receipt.
        (&[], &[retrying()], EventState::Processing),
        (&[], &[failed], EventState::Failed),
        (&done, &[failed], EventState::Failed),
        (&done, &[retrying(), failed], EventState::Failed),
        (&done, &[recovered], EventState::Completed),
        // All of it recovered before its receipt was written: the batch comes again.
        (&[], &[recovered], EventState::Pending),
    ];
    for (receipts, statuses, expected) in cases {
        let rows: Vec<_> = statuses
            .iter()
            .map(|status| row(&event, "a", *status))
            .collect();
        let state = EventState::of(&event, receipts, &rows, None);
        assert_eq!(state, expected, "{receipts:?} {statuses:?}");
    }
}

#[test]
fn what_is_only_logged_is_logged_and_what_is_sealed_is_completed() {
    let mut event = event();
    let accepted_at = event.event_id.accepted_at();
    let later = accepted_at + Duration::from_millis(1);
    let state = |event: &LoggedEvent, mark| EventState::of(event, &[], &[], mark);
    assert_eq!(state(&event, Some(later)), EventState::Completed);
    assert_eq!(state(&event, Some(accepted_at)), EventState::Pending);
    event.outbox = OutboxMode::None;
    assert_eq!(state(&event, None), EventState::Logged);
}

#[test]
fn deliveries_are_merged_from_every_receipt_and_row() {
    let event = event();
    let later = AT + Duration::from_secs(30);
    let receipts = [
        receipt(&["a", "b", "c"], &["d", "e"], AT),
        receipt(&["a", "b", "d"], &["e"], later),
    ];
    let rows = [
        row(&event, "b", retrying()),
        row(&event, "c", TroubleStatus::Recovered { at: later }),
        row(&event, "f", TroubleStatus::Failed { at: later }),
    ];
    let told: Vec<_> = deliveries(&receipts, &rows)
        .into_iter()
        .map(|one| (one.subscription.to_string(), one.state, one.handed_over_at))
        .collect();
    let expected = [
        ("a", DeliveryState::HandedOver, Some(AT)),
        ("b", DeliveryState::Retrying, None),
        ("c", DeliveryState::Recovered, Some(later)),
        ("d", DeliveryState::HandedOver, Some(later)),
        ("e", DeliveryState::Withheld, None),
        ("f", DeliveryState::Failed, None),
    ];
    assert_eq!(
        told,
        expected.map(|(id, state, at)| (id.to_owned(), state, at))
    );
}

#[test]
fn whoever_does_not_have_it_is_told_by_the_field_that_decided() {
    let event = event();
    let accepted_at = event.event_id.accepted_at();
    let registered = |id: &str, types: &[&str], created_at: UtcDateTime| Registered {
        subscription: subscription(&tenant("demo"), id, types),
        version: 1,
        created_at,
        updated_at: created_at,
    };
    let before = accepted_at - Duration::from_secs(1);
    let after = accepted_at + Duration::from_secs(1);
    let changed = Registered {
        updated_at: after,
        ..registered("changed", &["*"], before)
    };
    let all = [
        registered("has-it", &["*"], before),
        registered("prices", &["price.*"], before),
        registered("late", &["*"], after),
        changed,
        registered("waits", &["*"], before),
    ];
    let made = deliveries(&[receipt(&["has-it"], &[], AT)], &[]);
    let others = not_matched(&event, &made, &all);
    let told: Vec<_> = others
        .iter()
        .map(|one| (one.subscription.as_str(), one.note.unwrap_or_default()))
        .collect();
    assert_eq!(
        told,
        [
            ("prices", ""),
            (
                "late",
                "its pattern matches, but the subscription was made after the event"
            ),
            (
                "changed",
                "its pattern matches now; the subscription was changed after the event"
            ),
            (
                "waits",
                "its pattern matches; the event has not been dispatched yet"
            ),
        ]
    );
    let decision = others[0].decided_by.as_ref().unwrap();
    assert_eq!(decision.field, "type");
    assert_eq!(decision.found.as_deref(), Some(r#""order.created""#));
}
