//! Queries, on a log in memory: whatever is in it, and however it is asked.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Mutex;

use pillarbox_domain::active_hours::{HourMarks, RememberedMarks};
use pillarbox_domain::event_query::{
    BadParameter, Bounds, EventBodies, EventQuery, IndexEntry, IndexPage, IndexQuery, LogIndex,
    LogReader, Page,
};
use pillarbox_domain::limits::{DEFAULT_PAGE_EVENTS, MAX_PAGE_BYTES};
use pillarbox_domain::log_hour::LogHour;
use pillarbox_domain::{Clock, LoggedEvent, StoreError, TenantId};
use pillarbox_testkit::builders::{event, event_with, logged, tenant};
use pillarbox_testkit::queried::{Filter, Shards, Store};
use pillarbox_testkit::{ManualClock, MemoryActiveHours, MemoryEventLog};
use proptest::prelude::*;
use serde_json::json;

/// A log that counts what is read of it.
struct Counted {
    log: MemoryEventLog<ManualClock>,
    calls: Mutex<Calls>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Calls {
    looks: usize,
    examined: usize,
    bodies: Vec<usize>,
}

impl Counted {
    fn new(clock: &ManualClock) -> Self {
        Self {
            log: MemoryEventLog::new(clock.clone()),
            calls: Mutex::default(),
        }
    }

    fn take(&self) -> Calls {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

impl LogIndex for Counted {
    async fn page(&self, owner: &TenantId, query: IndexQuery<'_>) -> Result<IndexPage, StoreError> {
        let page = self.log.page(owner, query).await?;
        let mut calls = self.calls.lock().unwrap();
        calls.looks += 1;
        calls.examined += page.examined;
        Ok(page)
    }
}

impl EventBodies for Counted {
    async fn bodies(
        &self,
        owner: &TenantId,
        entries: &[IndexEntry],
        enough_bytes: usize,
    ) -> Result<Vec<Option<LoggedEvent>>, StoreError> {
        self.calls.lock().unwrap().bodies.push(entries.len());
        self.log.bodies(owner, entries, enough_bytes).await
    }
}

struct Bus {
    clock: ManualClock,
    log: Counted,
    marks: MemoryActiveHours,
    bounds: Bounds,
    shards: u64,
}

impl Bus {
    fn with_shards(shards: u64) -> Self {
        let clock = ManualClock::default();
        Self {
            log: Counted::new(&clock),
            clock,
            marks: MemoryActiveHours::default(),
            bounds: Bounds::default(),
            shards,
        }
    }

    fn store(&self) -> Store<'_, MemoryEventLog<ManualClock>, Counted, MemoryActiveHours> {
        Store {
            log: &self.log.log,
            index: &self.log,
            marks: &self.marks,
            clock: &self.clock,
            shards: Shards::of(self.shards),
        }
    }

    /// Stores `count` events of the last minutes, the newest last.
    async fn append(&self, count: u32) -> Vec<LoggedEvent> {
        let now = self.clock.now();
        let at = |n: u32| now - time::Duration::SECOND * (count - n);
        let event = |n| {
            self.store()
                .event(&demo(), at(n), json!({ "id": n.to_string() }))
        };
        let events: Vec<LoggedEvent> = (0..count).map(event).collect();
        self.store().append(&events).await;
        self.log.take();
        events
    }

    async fn list(&self, parameters: &[(&str, &str)]) -> Page {
        let query = parse(parameters).unwrap();
        let shards = Shards::of(self.shards);
        let reader = LogReader {
            settings: &shards,
            marks: &self.marks,
            log: &self.log,
            now: self.clock.now(),
            bounds: self.bounds,
        };
        reader.list(&demo(), &query).await.unwrap()
    }
}

fn demo() -> TenantId {
    tenant("demo")
}

fn owned(parameters: &[(&str, &str)]) -> Vec<(String, String)> {
    let parameters = parameters.iter();
    parameters
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn parse(parameters: &[(&str, &str)]) -> Result<EventQuery, Vec<BadParameter>> {
    EventQuery::parse(&demo(), &owned(parameters))
}

fn faults(parameters: &[(&str, &str)]) -> Vec<String> {
    let faults = parse(parameters).unwrap_err();
    faults.iter().map(ToString::to_string).collect()
}

/// An event of a random log: minutes before now, and which of a few types, sources and operations.
type Sown = (i64, u8, u8, u8);

fn sown() -> impl Strategy<Value = Vec<Sown>> {
    // Crowded hours, some of the last days, and some to come.
    let minutes = prop_oneof![0..90_i64, -200..6_000_i64];
    proptest::collection::vec((minutes, 0..3_u8, 0..2_u8, 0..3_u8), 0..120)
}

fn filters() -> impl Strategy<Value = Filter> {
    let event_type = proptest::option::of(prop::sample::select(vec!["a.b", "a.*", "b.a", "*"]));
    let source = proptest::option::of(prop::sample::select(vec!["/one", "/two"]));
    let correlation_id = proptest::option::weighted(0.2, Just("c-1"));
    let times = proptest::option::of((-300..6_000_i64, 0..3_000_i64));
    let order = prop::sample::select(vec!["newest", "oldest"]);
    (event_type, source, correlation_id, times, order).prop_map(
        |(event_type, source, correlation_id, times, order)| {
            let minutes_ago = |minutes| {
                let at = ManualClock::default().now() - time::Duration::minutes(minutes);
                at.to_offset(time::UtcOffset::UTC)
                    .format(&time::format_description::well_known::Rfc3339)
                    .unwrap()
            };
            let text = |text: Option<&str>| text.map(str::to_owned);
            let parameters = [
                ("type", text(event_type)),
                ("source", text(source)),
                ("correlation_id", text(correlation_id)),
                ("from", times.map(|(to, span)| minutes_ago(to + span))),
                ("to", times.map(|(to, _)| minutes_ago(to))),
                ("order", text(Some(order))),
            ];
            let set = parameters
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?)));
            Filter(set.collect())
        },
    )
}

