//! Statistics as the bus tells them.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub struct Stats {
    pub tenant: String,
    pub from: String,
    pub to: String,
    pub is_complete: bool,
    pub step_minutes: u64,
    pub total: Figures,
    pub types: Vec<OfType>,
    #[serde(default)]
    pub types_left_out: u64,
    pub series: Vec<Point>,
    #[serde(default)]
    pub failures_are_at_least: bool,
}

#[derive(Debug, Deserialize)]
pub struct OfType {
    #[serde(rename = "type")]
    pub event_type: String,
    #[serde(flatten)]
    pub figures: Figures,
}

#[derive(Debug, Deserialize)]
pub struct Figures {
    pub events: u64,
    pub handed_over: u64,
    pub withheld: u64,
    pub unrouted: u64,
    pub deliveries: u64,
    pub retried: u64,
    pub retrying: u64,
    pub recovered: u64,
    pub dead_lettered: u64,
    pub events_per_second: f64,
    pub success_rate: Option<f64>,
    pub latency_ms: Option<Percentiles>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Percentiles {
    pub p50: u64,
    pub p95: u64,
    pub p99: u64,
    pub max: u64,
}

#[derive(Debug, Deserialize)]
pub struct Point {
    pub from: String,
    pub events_per_second: f64,
    pub dead_lettered: u64,
    pub latency_ms: Option<Percentiles>,
}
