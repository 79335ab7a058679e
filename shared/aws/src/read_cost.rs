//! What statistics cost, in read units, of items as they are stored.

use std::time::Duration;

use pillarbox_domain::receipt::{HandedOver, Receipt, Receipts, receipts};
use pillarbox_domain::stats::{RollRules, Roller, RollupStore};
use pillarbox_domain::{Clock, EventId, SubscriptionId};
use pillarbox_testkit::builders::tenant;
use pillarbox_testkit::{ManualClock, MemoryReceipts, MemoryRollups};

use crate::item::item_bytes;
use crate::{receipts as receipt_items, rollups as rollup_items};

/// Bytes of a read unit, which an eventually consistent read pays by half
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html>).
const UNIT_BYTES: usize = 4_096;

const EVENTS_A_SECOND: u32 = 100;
const TYPES: [&str; 5] = [
    "order.created",
    "order.paid",
    "order.shipped",
    "invoice.created",
    "customer.address.changed",
];

/// Batches of a stream a second: Lambda asks a shard four times
/// (<https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>).
const BATCHES_A_SECOND: u32 = 4;

/// Seconds that are not rolled up just before a run: the minute between two runs, and what has to settle.
const UNROLLED_SECONDS: u32 = 90;

/// Numbers that look like dice, the same each time.
struct Dice(u64);

impl Dice {
    /// From 0 to 1.
    fn roll(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(self.0 >> 33).unwrap()) / f64::from(u32::MAX / 2)
    }

    /// Milliseconds of a latency: half of them take 60 or less, one of a hundred more than 400.
    fn latency(&mut self) -> f64 {
        let sum: f64 = (0..6).map(|_| self.roll()).sum();
        60.0 * ((sum - 3.0) * 1.25).exp()
    }
}

/// A bus with an hour's traffic and a little more.
struct World {
    clock: ManualClock,
    receipts: MemoryReceipts,
    rollups: MemoryRollups,
}

impl World {
    async fn roll(&self) {
        let roller = Roller {
            receipts: &self.receipts,
            rollups: &self.rollups,
            clock: &self.clock,
        };
        roller.run(&RollRules::default()).await.unwrap();
    }

    /// What is accepted within a batch's time, handed over when it ends. Events of a batch differ in their latency by
    /// when they were accepted; so that it is spread as it is in truth, each batch takes another time.
    async fn batch(&self, dice: &mut Dice) {
        let span = Duration::from_secs(1) / BATCHES_A_SECOND;
        let events = EVENTS_A_SECOND / BATCHES_A_SECOND;
        let done: Vec<HandedOver> = (0..events)
            .map(|n| {
                let event = self.event(TYPES[usize::try_from(n).unwrap() % TYPES.len()]);
                self.clock.advance(span / events);
                event
            })
            .collect();
        let now = self.clock.now();
        let latency = Duration::from_secs_f64(dice.latency() / 1e3);
        let expires_at = now + Duration::from_secs(86_400 * 90);
        for receipt in receipts(&done, self.clock.next_id(), now + latency, expires_at) {
            self.receipts.put(&receipt).await.unwrap();
        }
    }

    fn event(&self, event_type: &str) -> HandedOver {
        let names = ["orders-service", "billing", "data-warehouse"];
        let asked_by = 1 + event_type.len() % names.len();
        let ids = names[..asked_by].iter().map(|name| name.parse().unwrap());
        let subscriptions: Vec<SubscriptionId> = ids.collect();
        let event_id: EventId = self.clock.next_id();
        HandedOver {
            tenant: tenant("demo"),
            event_type: event_type.to_owned(),
            event_id,
            subscriptions,
            withheld: vec![],
            retrying: 0,
            dead_lettered: 0,
        }
    }
}

async fn an_hour() -> World {
    let world = World {
        clock: ManualClock::default(),
        receipts: MemoryReceipts::default(),
        rollups: MemoryRollups::default(),
    };
    world.roll().await;
    let mut dice = Dice(7);
    for _ in 0..60 * 60 * BATCHES_A_SECOND {
        world.batch(&mut dice).await;
    }
    world.clock.advance(Duration::from_secs(30));
    world.roll().await;
    world
}

/// Read units of a query that finds so many bytes, page by page.
fn query_units(bytes: usize, is_consistent: bool) -> f64 {
    let units = f64::from(u32::try_from(bytes.div_ceil(UNIT_BYTES).max(1)).unwrap());
    if is_consistent { units } else { units / 2.0 }
}

#[tokio::test]
async fn an_hour_at_100_events_a_second_is_read_for_less_than_100_units() {
    let world = an_hour().await;
    let state = world.rollups.state().await.unwrap().unwrap();
    let rollups = world.rollups.all();
    assert_eq!(rollups.len(), 60);
    let events: u64 = rollups
        .iter()
        .flat_map(|rollup| rollup.figures.values())
        .map(|figures| figures.events())
        .sum();
    assert_eq!(events, 360_000);
    let items = rollups.iter().flat_map(rollup_items::encode);
    let rolled: usize = items.map(|item| item_bytes(&item)).sum();
    let mut buckets = std::collections::BTreeMap::<_, usize>::new();
    for receipt in world.receipts.written() {
        *buckets.entry(receipt.bucket).or_default() += receipt_bytes(&receipt);
    }
    let all: f64 = buckets
        .values()
        .map(|bytes| query_units(*bytes, false))
        .sum();
    let unrolled = usize::try_from(UNROLLED_SECONDS / 10).unwrap();
    let tail: f64 = buckets
        .values()
        .rev()
        .take(unrolled)
        .map(|bytes| query_units(*bytes, false))
        .sum();
    // Two hours of the clock have a part of the 60 minutes each.
    let rolled_units = query_units(rolled / 2, true) * 2.0;
    // The watermark, two statuses of rows, and dead letters.
    let others = 1.0 + 2.0 * 0.5 + 1.0;
    let total = rolled_units + tail + others;
    println!(
        "{} bytes of rollups: {rolled_units} units; {unrolled} buckets of receipts: {tail}; {others} for the rest; \
         {total} in all; from receipts alone it would be {all}; rolled up before {:?}",
        rolled, state.rolled_before
    );
    assert!(total < 100.0, "{total}");
    assert!(all > total * 10.0, "{all}");
}

fn receipt_bytes(receipt: &Receipt) -> usize {
    item_bytes(&receipt_items::encode(receipt))
}
