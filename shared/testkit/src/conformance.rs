//! What every implementation of a port has to do, whatever it stands on.
//!
//! Each suite takes an empty store that uses the given clock, and panics at the first thing that is not
//! as it has to be. The fakes pass them in this crate's tests, the adapters in `tests/` on Amazon's own
//! DynamoDB engine.

use std::time::Duration;

use pillarbox_domain::Clock;
use pillarbox_domain::credential::{ApiKey, KeyStore, SECRET_BYTES, Scope, StoredKey};
use pillarbox_domain::dispatch::Subscriptions;
use pillarbox_domain::inbox::{Claim, ClaimToken, Inbox, InboxKey};
use pillarbox_domain::publish::{Appended, EventLog, EventReader};
use pillarbox_domain::registry::{Added, Registry};
use pillarbox_domain::{LoggedEvent, TenantId};
use serde_json::{Value, json};

use crate::ManualClock;
use crate::builders::{RETENTION, event, event_with, logged, subscription, tenant};

/// The suite of [`EventLog`] and [`EventReader`].
pub async fn event_log<L: EventLog + EventReader>(log: &L, clock: &ManualClock) {
    a_new_event_is_stored_whole(log, clock).await;
    a_taken_key_answers_with_the_first_event_and_writes_nothing(log, clock).await;
    keys_of_tenants_sources_and_ids_are_apart(log, clock).await;
    of_concurrent_writers_of_one_key_exactly_one_wins(log, clock).await;
    a_batch_is_answered_event_by_event_in_its_order(log, clock).await;
    an_event_with_more_attributes_than_a_statement_takes_is_stored_from_a_batch(log, clock).await;
    an_expired_event_does_not_block_its_key(log, clock).await;
    an_expired_event_does_not_block_its_key_in_a_batch(log, clock).await;
}

async fn stored<L: EventReader>(log: &L, event: &LoggedEvent) -> Option<LoggedEvent> {
    log.get(&event.tenant, event.event.source(), event.event.id())
        .await
        .unwrap()
}

async fn a_new_event_is_stored_whole<L: EventLog + EventReader>(log: &L, clock: &ManualClock) {
    let demo = tenant("whole");
    let bodies = [
        json!({ "id": "none" }),
        json!({ "id": "null", "data": Value::Null }),
        json!({ "id": "small", "data": { "total": 12.50, "n": [1, null, true] } }),
        json!({ "id": "text", "data": "plain", "datacontenttype": "text/plain" }),
        json!({ "id": "large", "data": { "text": "abc ".repeat(100_000) } }),
        json!({ "id": "binary", "data_base64": "AAEC/w==" }),
        json!({ "id": "large-binary", "data_base64": "AAAA".repeat(10_000) }),
        json!({ "id": "ä#%/ \u{1F600}", "subject": "x", "time": "2026-01-01T00:00:00.5+01:00",
                "correlationid": "c-1", "seq": -7, "test": true, "empty": "" }),
    ];
    for body in bodies {
        let event = logged(clock, &demo, event_with(body));
        assert_eq!(log.append(&event).await.unwrap(), Appended::New);
        assert_eq!(stored(log, &event).await, Some(event));
    }
}

async fn a_taken_key_answers_with_the_first_event_and_writes_nothing<L: EventLog + EventReader>(
    log: &L,
    clock: &ManualClock,
) {
    let demo = tenant("taken");
    let first = logged(clock, &demo, event("1", json!(1)));
    assert_eq!(log.append(&first).await.unwrap(), Appended::New);
    for data in [json!(1), json!(2)] {
        let again = logged(clock, &demo, event("1", data));
        let taken = Appended::Taken {
            event_id: first.event_id,
            fingerprint: first.fingerprint,
        };
        assert_eq!(log.append(&again).await.unwrap(), taken);
        assert_eq!(stored(log, &first).await.as_ref(), Some(&first));
    }
}

async fn keys_of_tenants_sources_and_ids_are_apart<L: EventLog + EventReader>(
    log: &L,
    clock: &ManualClock,
) {
    let members = [
        ("/a#b", "c"),
        ("/a", "b#c"),
        ("/a%23b", "c"),
        ("/a", "b"),
        ("/b", "a"),
    ];
    for name in ["apart", "apart-2"] {
        for (source, id) in members {
            let event = event_with(json!({ "source": source, "id": id, "data": source }));
            // A `#` or `%23` in the source is a fragment or an escape of its URI; both are allowed.
            let event = logged(clock, &tenant(name), event);
            assert_eq!(
                log.append(&event).await.unwrap(),
                Appended::New,
                "{name} {source} {id}"
            );
            assert_eq!(stored(log, &event).await, Some(event));
        }
    }
    assert_eq!(log.get(&tenant("apart-3"), "/a", "b").await.unwrap(), None);
}

async fn of_concurrent_writers_of_one_key_exactly_one_wins<L: EventLog + EventReader>(
    log: &L,
    clock: &ManualClock,
) {
    let demo = tenant("race");
    let writers: Vec<_> = (0..8)
        .map(|n| logged(clock, &demo, event("1", json!(n))))
        .collect();
    let answers = futures::future::join_all(writers.iter().map(|event| log.append(event))).await;
    let answers: Vec<Appended> = answers.into_iter().map(Result::unwrap).collect();
    let winners = answers
        .iter()
        .filter(|answer| **answer == Appended::New)
        .count();
    assert_eq!(winners, 1, "{answers:?}");
}

