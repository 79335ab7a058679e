//! How fast a sweep is in memory. Nothing is asserted of times: machines differ.

use std::collections::HashMap;
use std::time::Instant;

use pillarbox_domain::event_query::{
    EventBodies, IndexEntry, IndexPage, IndexPart, IndexQuery, LogIndex,
};
use pillarbox_domain::log_hour::{LogHour, Position};
use pillarbox_domain::receipt::{HandedOver, Receipts, receipts};
use pillarbox_domain::sweep::{HandOver, Rules, Sweep, Swept};
use pillarbox_domain::{Clock, LoggedEvent, StoreError, TenantId};
use pillarbox_testkit::MemoryBus;
use pillarbox_testkit::builders::tenant;

use super::support::*;

/// An index that finds a page without looking at the others.
struct Sorted(HashMap<TenantId, Vec<IndexEntry>>);

impl LogIndex for Sorted {
    async fn page(&self, owner: &TenantId, query: IndexQuery<'_>) -> Result<IndexPage, StoreError> {
        let IndexPart::Hour(hour, _) = query.part else {
            panic!("asked by correlation id");
        };
        let empty = Vec::new();
        let all = self.0.get(owner).unwrap_or(&empty);
        let range = query.range;
        let position = |entry: &IndexEntry| Position::of(entry.event_id);
        let first = all.partition_point(|entry| position(entry) < range.first());
        let end = all.partition_point(|entry| position(entry) <= range.last());
        let cut = end.min(first + query.limit);
        let entries = all[first..cut].to_vec();
        assert!(
            entries
                .iter()
                .all(|entry| LogHour::of(entry.event_id) == *hour)
        );
        let last = entries.last().filter(|_| cut < end).map(position);
        Ok(IndexPage {
            examined: entries.len(),
            rest: last.and_then(|last| range.beyond(last, query.order)),
            entries,
        })
    }
}

impl EventBodies for Sorted {
    async fn bodies(
        &self,
        _: &TenantId,
        _: &[IndexEntry],
        _: usize,
    ) -> Result<Vec<Option<LoggedEvent>>, StoreError> {
        panic!("nothing is missing");
    }
}

async fn sweep(bus: &MemoryBus, log: &Sorted) -> Swept {
    let upcasts = bus.upcasts();
    let Sweep {
        store,
        switch,
        registry,
        queue,
        hand_over,
    } = bus.sweeper(&upcasts);
    let sweep = Sweep {
        store,
        switch,
        registry,
        queue,
        hand_over: HandOver {
            receipts: hand_over.receipts,
            log,
            dispatcher: hand_over.dispatcher,
            dead_letters: hand_over.dead_letters,
            clock: hand_over.clock,
        },
    };
    sweep.run(&Rules::default()).await.unwrap()
}

/// Batches of a hundred, ten of them a second for a minute and a half.
#[tokio::test]
async fn a_hundred_thousand_entries_are_held_against_their_receipts() {
    const BATCHES: usize = 1_000;
    let bus = bus(&["demo"]).await;
    let demo = tenant("demo");
    let mut entries = Vec::new();
    for _ in 0..BATCHES {
        let mut done = Vec::new();
        for _ in 0..100 {
            let event_id = bus.clock.next_id();
            entries.push(IndexEntry {
                event_id,
                source: "/shop".to_owned(),
                id: event_id.to_string(),
                event_type: "order.created".to_owned(),
                outbox: Default::default(),
            });
            done.push(HandedOver {
                tenant: demo.clone(),
                event_type: "order.created".to_owned(),
                event_id,
                subscriptions: vec![],
                withheld: vec![],
                retrying: 0,
                dead_lettered: 0,
            });
        }
        let now = bus.clock.now();
        for receipt in receipts(&done, bus.clock.next_id(), now, now) {
            bus.receipts.put(&receipt).await.unwrap();
        }
        bus.clock.advance(MINUTE / 600);
    }
    bus.clock.advance(HOUR);
    let log = Sorted(HashMap::from([(demo, entries)]));
    let started = Instant::now();
    let swept = sweep(&bus, &log).await;
    let took = started.elapsed();
    let counts = (swept.logged, swept.receipted, swept.missing);
    assert_eq!(counts, (BATCHES * 100, BATCHES * 100, 0));
    println!("{} entries in {took:?}", swept.logged);
}

/// What an empty run costs with many tenants.
#[tokio::test]
async fn a_thousand_tenants_without_events_are_one_look_each() {
    use pillarbox_domain::registry::Registry;
    let bus = bus(&[]).await;
    for n in 0..1_000 {
        let name = tenant(&format!("t{n}"));
        bus.registry.add_tenant(&name, None).await.unwrap();
    }
    bus.clock.advance(HOUR);
    bus.sweep().await;
    bus.clock.advance(5 * MINUTE);
    let (receipts, registry) = (bus.receipts.looks(), bus.registry.reads());
    let started = Instant::now();
    let swept = bus.sweep().await;
    println!("1,000 tenants in {:?}", started.elapsed());
    assert_eq!(swept.slices, 1);
    let calls = [
        bus.receipts.looks() - receipts,
        bus.registry.reads() - registry,
    ];
    assert_eq!(calls, [91, 2 + 1_001]);
}
