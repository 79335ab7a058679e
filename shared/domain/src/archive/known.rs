//! Which events an archive has of an hour.

use sha2::{Digest, Sha256};

use super::lines::EventLine;
use crate::event_id::EventId;
use crate::event_key;
use crate::event_query::IndexEntry;

/// Names an event in 16 bytes. Its id alone does not: producers may give one to several events.
type Mark = [u8; 16];

/// Events that are in an archive, 16 bytes each.
#[derive(Debug, Default)]
pub(super) struct Known {
    marks: Vec<Mark>,
}

impl Known {
    pub(super) fn add(&mut self, event_id: EventId, line: &EventLine) {
        self.marks.push(mark(event_id, &line.source, &line.id));
    }

    /// Has to be called after [`Known::add`] and before [`Known::has`].
    pub(super) fn sort(&mut self) {
        self.marks.sort_unstable();
    }

    pub(super) fn has(&self, entry: &IndexEntry) -> bool {
        // The common case: nothing of the hour is archived.
        if self.marks.is_empty() {
            return false;
        }
        let mark = mark(entry.event_id, &entry.source, &entry.id);
        self.marks.binary_search(&mark).is_ok()
    }
}

fn mark(event_id: EventId, source: &str, id: &str) -> Mark {
    let mut hash = Sha256::new();
    hash.update(event_id.as_bytes());
    hash.update(event_key::encode(source, id));
    let mut mark = Mark::default();
    mark.copy_from_slice(&hash.finalize()[..16]);
    mark
}
