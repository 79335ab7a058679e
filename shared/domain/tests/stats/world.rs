//! A bus of which only receipts, rollups, rows and letters are of interest, and the truth about it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pillarbox_domain::receipt::{HandedOver, Receipts, receipts};
use pillarbox_domain::stats::{
    Counted, LateReceipts, RollRules, Rolled, Roller, Stats, StatsBounds, StatsQuery, StatsReader,
    Window,
};
use pillarbox_domain::{Clock, EventId, StoreError, SubscriptionId};
use pillarbox_testkit::builders::{RETENTION, tenant};
use pillarbox_testkit::{
    ManualClock, MemoryLetters, MemoryReceipts, MemoryRollups, MemoryTroubledDeliveries,
};
use time::UtcDateTime;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

pub(crate) type Reader<'a> =
    StatsReader<'a, MemoryReceipts, MemoryRollups, MemoryLetters, MemoryTroubledDeliveries>;

#[derive(Default)]
pub(crate) struct World {
    pub(crate) clock: ManualClock,
    pub(crate) receipts: MemoryReceipts,
    pub(crate) rollups: MemoryRollups,
    pub(crate) letters: MemoryLetters,
    pub(crate) rows: MemoryTroubledDeliveries,
}

/// An event, and who asks for it.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) owner: &'static str,
    pub(crate) event_type: &'static str,
    pub(crate) event_id: EventId,
    pub(crate) subscriptions: Vec<SubscriptionId>,
    pub(crate) withheld: Vec<SubscriptionId>,
}

impl World {
    /// An event, accepted now. `a b -c` is asked for by `a` and `b`, and by `c`, which is paused.
    pub(crate) fn event(
        &self,
        owner: &'static str,
        event_type: &'static str,
        asked_by: &str,
    ) -> Event {
        let names = asked_by.split_whitespace();
        let (withheld, subscriptions) = names.partition::<Vec<&str>, _>(|it| it.starts_with('-'));
        let ids = |names: Vec<&str>| {
            let names = names.into_iter().map(|name| name.trim_start_matches('-'));
            names.map(|name| name.parse().unwrap()).collect()
        };
        Event {
            owner,
            event_type,
            event_id: self.clock.next_id(),
            subscriptions: ids(subscriptions),
            withheld: ids(withheld),
        }
    }

    /// Writes down that these events are handed over now, as dispatch and the sweep do.
    pub(crate) async fn hand_over(&self, events: &[Event]) -> Result<(), StoreError> {
        let late = LateReceipts::new(&self.receipts, &self.rollups, self.clock.clone());
        let done: Vec<HandedOver> = events.iter().map(handed_over).collect();
        let now = self.clock.now();
        for receipt in receipts(&done, self.clock.next_id(), now, now + RETENTION) {
            late.put(&receipt).await?;
        }
        Ok(())
    }

    pub(crate) fn roller(&self) -> Roller<'_, MemoryReceipts, MemoryRollups, ManualClock> {
        Roller {
            receipts: &self.receipts,
            rollups: &self.rollups,
            clock: &self.clock,
        }
    }

    pub(crate) async fn roll(&self) -> Rolled {
        self.roller().run(&RollRules::default()).await.unwrap()
    }

    pub(crate) fn reader(&self) -> Reader<'_> {
        StatsReader {
            receipts: &self.receipts,
            rollups: &self.rollups,
            letters: &self.letters,
            rows: &self.rows,
            now: self.clock.now(),
            bounds: StatsBounds::default(),
        }
    }

    /// Of everything that was accepted from a time on until now.
    pub(crate) async fn stats(&self, owner: &str, from: UtcDateTime) -> Stats {
        let window = Window {
            from,
            to: self.clock.now() + Duration::from_millis(1),
        };
        self.stats_of(owner, &query(window)).await
    }

    pub(crate) async fn stats_of(&self, owner: &str, query: &StatsQuery) -> Stats {
        let stats = self.reader().stats(&tenant(owner), query).await;
        stats.unwrap()
    }

    /// The figures of a window by an independent count of what is written.
    pub(crate) fn truth(&self, owner: &str, window: Window) -> BTreeMap<String, Truth> {
        let mut events: BTreeMap<EventId, Seen> = BTreeMap::new();
        for receipt in self.receipts.written() {
            for group in receipt
                .groups
                .iter()
                .filter(|it| it.tenant == tenant(owner))
            {
                for id in &group.event_ids {
                    let seen = events.entry(*id).or_default();
                    seen.event_type.clone_from(&group.event_type);
                    seen.made.extend(group.subscriptions.iter().cloned());
                    seen.withheld.extend(group.withheld.iter().cloned());
                    if !group.subscriptions.is_empty() {
                        seen.at.push(receipt.handed_over_at);
                    }
                }
            }
        }
        let mut truth: BTreeMap<String, Truth> = BTreeMap::new();
        for (id, seen) in events {
            if (window.from..window.to).contains(&id.accepted_at()) {
                truth
                    .entry(seen.event_type.clone())
                    .or_default()
                    .count(id, &seen);
            }
        }
        truth
    }

    pub(crate) async fn assert_true(&self, owner: &str, window: Window) {
        let stats = self.stats_of(owner, &query(window)).await;
        assert_eq!(stats.window, window);
        let told = stats.types.iter();
        let told: BTreeMap<String, Truth> = told
            .map(|(name, counted)| (name.clone(), Truth::told(counted)))
            .collect();
        assert_eq!(told, self.truth(owner, window), "{owner} {window:?}");
    }
}

#[derive(Default)]
struct Seen {
    event_type: String,
    made: BTreeSet<SubscriptionId>,
    withheld: BTreeSet<SubscriptionId>,
    at: Vec<UtcDateTime>,
}

/// Figures of one type, latencies one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Truth {
    pub(crate) unrouted: u64,
    pub(crate) withheld: u64,
    pub(crate) deliveries: usize,
    pub(crate) deliveries_withheld: usize,
    pub(crate) latencies: Vec<i128>,
}

impl Truth {
    fn count(&mut self, id: EventId, seen: &Seen) {
        let withheld = seen.withheld.difference(&seen.made).count();
        self.deliveries += seen.made.len();
        self.deliveries_withheld += withheld;
        match seen.at.iter().min() {
            Some(at) => {
                let latency = (*at - id.accepted_at()).whole_milliseconds().max(0);
                self.latencies.push(latency);
                self.latencies.sort_unstable();
            }
            None if withheld > 0 => self.withheld += 1,
            None => self.unrouted += 1,
        }
    }

    fn told(counted: &Counted) -> Self {
        let figures = &counted.figures;
        let latencies = figures.latencies.iter().flat_map(|(millis, count)| {
            std::iter::repeat_n(i128::from(millis), count.try_into().unwrap())
        });
        Self {
            unrouted: figures.unrouted,
            withheld: figures.withheld,
            deliveries: figures.deliveries.try_into().unwrap(),
            deliveries_withheld: figures.deliveries_withheld.try_into().unwrap(),
            latencies: latencies.collect(),
        }
    }
}

/// All types, minute by minute.
pub(crate) fn query(window: Window) -> StatsQuery {
    StatsQuery {
        window,
        step_minutes: 1,
        types: vec![],
    }
}

fn handed_over(event: &Event) -> HandedOver {
    HandedOver {
        tenant: tenant(event.owner),
        event_type: event.event_type.to_owned(),
        event_id: event.event_id,
        subscriptions: event.subscriptions.clone(),
        withheld: event.withheld.clone(),
        retrying: 0,
        dead_lettered: 0,
    }
}
