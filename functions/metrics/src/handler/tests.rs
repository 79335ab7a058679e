//! One call, on a bus in memory.

use pillarbox_domain::gauges::{KnownLogs, Standings};
use pillarbox_domain::registry::Registry;
use pillarbox_testkit::builders::{subscription, tenant};
use pillarbox_testkit::{
    ManualClock, MemoryBus, MemoryLetters, MemoryMetrics, MemoryRegistry, MemoryRollups,
};
use serde_json::json;

use super::*;

struct Bench {
    bus: MemoryBus,
    letters: MemoryLetters,
    rollups: MemoryRollups,
    standings: Standings,
    metrics: MemoryMetrics,
}

impl Bench {
    async fn new() -> Self {
        let demo = tenant("demo");
        let bus = MemoryBus::with([subscription(&demo, "orders", &["*"])]);
        bus.registry.add_tenant(&demo, None).await.unwrap();
        Self {
            bus,
            letters: MemoryLetters::default(),
            rollups: MemoryRollups::default(),
            standings: Standings::default(),
            metrics: MemoryMetrics::of("metrics"),
        }
    }

    async fn call(&self) -> Result<Summary, InvocationError> {
        let bus = &self.bus;
        let logs: KnownLogs<&MemoryRegistry, ManualClock> =
            KnownLogs::new(&bus.registry, bus.clock.clone());
        let handler = Handler {
            gauges: Gauges {
                logs: &logs,
                sweep: &bus.sweeps,
                receipts: &bus.receipts,
                log: &bus.log,
                rows: &bus.rows,
                letters: &self.letters,
                subscriptions: &bus.registry,
                standings: &self.standings,
                clock: &bus.clock,
            },
            roller: Roller {
                receipts: &bus.receipts,
                rollups: &self.rollups,
                clock: &bus.clock,
            },
            metrics: self.metrics.metrics.clone(),
        };
        handler.run().await
    }

    /// The values of the bus's gauges that were told since this was asked last.
    fn gauges(&self) -> Vec<(String, f64)> {
        let values = self.metrics.values().into_iter();
        let of_bus = values.filter(|((_, member), _)| member.is_empty());
        of_bus
            .map(|((name, _), values)| (name, values[0]))
            .collect()
    }

    fn minutes_pass(&self, minutes: u64) {
        let minute = std::time::Duration::from_secs(60);
        self.bus
            .clock
            .advance(u32::try_from(minutes).unwrap() * minute);
    }
}

#[tokio::test]
async fn a_call_reads_every_figure_and_rolls_up_the_minutes_that_have_settled() {
    let bench = Bench::new().await;
    bench.call().await.unwrap();
    let handed_over = bench.bus.logged("demo", "1", "order.created").await;
    bench.bus.dispatch(&[handed_over]).await;
    bench.bus.logged("demo", "2", "order.created").await;
    bench.minutes_pass(3);
    let summary = bench.call().await.unwrap();
    assert!(summary.minutes_rolled >= 2, "{summary:?}");
    let told = serde_json::to_value(summary.figures).unwrap();
    let expected = json!({
        "outbox_pending": 1,
        "oldest_pending_age_seconds": 180,
        "deliveries_retrying": 0,
        "dead_letters_open": 0,
        "oldest_dead_letter_age_seconds": 0,
        "suspended_subscriptions": 0,
        "is_at_least": false,
    });
    assert_eq!(told, expected);
}

#[tokio::test]
async fn each_figure_is_a_gauge_and_so_is_a_zero() {
    let bench = Bench::new().await;
    bench.bus.logged("demo", "1", "order.created").await;
    bench.minutes_pass(3);
    bench.call().await.unwrap();
    let expected = [
        ("DeadLettersOpen", 0.0),
        ("DeliveriesRetrying", 0.0),
        ("OldestDeadLetterAge", 0.0),
        ("OldestPendingAge", 180.0),
        ("OutboxPending", 1.0),
        ("SuspendedSubscriptions", 0.0),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value));
    assert_eq!(bench.gauges(), expected);
    // What cannot be read is no zero.
    bench.letters.fail_after(0);
    bench.call().await.unwrap_err();
    let names: Vec<String> = bench.gauges().into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        ["DeliveriesRetrying", "OldestPendingAge", "OutboxPending"]
    );
}

#[tokio::test]
async fn a_figure_that_cannot_be_read_fails_the_call_and_minutes_are_rolled_up_all_the_same() {
    let bench = Bench::new().await;
    bench.call().await.unwrap();
    bench.letters.fail_after(0);
    bench.minutes_pass(3);
    let failed = bench.call().await.unwrap_err();
    assert!(matches!(failed, InvocationError::Gauges(_)), "{failed}");
    bench.letters.recover();
    assert_eq!(bench.call().await.unwrap().minutes_rolled, 0);
}