async fn an_expired_event_does_not_block_its_key<L: EventLog + EventReader>(
    log: &L,
    clock: &ManualClock,
) {
    let demo = tenant("expired");
    let old = logged(clock, &demo, event("1", json!("old")));
    assert_eq!(log.append(&old).await.unwrap(), Appended::New);
    clock.advance(RETENTION + Duration::from_secs(1));
    assert_eq!(stored(log, &old).await, None);
    let new = logged(clock, &demo, event("1", json!("new")));
    assert_eq!(log.append(&new).await.unwrap(), Appended::New);
    assert_eq!(stored(log, &old).await, Some(new));
}

async fn a_batch_is_answered_event_by_event_in_its_order<L: EventLog + EventReader>(
    log: &L,
    clock: &ManualClock,
) {
    let demo = tenant("batch");
    let taken = [3, 26, 60].map(|n| logged(clock, &demo, event(&n.to_string(), json!("first"))));
    for event in &taken {
        assert_eq!(log.append(event).await.unwrap(), Appended::New);
    }
    let batch: Vec<_> = (0..61)
        .map(|n| logged(clock, &demo, event(&n.to_string(), json!({ "n": n }))))
        .collect();
    let answers = log.append_all(&batch).await;
    assert_eq!(answers.len(), batch.len());
    for (event, answer) in batch.iter().zip(answers) {
        let first = taken
            .iter()
            .find(|first| first.event.id() == event.event.id());
        let expected = first.map_or(Appended::New, |first| Appended::Taken {
            event_id: first.event_id,
            fingerprint: first.fingerprint,
        });
        assert_eq!(answer.unwrap(), expected, "{}", event.event.id());
        assert_eq!(
            stored(log, event).await.as_ref(),
            Some(first.unwrap_or(event))
        );
    }
    assert!(log.append_all(&[]).await.is_empty());
}

async fn an_event_with_more_attributes_than_a_statement_takes_is_stored_from_a_batch<
    L: EventLog + EventReader,
>(
    log: &L,
    clock: &ManualClock,
) {
    let mut members = json!({ "id": "wide" });
    for n in 0..400 {
        members[format!("attribute{n:055}")] = n.into();
    }
    let event = logged(clock, &tenant("wide"), event_with(members));
    let answers = log.append_all(std::slice::from_ref(&event)).await;
    assert!(matches!(answers[..], [Ok(Appended::New)]), "{answers:?}");
    assert_eq!(stored(log, &event).await, Some(event));
}

async fn an_expired_event_does_not_block_its_key_in_a_batch<L: EventLog + EventReader>(
    log: &L,
    clock: &ManualClock,
) {
    let demo = tenant("expired-batch");
    let old = logged(clock, &demo, event("1", json!("old")));
    assert_eq!(log.append(&old).await.unwrap(), Appended::New);
    clock.advance(RETENTION + Duration::from_secs(1));
    let new = [logged(clock, &demo, event("1", json!("new")))];
    let answers = log.append_all(&new).await;
    assert!(matches!(answers[..], [Ok(Appended::New)]), "{answers:?}");
    assert_eq!(stored(log, &old).await.as_ref(), Some(&new[0]));
}

/// The suite of [`Registry`], [`KeyStore`] and [`Subscriptions`].
pub async fn registry<R: Registry + KeyStore + Subscriptions>(registry: &R) {
    a_tenant_is_registered_once(registry).await;
    a_key_is_found_by_its_tenant_and_id_only(registry).await;
    a_subscription_is_registered_once_and_read_by_its_owner(registry).await;
}

async fn a_tenant_is_registered_once<R: Registry>(registry: &R) {
    let demo = tenant("demo");
    assert!(!registry.has_tenant(&demo).await.unwrap());
    assert_eq!(
        registry.add_tenant(&demo, Some("Demo")).await.unwrap(),
        Added::New
    );
    assert_eq!(
        registry.add_tenant(&demo, None).await.unwrap(),
        Added::Unchanged
    );
    assert!(registry.has_tenant(&demo).await.unwrap());
    assert!(!registry.has_tenant(&tenant("other")).await.unwrap());
}

async fn a_key_is_found_by_its_tenant_and_id_only<R: Registry + KeyStore>(registry: &R) {
    let key = ApiKey::new(tenant("demo"), &[1; SECRET_BYTES]);
    let stored = StoredKey {
        tenant: tenant("demo"),
        digest: key.digest(),
        scopes: [Scope::Publish, Scope::Read].into(),
        name: Some("ci".to_owned()),
    };
    let key_id = key.digest().key_id();
    assert_eq!(registry.key(&tenant("demo"), &key_id).await.unwrap(), None);
    registry.add_key(&stored).await.unwrap();
    assert_eq!(
        registry.key(&tenant("demo"), &key_id).await.unwrap(),
        Some(stored)
    );
    assert_eq!(registry.key(&tenant("other"), &key_id).await.unwrap(), None);
}

