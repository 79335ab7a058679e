//! Counts of a run while it lasts, and the summary at its end.

use std::fmt;
use std::time::{Duration, Instant};

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use super::latency::{Latencies, Percentiles};
use super::sender::{Outcome, Reason, Sent};
use crate::error::Error;

/// How many lines that are not stored are listed one by one; all are counted.
const MAX_PROBLEMS: usize = 20;

/// What is known so far.
pub struct Tally {
    started: Instant,
    latencies: Latencies,
    counts: Counts,
    problems: Vec<LineProblem>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
struct Counts {
    accepted: u64,
    /// Stored before, in this run too when an answer was lost and the event sent again.
    duplicates: u64,
    rejected: u64,
    /// Lines whose last attempt failed as well.
    gave_up: u64,
    /// Attempts after the first, over all lines.
    retries: u64,
}

/// What `--json` prints; clients rely on these names.
#[derive(Debug, Serialize)]
pub struct Summary {
    #[serde(flatten)]
    counts: Counts,
    elapsed_ms: u64,
    /// Events that are stored, duplicates included, by the time the whole run took.
    events_per_second: f64,
    /// Of events that are stored; `null` when there is none.
    latency_ms: Option<Percentiles>,
    /// The first [`MAX_PROBLEMS`] in the order of their answers.
    problems: Vec<LineProblem>,
}

/// A line that is not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineProblem {
    line: u64,
    /// `null` when there was no answer, or the line was not sent.
    status: Option<u16>,
    detail: String,
}

impl Tally {
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
            latencies: Latencies::default(),
            counts: Counts::default(),
            problems: Vec::new(),
        }
    }

    /// Counts a line; returns its problem if it has one that is to be shown.
    pub fn record(&mut self, sent: Sent) -> Option<&LineProblem> {
        self.counts.retries += u64::from(sent.retries);
        let reason = match sent.outcome {
            Outcome::Stored { duplicate } => {
                self.stored(duplicate, sent.latency);
                return None;
            }
            Outcome::Rejected(reason) => {
                self.counts.rejected += 1;
                reason
            }
            Outcome::GaveUp(reason) => {
                self.counts.gave_up += 1;
                reason
            }
        };
        self.list(LineProblem::new(sent.line, reason))
    }

    /// How many problems were counted without being shown, as a line to print.
    pub fn problems_not_shown(&self) -> Option<String> {
        let more = self.counts.not_stored() - self.problems.len() as u64;
        (more > 0).then(|| format!("… and {more} more lines that are not stored"))
    }

    pub fn into_summary(self) -> Summary {
        let elapsed = self.started.elapsed();
        Summary {
            counts: self.counts,
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            events_per_second: per_second(self.counts.stored(), elapsed),
            latency_ms: self.latencies.percentiles(),
            problems: self.problems,
        }
    }

    fn stored(&mut self, duplicate: bool, latency: Duration) {
        self.latencies.record(latency);
        if duplicate {
            self.counts.duplicates += 1;
        } else {
            self.counts.accepted += 1;
        }
    }

    fn list(&mut self, problem: LineProblem) -> Option<&LineProblem> {
        if self.problems.len() >= MAX_PROBLEMS {
            return None;
        }
        self.problems.push(problem);
        self.problems.last()
    }
}

impl Counts {
    fn stored(&self) -> u64 {
        self.accepted + self.duplicates
    }

    fn not_stored(&self) -> u64 {
        self.rejected + self.gave_up
    }
}

impl Summary {
    /// # Errors
    /// When any line is not stored.
    pub fn verdict(&self) -> Result<(), Error> {
        match self.counts.not_stored() {
            0 => Ok(()),
            not_stored => Err(Error::NotAllStored {
                not_stored,
                total: not_stored + self.counts.stored(),
            }),
        }
    }

    /// The summary as a table of name and value.
    pub fn text(&self) -> String {
        let mut table = Table::new();
        table.load_style(NOTHING);
        for (name, value) in self.rows() {
            table.add_row([name.to_owned(), value]);
        }
        if let Some(names) = table.column_mut(0) {
            names.set_padding((0, 2));
        }
        if let Some(values) = table.column_mut(1) {
            values.set_cell_alignment(CellAlignment::Right);
        }
        table.trim_fmt()
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let counts = &self.counts;
        let mut rows = vec![
            ("accepted", counts.accepted.to_string()),
            ("duplicates", counts.duplicates.to_string()),
            ("rejected", counts.rejected.to_string()),
            ("gave up", counts.gave_up.to_string()),
            ("retries", counts.retries.to_string()),
            (
                "seconds",
                format!(
                    "{:.2}",
                    Duration::from_millis(self.elapsed_ms).as_secs_f64()
                ),
            ),
            ("events/s", format!("{:.1}", self.events_per_second)),
        ];
        if let Some(latency) = self.latency_ms {
            rows.extend(latency_rows(latency));
        }
        rows
    }
}

