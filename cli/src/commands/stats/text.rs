//! Statistics for people.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use console::Term;

use super::chart::{columns, lines, top};
use super::model::{Figures, Percentiles, Point, Stats};
use crate::paint::{Paint, Tone};
use crate::problem::shown;
use crate::times;

/// Columns of a chart where standard output is no terminal, and at the most where it is.
const MAX_WIDTH: usize = 120;

/// Lines of the chart of throughput.
const HEIGHT: u32 = 6;

/// Columns before a chart: its scale.
const SCALE: usize = 9;

const HEADER: [&str; 12] = [
    "type",
    "events",
    "/s",
    "handed over",
    "withheld",
    "unrouted",
    "retried",
    "dead letters",
    "success",
    "p50 ms",
    "p95 ms",
    "p99 / max ms",
];

/// Columns that a chart may have.
pub fn width() -> usize {
    let terminal = Term::stdout().size_checked();
    let columns = terminal.map_or(MAX_WIDTH, |(_, columns)| columns.into());
    columns.saturating_sub(SCALE).clamp(10, MAX_WIDTH)
}

pub fn of_stats(stats: &Stats, width: usize, paint: Paint) -> String {
    let mut parts = vec![
        heading(stats, paint),
        table(stats),
        in_trouble(&stats.total),
    ];
    if !stats.series.is_empty() {
        parts.push(charts(stats, width, paint));
    }
    parts.extend(notes(stats, paint));
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n")
}

fn heading(stats: &Stats, paint: Paint) -> String {
    let (from, to) = (times::parse(&stats.from), times::parse(&stats.to));
    let span = from.zip(to).map(|(from, to)| times::span(to - from));
    let tenant = paint.apply(Tone::Heading, &shown(&stats.tenant));
    format!(
        "{tenant}  {} to {}  ({})",
        shown(&stats.from),
        shown(&stats.to),
        span.unwrap_or_default()
    )
}

fn table(stats: &Stats) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(HEADER.to_vec());
    for of_type in &stats.types {
        table.add_row(row(&shown(&of_type.event_type), &of_type.figures));
    }
    table.add_row(row("all", &stats.total));
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

fn row(name: &str, figures: &Figures) -> Vec<String> {
    let latency = |of: fn(&Percentiles) -> String| {
        let latency = figures.latency_ms.as_ref();
        latency.map_or_else(|| "-".to_owned(), of)
    };
    vec![
        name.to_owned(),
        figures.events.to_string(),
        per_second(figures.events_per_second),
        figures.handed_over.to_string(),
        figures.withheld.to_string(),
        figures.unrouted.to_string(),
        figures.retried.to_string(),
        figures.dead_lettered.to_string(),
        figures.success_rate.map_or_else(|| "-".to_owned(), percent),
        latency(|it| it.p50.to_string()),
        latency(|it| it.p95.to_string()),
        latency(|it| format!("{} / {}", it.p99, it.max)),
    ]
}

/// What of the deliveries is not simply with its queue.
fn in_trouble(total: &Figures) -> String {
    let Figures {
        deliveries,
        retrying,
        recovered,
        ..
    } = total;
    format!(
        "{deliveries} deliveries, of which {recovered} recovered and {retrying} are retried still"
    )
}

fn charts(stats: &Stats, width: usize, paint: Paint) -> String {
    let rates: Vec<f64> = stats.series.iter().map(|it| it.events_per_second).collect();
    let slowest: Vec<f64> = stats.series.iter().map(p95).collect();
    let dead: Vec<f64> = stats.series.iter().map(dead_lettered).collect();
    let columns = columns(&rates, width);
    let share = stats.series.len().div_ceil(columns.len().max(1));
    let minutes = stats
        .step_minutes
        .saturating_mul(share.try_into().unwrap_or(u64::MAX));
    let step = time::Duration::minutes(minutes.try_into().unwrap_or(i64::MAX / 60));
    let title = format!("events/s, {} a column", times::span(step));
    let mut chart = vec![paint.apply(Tone::Heading, &title)];
    let scale = per_second(top(&columns));
    for (line, blocks) in lines(&columns, HEIGHT).into_iter().enumerate() {
        let label = if line == 0 { &*scale } else { "" };
        chart.push(format!("{label:>7} │{blocks}").trim_end().to_owned());
    }
    chart.push(format!("{:>7} └{}", 0, "─".repeat(columns.len())));
    chart.push(axis(stats, columns.len()));
    chart.push(spark("p95 ms", &slowest, width));
    if top(&dead) > 0.0 {
        chart.push(paint.apply(Tone::Bad, &spark("dead", &dead, width)));
    }
    chart.join("\n")
}

