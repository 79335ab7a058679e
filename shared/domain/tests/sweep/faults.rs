//! Events that cannot be read, receipts that cannot be, tenants that are not what an index says, and dispatch that
//! panics.

use std::collections::BTreeMap;

use pillarbox_domain::dead_letter::Origin;
use pillarbox_domain::dispatch::{DispatchError, Dispatched, Dispatching};
use pillarbox_domain::event_query::{EventBodies, IndexEntry, IndexPage, IndexQuery, LogIndex};
use pillarbox_domain::guarded::Panicked;
use pillarbox_domain::log_hour::Position;
use pillarbox_domain::receipt::Bucket;
use pillarbox_domain::registry::Registry;
use pillarbox_domain::sweep::{End, HandOver, HandOverError, Rules, Sweep, Swept};
use pillarbox_domain::{Clock, LoggedEvent, StoreError, TenantId};
use pillarbox_testkit::MemoryBus;
use pillarbox_testkit::builders::tenant;

use super::support::*;

const TENANTS: [&str; 2] = ["demo", "other"];

/// A log whose index of one tenant names these events, and under whose keys is what they are mapped to.
struct Lying {
    tenant: TenantId,
    named: BTreeMap<Position, (IndexEntry, Option<LoggedEvent>)>,
}

impl Lying {
    fn of(owner: &str, named: Vec<(&LoggedEvent, Option<LoggedEvent>)>) -> Self {
        let entry = |event: &LoggedEvent| IndexEntry {
            event_id: event.event_id,
            source: event.event.source().to_owned(),
            id: event.event.id().to_owned(),
            event_type: "t".to_owned(),
            outbox: event.outbox,
        };
        let named = named.into_iter();
        Self {
            tenant: tenant(owner),
            named: named
                .map(|(event, body)| (Position::of(event.event_id), (entry(event), body)))
                .collect(),
        }
    }
}

impl LogIndex for Lying {
    async fn page(&self, owner: &TenantId, query: IndexQuery<'_>) -> Result<IndexPage, StoreError> {
        let range = query.range.first()..=query.range.last();
        let entries = self.named.range(range).map(|(_, (entry, _))| entry.clone());
        let entries: Vec<IndexEntry> = entries.filter(|_| *owner == self.tenant).collect();
        Ok(IndexPage {
            examined: entries.len(),
            entries,
            rest: None,
        })
    }
}

impl EventBodies for Lying {
    async fn bodies(
        &self,
        _: &TenantId,
        entries: &[IndexEntry],
        _: usize,
    ) -> Result<Vec<Option<LoggedEvent>>, StoreError> {
        let body = |entry: &IndexEntry| {
            let (_, body) = self.named.get(&Position::of(entry.event_id))?;
            body.clone()
        };
        Ok(entries.iter().map(body).collect())
    }
}

/// Dispatches on the bus, but for the code that fails.
enum Failing<'a> {
    /// At one event.
    At(&'a MemoryBus, &'a str),
    /// As a whole.
    Wholly,
}

impl Dispatching for Failing<'_> {
    async fn dispatch(&self, events: &[LoggedEvent]) -> Dispatched {
        let Self::At(bus, id) = self else {
            panic!("as the test wants it");
        };
        let mut dispatched = Dispatched::default();
        for event in events {
            let outcome = match event.event.id() == *id {
                true => Err(DispatchError::Panicked(Panicked("as told".to_owned()))),
                false => bus
                    .dispatch(std::slice::from_ref(event))
                    .await
                    .outcomes
                    .remove(0),
            };
            dispatched.outcomes.push(outcome);
        }
        dispatched
    }
}

async fn sweep<L: LogIndex + EventBodies + Sync>(
    bus: &MemoryBus,
    log: &L,
    dispatcher: impl Dispatching,
) -> Swept {
    let sweep = Sweep {
        store: &bus.sweeps,
        switch: &bus.switch,
        registry: &bus.registry,
        queue: &bus.asked,
        hand_over: HandOver {
            receipts: &bus.receipts,
            log,
            dispatcher,
            dead_letters: &bus.dead_letters,
            clock: &bus.clock,
        },
    };
    sweep.run(&Rules::default()).await.unwrap()
}

