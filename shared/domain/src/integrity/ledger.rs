//! The ledger of a slice of an hour: every event of the log is in a receipt, was only logged, or is pending.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::AddAssign;
use std::time::Duration;

use serde::Serialize;
use time::UtcDateTime;

use super::finding::{Finding, FindingKind, Findings};
use crate::event_id::EventId;
use crate::event_query::IndexEntry;
use crate::log_hour::LogHour;
use crate::logged_event::OutboxMode;

/// How far two clocks of the bus may be apart.
const MAX_SKEW: Duration = Duration::from_secs(1);

/// What was read of a slice.
#[derive(Clone, Debug, Default)]
pub(super) struct Slice {
    /// Its entries by shard, in the order in which the index has them.
    pub(super) shards: Vec<Vec<IndexEntry>>,
    /// The tenant's events that receipts name, and when each was handed over first.
    pub(super) receipted: BTreeMap<EventId, UtcDateTime>,
    /// The tenant's events that have a delivery in trouble.
    pub(super) troubled: BTreeSet<EventId>,
}

/// What a slice, or an hour, comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Events in the log.
    pub logged: u64,
    /// Of them, those that nobody was to be told of.
    pub logged_only: u64,
    /// Of them, those that were to be handed over, and were.
    pub receipted: u64,
    /// Of them, those with a delivery that is tried again or has failed for good.
    pub in_trouble: u64,
    /// Of them, those that are to be handed over, and were not yet.
    pub pending: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.logged += more.logged;
        self.logged_only += more.logged_only;
        self.receipted += more.receipted;
        self.in_trouble += more.in_trouble;
        self.pending += more.pending;
    }
}

/// By what a slice is judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judge {
    pub(super) hour: LogHour,
    pub(super) now: UtcDateTime,
    /// How old an event has to be before it counts that something of it is missing.
    pub(super) patience: Duration,
}

/// Which event has a source and id, of all that one audit has seen.
pub(super) type Keys = HashMap<(String, String), EventId>;

/// A slice, compared.
#[derive(Debug, Default)]
pub(super) struct Compared {
    pub(super) counts: Counts,
    /// The events of the log.
    pub(super) logged: BTreeSet<EventId>,
    /// Events that receipts name and the log does not have, although their entries had the time to appear.
    pub(super) unlogged: Vec<EventId>,
}

impl Slice {
    /// Events that are to be handed over and that no receipt names.
    pub(super) fn without_receipt(&self) -> BTreeSet<EventId> {
        let entries = self.shards.iter().flatten();
        let is_without = |entry: &&IndexEntry| {
            entry.outbox == OutboxMode::Dispatch && !self.receipted.contains_key(&entry.event_id)
        };
        entries.filter(is_without).map(|it| it.event_id).collect()
    }

    /// Holds the slice's entries against its receipts and rows.
    pub(super) fn compare(
        self,
        judge: &Judge,
        keys: &mut Keys,
        findings: &mut Findings,
    ) -> Compared {
        let overdue = self.without_receipt();
        let overdue = overdue.into_iter().filter(|id| judge.is_settled(*id));
        findings.tell_of(judge.missing_receipt(), overdue);
        judge.orders(&self.shards, findings);
        judge.skews(&self, findings);
        let (counts, logged) = self.count();
        let receipted = self.receipted.keys().copied();
        let unlogged = receipted.filter(|id| !logged.contains(id) && judge.is_settled(*id));
        let compared = Compared {
            counts,
            unlogged: unlogged.collect(),
            logged,
        };
        judge.duplicates(self.shards, keys, findings);
        compared
    }

    /// Each event counts once, also where two entries have its id.
    fn count(&self) -> (Counts, BTreeSet<EventId>) {
        let mut counts = Counts::default();
        let mut logged = BTreeSet::new();
        for entry in self.shards.iter().flatten() {
            let id = entry.event_id;
            if !logged.insert(id) {
                continue;
            }
            counts.logged += 1;
            match entry.outbox {
                OutboxMode::None => counts.logged_only += 1,
                OutboxMode::Dispatch if self.receipted.contains_key(&id) => counts.receipted += 1,
                OutboxMode::Dispatch => counts.pending += 1,
            }
            counts.in_trouble += u64::from(self.troubled.contains(&id));
        }
        (counts, logged)
    }
}

impl Judge {
    fn is_settled(&self, event_id: EventId) -> bool {
        event_id.accepted_at().saturating_add(signed(self.patience)) < self.now
    }

    fn missing_receipt(&self) -> Finding {
        let message = "to be handed over long ago, and no receipt tells that they were";
        Finding::of(FindingKind::MissingReceipt, self.hour, message)
    }

    fn orders(&self, shards: &[Vec<IndexEntry>], findings: &mut Findings) {
        let is_behind = |pair: &&[IndexEntry]| pair[0].event_id > pair[1].event_id;
        let pairs = shards.iter().flat_map(|shard| shard.windows(2));
        let behind = pairs.filter(is_behind).map(|pair| pair[1].event_id);
        let message = "not in the order of their ids in the log's index";
        findings.tell_of(Finding::of(FindingKind::Order, self.hour, message), behind);
    }

    fn skews(&self, slice: &Slice, findings: &mut Findings) {
        let entries = slice.shards.iter().flatten().map(|entry| entry.event_id);
        let ids: BTreeSet<EventId> = entries.collect();
        let is_early = |id: &EventId| {
            let handed_over = slice.receipted.get(id);
            handed_over.is_some_and(|at| at.saturating_add(signed(MAX_SKEW)) < id.accepted_at())
        };
        let is_future = |id: &EventId| self.now.saturating_add(signed(MAX_SKEW)) < id.accepted_at();
        let early = "handed over before they were accepted by their ids";
        let future = "accepted in the future by their ids";
        let skew = |message| Finding::of(FindingKind::IdSkew, self.hour, message);
        findings.tell_of(skew(early), ids.iter().copied().filter(is_early));
        findings.tell_of(skew(future), ids.iter().copied().filter(is_future));
    }

    fn duplicates(&self, shards: Vec<Vec<IndexEntry>>, keys: &mut Keys, findings: &mut Findings) {
        let mut seen = BTreeSet::new();
        let mut twice = BTreeSet::new();
        let mut of_one_key = BTreeSet::new();
        for entry in shards.into_iter().flatten() {
            let id = entry.event_id;
            if !seen.insert(id) {
                twice.insert(id);
            }
            let first = *keys.entry((entry.source, entry.id)).or_insert(id);
            if first != id {
                of_one_key.extend([first, id]);
            }
        }
        let message = "more than one entry of the log has their ids";
        findings.tell_of(
            Finding::of(FindingKind::DuplicateEventId, self.hour, message),
            twice,
        );
        let message = "another event has the same source and id";
        findings.tell_of(
            Finding::of(FindingKind::DuplicateKey, self.hour, message),
            of_one_key,
        );
    }
}

/// Of a span that a constant sets, so that it is far below what the type holds.
pub(super) fn signed(span: Duration) -> time::Duration {
    time::Duration::try_from(span).unwrap_or(time::Duration::MAX)
}