fn latency_rows(latency: Percentiles) -> [(&'static str, String); 4] {
    [
        ("latency p50 ms", format!("{:.1}", latency.p50)),
        ("latency p95 ms", format!("{:.1}", latency.p95)),
        ("latency p99 ms", format!("{:.1}", latency.p99)),
        ("latency max ms", format!("{:.1}", latency.max)),
    ]
}

impl LineProblem {
    fn new(line: u64, reason: Reason) -> Self {
        Self {
            line,
            status: reason.status.map(|status| status.as_u16()),
            detail: reason.detail,
        }
    }
}

impl fmt::Display for LineProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "line {}: {status} {}", self.line, self.detail),
            None => write!(f, "line {}: {}", self.line, self.detail),
        }
    }
}

/// Rounded to one decimal; 0 for a run too short to measure.
fn per_second(events: u64, elapsed: Duration) -> f64 {
    let seconds = elapsed.as_secs_f64();
    if seconds > 0.0 {
        (events as f64 / seconds * 10.0).round() / 10.0
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(line: u64, outcome: Outcome) -> Sent {
        Sent {
            line,
            bytes: 10,
            latency: Duration::from_millis(5),
            retries: 1,
            outcome,
        }
    }

    fn reason(detail: &str) -> Reason {
        Reason {
            status: Some(reqwest::StatusCode::BAD_REQUEST),
            detail: detail.to_owned(),
            stop: None,
        }
    }

    #[test]
    fn every_line_is_counted_once_and_problems_are_listed_up_to_the_limit() {
        let mut tally = Tally::start();
        tally.record(sent(1, Outcome::Stored { duplicate: false }));
        tally.record(sent(2, Outcome::Stored { duplicate: true }));
        tally.record(sent(3, Outcome::GaveUp(reason("busy"))));
        let shown = (4..34)
            .filter(|&line| {
                tally
                    .record(sent(line, Outcome::Rejected(reason("wrong"))))
                    .is_some()
            })
            .count();
        assert_eq!(shown, MAX_PROBLEMS - 1);
        assert_eq!(
            tally.problems_not_shown().as_deref(),
            Some("… and 11 more lines that are not stored")
        );
        let summary = tally.into_summary();
        let expected = Counts {
            accepted: 1,
            duplicates: 1,
            rejected: 30,
            gave_up: 1,
            retries: 33,
        };
        assert_eq!(summary.counts, expected);
        assert_eq!(summary.problems.len(), MAX_PROBLEMS);
        assert!(matches!(
            summary.verdict(),
            Err(Error::NotAllStored {
                not_stored: 31,
                total: 33
            })
        ));
    }

    #[test]
    fn json_has_the_names_that_clients_rely_on() {
        let mut tally = Tally::start();
        tally.record(sent(1, Outcome::Stored { duplicate: false }));
        tally.record(sent(2, Outcome::Rejected(reason("wrong"))));
        let mut summary = tally.into_summary();
        summary.elapsed_ms = 1_500;
        summary.events_per_second = 0.7;
        assert_eq!(
            serde_json::to_value(&summary).unwrap(),
            serde_json::json!({
                "accepted": 1, "duplicates": 0, "rejected": 1, "gave_up": 0, "retries": 2,
                "elapsed_ms": 1500, "events_per_second": 0.7,
                "latency_ms": {"p50": 5.0, "p95": 5.0, "p99": 5.0, "max": 5.0},
                "problems": [{"line": 2, "status": 400, "detail": "wrong"}],
            })
        );
    }

    #[test]
    fn nothing_published_is_no_failure() {
        let summary = Tally::start().into_summary();
        assert!(summary.verdict().is_ok());
        assert_eq!(summary.latency_ms, None);
        assert!(summary.text().starts_with("accepted"));
    }

    #[test]
    fn rate_is_of_the_whole_run() {
        assert_eq!(per_second(329, Duration::from_secs(2)), 164.5);
        assert_eq!(per_second(1, Duration::from_secs(3)), 0.3);
        assert_eq!(per_second(1, Duration::ZERO), 0.0);
    }
}
