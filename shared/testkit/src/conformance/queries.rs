//! The suites of what a log is queried by.

use std::time::Duration;

use pillarbox_domain::active_hours::{HourMarks, MarkedHours};
use pillarbox_domain::event_query::{EventBodies, EventQuery, LogIndex};
use pillarbox_domain::limits::{DEFAULT_PAGE_EVENTS, MAX_PAGE_EVENTS};
use pillarbox_domain::log_hour::{HourRange, LogHour, Order};
use pillarbox_domain::publish::EventLog;
use pillarbox_domain::{Clock, LoggedEvent, TenantId};
use serde_json::json;

use crate::ManualClock;
use crate::builders::{RETENTION, event, logged, tenant};
use crate::queried::{Filter, Shards, Store};

/// The suite of [`LogIndex`] and [`EventBodies`].
pub async fn event_query<L, I, M>(log: &L, index: &I, marks: &M, clock: &ManualClock)
where
    L: EventLog,
    I: LogIndex + EventBodies + Sync,
    M: HourMarks + MarkedHours + Sync,
{
    let store = Store {
        log,
        index,
        marks,
        clock,
        shards: Shards::of(3),
    };
    pages_of_any_size_and_order_make_up_the_list_of_each_filter(&store).await;
    an_event_is_found_by_its_id_in_its_tenant_only(&store).await;
    a_page_of_large_events_ends_early_and_goes_on(&store).await;
    what_has_expired_is_not_shown(&store).await;
}

async fn pages_of_any_size_and_order_make_up_the_list_of_each_filter<L, I, M>(
    store: &Store<'_, L, I, M>,
) where
    L: EventLog,
    I: LogIndex + EventBodies + Sync,
    M: HourMarks + MarkedHours + Sync,
{
    let (demo, other) = (tenant("list"), tenant("list-2"));
    let now = store.clock.now();
    let mut events = Vec::new();
    // Hours from one to come, as of a producer whose clock is fast, to those of last week.
    for (n, hours_ago) in [-2_i64, 0, 0, 1, 5, 26, 27, 70, 71, 140]
        .into_iter()
        .enumerate()
    {
        for part in 0..5_u8 {
            let owner = if part == 4 { &other } else { &demo };
            let at = now - time::Duration::minutes(hours_ago * 60 + i64::from(part) * 7);
            let event_type = ["order.created", "order.paid", "price.changed"][n % 3];
            let source = ["/shop#1", "/shop", "/50%25"][usize::from(part) % 3];
            let correlation_id = (n % 4 == 0).then_some("c#1");
            let members = json!({
                "id": format!("{n}-{part}"), "type": event_type, "source": source,
                "correlationid": correlation_id,
                "data": { "n": n, "text": "x".repeat(200) },
            });
            events.push(store.event(owner, at, members));
        }
    }
    store.append(&events).await;
    let yesterday = (now - time::Duration::hours(30)).date().to_string();
    let (from, to) = (
        format!("{yesterday}T00:00:00Z"),
        format!("{yesterday}T09:30:00%"),
    );
    let to = to.replace('%', "+00:00");
    let filters = [
        Filter::default(),
        Filter::of(&[("type", "order.*")]),
        Filter::of(&[("type", "price.changed"), ("source", "/shop#1")]),
        Filter::of(&[("type", "*"), ("from", &from)]),
        Filter::of(&[("source", "/50%25"), ("to", &to)]),
        Filter::of(&[("from", &from), ("to", &to)]),
        Filter::of(&[("correlation_id", "c#1")]),
        Filter::of(&[
            ("correlation_id", "c#1"),
            ("type", "order.*"),
            ("from", &from),
        ]),
        Filter::of(&[("correlation_id", "nobody's")]),
    ];
    for filter in filters {
        for order in ["newest", "oldest"] {
            let mut filter = filter.clone();
            filter.0.push(("order", order.to_owned()));
            let expected = filter.expected(&demo, &events);
            for limit in [7, MAX_PAGE_EVENTS] {
                let found = store.all(&demo, &filter, limit).await;
                assert_eq!(found, expected, "{filter:?} {limit}");
            }
        }
    }
    let foreign = store
        .all(&other, &Filter::default(), DEFAULT_PAGE_EVENTS)
        .await;
    assert_eq!(foreign.len(), 10);
}

