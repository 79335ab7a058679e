//! What was found, for people: a table of hours, in which those that are fine stand together, and each finding.

use super::report::{Counts, Finding, Hour, Report};
use crate::pages::table;
use crate::paint::{Paint, Tone};
use crate::problem::shown;

const HEADER: [&str; 9] = [
    "from",
    "hours",
    "logged",
    "only",
    "receipted",
    "trouble",
    "pending",
    "sealed",
    "archived",
];

/// Hours that stand in one line.
struct Line<'a> {
    from: &'a str,
    hours: usize,
    counts: Counts,
    is_sealed: bool,
    archived: Option<u64>,
    is_fine: bool,
}

/// The whole report.
pub fn of_report(report: &Report, paint: Paint) -> String {
    let mut parts = Vec::new();
    if !report.hours.is_empty() {
        parts.push(hours(report));
    }
    parts.push(summary(report));
    parts.extend(findings(&report.findings, paint));
    parts.join("\n\n")
}

fn hours(report: &Report) -> String {
    let mut lines: Vec<Line<'_>> = Vec::new();
    for hour in report.hours.values() {
        let line = Line::of(hour, report);
        match lines.last_mut() {
            Some(last) if last.takes(&line) => last.join(line),
            _ => lines.push(line),
        }
    }
    table(&HEADER, lines.iter().map(Line::cells))
}

impl<'a> Line<'a> {
    fn of(hour: &'a Hour, report: &Report) -> Self {
        let counts = hour.counts;
        Self {
            from: &hour.hour,
            hours: 1,
            counts,
            is_sealed: hour.sealed,
            archived: hour.archived,
            is_fine: counts.pending == 0
                && counts.in_trouble == 0
                && !report.has_findings(&hour.hour),
        }
    }

    fn takes(&self, next: &Line<'_>) -> bool {
        self.is_fine && next.is_fine && self.is_sealed == next.is_sealed
    }

    fn join(&mut self, next: Line<'_>) {
        self.hours += next.hours;
        self.counts += next.counts;
        self.archived = self
            .archived
            .zip(next.archived)
            .map(|(one, more)| one + more);
    }

    fn cells(&self) -> Vec<String> {
        let Counts {
            logged,
            logged_only,
            receipted,
            in_trouble,
            pending,
        } = self.counts;
        let archived = self.archived.map(|events| events.to_string());
        let sealed = if self.is_sealed { "yes" } else { "no" };
        vec![
            shown(self.from),
            self.hours.to_string(),
            logged.to_string(),
            logged_only.to_string(),
            receipted.to_string(),
            in_trouble.to_string(),
            pending.to_string(),
            sealed.to_owned(),
            archived.unwrap_or_else(|| "-".to_owned()),
        ]
    }
}

fn summary(report: &Report) -> String {
    let Counts {
        logged,
        logged_only,
        receipted,
        in_trouble,
        pending,
    } = report.totals;
    let text = |time: &Option<String>| shown(time.as_deref().unwrap_or("-"));
    let mut lines = vec![
        format!("{} to {}", text(&report.from), text(&report.to)),
        format!(
            "{logged} logged = {logged_only} only logged + {receipted} receipted + {pending} pending; {in_trouble} in trouble"
        ),
    ];
    lines.push(match &report.sealed_before {
        Some(time) => format!("every hour before {} is sealed", shown(time)),
        None => "no hour is sealed yet".to_owned(),
    });
    lines.join("\n")
}

/// Each finding, and how many there are.
pub fn findings(findings: &[Finding], paint: Paint) -> Vec<String> {
    if findings.is_empty() {
        return vec![paint.apply(Tone::Good, "nothing is wrong")];
    }
    findings
        .iter()
        .map(|finding| of_finding(finding, paint))
        .collect()
}

fn of_finding(finding: &Finding, paint: Paint) -> String {
    let kind = paint.apply(Tone::Bad, &shown(&finding.kind));
    let hour = finding.hour.as_deref().map(shown).unwrap_or_default();
    let mut lines = vec![format!("{kind}  {hour}").trim_end().to_owned()];
    lines.push(match finding.event_count {
        None => format!("  {}", shown(&finding.message)),
        Some(1) => format!("  1 event: {}", shown(&finding.message)),
        Some(events) => format!("  {events} events: {}", shown(&finding.message)),
    });
    lines.extend(
        finding
            .object
            .as_deref()
            .map(|key| format!("  {}", shown(key))),
    );
    let named = finding.event_ids.iter();
    lines.extend(named.map(|event_id| format!("    {}", shown(event_id))));
    let named = u64::try_from(finding.event_ids.len()).unwrap_or(u64::MAX);
    let more = finding
        .event_count
        .unwrap_or_default()
        .saturating_sub(named);
    if more > 0 && named > 0 {
        lines.push(format!("    and {more} more"));
    }
    lines.join("\n")
}