async fn sow(
    store: &Store<'_, MemoryEventLog<ManualClock>, Counted, MemoryActiveHours>,
    sown: &[Sown],
) -> Vec<LoggedEvent> {
    let mut events = Vec::new();
    for (n, (minutes, event_type, source, correlation)) in sown.iter().enumerate() {
        let event_type = ["a.b", "a.c", "b.a"][usize::from(*event_type)];
        let correlation_id = (*correlation == 0).then_some("c-1");
        let members = json!({
            "id": n.to_string(), "type": event_type, "correlationid": correlation_id,
            "source": if *source == 0 { "/one" } else { "/two" },
        });
        let owner = if n % 7 == 6 { tenant("other") } else { demo() };
        let at = store.clock.now() - time::Duration::minutes(*minutes);
        events.push(store.event(&owner, at, members));
    }
    store.append(&events).await;
    events
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(work)
}

proptest! {
    /// Whatever is in the log, however it is spread, and whatever a page may cost: the pages make up the list.
    #[test]
    fn pages_make_up_the_list(
        sown in sown(),
        filter in filters(),
        shards in 1..6_u64,
        limit in 1..40_usize,
        entries in prop_oneof![Just(10_000_usize), 100..400_usize],
        bytes in prop_oneof![Just(MAX_PAGE_BYTES), 1..2_000_usize],
    ) {
        let mut bus = Bus::with_shards(shards);
        bus.bounds = Bounds { entries, bytes };
        let (found, expected) = block_on(async {
            let events = sow(&bus.store(), &sown).await;
            let mut found = Vec::new();
            let mut parameters: Vec<(String, String)> =
                filter.0.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            parameters.push(("limit".to_owned(), limit.to_string()));
            for _ in 0..10_000 {
                let borrowed: Vec<(&str, &str)> =
                    parameters.iter().map(|(name, value)| (&**name, &**value)).collect();
                let page = bus.list(&borrowed).await;
                assert!(page.events.len() <= limit);
                found.extend(page.events);
                let Some(cursor) = page.next_cursor else { break };
                parameters.retain(|(name, _)| name != "cursor");
                parameters.push(("cursor".to_owned(), cursor));
            }
            (found, filter.expected(&demo(), &events))
        });
        prop_assert_eq!(found, expected);
    }

    /// Events that come while somebody pages are shown or not, and change nothing of the others.
    #[test]
    fn what_comes_while_paging_repeats_and_hides_nothing(
        first in sown(),
        later in sown(),
        order in prop::sample::select(vec!["newest", "oldest"]),
        limit in 1..20_usize,
    ) {
        let bus = Bus::with_shards(2);
        block_on(async {
            let store = bus.store();
            let events = sow(&store, &first).await;
            let filter = Filter::of(&[("order", order)]);
            let limit = limit.to_string();
            let page = bus.list(&[("order", order), ("limit", &limit)]).await;
            let later: Vec<LoggedEvent> = later.iter().enumerate().map(|(n, (minutes, ..))| {
                let at = bus.clock.now() - time::Duration::minutes(*minutes);
                store.event(&demo(), at, json!({ "id": format!("later-{n}") }))
            }).collect();
            store.append(&later).await;
            let mut found = page.events;
            let mut cursor = page.next_cursor;
            while let Some(next) = cursor {
                let page = bus.list(&[("order", order), ("limit", "30"), ("cursor", &next)]).await;
                found.extend(page.events);
                cursor = page.next_cursor;
            }
            found.retain(|event| !event.event.id().starts_with("later"));
            assert_eq!(found, filter.expected(&demo(), &events));
        });
    }

    /// Whatever is given for a cursor, it is this query's or it is refused.
    #[test]
    fn garbage_is_no_cursor(text in "[A-Za-z0-9_=-]{0,60}|\\PC{0,20}") {
        prop_assert_eq!(faults(&[("cursor", &text)]).len(), 1);
    }
}

