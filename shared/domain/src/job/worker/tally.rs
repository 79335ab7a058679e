//! What became of a page, entry by entry, so that a page which is not done to its end is done up to some entry.

use super::page::{Found, Page};
use crate::dead_letter::GivenUp;
use crate::job::{Counts, FailedEvent};
use crate::log_hour::Position;

/// Something that was not sent, for good.
pub(super) struct Failed {
    /// What is listed, if it can be.
    pub(super) listed: Option<FailedEvent>,
    /// What goes to the dead letter queue: what the log or the letter does not have already.
    pub(super) given_up: Option<GivenUp>,
}

/// What became of one entry.
#[derive(Default)]
struct Tally {
    place: Option<Position>,
    /// Messages of it that are not settled.
    open: usize,
    sent: u64,
    bytes: u64,
    failed: Vec<Failed>,
}

/// What became of a page's entries.
pub(super) struct Tallies {
    all: Vec<Tally>,
    end: Option<Position>,
}

/// What a page came to.
pub(super) struct Handled {
    /// What was done with the entries that are settled, up to the first that is not.
    pub(super) done: Counts,
    /// The unit's place after them; `None` when there are none.
    pub(super) upto: Option<Position>,
    /// What failed of them.
    pub(super) failed: Vec<Failed>,
}

impl Tallies {
    pub(super) fn of<T>(page: &Page<T>) -> Self {
        let all = page.entries.iter().map(|entry| Tally {
            place: Some(entry.place),
            failed: match &entry.found {
                Found::Unreadable(listed) => vec![Failed {
                    listed: listed.clone(),
                    given_up: None,
                }],
                Found::Here(_) | Found::Gone => vec![],
            },
            ..Tally::default()
        });
        Self {
            all: all.collect(),
            end: page.end,
        }
    }

    /// One more message of this entry is to be sent.
    pub(super) fn open(&mut self, entry: usize) {
        self.settle(entry, |tally| tally.open += 1);
    }

    /// A queue took a message of this entry.
    pub(super) fn sent(&mut self, entry: usize, bytes: usize) {
        self.settle(entry, |tally| {
            tally.open = tally.open.saturating_sub(1);
            tally.sent += 1;
            tally.bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
        });
    }

    /// A message of this entry is never going to be taken.
    pub(super) fn failed(&mut self, entry: usize, failed: Failed) {
        self.settle(entry, |tally| {
            tally.open = tally.open.saturating_sub(1);
            tally.failed.push(failed);
        });
    }

    /// A message of this entry need not be sent.
    pub(super) fn skipped(&mut self, entry: usize) {
        self.settle(entry, |tally| tally.open = tally.open.saturating_sub(1));
    }

    fn settle(&mut self, entry: usize, change: impl FnOnce(&mut Tally)) {
        if let Some(tally) = self.all.get_mut(entry) {
            change(tally);
        }
    }

    /// What it came to.
    pub(super) fn handled(self) -> Handled {
        let is_settled = self.all.iter().all(|tally| tally.open == 0);
        let mut handled = Handled {
            done: Counts::default(),
            upto: None,
            failed: vec![],
        };
        for tally in self.all.into_iter().take_while(|tally| tally.open == 0) {
            handled.done = handled.done.plus(tally.counts());
            handled.upto = tally.place;
            handled.failed.extend(tally.failed);
        }
        if is_settled {
            handled.upto = self.end.or(handled.upto);
        }
        handled
    }
}

impl Tally {
    fn counts(&self) -> Counts {
        Counts {
            events: 1,
            sent: self.sent,
            skipped: u64::from(self.sent == 0 && self.failed.is_empty()),
            failed: u64::from(!self.failed.is_empty()),
            bytes: self.bytes,
        }
    }
}
