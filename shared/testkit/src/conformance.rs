//! What every implementation of a port has to do, whatever it stands on.
//!
//! Each suite takes an empty store that uses the given clock, and panics at the first thing that is not
//! as it has to be. The fakes pass them in this crate's tests, the adapters in `tests/` on Amazon's own
//! DynamoDB engine.

pub mod jobs;
pub mod queries;
pub mod receipts;
pub mod rollups;
pub mod subscriptions;
pub mod trouble;

use std::time::Duration;

use data_encoding::BASE64;
use pillarbox_domain::Clock;
use pillarbox_domain::credential::{ApiKey, KeyStore, SECRET_BYTES, Scope, StoredKey};
use pillarbox_domain::inbox::{Claim, ClaimToken, Inbox, InboxKey};
use pillarbox_domain::log_shard::LogShards;
use pillarbox_domain::logged_event::OutboxMode;
use pillarbox_domain::payload::{PayloadKey, Payloads};
use pillarbox_domain::publish::{Appended, AtomicAppendError, EventLog, EventReader};
use pillarbox_domain::registry::{Added, Registry, Tenants};
use pillarbox_domain::tenant_settings::{
    Changed, Retention, SettingsChange, TenantSettings, TenantSettingsReader, TenantSettingsWriter,
};
use pillarbox_domain::{Fingerprint, LoggedEvent, StoreError, TenantId};
use serde_json::{Value, json};

use crate::ManualClock;
use crate::builders::{RETENTION, event, event_with, logged, tenant};

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
    an_event_of_any_size_is_stored_whole(log, clock).await;
    how_an_event_is_stored_comes_back(log, clock).await;
    a_hundred_events_are_stored_as_a_whole(log, clock).await;
    an_atomic_write_leaves_out_what_is_there_and_is_refused_by_other_content(log, clock).await;
    of_concurrent_atomic_writes_of_one_key_exactly_one_wins(log, clock).await;
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
    let other = Appended::Other(Box::new(first.clone()));
    for (data, found) in [(1, Appended::Same(first.event_id)), (2, other)] {
        let again = logged(clock, &demo, event("1", json!(data)));
        assert_eq!(log.append(&again).await.unwrap(), found);
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
        let other = |first: &LoggedEvent| Appended::Other(Box::new(first.clone()));
        let expected = first.map_or(Appended::New, other);
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

/// Text that no compressor makes much smaller.
fn noise(bytes: usize) -> String {
    let mut state = 1_u64;
    let mut letter = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        char::from(b'0' + u8::try_from(state >> 58).unwrap())
    };
    (0..bytes).map(|_| letter()).collect()
}

async fn an_event_of_any_size_is_stored_whole<L: EventLog + EventReader>(
    log: &L,
    clock: &ManualClock,
) {
    let demo = tenant("large");
    let large = |id: &str| logged(clock, &demo, event(id, json!(noise(900_000))));
    let single = large("single");
    assert_eq!(log.append(&single).await.unwrap(), Appended::New);
    assert_eq!(stored(log, &single).await.as_ref(), Some(&single));
    let again = large("single");
    let found = log.append(&again).await.unwrap();
    assert_eq!(found, Appended::Same(single.event_id));
    let mut other = large("single");
    other.event = event("single", json!(noise(900_001)));
    other.fingerprint = Fingerprint::of(&other.event).unwrap();
    let found = log.append(&other).await.unwrap();
    assert_eq!(found, Appended::Other(Box::new(single)));

    let bytes = BASE64.encode(noise(700_000).as_bytes());
    let binary = event_with(json!({ "id": "binary", "data_base64": bytes }));
    let batch = [large("batch"), logged(clock, &demo, binary)];
    let answers = log.append_all(&batch).await;
    assert!(
        matches!(answers[..], [Ok(Appended::New), Ok(Appended::New)]),
        "{answers:?}"
    );
    for event in &batch {
        assert_eq!(stored(log, event).await.as_ref(), Some(event));
    }
}

async fn how_an_event_is_stored_comes_back<L: EventLog + EventReader>(
    log: &L,
    clock: &ManualClock,
) {
    let mut logged = logged(clock, &tenant("modes"), event("1", json!(1)));
    logged.outbox = OutboxMode::None;
    logged.shard = LogShards::new(64).unwrap().shard_of(logged.event_id);
    assert_eq!(log.append(&logged).await.unwrap(), Appended::New);
    assert_eq!(stored(log, &logged).await, Some(logged));
}

