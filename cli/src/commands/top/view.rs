//! What is drawn.

use time::Duration;

use super::super::doctor::Examination;
use super::model::{OfType, Percentiles, Stats, Totals};
use crate::pages::table;
use crate::paint::{Paint, Tone};
use crate::problem::shown;
use crate::times;

/// Types that are drawn, those with the most events first.
const MAX_TYPES: usize = 10;

/// Points of the curve, the latest on the right.
const MAX_POINTS: usize = 60;

/// From nothing to the most there is.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

const HEADER: [&str; 8] = [
    "type", "events", "/s", "p50", "p95", "p99", "retried", "dead",
];

/// Of the bus as a whole: what each figure is called, its check, and whether any at all should be looked at.
const FIGURES: [(&str, &str, bool); 5] = [
    ("pending", "pending_events", false),
    ("oldest", "dispatch_lag", false),
    ("retrying", "retries", false),
    ("dead letters", "dead_letters", true),
    ("suspended", "suspended_subscriptions", true),
];

/// Everything that one drawing shows.
pub struct View<'a> {
    pub stats: &'a Stats,
    pub health: Option<&'a Examination>,
    pub is_forbidden: bool,
    pub window: Duration,
    pub paint: Paint,
}

impl View<'_> {
    pub fn text(&self) -> String {
        let mut parts = vec![self.heading(), self.flow(), self.bus()];
        if !self.stats.types.is_empty() {
            parts.push(self.types());
        }
        parts.join("\n\n")
    }

    fn heading(&self) -> String {
        let Stats { tenant, to, .. } = self.stats;
        let name = self.paint.apply(Tone::Heading, "pillarbox top");
        let cut = match self.stats.is_complete {
            true => "",
            false => ", cut short",
        };
        let about = format!(
            "tenant {}, the last {} to {}{cut}",
            shown(tenant),
            times::span(self.window),
            shown(to)
        );
        format!("{name}  {}", self.paint.apply(Tone::Aside, &about))
    }

    /// What went through.
    fn flow(&self) -> String {
        let Totals {
            events,
            events_per_second,
            deliveries,
            unrouted,
            withheld,
            retried,
            dead_lettered,
            success_rate,
            latency_ms,
        } = &self.stats.total;
        let success = success_rate.map_or("-".to_owned(), |rate| format!("{:.2} %", rate * 100.0));
        let latency = latency_ms.map_or("-".to_owned(), |latency| {
            let Percentiles { p50, p95, p99, max } = latency;
            let [p50, p95, p99, max] = [p50, p95, p99, max].map(millis);
            format!("p50 {p50}  p95 {p95}  p99 {p99}  max {max}")
        });
        let lines = [
            format!(
                "events      {events_per_second:.1}/s  {events}  {}",
                self.curve()
            ),
            format!("deliveries  {deliveries}  {unrouted} unrouted  {withheld} withheld"),
            format!("succeeded   {success}  {retried} retried  {dead_lettered} dead"),
            format!("latency     {latency}"),
        ];
        let lines = lines.iter().map(|line| line.trim_end());
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Events a second over the window.
    fn curve(&self) -> String {
        let points = &self.stats.series;
        let points = &points[points.len().saturating_sub(MAX_POINTS)..];
        let rates = points.iter().map(|point| point.events_per_second);
        let most = rates.clone().fold(0.0, f64::max);
        rates.map(|rate| bar(rate, most)).collect()
    }

    /// What waits, and what somebody has to look at.
    fn bus(&self) -> String {
        let Some(found) = self.health else {
            let why = match self.is_forbidden {
                true => "what waits on the bus is shown to its administrators",
                false => "what waits on the bus is not known: it does not answer",
            };
            return self.paint.apply(Tone::Aside, why);
        };
        let figures = FIGURES.map(|(name, check, is_grave)| {
            let Some((value, more)) = found.figure(check) else {
                return format!("{name} {}", self.paint.apply(Tone::Bad, "?"));
            };
            let text = match check {
                "dispatch_lag" if value > 0 => times::span(seconds(value)),
                "dispatch_lag" => "0 s".to_owned(),
                _ => format!("{value}{more}"),
            };
            let text = match is_grave && value > 0 {
                true => self.paint.apply(Tone::Bad, &text),
                false => text,
            };
            format!("{name} {text}")
        });
        let unwell: Vec<String> = found
            .checks
            .iter()
            .filter(|check| check.status == "fail")
            .map(|check| shown(&check.name))
            .collect();
        let figures = figures.join("   ");
        match unwell.is_empty() {
            true => figures,
            false => {
                let failed = format!("failed: {}; ask `pillarbox doctor`", unwell.join(", "));
                format!("{figures}\n{}", self.paint.apply(Tone::Bad, &failed))
            }
        }
    }

    fn types(&self) -> String {
        let types = &self.stats.types;
        let rows = types.iter().take(MAX_TYPES).map(OfType::cells);
        let table = table(&HEADER, rows);
        let beyond = u64::try_from(types.len().saturating_sub(MAX_TYPES)).unwrap_or(u64::MAX);
        match beyond.saturating_add(self.stats.types_left_out) {
            0 => table,
            more => format!("{table}\n and {more} more"),
        }
    }
}

impl OfType {
    fn cells(&self) -> Vec<String> {
        let totals = &self.totals;
        let latency = |of: fn(Percentiles) -> u64| {
            let latency = totals.latency_ms.map(of);
            latency.map_or("-".to_owned(), millis)
        };
        vec![
            shown(&self.event_type),
            totals.events.to_string(),
            format!("{:.1}", totals.events_per_second),
            latency(|latency| latency.p50),
            latency(|latency| latency.p95),
            latency(|latency| latency.p99),
            totals.retried.to_string(),
            totals.dead_lettered.to_string(),
        ]
    }
}

fn bar(rate: f64, most: f64) -> char {
    let share = if most > 0.0 { rate / most } else { 0.0 };
    let steps = BARS.iter().zip(1_u8..);
    let found = steps.filter(|(_, step)| f64::from(*step - 1) / 7.0 <= share);
    found.last().map_or(BARS[0], |(bar, _)| *bar)
}

fn millis(millis: u64) -> String {
    let millis = i64::try_from(millis).unwrap_or(i64::MAX);
    times::span(Duration::milliseconds(millis))
}

fn seconds(seconds: u64) -> Duration {
    Duration::seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_goes_from_nothing_to_the_most_there_is() {
        let bars = |rates: &[f64]| -> String {
            let most = rates.iter().copied().fold(0.0, f64::max);
            rates.iter().map(|rate| bar(*rate, most)).collect()
        };
        assert_eq!(bars(&[0.0, 1.0, 2.0, 3.5, 7.0]), "▁▂▃▄█");
        assert_eq!(bars(&[0.0, 0.0]), "▁▁");
        assert_eq!(bars(&[]), "");
    }
}