async fn a_subscription_is_registered_once_and_read_by_its_owner<R: Registry + Subscriptions>(
    registry: &R,
) {
    let (demo, other) = (tenant("demo"), tenant("other"));
    let wanted = subscription(&demo, "a", &["order.*"]);
    assert_eq!(
        registry.add_subscription(&wanted).await.unwrap(),
        Added::New
    );
    assert_eq!(
        registry.add_subscription(&wanted).await.unwrap(),
        Added::Unchanged
    );
    let differs = subscription(&demo, "a", &["price.*"]);
    assert_eq!(
        registry.add_subscription(&differs).await.unwrap(),
        Added::Differs
    );
    let foreign = subscription(&other, "a", &["*"]);
    assert_eq!(
        registry.add_subscription(&foreign).await.unwrap(),
        Added::New
    );
    let bus = subscription(&TenantId::bus(), "_audit", &["*"]);
    assert_eq!(registry.add_subscription(&bus).await.unwrap(), Added::New);
    for owned in [wanted, foreign, bus] {
        assert_eq!(*registry.of(&owned.tenant).await.unwrap(), [owned]);
    }
    assert!(registry.of(&tenant("nobody")).await.unwrap().is_empty());
}

/// More subscriptions of one owner than a page of the store holds are all read.
pub async fn many_subscriptions<R: Registry + Subscriptions>(registry: &R, count: usize) {
    let many = tenant("many");
    let types: Vec<String> = (0..50)
        .map(|n| format!("{n}.{}", "x".repeat(240)))
        .collect();
    let types: Vec<&str> = types.iter().map(String::as_str).collect();
    for n in 0..count {
        let wanted = subscription(&many, &format!("s-{n:05}"), &types);
        assert_eq!(
            registry.add_subscription(&wanted).await.unwrap(),
            Added::New
        );
    }
    assert_eq!(registry.of(&many).await.unwrap().len(), count);
}

/// The suite of [`Inbox`].
pub async fn inbox<I: Inbox>(inbox: &I, clock: &ManualClock) {
    an_effect_is_claimed_once_and_its_result_kept(inbox, clock).await;
    a_held_claim_is_nobody_elses_until_it_runs_out(inbox, clock).await;
    a_released_claim_is_free_at_once(inbox, clock).await;
    one_who_lost_the_claim_cannot_close_or_release_it(inbox, clock).await;
}

const HOLD: Duration = Duration::from_secs(30);

fn inbox_key(clock: &ManualClock) -> InboxKey {
    InboxKey {
        tenant: tenant("demo"),
        subscription: "example".parse().unwrap(),
        event_id: clock.next_id(),
    }
}

async fn granted<I: Inbox>(inbox: &I, key: &InboxKey) -> ClaimToken {
    match inbox.claim(key, HOLD).await.unwrap() {
        Claim::Granted(token) => token,
        other => panic!("{other:?}"),
    }
}

async fn an_effect_is_claimed_once_and_its_result_kept<I: Inbox>(inbox: &I, clock: &ManualClock) {
    let key = inbox_key(clock);
    let token = granted(inbox, &key).await;
    assert!(inbox.done(&key, token, r#"{"n":1}"#).await.unwrap());
    clock.advance(HOLD * 2);
    let done = Claim::Done(r#"{"n":1}"#.to_owned());
    assert_eq!(inbox.claim(&key, HOLD).await.unwrap(), done);
    let elsewhere = InboxKey {
        subscription: "another".parse().unwrap(),
        ..key
    };
    granted(inbox, &elsewhere).await;
}

async fn a_held_claim_is_nobody_elses_until_it_runs_out<I: Inbox>(inbox: &I, clock: &ManualClock) {
    let key = inbox_key(clock);
    granted(inbox, &key).await;
    assert_eq!(inbox.claim(&key, HOLD).await.unwrap(), Claim::Held);
    clock.advance(HOLD + Duration::from_millis(1));
    granted(inbox, &key).await;
}

async fn a_released_claim_is_free_at_once<I: Inbox>(inbox: &I, clock: &ManualClock) {
    let key = inbox_key(clock);
    let token = granted(inbox, &key).await;
    inbox.release(&key, token).await.unwrap();
    granted(inbox, &key).await;
}

async fn one_who_lost_the_claim_cannot_close_or_release_it<I: Inbox>(
    inbox: &I,
    clock: &ManualClock,
) {
    let key = inbox_key(clock);
    let late = granted(inbox, &key).await;
    clock.advance(HOLD + Duration::from_millis(1));
    let holder = granted(inbox, &key).await;
    assert!(!inbox.done(&key, late, "1").await.unwrap());
    inbox.release(&key, late).await.unwrap();
    assert_eq!(inbox.claim(&key, HOLD).await.unwrap(), Claim::Held);
    assert!(inbox.done(&key, holder, "2").await.unwrap());
    inbox.release(&key, holder).await.unwrap();
    assert_eq!(
        inbox.claim(&key, HOLD).await.unwrap(),
        Claim::Done("2".to_owned())
    );
}
