//! Subscribers built on the SDK, each a process of its own: they fail, are killed in the middle, give up, and are
//! mended; and every event takes effect once.

use std::collections::BTreeSet;

use pillarbox_domain::EventId;
use pillarbox_tests::eventually;
use pillarbox_tests::operating::time_of;
use pillarbox_tests::stack::{Queue, Stack, Tenant};
use pillarbox_tests::subscriber_process::Subscribing;
use serde_json::{Value, json};
use time::Duration;

use crate::{assert_problem, event, with};

const SUBSCRIPTION: &str = "orders";

/// A tenant whose subscription has a queue as `docs/subscribers.md` asks for.
async fn subscribed(stack: &Stack) -> (Tenant, Queue) {
    let tenant = stack.tenant().await;
    let queue = stack.guided_queue().await;
    tenant
        .subscribe_queue(SUBSCRIPTION, &["order.*"], &queue)
        .await;
    (tenant, queue)
}

/// Subscribers whose handlers are done long before their claims run out. What a killed one was about to receive is
/// hidden for as long.
fn on<'a>(stack: &'a Stack, queue: &'a Queue) -> Subscribing<'a> {
    Subscribing {
        stack,
        queue,
        program: env!("CARGO_BIN_EXE_subscriber"),
        hold_seconds: 10,
    }
}

fn error(class: &str, message: &str) -> Value {
    json!({ "class": class, "message": message })
}

#[tokio::test]
async fn a_subscriber_that_fails_twice_makes_the_effect_once_and_leaves_nothing_behind() {
    let stack = Stack::of_process();
    let (tenant, queue) = subscribed(&stack).await;
    let mut subscriber = on(&stack, &queue).start(&["fail-first", "2"]);
    let event_id = tenant.accepted(event("1")).await;
    subscriber.makes_effects(1).await;
    queue.is_drained().await;
    subscriber.kill();
    assert_eq!(subscriber.handled(), [event_id; 3]);
    assert_eq!(subscriber.effects(), [event_id]);

    // What the subscriber gave up would have been here before its queue was drained.
    stack.dead_letter_queue.is_drained().await;
    assert_eq!(tenant.dead_letters("").await, Vec::<Value>::new());
}

#[tokio::test]
async fn what_always_fails_is_a_letter_with_its_reason_and_takes_effect_once_it_is_redriven() {
    let stack = Stack::of_process();
    let (tenant, queue) = subscribed(&stack).await;
    let (class, message) = ("CustomerUnknown", "there is no customer 7");
    let mut broken = on(&stack, &queue).start(&["fail-always", class, message]);
    let event_id = tenant.accepted(event("1")).await;
    let letters = tenant.letters_of(event_id, 1).await;
    queue.is_drained().await;
    broken.kill();
    assert_eq!(broken.handled(), [event_id; 6]);
    let letter = &letters[0];
    assert_eq!(letter["error"], error(class, message));
    assert_eq!(
        [&letter["state"], &letter["origin"], &letter["attempts"]],
        [&json!("OPEN"), &json!("subscriber"), &json!(6)]
    );
    // 0.8 times 1, 2, 4, 8 and 16 s, which the queue counts in whole seconds.
    let lasted = time_of(&letter["last_failed_at"]) - time_of(&letter["first_failed_at"]);
    assert!(lasted > Duration::seconds(20), "{lasted}");

    let mut mended = on(&stack, &queue).start(&["ok"]);
    let redriven = tenant.redrive(letter).await;
    assert_eq!(
        (redriven.status, &redriven.body["state"]),
        (200, &json!("REDRIVEN"))
    );
    assert_eq!(mended.makes_effects(1).await, [event_id]);
    assert_problem(&tenant.redrive(letter).await, 409, "REDRIVEN");
    queue.is_drained().await;
    mended.kill();
    assert_eq!(
        (broken.effects(), mended.effects()),
        (vec![], vec![event_id])
    );

    let delivery = tenant.delivery(event_id, SUBSCRIPTION).await;
    let its_letters = delivery["dead_letters"].as_array().unwrap();
    assert_eq!(its_letters.len(), 1, "{delivery}");
    assert_eq!(its_letters[0]["dead_letter_id"], letter["dead_letter_id"]);
    assert_eq!(its_letters[0]["state"], "REDRIVEN");
}

