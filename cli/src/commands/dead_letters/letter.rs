//! A dead letter as the bus shows it.

use serde::Deserialize;
use serde_json::Value;

use crate::error::Error;
use crate::members::Members;
use crate::pages::Listed;
use crate::problem::shown;

/// The columns of a list leave this many characters to an error.
const MAX_CELL_CHARS: usize = 80;

#[derive(Deserialize)]
pub struct Letter {
    pub dead_letter_id: String,
    pub state: String,
    pub dead_at: String,
    pub error: Failure,
    pub redrive: Option<Redrive>,
    pub discarded: Option<Discarded>,
    pub first_dead_letter_id: Option<String>,
    origin: String,
    event_id: Option<String>,
    #[serde(rename = "type")]
    event_type: Option<String>,
    source: Option<String>,
    id: Option<String>,
    subscription: Option<String>,
    correlation_id: Option<String>,
    attempts: Option<u64>,
    first_failed_at: Option<String>,
    last_failed_at: Option<String>,
    job: Option<Value>,
    /// The event, or else the record as it was found: only of one that is shown alone.
    event: Option<Members>,
    record: Option<String>,
}

/// What went wrong.
#[derive(Deserialize)]
pub struct Failure {
    class: String,
    message: String,
}

#[derive(Deserialize)]
pub struct Redrive {
    redrive_id: String,
    pub at: String,
}

#[derive(Deserialize)]
pub struct Discarded {
    pub reason: String,
    pub at: String,
}

impl Failure {
    pub fn text(&self) -> String {
        format!("{}: {}", shown(&self.class), shown(&self.message))
    }
}

impl Letter {
    /// Everything that is known, a fact a line, and what could not be delivered.
    ///
    /// # Errors
    /// As [`Members::pretty`].
    pub fn text_with_content(&self) -> Result<String, Error> {
        let event = self.event.as_ref().map(Members::pretty).transpose()?;
        let content = event.or_else(|| self.record.as_deref().map(printable));
        Ok(match content {
            Some(content) => format!("{}\n\n{content}", self.text()),
            None => self.text(),
        })
    }

    fn text(&self) -> String {
        let facts = [
            ("dead letter", Some(shown(&self.dead_letter_id))),
            ("state", Some(shown(&self.state))),
            ("error", Some(self.error.text())),
            ("subscription", self.subscription.as_deref().map(shown)),
            ("event id", self.event_id.as_deref().map(shown)),
            ("type", self.event_type.as_deref().map(shown)),
            ("source", self.source.as_deref().map(shown)),
            ("id", self.id.as_deref().map(shown)),
            ("correlation id", self.correlation_id.as_deref().map(shown)),
            (
                "attempts",
                self.attempts.map(|attempts| attempts.to_string()),
            ),
            ("first failed", self.first_failed_at.as_deref().map(shown)),
            ("last failed", self.last_failed_at.as_deref().map(shown)),
            ("dead", Some(shown(&self.dead_at))),
            ("came from", Some(shown(&self.origin))),
            ("job", self.job.as_ref().map(bare)),
            (
                "died first as",
                self.first_dead_letter_id.as_deref().map(shown),
            ),
            ("redriven", self.redrive.as_ref().map(Redrive::text)),
            ("discarded", self.discarded.as_ref().map(Discarded::text)),
        ];
        let known = facts
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name:<14}  {}", value?)));
        known.collect::<Vec<_>>().join("\n")
    }

    pub fn state_text(&self) -> String {
        let state = format!(
            "dead letter {} is {}",
            shown(&self.dead_letter_id),
            shown(&self.state)
        );
        match &self.subscription {
            Some(subscription) if self.state == "REDRIVEN" => {
                format!("{state} to {}", shown(subscription))
            }
            _ => state,
        }
    }
}

impl Listed for Letter {
    const NAMES: (&'static str, &'static str) = ("dead letter", "dead letters");
    const HEADER: &'static [&'static str] = &[
        "dead",
        "dead letter",
        "state",
        "type",
        "subscription",
        "error",
    ];

    fn cells(&self) -> Vec<String> {
        let or_dash = |text: &Option<String>| shown(text.as_deref().unwrap_or("-"));
        vec![
            shown(&self.dead_at),
            shown(&self.dead_letter_id),
            shown(&self.state),
            or_dash(&self.event_type),
            or_dash(&self.subscription),
            cut(&self.error.text()),
        ]
    }
}

impl Redrive {
    fn text(&self) -> String {
        format!("{} as {}", shown(&self.at), shown(&self.redrive_id))
    }
}

impl Discarded {
    fn text(&self) -> String {
        format!("{}: {}", shown(&self.at), shown(&self.reason))
    }
}

/// A string without its quotes.
fn bare(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| shown(&value.to_string()), shown)
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_CELL_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A record in its own lines: nothing in it may command the terminal.
fn printable(record: &str) -> String {
    let is_layout = |c| matches!(c, '\n' | '\t');
    let characters = record.chars();
    characters
        .map(|c| {
            if c.is_control() && !is_layout(c) {
                ' '
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_cut_at_a_character() {
        let fits = "é".repeat(MAX_CELL_CHARS);
        assert_eq!(cut(&fits), fits);
        assert_eq!(cut(&format!("{fits}é")), format!("{fits}…"));
    }

    #[test]
    fn record_keeps_its_lines_and_loses_its_commands() {
        assert_eq!(printable("a\u{1b}[2J\r\n\tb\u{9b}"), "a [2J \n\tb ");
    }
}
