//! What metrics cost: the time that it takes to measure a batch of 100 records as dispatch does, and to write the lines.
//!
//! `cargo run --release -p pillarbox-runtime --example metrics_cost`

use std::io;
use std::time::{Duration, Instant};

use pillarbox_domain::receipt::HandedOver;
use pillarbox_domain::{Clock, TenantId};
use pillarbox_runtime::clock::SystemClock;
use pillarbox_runtime::metrics::Metrics;
use pillarbox_runtime::metrics::catalogue::BATCH_SIZE;

/// Records of a batch.
const RECORDS: usize = 100;

/// Batches that are measured.
const BATCHES: usize = 2_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for families in [1, 5, 100] {
        let took = measure(families)?;
        let per_record = took / u32::try_from(BATCHES * RECORDS)?;
        println!("{families} families of types in {RECORDS} records: {per_record:?} per record");
    }
    Ok(())
}

fn measure(families: usize) -> Result<Duration, Box<dyn std::error::Error>> {
    let clock = SystemClock::default();
    let metrics = Metrics::new("pillarbox", "dispatch", clock.clone(), io::sink());
    let subscriptions = vec!["orders".parse()?];
    let events: Vec<HandedOver> = (0..RECORDS)
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
    for _ in 0..BATCHES {
        let now = clock.now();
        metrics.record(&BATCH_SIZE, (), RECORDS as f64);
        for event in &events {
            metrics.handed_over(event, now);
        }
        metrics.flush(Some("8b6c1b5e-0000-4000-8000-000000000000"));
    }
    Ok(started.elapsed())
}