/// Dispatches as the bus does.
fn sound(bus: &MemoryBus) -> Failing<'_> {
    Failing::At(bus, "no event's")
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_a_dead_letter_once_and_holds_up_nothing() {
    let bus = bus(&TENANTS).await;
    let [gone, taken_over, sound_one] = ["1", "2", "3"].map(|id| bus.event("demo", id, "t"));
    bus.clock.advance(2 * HOUR);
    let another = bus.event("demo", "2", "t");
    let log = Lying::of(
        "demo",
        vec![
            (&gone, None),
            // It has expired, and its key is another event's now.
            (&taken_over, Some(another)),
            (&sound_one, Some(sound_one.clone())),
        ],
    );
    let swept = sweep(&bus, &log, sound(&bus)).await;
    let counts = (
        swept.missing,
        swept.handed.dispatched.len(),
        swept.handed.unreadable.len(),
    );
    assert_eq!(counts, (3, 1, 2));
    assert_eq!((swept.end, swept.open), (End::Closed, 0));
    let ids = deliveries(&bus, &TENANTS).into_keys();
    assert_eq!(
        ids.map(|(_, id)| id).collect::<Vec<_>>(),
        [sound_one.event_id]
    );

    let letters = bus.dead_letters.taken();
    assert_eq!(letters.len(), 2);
    assert_eq!(
        (letters[0].origin, &*letters[0].error.class),
        (Origin::Dispatch, "Unreadable")
    );
    let told = &letters[0].message;
    assert!(
        told.body.contains(&gone.event_id.to_string()),
        "{}",
        told.body
    );
    assert!(told.attributes.contains(&("tenant", "demo".to_owned())));
    // Every one of them is accounted for.
    assert_eq!(receipted(&bus).len(), 3);
}

#[tokio::test]
async fn an_unreadable_event_that_cannot_be_put_away_is_looked_at_again() {
    let bus = bus(&TENANTS).await;
    let gone = bus.event("demo", "1", "t");
    bus.clock.advance(2 * HOUR);
    let log = Lying::of("demo", vec![(&gone, None)]);
    bus.dead_letters.set_failing(true);
    let swept = sweep(&bus, &log, sound(&bus)).await;
    assert!(matches!(
        swept.handed.failed[..],
        [(_, HandOverError::PutAway(_))]
    ));
    assert_eq!(swept.open, 1);
    bus.dead_letters.set_failing(false);
    bus.receipts.set_failing(true);
    assert_eq!(sweep(&bus, &log, sound(&bus)).await.open, 1);
    bus.receipts.set_failing(false);
    assert_eq!(sweep(&bus, &log, sound(&bus)).await.open, 0);
    // The one whose receipt could not be written, and its repeat.
    assert_eq!(bus.dead_letters.taken().len(), 2);
}

#[tokio::test]
async fn what_a_tenant_s_index_names_of_another_tenant_is_never_dispatched_for_it() {
    let bus = bus(&TENANTS).await;
    let foreign = bus.event("other", "1", "t");
    bus.clock.advance(2 * HOUR);
    let log = Lying::of("demo", vec![(&foreign, Some(foreign.clone()))]);
    let swept = sweep(&bus, &log, sound(&bus)).await;
    assert!(swept.handed.dispatched.is_empty());
    assert!(deliveries(&bus, &TENANTS).is_empty());
    let letters = bus.dead_letters.taken();
    assert!(
        letters[0]
            .message
            .attributes
            .contains(&("tenant", "demo".to_owned()))
    );
    assert!(!letters[0].message.body.contains("specversion"));
}

#[tokio::test]
async fn an_event_at_which_dispatch_panics_is_a_dead_letter_with_all_that_it_holds() {
    let bus = bus(&TENANTS).await;
    let mut events = Vec::new();
    for n in 0..3 {
        events.extend(publish(&bus, &["demo"], n).await);
    }
    bus.clock.advance(2 * HOUR);
    let swept = sweep(&bus, &bus.log, Failing::At(&bus, "1")).await;
    assert_eq!((swept.handed.dispatched.len(), swept.open), (2, 0));
    let [letter] = &bus.dead_letters.taken()[..] else {
        panic!("one dead letter");
    };
    assert_eq!(&*letter.error.class, "Panicked");
    assert!(letter.message.body.contains("specversion"));
}

