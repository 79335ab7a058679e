//! The proof that nothing of an hour was forgotten: every event that is to be dispatched is in a receipt.

use super::{Redispatch, Unsealed};
use crate::archive::{Archiver, Base, HourEntries, PAGE_ENTRIES, TenantHour, each_body};
use crate::clock::Clock;
use crate::event_id::EventId;
use crate::event_query::{EventBodies, IndexEntry, LogIndex};
use crate::logged_event::{LoggedEvent, OutboxMode};
use crate::store_error::StoreError;

/// Events that are dispatched again at a time, and bytes of their data.
const MAX_EVENTS: usize = 100;
const MAX_BYTES: usize = 4_000_000;

/// What was found in an hour of a tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Proof {
    /// Events of the hour.
    pub(super) entries: u64,
    /// Events that were in no receipt, and are dispatched now.
    pub(super) missing: u64,
    /// The first of them.
    pub(super) first_missing: Option<EventId>,
}

/// Looks at every event of an hour that `base` has not. Those that are in no receipt are dispatched; one that cannot
/// be read is not, since nobody can.
pub(super) async fn prove<L, A, C, D>(
    archiver: &Archiver<'_, L, A, C>,
    redispatch: &D,
    of: TenantHour<'_>,
    base: &Base,
) -> Result<Proof, Unsealed>
where
    L: LogIndex + EventBodies,
    C: Clock,
    D: Redispatch,
{
    let mut entries = HourEntries::new(archiver.log, of.tenant, of.hour, of.shards);
    let mut proof = Proof::default();
    loop {
        if archiver.clock.now() > archiver.deadline {
            return Err(Unsealed::OutOfTime);
        }
        let page = entries.next(PAGE_ENTRIES).await?;
        if page.is_empty() {
            return Ok(proof);
        }
        proof.entries += page.len() as u64;
        let is_missing = |entry: &IndexEntry| {
            entry.outbox == OutboxMode::Dispatch
                && !of.receipts.has(entry.event_id)
                && !base.has(entry)
        };
        let missing: Vec<IndexEntry> = page.into_iter().filter(is_missing).collect();
        let mut pending = Pending::of(redispatch);
        each_body(
            archiver.log,
            of.tenant,
            &missing,
            async |_, body| match body {
                Some(event) => pending.take(event).await,
                None => Ok(()),
            },
        )
        .await?;
        pending.dispatch().await?;
        proof.missing += pending.dispatched;
        proof.first_missing = proof.first_missing.or(pending.first);
    }
}

/// Events that are to be dispatched together.
struct Pending<'a, D> {
    redispatch: &'a D,
    events: Vec<LoggedEvent>,
    bytes: usize,
    first: Option<EventId>,
    dispatched: u64,
}

impl<'a, D: Redispatch> Pending<'a, D> {
    fn of(redispatch: &'a D) -> Self {
        Self {
            redispatch,
            events: vec![],
            bytes: 0,
            first: None,
            dispatched: 0,
        }
    }

    async fn take(&mut self, event: LoggedEvent) -> Result<(), StoreError> {
        let data = event.event.data();
        self.bytes += data.map_or(0, |data| data.bytes().len());
        self.first = self.first.or(Some(event.event_id));
        self.events.push(event);
        match self.events.len() >= MAX_EVENTS || self.bytes >= MAX_BYTES {
            true => self.dispatch().await,
            false => Ok(()),
        }
    }

    async fn dispatch(&mut self) -> Result<(), StoreError> {
        if self.events.is_empty() {
            return Ok(());
        }
        self.redispatch.redispatch(&self.events).await?;
        self.dispatched += self.events.len() as u64;
        self.events.clear();
        self.bytes = 0;
        Ok(())
    }
}
