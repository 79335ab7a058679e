//! An audit as a reader of the API sees it.

use serde::Serialize;
use serde::ser::Serializer;

use super::{Audit, Counts, Finding, HourLedger};
use crate::archive::layout;
use crate::log_hour::LogHour;
use crate::seal::SealLink;

/// The answer.
#[derive(Clone, Copy, Debug)]
pub struct ShownAudit<'a>(pub &'a Audit);

#[derive(Serialize)]
struct Members<'a> {
    from: Option<String>,
    to: Option<String>,
    hours: Vec<Row>,
    totals: Totals,
    findings: &'a [Finding],
    sealed_before: Option<String>,
    head: Option<&'a SealLink>,
    next_cursor: Option<&'a str>,
}

#[derive(Serialize)]
struct Row {
    hour: String,
    #[serde(flatten)]
    counts: Counts,
    sealed: bool,
    archived: Option<u64>,
}

/// Of the hours of one answer.
#[derive(Default, Serialize)]
struct Totals {
    hours: usize,
    #[serde(flatten)]
    counts: Counts,
    sealed: usize,
    archived: u64,
    findings: usize,
}

impl Serialize for ShownAudit<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Audit {
            range,
            hours,
            findings,
            head,
            next_cursor,
        } = self.0;
        let members = Members {
            from: range.map(|range| layout::hour_text(range.first)),
            to: range.map(|range| end_text(range.last)),
            hours: hours.iter().map(Row::of).collect(),
            totals: Totals::of(hours, findings),
            findings,
            sealed_before: head
                .as_ref()
                .map(|head| layout::hour_text(head.sealed_before)),
            head: head.as_ref().map(|head| &head.link),
            next_cursor: next_cursor.as_deref(),
        };
        members.serialize(serializer)
    }
}

fn end_text(hour: LogHour) -> String {
    layout::hour_text(LogHour::at(hour.end()))
}

impl Row {
    fn of(hour: &HourLedger) -> Self {
        Self {
            hour: layout::hour_text(hour.hour),
            counts: hour.counts,
            sealed: hour.is_sealed,
            archived: hour.archived,
        }
    }
}

impl Totals {
    fn of(hours: &[HourLedger], findings: &[Finding]) -> Self {
        let mut totals = Self {
            hours: hours.len(),
            findings: findings.len(),
            ..Self::default()
        };
        for hour in hours {
            totals.counts += hour.counts;
            totals.sealed += usize::from(hour.is_sealed);
            totals.archived += hour.archived.unwrap_or_default();
        }
        totals
    }
}