#[tokio::test]
async fn when_dispatch_panics_as_a_whole_everything_stays_missing_and_the_run_goes_on() {
    let bus = bus(&TENANTS).await;
    let mut events = publish(&bus, &TENANTS, 1).await;
    bus.clock.advance(HOUR);
    events.extend(publish(&bus, &TENANTS, 2).await);
    bus.clock.advance(2 * HOUR);
    let swept = sweep(&bus, &bus.log, Failing::Wholly).await;
    assert_eq!(
        (swept.end, swept.handed.failed.len(), swept.open),
        (End::Closed, 4, 2)
    );
    assert!(matches!(
        swept.handed.failed[0].1,
        HandOverError::Panicked(_)
    ));
    assert_eq!(bus.sweep().await.open, 0);
    assert_each_once(&bus, &TENANTS, &events);
}

#[tokio::test]
async fn receipts_that_cannot_be_read_hold_up_their_own_slice_and_are_told_each_time() {
    let bus = bus(&TENANTS).await;
    let mut events = publish(&bus, &TENANTS, 1).await;
    bus.dispatch(&events).await;
    let blocked = Bucket::at(bus.clock.now());
    bus.clock.advance(HOUR);
    events.extend(publish(&bus, &TENANTS, 2).await);
    bus.clock.advance(2 * HOUR);
    bus.receipts.set_malformed(blocked, true);
    for missing in [2, 0] {
        let swept = bus.sweep().await;
        assert_eq!(
            (swept.missing, swept.blocked.len(), swept.open),
            (missing, 1, 1)
        );
        let (slice, error) = &swept.blocked[0];
        assert!(matches!(error, StoreError::Malformed { .. }));
        assert_eq!(swept.swept_before, Some(slice.from()));
        bus.clock.advance(5 * MINUTE);
    }
    bus.receipts.set_malformed(blocked, false);
    assert_eq!(bus.sweep().await.open, 0);
    assert_each_once(&bus, &TENANTS, &events);
}

#[tokio::test]
async fn what_dispatch_does_not_manage_stays_open_and_the_next_run_tries_again() {
    let bus = bus(&TENANTS).await;
    let events = publish(&bus, &TENANTS, 1).await;
    bus.clock.advance(2 * HOUR);
    bus.receipts.set_failing(true);
    let swept = bus.sweep().await;
    assert_eq!((swept.handed.failed.len(), swept.open), (2, 1));
    bus.receipts.set_failing(false);
    assert_eq!(bus.sweep().await.handed.dispatched.len(), 2);
    // The queues had them before: a repeat, never a loss.
    let found = deliveries(&bus, &TENANTS);
    assert_eq!(
        (found.len(), found.values().max()),
        (events.len(), Some(&2))
    );
}

#[tokio::test]
async fn a_registry_that_fails_ends_the_run_and_nothing_is_taken_for_swept() {
    let bus = bus(&TENANTS).await;
    let events = publish(&bus, &TENANTS, 1).await;
    bus.clock.advance(2 * HOUR);
    bus.registry.set_failing(true);
    assert!(bus.sweep_by(Rules::default()).await.is_err());
    assert_eq!(bus.sweeps.saved(), None);
    bus.registry.set_failing(false);
    bus.sweep().await;
    assert_each_once(&bus, &TENANTS, &events);
}

#[tokio::test]
async fn what_was_done_before_a_fault_is_told_beside_it() {
    let bus = bus(&TENANTS).await;
    publish(&bus, &TENANTS, 1).await;
    bus.clock.advance(2 * HOUR);
    bus.sweeps.set_failing(true);
    let swept = bus.sweep().await;
    assert_eq!(swept.end, End::Failed);
    assert!(matches!(swept.fault, Some(StoreError::Throttled { .. })));
    bus.sweeps.set_failing(false);
    let swept = bus.sweep().await;
    assert_eq!((swept.end, swept.handed.dispatched.len()), (End::Closed, 2));
}

#[tokio::test]
async fn a_late_event_that_the_sweep_hands_over_reopens_its_hour() {
    let bus = bus(&TENANTS).await;
    let events = publish(&bus, &["demo"], 1).await;
    bus.sweep().await;
    bus.clock.advance(30 * HOUR);
    bus.sweep().await;
    let reopened = bus.reopenings.noted();
    assert_eq!(reopened.len(), 1);
    assert_each_once(&bus, &TENANTS, &events);
}

#[tokio::test]
async fn a_tenant_that_was_registered_between_two_runs_is_looked_at() {
    let bus = bus(&["demo"]).await;
    bus.sweep().await;
    bus.registry.add_tenant(&tenant("new"), None).await.unwrap();
    bus.logged("new", "1", "t").await;
    bus.clock.advance(2 * HOUR);
    assert_eq!(bus.sweep().await.handed.dispatched.len(), 1);
}