#[tokio::test]
async fn a_permanent_error_is_a_letter_at_once_and_a_new_one_when_it_is_redriven_and_fails_again() {
    let stack = Stack::of_process();
    let (tenant, queue) = subscribed(&stack).await;
    let mut broken = on(&stack, &queue).start(&["permanent", "NoOrder", "an order of 0 is none"]);
    let event_id = tenant.accepted(event("1")).await;
    let first = tenant.letters_of(event_id, 1).await.remove(0);
    assert_eq!(first["error"], error("NoOrder", "an order of 0 is none"));
    assert_eq!(
        [
            &first["attempts"],
            &first["origin"],
            &first["first_dead_letter_id"]
        ],
        [&json!(1), &json!("subscriber"), &Value::Null]
    );
    assert_eq!(tenant.redrive(&first).await.status, 200);

    let letters = tenant.letters_of(event_id, 2).await;
    queue.is_drained().await;
    broken.kill();
    let (first, second) = (&letters[0], &letters[1]);
    assert_eq!([&first["state"], &second["state"]], ["REDRIVEN", "OPEN"]);
    assert_eq!(second["first_dead_letter_id"], first["dead_letter_id"]);
    assert_eq!(second["job"], first["redrive"]["redrive_id"]);
    assert_eq!(broken.handled(), [event_id; 2]);

    let mut mended = on(&stack, &queue).start(&["ok"]);
    assert_eq!(tenant.redrive(second).await.status, 200);
    assert_eq!(mended.makes_effects(1).await, [event_id]);
    assert_problem(&tenant.redrive(first).await, 409, "REDRIVEN");
}

/// The first process dies with a batch in its hands: the effects of some events are made and written down, none of
/// their messages is off the queue, and claims of the others are held by nobody who lives.
#[tokio::test]
async fn a_subscriber_that_is_killed_in_the_middle_of_a_batch_is_taken_over_by_another() {
    let stack = Stack::of_process();
    let (tenant, queue) = subscribed(&stack).await;
    let mut quick = BTreeSet::new();
    let mut slow = BTreeSet::new();
    for n in 0..8 {
        let hang = n % 2 == 0;
        let event = with(json!({ "id": n.to_string(), "data": { "hang": hang } }));
        let event_id = tenant.accepted(event).await;
        stack.handed_over(event_id).await;
        if hang { &mut slow } else { &mut quick }.insert(event_id);
    }
    let all: BTreeSet<EventId> = quick.union(&slow).copied().collect();
    let subscribing = Subscribing {
        hold_seconds: 5,
        ..on(&stack, &queue)
    };
    let mut first = subscribing.start(&["hang"]);
    first
        .until("everything in its hands", |process| {
            (set(&process.handled()) == all).then_some(())
        })
        .await;
    for event_id in &quick {
        written_down(&stack, &tenant, *event_id).await;
    }
    first.kill();
    assert_eq!(set(&first.effects()), quick);

    let mut second = subscribing.start(&["ok"]);
    second.makes_effects(slow.len()).await;
    queue.is_drained().await;
    second.kill();
    let mut effects = [first.effects(), second.effects()].concat();
    effects.sort_unstable();
    assert_eq!(
        effects,
        Vec::from_iter(all),
        "an effect is missing or made twice"
    );
    assert_eq!(set(&second.effects()), slow);
    assert_eq!(tenant.dead_letters("").await, Vec::<Value>::new());
}

fn set(ids: &[EventId]) -> BTreeSet<EventId> {
    ids.iter().copied().collect()
}

/// Waits until the effect of an event is in the inbox.
async fn written_down(stack: &Stack, tenant: &Tenant, event_id: EventId) {
    let subscription = SUBSCRIPTION.parse().unwrap();
    let what = format!("{} has {event_id}", stack.inbox_table);
    eventually(&what, async || {
        let item = tenant.inbox_item(&subscription, event_id).await;
        item.filter(|item| item.contains_key("result"))
    })
    .await;
}
