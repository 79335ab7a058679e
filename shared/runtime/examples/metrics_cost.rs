//! What metrics cost: the time that it takes to measure a batch of records as dispatch does, and to write the lines.
//!
//! `cargo run --release -p pillarbox-runtime --example metrics_cost`

use std::io;
use std::time::{Duration, Instant};

use pillarbox_domain::receipt::HandedOver;
use pillarbox_domain::{Clock, TenantId};
use pillarbox_runtime::clock::SystemClock;
use pillarbox_runtime::metrics::Metrics;
use pillarbox_runtime::metrics::catalogue::BATCH_SIZE;

/// Records that are measured.
const RECORDS: usize = 200_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for (records, families) in [(1, 1), (100, 1), (100, 5), (100, 100)] {
        let per_record = measure(records, families)? / u32::try_from(RECORDS)?;
        println!("{families} families of types in batches of {records}: {per_record:?} per record");
    }
    Ok(())
}

fn measure(records: usize, families: usize) -> Result<Duration, Box<dyn std::error::Error>> {
    let clock = SystemClock::default();
    let metrics = Metrics::new("pillarbox", "dispatch", clock.clone(), io::sink());
    let subscriptions = vec!["orders".parse()?];
    let events: Vec<HandedOver> = (0..records)
        .map(|number| HandedOver {
            tenant: TenantId::bus(),
            event_type: format!("family{}.created", number % families),
            event_id: clock.next_id(),
            subscriptions: subscriptions.clone(),
            withheld: vec![],
            retrying: 0,
            dead_lettered: 0,
        })
        .collect();
    let started = Instant::now();
    for _ in 0..RECORDS / records {
        let now = clock.now();
        metrics.record(&BATCH_SIZE, (), records as f64);
        for event in &events {
            metrics.handed_over(event, now);
        }
        metrics.flush(Some("8b6c1b5e-0000-4000-8000-000000000000"));
    }
    Ok(started.elapsed())
}