#[tokio::test]
async fn a_page_of_one_hour_and_shard_takes_one_look_and_one_read_of_its_bodies() {
    let bus = Bus::with_shards(1);
    let events = bus.append(60).await;
    let page = bus.list(&[("from", "2026-11-23T11:30:00Z")]).await;
    assert_eq!(page.events.len(), DEFAULT_PAGE_EVENTS);
    assert_eq!(page.events[0], events[59]);
    let calls = bus.log.take();
    assert_eq!(calls.bodies, [DEFAULT_PAGE_EVENTS]);
    // The hour that is about to begin, and the one that the events are in.
    assert!(calls.looks <= 3, "{calls:?}");
    assert_eq!(bus.marks.looks(), 1);
}

#[tokio::test]
async fn empty_hours_that_are_over_are_not_looked_at() {
    let bus = Bus::with_shards(1);
    let store = bus.store();
    let old = bus.clock.now() - time::Duration::days(6);
    let event = store.event(&demo(), old, json!({ "id": "old" }));
    store.append(std::slice::from_ref(&event)).await;
    bus.log.take();
    let page = bus.list(&[]).await;
    assert_eq!((page.events, page.next_cursor), (vec![event], None));
    // The 26 hours in which dispatch may still be late, and the one that is marked.
    assert_eq!(bus.log.take().looks, 27);
}

#[tokio::test]
async fn a_bound_ends_a_page_early_and_its_cursor_goes_on() {
    let mut bus = Bus::with_shards(1);
    let events = bus.append(300).await;
    bus.bounds.entries = 100;
    let mut pages = 0;
    let mut found = Vec::new();
    let mut cursor = None;
    loop {
        let mut parameters = vec![("order", "oldest"), ("source", "/nobody")];
        parameters.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = bus.list(&parameters).await;
        assert!(bus.log.take().examined <= 100);
        found.extend(page.events);
        pages += 1;
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    assert!(found.is_empty() && pages >= 3, "{pages} pages");
    assert_eq!(events.len(), 300);
}

#[tokio::test]
async fn only_the_bodies_of_a_page_are_read() {
    let bus = Bus::with_shards(3);
    bus.append(200).await;
    for limit in ["1", "10", "100"] {
        let page = bus.list(&[("limit", limit)]).await;
        assert_eq!(page.events.len().to_string(), limit);
        assert_eq!(bus.log.take().bodies, [page.events.len()]);
    }
}

/// An index that names what the log does not have any more, or has for somebody else.
struct Lagging<'a> {
    entries: Vec<IndexEntry>,
    bodies: &'a [Option<LoggedEvent>],
}

impl LogIndex for Lagging<'_> {
    async fn page(&self, _: &TenantId, _: IndexQuery<'_>) -> Result<IndexPage, StoreError> {
        Ok(IndexPage {
            entries: self.entries.clone(),
            examined: self.entries.len(),
            rest: None,
        })
    }
}

impl EventBodies for Lagging<'_> {
    async fn bodies(
        &self,
        _: &TenantId,
        _: &[IndexEntry],
        _: usize,
    ) -> Result<Vec<Option<LoggedEvent>>, StoreError> {
        Ok(self.bodies.to_vec())
    }
}

#[tokio::test]
async fn what_is_gone_expired_taken_over_or_of_another_tenant_is_never_shown() {
    let clock = ManualClock::default();
    let shown = logged(&clock, &demo(), event("1", json!(1)));
    let mut expired = logged(&clock, &demo(), event("2", json!(1)));
    expired.expires_at = clock.now() - time::Duration::SECOND;
    let taken_over = logged(&clock, &demo(), event("3", json!(1)));
    let foreign = logged(&clock, &tenant("other"), event("4", json!(1)));
    let named = [&shown, &expired, &taken_over, &foreign, &shown];
    let mut entries: Vec<IndexEntry> = named
        .iter()
        .map(|logged| IndexEntry {
            event_id: logged.event_id,
            source: logged.event.source().to_owned(),
            id: logged.event.id().to_owned(),
            event_type: logged.event.event_type().to_owned(),
            outbox: logged.outbox,
        })
        .collect();
    entries[2].event_id = clock.next_id();
    let bodies = [
        Some(shown.clone()),
        Some(expired),
        Some(taken_over),
        Some(foreign),
        None,
    ];
    let reader = LogReader {
        settings: &Shards::of(1),
        marks: &MemoryActiveHours::default(),
        log: &Lagging {
            entries,
            bodies: &bodies,
        },
        now: clock.now(),
        bounds: Bounds::default(),
    };
    let query = parse(&[("correlation_id", "c")]).unwrap();
    let page = reader.list(&demo(), &query).await.unwrap();
    assert_eq!(page.events, std::slice::from_ref(&shown));
    let found = reader.find(&demo(), shown.event_id).await.unwrap();
    assert_eq!(found, Some(shown));
}