async fn an_event_is_found_by_its_id_in_its_tenant_only<L, I, M>(store: &Store<'_, L, I, M>)
where
    L: EventLog,
    I: LogIndex + EventBodies + Sync,
    M: HourMarks + MarkedHours + Sync,
{
    let (demo, other) = (tenant("find"), tenant("find-2"));
    let now = store.clock.now();
    let of_shard = |n: i64| {
        store.event(
            &demo,
            now - time::Duration::hours(n),
            json!({ "id": n.to_string() }),
        )
    };
    let events: Vec<LoggedEvent> = (0..6).map(of_shard).collect();
    store.append(&events).await;
    let reader = store.reader();
    for event in events {
        let found = reader.find(&demo, event.event_id).await.unwrap();
        assert_eq!(found.as_ref(), Some(&event));
        assert_eq!(reader.find(&other, event.event_id).await.unwrap(), None);
    }
    let nobodys = store.clock.next_id();
    assert_eq!(reader.find(&demo, nobodys).await.unwrap(), None);
}

async fn a_page_of_large_events_ends_early_and_goes_on<L, I, M>(store: &Store<'_, L, I, M>)
where
    L: EventLog,
    I: LogIndex + EventBodies + Sync,
    M: HourMarks + MarkedHours + Sync,
{
    let demo = tenant("large");
    let now = store.clock.now();
    let large = |n: i64| {
        let data = json!({ "id": format!("{n}"), "data": "x".repeat(900_000) });
        store.event(&demo, now - time::Duration::minutes(n), data)
    };
    let events: Vec<LoggedEvent> = (0..6).map(large).collect();
    store.append(&events).await;
    let query = EventQuery::parse(&demo, &[]).unwrap();
    let page = store.reader().list(&demo, &query).await.unwrap();
    assert_eq!(page.events, events[..4]);
    assert!(page.next_cursor.is_some());
    let all = store.all(&demo, &Filter::default(), MAX_PAGE_EVENTS).await;
    assert_eq!(all, events);
}

/// It leaves the clock where these events have expired.
async fn what_has_expired_is_not_shown<L, I, M>(store: &Store<'_, L, I, M>)
where
    L: EventLog,
    I: LogIndex + EventBodies + Sync,
    M: HourMarks + MarkedHours + Sync,
{
    let demo = tenant("expired-list");
    let now = store.clock.now();
    let at = |hours: i64, id: &str| {
        store.event(&demo, now + time::Duration::hours(hours), event_members(id))
    };
    let mut events = vec![at(0, "kept"), at(0, "taken over"), at(1, "later")];
    events[0].expires_at += RETENTION;
    store.append(&events).await;
    store.clock.advance(RETENTION + Duration::from_secs(1));
    let mut again = logged(store.clock, &demo, event("taken over", json!("again")));
    again.shard = store.shards.0.shard_of(again.event_id);
    store.append(std::slice::from_ref(&again)).await;
    let shown = store.all(&demo, &Filter::default(), MAX_PAGE_EVENTS).await;
    assert_eq!(shown, [again, events[2].clone(), events[0].clone()]);
    let gone = store
        .reader()
        .find(&demo, events[1].event_id)
        .await
        .unwrap();
    assert_eq!(gone, None);
}

fn event_members(id: &str) -> serde_json::Value {
    json!({ "id": id, "data": id })
}

/// Entries of more than a page of the store, which is 1 MB, are all found: there are `count` of 2 KB.
pub async fn many_entries<L, I, M>(log: &L, index: &I, marks: &M, clock: &ManualClock, count: usize)
where
    L: EventLog,
    I: LogIndex + EventBodies + Sync,
    M: HourMarks + MarkedHours + Sync,
{
    let store = Store {
        log,
        index,
        marks,
        clock,
        shards: Shards::of(1),
    };
    let many = tenant("many-entries");
    let now = clock.now();
    let source = format!("/{}", "s".repeat(1_850));
    let entry = |n: usize| {
        let event_type = if n == 0 { "rare" } else { "common" };
        store.event(
            &many,
            now,
            json!({ "id": n.to_string(), "source": source, "type": event_type }),
        )
    };
    let events: Vec<LoggedEvent> = (0..count).map(entry).collect();
    store.append(&events).await;
    for filter in [
        Filter::of(&[("type", "rare")]),
        Filter::of(&[("source", &source)]),
    ] {
        let expected = filter.expected(&many, &events);
        assert_eq!(store.all(&many, &filter, MAX_PAGE_EVENTS).await, expected);
    }
}

/// The suite of [`HourMarks`] and [`MarkedHours`].
pub async fn active_hours<M: HourMarks + MarkedHours>(marks: &M, clock: &ManualClock) {
    let (demo, other) = (tenant("marks"), tenant("marks-2"));
    let hours_ago = |hours: i64| LogHour::at(clock.now() - time::Duration::hours(hours));
    let all = HourRange {
        first: hours_ago(30_000),
        last: hours_ago(-48),
    };
    assert_eq!(collect(marks, &demo, all, Order::Newest).await, []);
    let mut expected: Vec<LogHour> = (0..130).map(|n| hours_ago(n * 37 - 24)).collect();
    for hours in expected.chunks(7) {
        let hours = hours.iter().copied().collect();
        marks.mark(&demo, &hours).await.unwrap();
        marks.mark(&demo, &hours).await.unwrap();
    }
    marks.mark(&other, &[hours_ago(0)].into()).await.unwrap();
    assert_eq!(collect(marks, &demo, all, Order::Newest).await, expected);
    let some = HourRange {
        first: expected[40],
        last: expected[20],
    };
    assert_eq!(
        collect(marks, &demo, some, Order::Newest).await,
        expected[20..=40]
    );
    expected.reverse();
    assert_eq!(collect(marks, &demo, all, Order::Oldest).await, expected);
    assert_eq!(
        collect(marks, &other, all, Order::Oldest).await,
        [hours_ago(0)]
    );
}

/// Every marked hour of a range, look by look.
async fn collect<M: MarkedHours>(
    marks: &M,
    owner: &TenantId,
    range: HourRange,
    order: Order,
) -> Vec<LogHour> {
    let mut found = Vec::new();
    let mut rest = Some(range);
    while let Some(range) = rest {
        let marked = marks.marked(owner, range, order).await.unwrap();
        let mut hours = marked.hours;
        hours.sort();
        if order == Order::Newest {
            hours.reverse();
        }
        found.extend(hours);
        rest = marked.rest;
    }
    found
}
