//! How far the sweep has come.

use std::time::Duration;

use time::UtcDateTime;

use super::slice::{Slice, aligned};
use crate::active_hours::UNMARKED_FOR;
use crate::store_error::StoreError;

/// How long a slice is left alone after its missing events went to the queue.
pub const ASK_AGAIN_AFTER: Duration = Duration::from_secs(15 * 60);

/// Slices that may be open at a time; all of them stand in one small item. Above it the sweep goes no further until
/// some are closed.
pub const MAX_OPEN: usize = 200;

/// What one run leaves to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepState {
    /// Everything before this was looked at.
    pub looked_before: UtcDateTime,
    /// Slices before it in which something was missing when they were looked at last.
    pub open: Vec<OpenSlice>,
    /// When dispatch was last seen switched off.
    pub off_at: Option<UtcDateTime>,
    /// Which version was read; 0 when there was none.
    pub version: u64,
}

/// A slice in which something is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenSlice {
    /// Which it is.
    pub slice: Slice,
    /// When its events went to the queue. None when they did not: the next run looks at it again.
    pub asked_at: Option<UtcDateTime>,
}

/// Where it is kept.
pub trait SweepStore {
    /// What was saved last.
    fn read(&self) -> impl Future<Output = Result<Option<SweepState>, StoreError>> + Send;

    /// Saves it in the place of the version that it was made from; it is one more from then on. `false` when that
    /// is not there any more: another run saved its own, and nothing was written.
    fn save(&self, state: &SweepState) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

impl SweepState {
    /// What the first run ever begins with. What is older was handed over before its stream could lose it, or is
    /// found when its hour is sealed.
    pub fn beginning(now: UtcDateTime) -> Self {
        Self {
            looked_before: aligned(now.saturating_sub(signed(UNMARKED_FOR))),
            open: vec![],
            off_at: None,
            version: 0,
        }
    }

    /// The watermark: every event that was accepted before it, and was in the log when its slice was looked at, is
    /// handed over.
    pub fn swept_before(&self) -> UtcDateTime {
        let open = self.open.iter().map(|open| open.slice.from());
        open.min()
            .map_or(self.looked_before, |open| open.min(self.looked_before))
    }

    /// The open slices that a run of now looks at, the earliest first.
    pub(super) fn due(&self, now: UtcDateTime) -> Vec<Slice> {
        let is_due = |open: &&OpenSlice| {
            let asked_at = open.asked_at;
            asked_at.is_none_or(|asked_at| now - asked_at >= ASK_AGAIN_AFTER)
        };
        let mut due: Vec<Slice> = self
            .open
            .iter()
            .filter(is_due)
            .map(|open| open.slice)
            .collect();
        due.sort_unstable();
        due
    }

    /// Nothing is missing in the slice.
    pub(super) fn close(&mut self, slice: Slice) {
        self.open.retain(|open| open.slice != slice);
        self.looked_before = self.looked_before.max(slice.to());
    }

    /// Something is.
    pub(super) fn leave_open(&mut self, slice: Slice, asked_at: Option<UtcDateTime>) {
        self.close(slice);
        self.open.push(OpenSlice { slice, asked_at });
    }

    /// Whether this slice is one of the open ones.
    pub(super) fn is_open(&self, slice: Slice) -> bool {
        self.open.iter().any(|open| open.slice == slice)
    }
}

/// A length of time as times are moved by it.
pub(super) fn signed(duration: Duration) -> time::Duration {
    time::Duration::try_from(duration).unwrap_or(time::Duration::MAX)
}
