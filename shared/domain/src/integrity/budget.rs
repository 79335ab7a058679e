//! What is left of what one request may read.

use super::Bounds;

/// What a call counts for at the least, in entries.
const MIN_CALL_ENTRIES: usize = 10;

/// What is left of what one request may read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    pub(super) entries: usize,
    pub(super) buckets: usize,
    pub(super) receipted: usize,
}

impl Budget {
    pub(super) fn of(bounds: &Bounds) -> Self {
        Self {
            entries: bounds.entries,
            buckets: bounds.buckets,
            receipted: bounds.receipted,
        }
    }

    /// Whether there is nothing left of one of them.
    pub(super) fn is_spent(&self) -> bool {
        self.entries == 0 || self.buckets == 0 || self.receipted == 0
    }

    pub(super) fn spend_entries(&mut self, examined: usize) {
        self.entries = self.entries.saturating_sub(examined.max(MIN_CALL_ENTRIES));
    }
}
