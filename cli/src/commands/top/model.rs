//! Statistics as the bus answers them, as far as they are shown.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub struct Stats {
    pub tenant: String,
    pub to: String,
    pub is_complete: bool,
    pub total: Totals,
    #[serde(default)]
    pub types: Vec<OfType>,
    #[serde(default)]
    pub types_left_out: u64,
    #[serde(default)]
    pub series: Vec<Point>,
}

#[derive(Debug, Deserialize)]
pub struct Totals {
    pub events: u64,
    pub events_per_second: f64,
    pub deliveries: u64,
    pub unrouted: u64,
    pub withheld: u64,
    pub retried: u64,
    pub dead_lettered: u64,
    pub success_rate: Option<f64>,
    pub latency_ms: Option<Percentiles>,
}

#[derive(Debug, Deserialize)]
pub struct OfType {
    #[serde(rename = "type")]
    pub event_type: String,
    #[serde(flatten)]
    pub totals: Totals,
}

#[derive(Debug, Deserialize)]
pub struct Point {
    pub events_per_second: f64,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Percentiles {
    pub p50: u64,
    pub p95: u64,
    pub p99: u64,
    pub max: u64,
}