/// When the first column begins, and the last one ends.
fn axis(stats: &Stats, columns: usize) -> String {
    let clock = |text: &str| {
        let time = times::parse(text).map(|time| time.time());
        let time = time.map(|time| format!("{:02}:{:02}", time.hour(), time.minute()));
        time.unwrap_or_default()
    };
    let first = stats.series.first().map(|point| clock(&point.from));
    let (first, last) = (first.unwrap_or_default(), clock(&stats.to));
    // A short chart is narrower than its two times.
    let room = columns.saturating_sub(first.len()).max(last.len() + 2);
    format!("{:SCALE$}{first}{last:>room$}", "")
}

/// One line of columns, and the largest value.
fn spark(name: &str, values: &[f64], width: usize) -> String {
    let columns = columns(values, width);
    let blocks = lines(&columns, 1).join("");
    format!("{name:>7}  {blocks} {:.0} at the most", top(&columns))
}

fn p95(point: &Point) -> f64 {
    point.latency_ms.map_or(0.0, |latency| float(latency.p95))
}

fn dead_lettered(point: &Point) -> f64 {
    float(point.dead_lettered)
}

/// A column of a chart has a few steps, so that it is rounded does not matter.
fn float(number: u64) -> f64 {
    number as f64
}

fn notes(stats: &Stats, paint: Paint) -> Option<String> {
    let mut notes = Vec::new();
    if !stats.is_complete {
        notes.push(format!(
            "counted up to {}: beyond it more would have to be read than one answer may; ask for what follows by itself",
            shown(&stats.to)
        ));
    }
    if stats.failures_are_at_least {
        notes.push("there may be more retries and dead letters than these".to_owned());
    }
    if stats.types_left_out > 0 {
        notes.push(format!(
            "{} more types are in the last line",
            stats.types_left_out
        ));
    }
    let notes: Vec<String> = notes
        .iter()
        .map(|note| paint.apply(Tone::Open, note))
        .collect();
    (!notes.is_empty()).then(|| notes.join("\n"))
}

fn per_second(rate: f64) -> String {
    if rate == 0.0 {
        "0".to_owned()
    } else if rate < 10.0 {
        format!("{rate:.2}")
    } else {
        format!("{rate:.1}")
    }
}

/// Never 100 % where something failed.
fn percent(rate: f64) -> String {
    let percent = (rate * 1e4).floor() / 1e2;
    format!("{percent:.2} %")
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATS: &str = include_str!("../../../tests/fixtures/stats.json");

    fn stats() -> Stats {
        serde_json::from_str(STATS).unwrap()
    }

    #[test]
    fn statistics_are_a_table_and_a_chart() {
        insta::assert_snapshot!(of_stats(&stats(), 60, Paint::Plain));
    }

    #[test]
    fn what_is_not_all_is_told() {
        let mut stats = stats();
        stats.is_complete = false;
        stats.failures_are_at_least = true;
        stats.types_left_out = 3;
        stats.series = vec![];
        insta::assert_snapshot!(of_stats(&stats, 60, Paint::Plain));
    }

    #[test]
    fn a_rate_is_never_rounded_up_to_all() {
        assert_eq!(percent(1.0), "100.00 %");
        assert_eq!(percent(0.999_999), "99.99 %");
        assert_eq!(
            (per_second(0.0), per_second(0.3)),
            ("0".to_owned(), "0.30".to_owned())
        );
    }
}
