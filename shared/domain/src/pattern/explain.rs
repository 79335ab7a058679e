//! Which field decided that an event does not meet a pattern.

use std::cmp::Reverse;

use super::evaluate::Place;
use super::fields::{Field, Fields};
use super::json::Json;

/// Characters of what was found that a decision shows.
const SHOWN_CHARS: usize = 200;

/// What came of holding an event against a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The event meets the pattern.
    Matched,
    /// It does not; this is why.
    Missed(Decision),
}

/// The field that decided. It is the first, in the order of the pattern and with `data` last, that is not met. Where
/// there is a choice, between alternatives of `$or` or elements of an array, it is taken from the one that comes
/// closest: that has the fewest fields which are not met; then the most which are; then the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The names on the way to it, as `data.customer.country`; arrays have none.
    pub field: String,
    /// The tests that the pattern has for the field, as JSON.
    pub test: String,
    /// What the event has there, as JSON, cut to 200 characters; `None` when it has nothing.
    pub found: Option<String>,
}

/// How close something came.
struct Attempt {
    unmet: usize,
    met: usize,
    /// The first field that is not met; of something that is met, any field.
    decision: Option<Decision>,
}

impl Attempt {
    fn met(fields: usize) -> Self {
        Self {
            unmet: 0,
            met: fields,
            decision: None,
        }
    }

    fn closest(attempts: impl Iterator<Item = Self>) -> Option<Self> {
        attempts.min_by_key(|attempt| (attempt.unmet, Reverse(attempt.met)))
    }

    fn add(&mut self, other: Self) {
        if self.unmet == 0 && (other.unmet > 0 || self.decision.is_none()) {
            self.decision = other.decision;
        }
        self.unmet += other.unmet;
        self.met += other.met;
    }
}

impl Fields {
    /// Why this is not met; `None` when it is.
    pub(super) fn decision(&self, place: Place<'_, '_>) -> Option<Decision> {
        let attempt = self.attempt("", place);
        attempt.decision.filter(|_| attempt.unmet > 0)
    }

    fn attempt(&self, path: &str, place: Place<'_, '_>) -> Attempt {
        let Some(elements) = place.elements() else {
            return self.attempt_at_object(path, place);
        };
        if self.are_met(place) {
            return Attempt::met(self.count());
        }
        let attempts = elements
            .iter()
            .map(|element| self.attempt(path, Place::Value(element)));
        // One element may lack a value, and the others not: then it has no part in why absence is not met.
        let unmet = attempts.filter(|attempt| attempt.unmet > 0);
        let closest =
            Attempt::closest(unmet).unwrap_or_else(|| self.attempt_at_object(path, Place::Nowhere));
        Attempt {
            unmet: closest.unmet.max(1),
            ..closest
        }
    }

    /// Fields with tests, those of one alternative where there is a choice.
    fn count(&self) -> usize {
        let fields = self.fields.iter().map(|(_, field)| match field {
            Field::Tests(_) => 1,
            Field::Object(fields) => fields.count(),
        });
        fields.sum::<usize>() + self.choices.len()
    }

    fn attempt_at_object(&self, path: &str, place: Place<'_, '_>) -> Attempt {
        let mut all = Attempt::met(0);
        for (name, field) in &self.fields {
            let separator = if path.is_empty() { "" } else { "." };
            let path = format!("{path}{separator}{name}");
            all.add(field.attempt(&path, place.member(name)));
        }
        for alternatives in &self.choices {
            let attempts = alternatives.iter();
            let attempts = attempts.map(|fields| fields.attempt(path, place));
            if let Some(attempt) = Attempt::closest(attempts) {
                all.add(attempt);
            }
        }
        all
    }
}

impl Field {
    fn attempt(&self, path: &str, value: Option<&Json<'_>>) -> Attempt {
        let tests = match self {
            Self::Object(fields) => return fields.attempt(path, Place::at(value)),
            Self::Tests(tests) => tests,
        };
        let is_met = self.is_met(value);
        Attempt {
            unmet: usize::from(!is_met),
            met: usize::from(is_met),
            decision: Some(Decision {
                field: path.to_owned(),
                test: tests.json.clone(),
                found: value.map(|value| value.shown(SHOWN_CHARS)),
            }),
        }
    }
}