/// 100 events that together are more than a transaction holds.
async fn a_hundred_events_are_stored_as_a_whole<L: EventLog + EventReader>(
    log: &L,
    clock: &ManualClock,
) {
    let demo = tenant("atomic");
    let data = json!(noise(60_000));
    let events: Vec<_> = (0..100)
        .map(|n| logged(clock, &demo, event(&n.to_string(), data.clone())))
        .collect();
    let appended = log.append_atomically(&events).await.unwrap();
    assert_eq!(appended, vec![Appended::New; 100]);
    for event in &events {
        assert_eq!(stored(log, event).await.as_ref(), Some(event));
    }
    assert_eq!(log.append_atomically(&[]).await.unwrap(), []);
}

async fn an_atomic_write_leaves_out_what_is_there_and_is_refused_by_other_content<
    L: EventLog + EventReader,
>(
    log: &L,
    clock: &ManualClock,
) {
    let demo = tenant("atomic-taken");
    let new = |id: &str, data: i32| logged(clock, &demo, event(id, json!(data)));
    let (first, second) = (new("1", 1), new("2", 1));
    for event in [&first, &second] {
        assert_eq!(log.append(event).await.unwrap(), Appended::New);
    }
    let third = new("3", 1);
    let refused = [third.clone(), new("1", 2), new("2", 1)];
    let error = log.append_atomically(&refused).await.unwrap_err();
    let AtomicAppendError::Taken(taken) = error else {
        panic!("{error:?}");
    };
    assert_eq!(taken, [(1, first.clone())]);
    assert_eq!(stored(log, &third).await, None);

    let agreed = [new("1", 1), third.clone(), new("2", 1)];
    let appended = log.append_atomically(&agreed).await.unwrap();
    let same = |event: &LoggedEvent| Appended::Same(event.event_id);
    assert_eq!(appended, [same(&first), Appended::New, same(&second)]);
    assert_eq!(stored(log, &third).await.as_ref(), Some(&third));

    clock.advance(RETENTION + Duration::from_secs(1));
    let after_expiry = [new("1", 2), new("4", 1)];
    let appended = log.append_atomically(&after_expiry).await.unwrap();
    assert_eq!(appended, [Appended::New, Appended::New]);
}

/// A transaction that meets another one at an item may be told to come back.
async fn of_concurrent_atomic_writes_of_one_key_exactly_one_wins<L: EventLog + EventReader>(
    log: &L,
    clock: &ManualClock,
) {
    let demo = tenant("atomic-race");
    let writers: Vec<_> = (0..8)
        .map(|n| {
            let own = event(&format!("own-{n}"), json!(n));
            [event("shared", json!(n)), own].map(|event| logged(clock, &demo, event))
        })
        .collect();
    let writes = writers.iter().map(|events| log.append_atomically(events));
    let answers = futures::future::join_all(writes).await;
    let mut winners = 0;
    for (events, answer) in writers.iter().zip(answers) {
        let [_, own] = events;
        let written = stored(log, own).await.is_some();
        assert_eq!(written, answer.is_ok(), "{answer:?}");
        winners += usize::from(written);
    }
    assert_eq!(winners, 1);
}

/// The suite of [`Payloads`].
pub async fn payloads<P: Payloads>(payloads: &P, clock: &ManualClock) {
    let key = |owner: &str| {
        let event_id = clock.next_id();
        PayloadKey {
            tenant: tenant(owner),
            event_id,
            expires_at: event_id.accepted_at() + RETENTION,
        }
    };
    let (first, second) = (key("demo"), key("demo"));
    assert_eq!(payloads.get(&first).await.unwrap(), None);
    payloads.put(&first, vec![0, 255, 1]).await.unwrap();
    payloads
        .put(&second, noise(1_000_000).into_bytes())
        .await
        .unwrap();
    assert_eq!(payloads.get(&first).await.unwrap(), Some(vec![0, 255, 1]));
    let large = payloads.get(&second).await.unwrap();
    assert_eq!(large, Some(noise(1_000_000).into_bytes()));
    let foreign = PayloadKey {
        tenant: tenant("other"),
        ..first
    };
    assert_eq!(payloads.get(&foreign).await.unwrap(), None);
}

