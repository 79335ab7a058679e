//! An hour of a tenant that is being archived: a part in memory, and the manifest so far.

use std::collections::BTreeSet;

use super::archiver::{Archived, Base, NotArchived, TenantHour, named};
use super::known::Known;
use super::lines::{EventLine, Lines, ObjectLimits, event_of_receipt, read_object};
use super::{
    ArchiveReader, ArchiveWriter, ArchivedObject, Manifest, Stored, document, layout, line,
};
use crate::event_id::EventId;
use crate::event_query::IndexEntry;
use crate::logged_event::LoggedEvent;
use crate::seal::SealedManifest;
use crate::store_error::StoreError;

/// Writes parts as they are full.
pub(super) struct HourWriter<'a, A> {
    archive: &'a A,
    of: TenantHour<'a>,
    limits: ObjectLimits,
    /// What there was when the hour was come to.
    latest: Option<(SealedManifest, Manifest)>,
    known: Known,
    /// The next revision, as far as it is stored.
    manifest: Manifest,
    unreadable: BTreeSet<EventId>,
    part: u32,
    /// The part that is not stored.
    events: Lines,
    receipts: Lines,
    types: Vec<String>,
}

impl<'a, A: ArchiveReader + ArchiveWriter> HourWriter<'a, A> {
    pub(super) fn new(
        archive: &'a A,
        of: TenantHour<'a>,
        limits: ObjectLimits,
        base: Base,
    ) -> Self {
        let Base { latest, known } = base;
        let manifest = next_revision(of, latest.as_ref().map(|(_, manifest)| manifest));
        let unreadable = manifest.unreadable.iter();
        Self {
            archive,
            of,
            limits,
            latest,
            known,
            unreadable: unreadable.filter_map(|id| id.parse().ok()).collect(),
            manifest,
            part: 0,
            events: Lines::default(),
            receipts: Lines::default(),
            types: vec![],
        }
    }

    /// Takes over the parts of this revision that somebody left without a manifest.
    pub(super) async fn take_over(&mut self) -> Result<(), NotArchived> {
        loop {
            let key = self.events_key();
            let Some(stored) = self.archive.object(&key).await? else {
                self.known.sort();
                return Ok(());
            };
            let object = self.read_events(&key, &stored)?;
            self.store_receipts().await?;
            self.count(object);
        }
    }

