//! The steps of a delivery, in the order of time.

use time::UtcDateTime;

use super::model::{Attempt, Delivery};
use crate::commands::dead_letters::Letter;
use crate::paint::Tone;
use crate::problem::shown;
use crate::times;

/// Something that happened, or is going to.
pub struct Step {
    /// None when nobody noted the time.
    pub at: Option<UtcDateTime>,
    pub tone: Tone,
    pub text: String,
}

/// How long after its acceptance something happened to an event.
#[derive(Clone, Copy)]
pub struct Clock {
    pub accepted_at: Option<UtcDateTime>,
}

impl Clock {
    /// The offset; none when either time is not known.
    pub fn offset(self, at: Option<UtcDateTime>) -> Option<String> {
        Some(times::offset(at? - self.accepted_at?))
    }

    /// The offset of a time in text; the text itself when it is no time.
    fn told(self, at: &str) -> String {
        let offset = self.offset(times::parse(at));
        offset.unwrap_or_else(|| shown(at))
    }
}

/// All steps of a delivery; those without a time come last.
pub fn of(delivery: &Delivery, clock: Clock) -> Vec<Step> {
    let attempts = delivery.attempts.iter();
    let failures = attempts.filter_map(Attempt::failure);
    let letters = delivery.dead_letters.iter();
    let letters = letters.map(|letter| dead_letter(letter, clock));
    let mut steps: Vec<_> = failures
        .chain(handed_over(delivery))
        .chain(letters)
        .chain(next_attempt(delivery))
        .chain(withheld(delivery))
        .collect();
    steps.sort_by_key(|step| (step.at.is_none(), step.at));
    steps
}

impl Attempt {
    fn failure(&self) -> Option<Step> {
        let error = self.error.as_ref()?;
        Some(Step {
            at: times::parse(&self.at),
            tone: Tone::Bad,
            text: format!("attempt {} failed {}", self.attempt, error.text()),
        })
    }
}

/// The hand-over is the attempt that succeeded, when attempts were noted at all.
fn handed_over(delivery: &Delivery) -> Option<Step> {
    let success = delivery
        .attempts
        .iter()
        .find(|attempt| attempt.error.is_none());
    let at = delivery.handed_over_at.as_deref();
    let at = at.or(success.map(|attempt| attempt.at.as_str()))?;
    let on_attempt = match success {
        Some(attempt) if attempt.attempt > 1 => format!(" on attempt {}", attempt.attempt),
        _ => String::new(),
    };
    Some(Step {
        at: times::parse(at),
        tone: Tone::Good,
        text: format!(
            "handed over to {}{on_attempt}",
            shown(&delivery.subscription)
        ),
    })
}

fn next_attempt(delivery: &Delivery) -> Option<Step> {
    let at = delivery.next_attempt_at.as_deref()?;
    Some(Step {
        at: times::parse(at),
        tone: Tone::Open,
        text: "next attempt".to_owned(),
    })
}

fn withheld(delivery: &Delivery) -> Option<Step> {
    (delivery.state == "WITHHELD").then(|| Step {
        at: None,
        tone: Tone::Open,
        text: "withheld: the subscription was paused or suspended".to_owned(),
    })
}

fn dead_letter(letter: &Letter, clock: Clock) -> Step {
    let (id, error) = (shown(&letter.dead_letter_id), letter.error.text());
    let again = match &letter.first_dead_letter_id {
        Some(first) => format!("again, first as {}; ", shown(first)),
        None => String::new(),
    };
    Step {
        at: times::parse(&letter.dead_at),
        tone: Tone::Bad,
        text: format!("dead letter {id} ({again}{}) {error}", fate(letter, clock)),
    }
}

/// What has become of a dead letter.
fn fate(letter: &Letter, clock: Clock) -> String {
    match (&letter.redrive, &letter.discarded) {
        (Some(redrive), _) => format!("redriven {}", clock.told(&redrive.at)),
        (None, Some(discarded)) => {
            let (at, reason) = (clock.told(&discarded.at), shown(&discarded.reason));
            format!("discarded {at}: {reason}")
        }
        (None, None) => shown(&letter.state).to_lowercase(),
    }
}