/// The suite of [`Registry`] and [`KeyStore`].
pub async fn registry<R: Registry + KeyStore>(registry: &R) {
    a_tenant_is_registered_once(registry).await;
    a_key_is_found_by_its_tenant_and_id_only(registry).await;
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

/// The suite of [`Tenants`].
pub async fn tenants<R: Registry + Tenants + TenantSettingsWriter>(registry: &R) {
    assert_eq!(registry.tenants(None, 10).await.unwrap(), []);
    // In the order of their bytes: a digit comes before a letter, and `-` before both.
    let names = ["0", "a", "a-b", "a0", "b", "z-1"];
    for name in ["b", "a0", "z-1", "0", "a-b", "a"] {
        let added = registry.add_tenant(&tenant(name), None).await.unwrap();
        assert_eq!(added, Added::New);
    }
    let again = registry.add_tenant(&tenant("a"), Some("A")).await.unwrap();
    assert_eq!(again, Added::Unchanged);
    let change = SettingsChange::default();
    let changed = registry.change_settings(&tenant("b"), &change).await;
    assert!(matches!(changed, Ok(Changed::Done(_))));
    for limit in 1..=names.len() + 1 {
        assert_eq!(all_tenants(registry, limit).await, names.map(tenant));
    }
    let after = registry.tenants(Some(&tenant("a-")), 2).await.unwrap();
    assert_eq!(
        after,
        ["a-b", "a0"].map(tenant),
        "after one that is not there"
    );
    assert_eq!(registry.tenants(None, 0).await.unwrap(), []);
}

/// Page by page, until one is short.
async fn all_tenants<R: Tenants>(registry: &R, limit: usize) -> Vec<TenantId> {
    let mut all: Vec<TenantId> = vec![];
    loop {
        let page = registry.tenants(all.last(), limit).await.unwrap();
        let is_last = page.len() < limit;
        assert!(page.len() <= limit);
        all.extend(page);
        if is_last {
            return all;
        }
    }
}

/// Two registrations of one tenant at once, and many tenants: more than one page, since limits are asked for.
pub async fn many_tenants<R: Registry + Tenants>(registry: &R, count: usize) {
    let names: Vec<TenantId> = (0..count).map(|n| tenant(&format!("t{n:05}"))).collect();
    for name in &names {
        let twice = [name, name].map(|name| registry.add_tenant(name, None));
        let [one, other] = futures::future::join_all(twice).await.try_into().unwrap();
        // One that meets the other at the item may be told to come back.
        let answers = [one, other];
        let is_new = |answer: &Result<Added, StoreError>| matches!(answer, Ok(Added::New));
        let new = answers.iter().filter(|answer| is_new(answer)).count();
        assert_eq!(new, 1, "{answers:?}");
    }
    assert_eq!(all_tenants(registry, count * 2).await, names);
}

/// The suite of [`TenantSettingsReader`] and [`TenantSettingsWriter`].
pub async fn tenant_settings<R: Registry + TenantSettingsReader + TenantSettingsWriter>(
    registry: &R,
) {
    let demo = tenant("settings");
    assert_eq!(registry.settings(&demo).await.unwrap(), None);
    let nothing = SettingsChange::default();
    let changed = registry.change_settings(&demo, &nothing).await.unwrap();
    assert_eq!(changed, Changed::NoTenant);

    registry.add_tenant(&demo, Some("Demo")).await.unwrap();
    let mut expected = TenantSettings {
        name: Some("Demo".to_owned()),
        ..TenantSettings::default()
    };
    assert_eq!(
        registry.settings(&demo).await.unwrap().as_ref(),
        Some(&expected)
    );
    let changed = registry.change_settings(&demo, &nothing).await.unwrap();
    assert_eq!(changed, Changed::Done(expected.clone()));

    expected.retention = Retention::from_days(30).unwrap();
    expected.log_shards = LogShards::new(4).unwrap();
    let change = SettingsChange {
        name: None,
        retention: Some(expected.retention),
        log_shards: Some(expected.log_shards),
    };
    let changed = registry.change_settings(&demo, &change).await.unwrap();
    assert_eq!(changed, Changed::Done(expected.clone()));

    let fewer = SettingsChange {
        retention: Some(Retention::from_days(7).unwrap()),
        log_shards: Some(LogShards::new(3).unwrap()),
        name: Some("Fewer".to_owned()),
    };
    let changed = registry.change_settings(&demo, &fewer).await.unwrap();
    assert_eq!(changed, Changed::FewerShards(expected.log_shards));
    assert_eq!(registry.settings(&demo).await.unwrap(), Some(expected));
    assert_eq!(registry.settings(&tenant("settin")).await.unwrap(), None);
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