    /// Reads a part that is there, as if it had been written now.
    fn read_events(&mut self, key: &str, stored: &[u8]) -> Result<ArchivedObject, StoreError> {
        let Self {
            known,
            types,
            receipts,
            unreadable,
            of,
            ..
        } = self;
        read_object(key, stored, |line| {
            let (event_id, line) = EventLine::of(line)?;
            known.add(event_id, &line);
            unreadable.remove(&event_id);
            for receipt in of.receipts.lines(event_id) {
                receipts.push(event_id, &receipt);
            }
            types.push(line.r#type);
            Some(event_id)
        })
    }

    /// Whether the archive has the event of this entry.
    pub(super) fn has(&self, entry: &IndexEntry) -> bool {
        self.known.has(entry)
    }

    /// Names an event that cannot be read.
    pub(super) fn leave_out(&mut self, event_id: EventId) {
        self.unreadable.insert(event_id);
    }

    /// Takes an event in. The part is stored before, when there is no room in it.
    pub(super) async fn push(&mut self, event: &LoggedEvent) -> Result<(), NotArchived> {
        let event_line = [line::write(event)];
        let receipts = self.of.receipts.lines(event.event_id);
        let has_room = self.events.has_room(&event_line, self.limits)
            && self.receipts.has_room(&receipts, self.limits);
        if !has_room {
            self.store().await?;
        }
        for line in &event_line {
            self.events.push(event.event_id, line);
        }
        for line in &receipts {
            self.receipts.push(event.event_id, line);
        }
        self.unreadable.remove(&event.event_id);
        self.types.push(event.event.event_type().to_owned());
        Ok(())
    }

    async fn store(&mut self) -> Result<(), NotArchived> {
        if self.events.is_empty() {
            return Ok(());
        }
        let (stored, object) = self.events.pack(self.events_key())?;
        if self.archive.put(&object.key, &stored).await? == Stored::Other {
            return Err(NotArchived::Contended { key: object.key });
        }
        self.events = Lines::default();
        self.store_receipts().await?;
        self.count(object);
        Ok(())
    }

    /// Stores the receipts of a part after its events. Where some are there, they are of the same events; a batch
    /// that came again since has made more of them, which change nothing.
    async fn store_receipts(&mut self) -> Result<(), NotArchived> {
        if self.receipts.is_empty() {
            return Ok(());
        }
        let TenantHour { tenant, hour, .. } = self.of;
        let key = layout::receipts(tenant, hour, self.manifest.revision, self.part);
        let (stored, object) = self.receipts.pack(key)?;
        self.receipts = Lines::default();
        let object = match self.archive.put(&object.key, &stored).await? {
            Stored::New | Stored::Same => object,
            Stored::Other => match self.archive.object(&object.key).await? {
                Some(there) => read_object(&object.key, &there, event_of_receipt)?,
                None => return Err(NotArchived::Contended { key: object.key }),
            },
        };
        self.manifest.receipts.push(object);
        Ok(())
    }

    /// Counts a part that is stored.
    fn count(&mut self, object: ArchivedObject) {
        self.manifest.events += object.lines;
        self.manifest.bytes += object.bytes;
        for event_type in self.types.drain(..) {
            *self.manifest.types.entry(event_type).or_default() += 1;
        }
        self.manifest.objects.push(object);
        self.part += 1;
    }

    fn events_key(&self) -> String {
        let TenantHour { tenant, hour, .. } = self.of;
        layout::events(tenant, hour, self.manifest.revision, self.part)
    }

    /// Stores what is left, and the manifest, where there is anything that the latest one has not.
    pub(super) async fn finish(mut self) -> Result<Option<Archived>, NotArchived> {
        self.store().await?;
        let unreadable = self.unreadable.iter().map(EventId::to_string);
        self.manifest.unreadable = unreadable.collect();
        let TenantHour { tenant, hour, .. } = self.of;
        let is_unchanged = self.part == 0
            && match &self.latest {
                Some((_, latest)) => latest.unreadable == self.manifest.unreadable,
                None => self.unreadable.is_empty(),
            };
        if is_unchanged {
            return Ok(self.latest.map(|(manifest, _)| Archived {
                manifest,
                events: 0,
                bytes: 0,
                unreadable: vec![],
            }));
        }
        let key = layout::manifest(tenant, hour, self.manifest.revision);
        let bytes = document(&self.manifest)?;
        if self.archive.put(&key, &bytes).await? == Stored::Other {
            return Err(NotArchived::Contended { key });
        }
        Ok(Some(self.archived(&key, &bytes)))
    }

    fn archived(self, key: &str, bytes: &[u8]) -> Archived {
        let before = self.latest.map(|(_, manifest)| manifest);
        let (events, size) = before
            .as_ref()
            .map_or((0, 0), |before| (before.events, before.bytes));
        let is_told = |id: &EventId| {
            let named = before.iter().flat_map(|before| &before.unreadable);
            named.into_iter().any(|named| *named == id.to_string())
        };
        let unreadable = self.unreadable.iter().copied();
        Archived {
            manifest: named(self.of.tenant, key, bytes, &self.manifest),
            events: self.manifest.events - events,
            bytes: self.manifest.bytes - size,
            unreadable: unreadable.filter(|id| !is_told(id)).collect(),
        }
    }
}

/// The manifest of an hour before anything is added to it.
fn next_revision(of: TenantHour<'_>, latest: Option<&Manifest>) -> Manifest {
    match latest {
        Some(latest) => Manifest {
            revision: latest.revision + 1,
            ..latest.clone()
        },
        None => Manifest {
            format: 1,
            tenant: of.tenant.to_string(),
            hour: layout::hour_text(of.hour),
            revision: 0,
            events: 0,
            bytes: 0,
            types: [].into(),
            objects: vec![],
            receipts: vec![],
            unreadable: vec![],
        },
    }
}