#[test]
fn a_cursor_fits_its_query_and_tenant_only() {
    let bus = Bus::with_shards(1);
    let page = block_on(async {
        bus.append(5).await;
        bus.list(&[("type", "order.*"), ("limit", "2")]).await
    });
    let cursor = page.next_cursor.unwrap();
    let same = [("cursor", &*cursor), ("limit", "7"), ("type", "order.*")];
    assert!(parse(&same).is_ok());
    assert!(
        parse(&[
            ("order", "newest"),
            ("type", "order.*"),
            ("cursor", &cursor)
        ])
        .is_ok()
    );
    let fault =
        "cursor must be the next_cursor of this query's last page, with nothing but limit changed";
    for other in [
        vec![],
        vec![("type", "order.created")],
        vec![("type", "order.*"), ("order", "oldest")],
        vec![("type", "order.*"), ("source", "/shop")],
        vec![("type", "order.*"), ("from", "2026-01-01T00:00:00Z")],
        vec![("type", "order.*"), ("to", "2027-01-01T00:00:00Z")],
        vec![("type", "order.*"), ("correlation_id", "c")],
    ] {
        let mut other = other;
        other.push(("cursor", &cursor));
        assert_eq!(faults(&other), [fault], "{other:?}");
    }
    let foreign = EventQuery::parse(&tenant("other"), &owned(&same)).unwrap_err();
    assert_eq!(foreign[0].to_string(), fault);
}

#[tokio::test]
async fn a_range_without_any_time_is_empty_and_costs_nothing() {
    let bus = Bus::with_shards(1);
    bus.append(3).await;
    for range in [
        [
            ("from", "2026-11-23T12:00:00Z"),
            ("to", "2026-11-23T12:00:00Z"),
        ],
        [
            ("from", "1960-01-01T00:00:00Z"),
            ("to", "1960-01-02T00:00:00Z"),
        ],
    ] {
        let page = bus.list(&range).await;
        assert_eq!((page.events, page.next_cursor), (vec![], None));
    }
    assert_eq!(bus.log.take(), Calls::default());
}

#[tokio::test]
async fn an_event_of_a_fast_clock_is_found_where_the_range_is_open() {
    let bus = Bus::with_shards(2);
    let store = bus.store();
    let at = bus.clock.now() + time::Duration::days(3);
    let event = store.event(&demo(), at, json!({ "id": "early" }));
    store.append(std::slice::from_ref(&event)).await;
    assert_eq!(bus.list(&[]).await.events, std::slice::from_ref(&event));
    let beyond = [("order", "oldest"), ("to", "2026-11-27T00:00:00Z")];
    assert_eq!(bus.list(&beyond).await.events, [event]);
    assert!(
        bus.list(&[("to", "2026-11-24T00:00:00Z")])
            .await
            .events
            .is_empty()
    );
}

#[tokio::test]
async fn an_hour_is_marked_once_by_an_environment_and_again_after_a_failure() {
    let clock = ManualClock::default();
    let marks = MemoryActiveHours::default();
    let remembered = RememberedMarks::new(&marks);
    let hours = [LogHour::at(clock.now())].into();
    marks.set_failing(true);
    assert!(remembered.mark(&demo(), &hours).await.is_err());
    marks.set_failing(false);
    for _ in 0..3 {
        remembered.mark(&demo(), &hours).await.unwrap();
    }
    assert_eq!(marks.calls(), 2);
    remembered.mark(&tenant("other"), &hours).await.unwrap();
    assert_eq!(marks.calls(), 3);
}

#[test]
fn an_event_is_shown_with_its_id_and_nothing_else_of_the_bus() {
    let clock = ManualClock::default();
    let logged = logged(
        &clock,
        &demo(),
        event_with(json!({ "id": "1", "subject": "x" })),
    );
    let shown = serde_json::to_value(pillarbox_domain::event_query::ShownEvent(&logged)).unwrap();
    assert_eq!(
        shown,
        json!({
            "specversion": "1.0", "id": "1", "source": "/shop", "type": "order.created", "subject": "x",
            "pbeventid": logged.event_id.to_string(),
        })
    );
}
