//! From the log into the archive, one hour of a tenant at a time.
//!
//! An hour is archived in parts, each stored before the next is read, then its manifest. Whoever comes to an hour
//! that another began, because that one crashed or is still at it, takes over the parts that are there and goes on
//! after them. So nothing is ever written over, and nothing in the archive is left without a manifest.

use time::UtcDateTime;

use super::bodies::each_body;
use super::entries::HourEntries;
use super::hour_writer::HourWriter;
use super::known::Known;
use super::lines::{EventLine, ObjectLimits, read_object};
use super::receipts::TenantReceipts;
use super::{ArchiveReader, ArchiveWriter, Manifest, layout, sha256_hex};
use crate::clock::Clock;
use crate::event_id::EventId;
use crate::event_query::{EventBodies, IndexEntry, LogIndex};
use crate::log_hour::LogHour;
use crate::log_shard::LogShards;
use crate::logged_event::{LoggedEvent, OutboxMode};
use crate::seal::SealedManifest;
use crate::store_error::StoreError;
use crate::tenant::TenantId;

/// Entries that are looked at before the next ones are asked for.
pub(crate) const PAGE_ENTRIES: usize = 400;

/// An hour of a tenant's log.
#[derive(Clone, Copy, Debug)]
pub struct TenantHour<'a> {
    /// Whose it is.
    pub tenant: &'a TenantId,
    /// Which it is.
    pub hour: LogHour,
    /// How it is spread.
    pub shards: LogShards,
    /// What receipts tell of its events.
    pub receipts: &'a TenantReceipts,
}

/// What the archive has of an hour of a tenant before something is added.
#[derive(Debug, Default)]
pub struct Base {
    pub(super) latest: Option<(SealedManifest, Manifest)>,
    pub(super) known: Known,
}

impl Base {
    /// Whether it has the event of this entry.
    pub fn has(&self, entry: &IndexEntry) -> bool {
        self.known.has(entry)
    }
}

/// What became of an hour of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archived {
    /// The manifest that has all of it.
    pub manifest: SealedManifest,
    /// Events that were not in the archive before.
    pub events: u64,
    /// Bytes of their lines, not compressed.
    pub bytes: u64,
    /// Events that cannot be read, and that no manifest named before.
    pub unreadable: Vec<EventId>,
}

/// Why an hour of a tenant is not archived now. What is stored of it already is taken over by who comes next.
#[derive(Debug, thiserror::Error)]
pub enum NotArchived {
    /// The log or the archive failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another wrote something else in the same place meanwhile.
    #[error("another has written {key} meanwhile")]
    Contended {
        /// The place.
        key: String,
    },
    /// Nothing tells that an event was handed over. It came while the hour was looked at.
    #[error("event {event_id} of {tenant} is in no receipt")]
    Unreceipted {
        /// Whose it is.
        tenant: TenantId,
        /// Which it is.
        event_id: EventId,
    },
    /// The time that there was is over.
    #[error("the time is over")]
    OutOfTime,
}

/// Archives hours.
#[derive(Debug)]
pub struct Archiver<'a, L, A, C> {
    /// The log.
    pub log: &'a L,
    /// The archive.
    pub archive: &'a A,
    /// What time it is.
    pub clock: &'a C,
    /// No part is begun after it.
    pub deadline: UtcDateTime,
    /// Where objects are cut.
    pub limits: ObjectLimits,
}

impl<L, A, C> Archiver<'_, L, A, C>
where
    L: LogIndex + EventBodies,
    A: ArchiveReader + ArchiveWriter,
    C: Clock,
{
    /// Looks at what the archive has of an hour. What its latest manifest names has to be there, and as it was.
    pub async fn base(&self, of: TenantHour<'_>) -> Result<Base, StoreError> {
        let Some(manifest) = self.archive.manifest(of.tenant, of.hour).await? else {
            return Ok(Base::default());
        };
        let key = layout::manifest(of.tenant, of.hour, manifest.revision);
        let bytes = self.there(&key).await?;
        let mut known = Known::default();
        for object in &manifest.objects {
            let stored = self.there(&object.key).await?;
            if sha256_hex(&stored) != object.sha256 {
                return Err(altered(&object.key, "is not what its manifest says"));
            }
            read_object(&object.key, &stored, |line| {
                let (event_id, line) = EventLine::of(line)?;
                known.add(event_id, &line);
                Some(event_id)
            })?;
        }
        known.sort();
        let named = named(of.tenant, &key, &bytes, &manifest);
        Ok(Base {
            latest: Some((named, manifest)),
            known,
        })
    }

    async fn there(&self, key: &str) -> Result<Vec<u8>, StoreError> {
        let found = self.archive.object(key).await?;
        found.ok_or_else(|| altered(key, "is gone"))
    }

    /// Adds what the log has of an hour and `base` has not. `None` when there is nothing at all.
    pub async fn archive(
        &self,
        of: TenantHour<'_>,
        base: Base,
    ) -> Result<Option<Archived>, NotArchived> {
        let mut writer = HourWriter::new(self.archive, of, self.limits, base);
        writer.take_over().await?;
        let mut entries = HourEntries::new(self.log, of.tenant, of.hour, of.shards);
        loop {
            let page = entries.next(PAGE_ENTRIES).await?;
            if page.is_empty() {
                return writer.finish().await;
            }
            let is_new = |entry: &IndexEntry| !writer.has(entry);
            let new: Vec<IndexEntry> = page.into_iter().filter(is_new).collect();
            each_body(self.log, of.tenant, &new, async |entry, body| {
                self.write(&mut writer, of, entry, body).await
            })
            .await?;
        }
    }

    async fn write(
        &self,
        writer: &mut HourWriter<'_, A>,
        of: TenantHour<'_>,
        entry: &IndexEntry,
        body: Option<LoggedEvent>,
    ) -> Result<(), NotArchived> {
        let Some(event) = body else {
            writer.leave_out(entry.event_id);
            return Ok(());
        };
        if entry.outbox == OutboxMode::Dispatch && !of.receipts.has(entry.event_id) {
            return Err(NotArchived::Unreceipted {
                tenant: of.tenant.clone(),
                event_id: entry.event_id,
            });
        }
        if self.clock.now() > self.deadline {
            return Err(NotArchived::OutOfTime);
        }
        writer.push(&event).await
    }
}

/// A manifest as a seal names it.
pub(super) fn named(
    tenant: &TenantId,
    key: &str,
    bytes: &[u8],
    manifest: &Manifest,
) -> SealedManifest {
    SealedManifest {
        tenant: tenant.to_string(),
        key: key.to_owned(),
        sha256: sha256_hex(bytes),
        events: manifest.events,
    }
}

fn altered(key: &str, how: &str) -> StoreError {
    StoreError::Malformed {
        what: "object of the archive",
        detail: format!("{key} {how}"),
    }
}
