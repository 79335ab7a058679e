//! What is read of a unit at a time.

use crate::job::{FailedEvent, Halt};
use crate::log_hour::Position;

/// Bytes of a page's events at the most; one event always fits. Two pages are in memory at a time, and the messages
/// that are made of one.
pub(super) const MAX_PAGE_BYTES: usize = 8 * 1024 * 1024;

/// Some of a unit, in order.
pub(super) struct Page<T> {
    /// What was found.
    pub(super) entries: Vec<Entry<T>>,
    /// The unit's place after it.
    pub(super) end: Option<Position>,
    /// Whether nothing of the unit comes after it.
    pub(super) is_last: bool,
}

/// One of the set.
pub(super) struct Entry<T> {
    /// The unit's place after it.
    pub(super) place: Position,
    pub(super) found: Found<T>,
}

/// What is there of it.
pub(super) enum Found<T> {
    Here(T),
    /// It is gone, or another event has its place.
    Gone,
    /// It cannot be read; where that much is known, it is listed.
    Unreadable(Option<FailedEvent>),
}

/// Where pages are read, one after the other.
pub(super) trait Pages {
    /// What they have.
    type Item;

    /// The next page, of so many at the most. It may have none, and yet not be the last.
    async fn next(&mut self, most: usize) -> Result<Page<Self::Item>, Halt>;
}

impl<T> Page<T> {
    /// A page of nothing.
    pub(super) fn empty() -> Self {
        Self {
            entries: vec![],
            end: None,
            is_last: false,
        }
    }

    /// What is there, with its place on the page.
    pub(super) fn here(&self) -> impl Iterator<Item = (usize, &T)> {
        let all = self.entries.iter().enumerate();
        all.filter_map(|(place, entry)| match &entry.found {
            Found::Here(item) => Some((place, item)),
            Found::Gone | Found::Unreadable(_) => None,
        })
    }
}
