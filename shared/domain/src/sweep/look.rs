//! One slice, held against its receipts.

use std::collections::VecDeque;

use futures::future::try_join_all;
use time::UtcDateTime;

use super::ledger::{Ledger, Survey};
use super::run::Sweep;
use super::slice::Slice;
use super::{Found, MAX_TOLD, SweepQueue, Swept};
use crate::clock::Clock;
use crate::dead_letter::DeadLetterQueue;
use crate::dispatch::Dispatching;
use crate::event_query::{EventBodies, IndexEntry, IndexPage, IndexPart, IndexQuery, LogIndex};
use crate::log_hour::{IdRange, Order};
use crate::log_shard::LogShards;
use crate::logged_event::OutboxMode;
use crate::receipt::{ReceiptLedger, Receipts};
use crate::store_error::{Disposition, StoreError};
use crate::tenant::TenantId;

/// Parts of the index that are asked at a time.
const MAX_CALLS: usize = 16;

/// Entries that one call looks at; an entry takes about 200 bytes, and a page of an index 1 MB.
const PAGE_ENTRIES: usize = 1_000;

/// Events that are handed over at a time.
const AT_ONCE: usize = 100;

/// Events that go to the queue at a time: ten messages.
const ASKED_AT_A_TIME: usize = 1_000;

/// What a run has in hand.
pub(super) struct Run {
    /// The logs, and how each is spread.
    pub(super) logs: Vec<(TenantId, LogShards)>,
    pub(super) survey: Survey,
    /// The stream brings nothing any more that is missing and was accepted by then.
    pub(super) passed: UtcDateTime,
    /// Events that the run may still hand over itself.
    pub(super) left: usize,
    pub(super) swept: Swept,
}

/// What one look came to.
#[derive(Default)]
pub(super) struct Looked {
    /// Events that went to the queue.
    pub(super) asked: usize,
    /// Whether something is as it was, and has to be looked at again.
    pub(super) has_failed: bool,
    /// When the first event was accepted that the stream may still bring.
    pub(super) waits_from: Option<UtcDateTime>,
}

/// A shard of the slice's hour, and what of it was not looked at.
struct Part {
    tenant: TenantId,
    part: IndexPart,
    range: IdRange,
}

/// What is missing and not dealt with yet.
#[derive(Default)]
struct Missing {
    at_once: Vec<Found>,
    to_ask: Vec<Found>,
}

impl<W, S, G, Q, R, L, D, X, C> Sweep<'_, W, S, G, Q, R, L, D, X, C>
where
    Q: SweepQueue + Sync,
    R: ReceiptLedger + Receipts + Sync,
    L: LogIndex + EventBodies + Sync,
    D: Dispatching,
    X: DeadLetterQueue + Sync,
    C: Clock + Sync,
{
    /// Finds what is missing in a slice, and deals with it.
    pub(super) async fn look(&self, run: &mut Run, slice: Slice) -> Result<Looked, StoreError> {
        run.swept.slices += 1;
        let mut looked = Looked::default();
        let receipts = self.hand_over.receipts;
        let ledger = match run.survey.ledger(receipts, slice).await {
            Ok(ledger) => ledger,
            Err(error) if error.disposition() == Disposition::GiveUp => {
                run.swept.blocked.push((slice, error));
                looked.has_failed = true;
                return Ok(looked);
            }
            Err(error) => return Err(error),
        };
        let mut missing = Missing::default();
        let mut parts = parts(run, slice);
        while !parts.is_empty() {
            let asked: Vec<Part> = parts.drain(..parts.len().min(MAX_CALLS)).collect();
            let pages = try_join_all(asked.iter().map(|part| self.page(part))).await?;
            for (part, page) in asked.into_iter().zip(pages) {
                let is_over = run.sort(&ledger, &part, page.entries, &mut missing, &mut looked);
                self.deal(run, slice, &mut missing, &mut looked, false)
                    .await;
                if let Some(range) = page.rest.filter(|_| !is_over) {
                    parts.push_back(Part { range, ..part });
                }
            }
        }
        self.deal(run, slice, &mut missing, &mut looked, true).await;
        Ok(looked)
    }

    async fn page(&self, part: &Part) -> Result<IndexPage, StoreError> {
        let query = IndexQuery {
            part: &part.part,
            range: part.range,
            order: Order::Oldest,
            event_type: None,
            limit: PAGE_ENTRIES,
        };
        self.hand_over.log.page(&part.tenant, query).await
    }

    /// Hands over and asks for what is missing, where it is enough for a call or nothing comes after it.
    async fn deal(
        &self,
        run: &mut Run,
        slice: Slice,
        missing: &mut Missing,
        looked: &mut Looked,
        is_last: bool,
    ) {
        let Missing { at_once, to_ask } = missing;
        if at_once.len() >= AT_ONCE || is_last {
            let handed = self.hand_over.hand_over(std::mem::take(at_once)).await;
            looked.has_failed |= !handed.failed.is_empty();
            run.swept.handed.add(handed);
        }
        if to_ask.len() >= ASKED_AT_A_TIME || is_last {
            self.ask(run, slice, std::mem::take(to_ask), looked).await;
        }
    }

    async fn ask(&self, run: &mut Run, slice: Slice, found: Vec<Found>, looked: &mut Looked) {
        if found.is_empty() {
            return;
        }
        match self.queue.ask(&found).await {
            Ok(()) => {
                looked.asked += found.len();
                run.swept.asked += found.len();
                let room = MAX_TOLD.saturating_sub(run.swept.told.len());
                run.swept.told.extend(found.into_iter().take(room));
            }
            Err(error) => {
                looked.has_failed = true;
                run.swept.unasked.push((slice, error));
            }
        }
    }
}

impl Run {
    /// Counts entries, and takes out what is missing. Whether the part is over: what comes after an event that waits
    /// is later, and waits, too.
    fn sort(
        &mut self,
        ledger: &Ledger,
        part: &Part,
        entries: Vec<IndexEntry>,
        missing: &mut Missing,
        looked: &mut Looked,
    ) -> bool {
        let entries = entries.into_iter();
        for entry in entries.filter(|entry| entry.outbox == OutboxMode::Dispatch) {
            self.swept.logged += 1;
            if ledger.has(&part.tenant, entry.event_id) {
                self.swept.receipted += 1;
                continue;
            }
            self.swept.missing += 1;
            let found = Found {
                tenant: part.tenant.clone(),
                entry,
            };
            if found.accepted_at() > self.passed {
                self.swept.waiting += 1;
                looked.wait(found.accepted_at());
                return true;
            }
            self.take(found, missing);
        }
        false
    }

    fn take(&mut self, found: Found, missing: &mut Missing) {
        if self.left > 0 {
            self.left -= 1;
            missing.at_once.push(found);
        } else {
            missing.to_ask.push(found);
        }
    }
}

impl Looked {
    fn wait(&mut self, from: UtcDateTime) {
        self.waits_from = Some(self.waits_from.map_or(from, |known| known.min(from)));
    }
}

fn parts(run: &Run, slice: Slice) -> VecDeque<Part> {
    let Some(range) = slice.ids() else {
        return VecDeque::new();
    };
    let mut parts = VecDeque::new();
    for (tenant, shards) in &run.logs {
        for shard in shards.iter() {
            parts.push_back(Part {
                tenant: tenant.clone(),
                part: IndexPart::Hour(slice.hour(), shard),
                range,
            });
        }
    }
    parts
}
