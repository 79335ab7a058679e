//! A journey, drawn: offsets from acceptance to the left of a line, what happened then to its right.

use super::model::{Delivery, Journey, NotMatched};
use super::steps::{self, Clock, Step};
use crate::paint::{Paint, Tone};
use crate::problem::shown;
use crate::times;

const GOOD: &str = "●";
const BAD: &str = "✗";
const OPEN: &str = "○";

/// A line of the drawing.
struct Row {
    offset: String,
    /// The line itself, and what branches off it.
    rail: &'static str,
    /// What kind of step it is, at a glance.
    mark: &'static str,
    tone: Tone,
    text: String,
}

/// Draws a journey for a terminal.
pub fn draw(journey: &Journey, paint: Paint) -> String {
    let mut lines = heading(journey, paint);
    lines.push(String::new());
    lines.extend(drawn(&rows(journey, paint), paint));
    if !journey.not_matched.is_empty() {
        lines.push(String::new());
        lines.push(paint.apply(Tone::Heading, "not matched"));
        lines.extend(journey.not_matched.iter().map(NotMatched::line));
    }
    if !journey.replays.is_empty() {
        lines.push(String::new());
        lines.push(paint.apply(Tone::Heading, "replays"));
        let replays = journey.replays.iter();
        lines.extend(replays.map(|replay| format!("  {}", shown(&replay.to_string()))));
    }
    lines.join("\n")
}

fn heading(journey: &Journey, paint: Paint) -> Vec<String> {
    let state = paint.apply(tone_of(&journey.state), &shown(&journey.state));
    let event_type = paint.apply(Tone::Heading, &shown(&journey.event_type));
    let facts = [
        ("event id", Some(&journey.event_id)),
        ("source", Some(&journey.source)),
        ("id", Some(&journey.id)),
        ("subject", journey.subject.as_ref()),
        ("correlation id", journey.correlation_id.as_ref()),
        ("kept until", Some(&journey.expires_at)),
    ];
    let facts = facts
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name:<14}  {}", shown(value?))));
    [format!("{state}  {event_type}")]
        .into_iter()
        .chain(facts)
        .collect()
}

fn rows(journey: &Journey, paint: Paint) -> Vec<Row> {
    let clock = Clock {
        accepted_at: times::parse(&journey.accepted_at),
    };
    let mut deliveries: Vec<_> = journey
        .deliveries
        .iter()
        .map(|delivery| (delivery, steps::of(delivery, clock)))
        .collect();
    deliveries.sort_by_key(|(_, steps)| {
        let first = steps.first().and_then(|step| step.at);
        (first.is_none(), first)
    });
    let accepted = Row {
        offset: clock.offset(clock.accepted_at).unwrap_or_default(),
        rail: "",
        mark: GOOD,
        tone: Tone::Good,
        text: format!("accepted  {}", shown(&journey.accepted_at)),
    };
    let to_nobody = deliveries
        .is_empty()
        .then(|| Row::to_nobody(&journey.state));
    let deliveries = deliveries
        .into_iter()
        .flat_map(|(delivery, steps)| rows_of(delivery, steps, clock, paint));
    [accepted]
        .into_iter()
        .chain(to_nobody)
        .chain(deliveries)
        .collect()
}

fn rows_of(
    delivery: &Delivery,
    steps: Vec<Step>,
    clock: Clock,
    paint: Paint,
) -> impl Iterator<Item = Row> {
    let name = paint.apply(Tone::Heading, &shown(&delivery.subscription));
    let state = paint.apply(tone_of(&delivery.state), &shown(&delivery.state));
    let head = [
        Row::of_rail("│", String::new()),
        Row::of_rail("├─", format!("{name}  {state}")),
    ];
    let steps = steps.into_iter().map(move |step| Row {
        offset: clock.offset(step.at).unwrap_or_default(),
        rail: "│  ",
        mark: match step.tone {
            Tone::Good => GOOD,
            Tone::Bad => BAD,
            Tone::Open | Tone::Heading | Tone::Aside => OPEN,
        },
        tone: step.tone,
        text: step.text,
    });
    head.into_iter().chain(steps)
}

impl Row {
    fn of_rail(rail: &'static str, text: String) -> Self {
        Self {
            offset: String::new(),
            rail,
            mark: "",
            tone: Tone::Aside,
            text,
        }
    }

    /// Of an event without deliveries.
    fn to_nobody(state: &str) -> Self {
        let text = match state {
            "PENDING" => "not handed over yet",
            "LOGGED" => "stored for the log alone",
            _ => "no subscription matched",
        };
        Self {
            mark: OPEN,
            ..Self::of_rail("", text.to_owned())
        }
    }
}

fn drawn(rows: &[Row], paint: Paint) -> impl Iterator<Item = String> {
    let width = rows
        .iter()
        .map(|row| row.offset.len())
        .max()
        .unwrap_or_default();
    rows.iter().map(move |row| {
        let offset = paint.apply(Tone::Aside, &format!("{:>width$}", row.offset));
        let rail = paint.apply(Tone::Aside, row.rail);
        let mark = paint.apply(row.tone, row.mark);
        format!("{offset}  {rail}{mark} {}", row.text)
            .trim_end()
            .to_owned()
    })
}

impl NotMatched {
    fn line(&self) -> String {
        let decision = self.decided_by.as_ref().map(|decision| decision.text());
        let note = self.note.as_deref().map(shown);
        let reasons: Vec<_> = decision.into_iter().chain(note).collect();
        let line = format!("  {}  {}", shown(&self.subscription), reasons.join("; "));
        line.trim_end().to_owned()
    }
}

fn tone_of(state: &str) -> Tone {
    match state {
        "COMPLETED" | "HANDED_OVER" | "RECOVERED" => Tone::Good,
        "FAILED" => Tone::Bad,
        "PENDING" | "PROCESSING" | "RETRYING" | "WITHHELD" => Tone::Open,
        _ => Tone::Aside,
    }
}

#[cfg(test)]
mod tests;
