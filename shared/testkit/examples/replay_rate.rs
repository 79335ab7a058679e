//! How fast one worker is, and how much memory it takes: `cargo run --release -p pillarbox-testkit --example
//! replay_rate [events]`.
//!
//! The stores are in memory, and each of their calls takes as long as it takes in a Region of AWS. What is measured is
//! one worker from its call to the end of the job, its planning included.

#![allow(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on has failed"
)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pillarbox_domain::delivery::Message;
use pillarbox_domain::dispatch::{DeliveryQueues, SendError};
use pillarbox_domain::job::{JobStore, Parts, Ran, ReplayFilter, Sleeper, Target};
use pillarbox_domain::subscription::QueueUrl;
use pillarbox_testkit::builders::{subscription, tenant};
use pillarbox_testkit::hooked::{Hook, Hooked};
use pillarbox_testkit::job_bus::work;
use pillarbox_testkit::{MemoryCaller, MemoryJobBus, MemoryRegistry, MemoryUpcasts};
use serde_json::json;

const EVENTS: u32 = 100_000;
const HOURS: u32 = 24;

/// What calls take in a Region: DynamoDB answers within milliseconds, a query of many entries and a batch of items take
/// some more, and so does a queue.
fn latency(call: &str) -> Duration {
    let ms = match call {
        "page" => 12,
        "bodies" => 15,
        "send" => 15,
        "extend_plan" | "finish_unit" => 12,
        _ => 5,
    };
    Duration::from_millis(ms)
}

struct Region;

impl Hook for Region {
    async fn before(&self, call: &'static str) {
        tokio::time::sleep(latency(call)).await;
    }

    async fn after(&self, _: &'static str) {}
}

/// Counts messages, and keeps none.
#[derive(Default)]
struct CountingQueues {
    messages: AtomicUsize,
    bytes: AtomicUsize,
}

impl DeliveryQueues for CountingQueues {
    async fn send(&self, _: &QueueUrl, messages: &[Message]) -> Vec<Result<(), SendError>> {
        let bytes = messages.iter().map(Message::bytes).sum();
        self.messages.fetch_add(messages.len(), Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        vec![Ok(()); messages.len()]
    }
}

/// Kilobytes of this process's memory: its most so far, and now.
fn memory(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

async fn filled(events: u32) -> MemoryJobBus {
    let bus = MemoryJobBus::new(1, [subscription(&tenant("demo"), "orders", &["*"])]);
    let apart = Duration::from_secs(u64::from(HOURS) * 60 * 60) / events;
    let note = "n".repeat(700);
    for number in 0..events {
        let at = pillarbox_domain::Clock::now(&bus.clock) - (events - number) * apart;
        let data = json!({ "order": number, "note": note });
        let members = json!({ "id": number.to_string(), "data": data });
        bus.logged(&tenant("demo"), at, members).await;
    }
    bus
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let events = std::env::args().nth(1).and_then(|text| text.parse().ok());
    let events = events.unwrap_or(EVENTS);
    let bus = filled(events).await;
    let spec = bus.replay(ReplayFilter::default(), Target::All);
    let job = bus.job(&tenant("demo"), spec).await;
    let queues = CountingQueues::default();
    let slow = bus.hooked(&Region);
    let parts = Parts {
        jobs: slow.jobs,
        calls: slow.calls,
        settings: slow.settings,
        marks: slow.marks,
        log: slow.log,
        archive: slow.archive,
        letters: slow.letters,
        registry: slow.registry,
        // Who is subscribed and how events are brought up is known from the page before.
        subscriptions: MemoryRegistry::with([subscription(&tenant("demo"), "orders", &["*"])]),
        upcasts: MemoryUpcasts::default(),
        queues: Hooked {
            port: &queues,
            hook: &Region,
        },
        dead_letters: slow.dead_letters,
        clock: slow.clock,
        sleeper: slow.sleeper,
    };
    let (owner, caller) = (tenant("demo"), MemoryCaller::default());
    let before = memory("VmRSS");
    let started = Instant::now();
    let budget = Duration::from_secs(45);
    while let Ran::Again { after } = work(&parts, &owner, job.id, budget, &caller).await.unwrap() {
        parts.sleeper.sleep(after).await;
    }
    let took = started.elapsed();
    let over = bus.parts.jobs.get(&owner, job.id).await.unwrap().unwrap();
    let sent = queues.messages.load(Ordering::Relaxed);
    assert_eq!(
        (over.done.sent, sent),
        (events.into(), events.try_into().unwrap())
    );
    let rate = f64::from(events) / took.as_secs_f64();
    let extra = memory("VmHWM").saturating_sub(before) / 1_024;
    println!(
        "{events} events of {} bytes in {} units: {:.1} s, {rate:.0} events/s, {extra} MB more than the log itself",
        queues.bytes.load(Ordering::Relaxed) / sent.max(1),
        over.plan.units,
        took.as_secs_f64(),
    );
}
