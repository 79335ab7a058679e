//! What a job's filters take.

use time::UtcDateTime;

use super::ReplayFilter;
use crate::event_query::IndexEntry;
use crate::letters::{DeadLetter, LetterFilter};
use crate::subscription::TypePattern;

impl ReplayFilter {
    /// Whether an event of the right operation, within the right ids, is wanted.
    pub(super) fn takes(&self, event_type: &str, source: &str) -> bool {
        self.takes_type(event_type) && self.source.as_ref().is_none_or(|wanted| wanted == source)
    }

    /// The same of an entry of the log's index.
    pub(super) fn takes_entry(&self, entry: &IndexEntry) -> bool {
        self.takes(&entry.event_type, &entry.source)
    }

    /// Whether events of this type are wanted.
    pub(super) fn takes_type(&self, event_type: &str) -> bool {
        self.types.is_empty() || self.types.iter().any(|wanted| wanted.matches(event_type))
    }

    /// Whether it leaves out anything by what an index or a manifest tells.
    pub(super) fn is_selective(&self) -> bool {
        !self.types.is_empty() || self.source.is_some()
    }

    /// What an index may be asked for: it knows one pattern at a time.
    pub(super) fn only_type(&self) -> Option<&TypePattern> {
        match &self.types[..] {
            [only] => Some(only),
            _ => None,
        }
    }
}

/// The letters of a redrive's set: those that a filter takes and that were open when the job was asked for. Whatever
/// has become of them since, they stay in the set; so what was counted is what is worked off.
pub(super) struct LetterSet {
    filter: LetterFilter,
    asked_at: UtcDateTime,
}

impl LetterSet {
    pub(super) fn of(filter: &LetterFilter, asked_at: UtcDateTime) -> Self {
        let filter = LetterFilter {
            state: None,
            ..filter.clone()
        };
        Self { filter, asked_at }
    }

    /// A letter that is no delivery has no way back, so it is in no set.
    pub(super) fn takes(&self, letter: &DeadLetter) -> bool {
        letter.delivery.is_some()
            && letter.expires_at >= self.asked_at
            && letter.state.was_open_at(self.asked_at)
            && self.filter.takes(letter, self.asked_at)
    }
}
