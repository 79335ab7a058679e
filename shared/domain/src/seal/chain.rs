//! The chain of seals, and how a seal comes to its end.
//!
//! A seal's document is stored before its row. Who finds a document in its place, because another crashed between the
//! two or is about to write the row, takes it over where it fits the end of the chain. Where it does not, another seal
//! was written in between: it can never be in the chain, and the next revision is taken.

use std::collections::BTreeMap;

use time::UtcDateTime;
use time::format_description::well_known::Rfc3339;

use super::{MAX_REVISION, Seal, SealHead, SealLink, SealRow, SealStore, SealedManifest, Unsealed};
use crate::active_hours::UNMARKED_FOR;
use crate::archive::{ArchiveReader, ArchiveWriter, Stored, document, layout, sha256_hex};
use crate::clock::whole_millis;
use crate::log_hour::LogHour;
use crate::store_error::StoreError;

/// The chain, as far as it is known.
pub(super) struct Chain<'a, A, S> {
    archive: &'a A,
    seals: &'a S,
    head: Option<SealHead>,
    /// The first hour that is not sealed.
    next: LogHour,
}

/// A document that is stored.
struct Document {
    seal: Seal,
    link: SealLink,
    sealed_at: UtcDateTime,
}

/// Whether nothing can come to an hour any more by the stream of the log, at this time.
pub(super) fn is_closed(hour: LogHour, now: UtcDateTime) -> bool {
    hour.end().saturating_add(unmarked_for()) <= now
}

fn unmarked_for() -> time::Duration {
    time::Duration::try_from(UNMARKED_FOR).unwrap_or_default()
}

/// The last hour that is closed.
fn last_closed(now: UtcDateTime) -> LogHour {
    let open = LogHour::at(now.saturating_sub(unmarked_for()));
    open.previous().unwrap_or(open)
}

impl<'a, A, S> Chain<'a, A, S>
where
    A: ArchiveReader + ArchiveWriter,
    S: SealStore,
{
    /// The chain as it is now. Where there is none it begins with the last hour that is closed.
    pub(super) async fn read(
        archive: &'a A,
        seals: &'a S,
        now: UtcDateTime,
    ) -> Result<Self, StoreError> {
        let head = seals.head().await?;
        let next = match &head {
            Some(head) => head.sealed_before,
            None => seals.begin(last_closed(now)).await?,
        };
        Ok(Self {
            archive,
            seals,
            head,
            next,
        })
    }

    /// Looks at its end again; whether there is another.
    pub(super) async fn read_again(&mut self) -> Result<bool, StoreError> {
        let head = self.seals.head().await?;
        let is_moved = head != self.head;
        if let Some(head) = &head {
            self.next = head.sealed_before;
        }
        self.head = head;
        Ok(is_moved)
    }

    /// The first hour that is not sealed.
    pub(super) fn next(&self) -> LogHour {
        self.next
    }

    /// Whether it has any seal.
    pub(super) fn is_begun(&self) -> bool {
        self.head.is_some()
    }

    /// The manifests that the latest seal of an hour names, and the revision that comes after it.
    pub(super) async fn sealed(
        &self,
        hour: LogHour,
    ) -> Result<(Vec<SealedManifest>, u32), StoreError> {
        let rows = self.seals.rows(hour, hour, MAX_REVISION as usize).await?;
        let Some(row) = rows.last() else {
            return Ok((vec![], 0));
        };
        let found = self.archive.object(&row.link.key).await?;
        let found = found.filter(|bytes| sha256_hex(bytes) == row.link.sha256);
        let bytes = found.ok_or_else(|| StoreError::Malformed {
            what: "seal",
            detail: format!("{} is gone, or is not what its row says", row.link.key),
        })?;
        Ok((Seal::parse(&bytes)?.manifests, row.revision + 1))
    }

    /// Seals an hour with these manifests, and whatever newer ones a document has that is taken over.
    pub(super) async fn append(
        &mut self,
        hour: LogHour,
        mut revision: u32,
        manifests: Vec<SealedManifest>,
        now: UtcDateTime,
    ) -> Result<(), Unsealed> {
        let mut wanted = manifests;
        loop {
            let document = self.store(hour, revision, &wanted, now).await?;
            revision += 1;
            let Some(document) = document else {
                continue;
            };
            self.put(hour, revision - 1, &document).await?;
            wanted = newest(&document.seal.manifests, wanted);
            if wanted == document.seal.manifests {
                return Ok(());
            }
        }
    }

    /// Stores the document of a seal that comes after the end of the chain. `None` where another is in its place.
    async fn store(
        &self,
        hour: LogHour,
        revision: u32,
        manifests: &[SealedManifest],
        now: UtcDateTime,
    ) -> Result<Option<Document>, StoreError> {
        if revision > MAX_REVISION {
            return Err(StoreError::Malformed {
                what: "seal",
                detail: format!("{} has no revision left", layout::hour_text(hour)),
            });
        }
        let sealed_at = whole_millis(now);
        let seal = Seal {
            format: 1,
            hour: layout::hour_text(hour),
            revision,
            sealed_at: sealed_at.format(&Rfc3339).unwrap_or_default(),
            previous: self.head.as_ref().map(|head| head.link.clone()),
            events: manifests.iter().map(|manifest| manifest.events).sum(),
            manifests: manifests.to_vec(),
        };
        let (key, bytes) = (layout::seal(hour, revision), document(&seal)?);
        match self.archive.put(&key, &bytes).await? {
            Stored::New | Stored::Same => Ok(Document::of(key, &bytes)),
            Stored::Other => self.left_behind(key).await,
        }
    }

    /// The document that is in a place, where it comes after the end of the chain.
    async fn left_behind(&self, key: String) -> Result<Option<Document>, StoreError> {
        let found = self.archive.object(&key).await?;
        let document = found.and_then(|bytes| Document::of(key, &bytes));
        let link = self.head.as_ref().map(|head| &head.link);
        Ok(document.filter(|document| document.seal.previous.as_ref() == link))
    }

    /// Puts the row of a stored document at the end of the chain.
    async fn put(
        &mut self,
        hour: LogHour,
        revision: u32,
        document: &Document,
    ) -> Result<(), Unsealed> {
        let row = SealRow {
            hour,
            revision,
            link: document.link.clone(),
            previous: document.seal.previous.clone(),
            events: document.seal.events,
            sealed_at: document.sealed_at,
        };
        let sealed_before = match hour == self.next {
            true => hour.next(),
            false => self.next,
        };
        let head = SealHead {
            link: document.link.clone(),
            sealed_before,
        };
        match self.seals.append(&row, self.head.as_ref(), &head).await? {
            true => {
                self.next = sealed_before;
                self.head = Some(head);
                Ok(())
            }
            false => Err(Unsealed::Raced),
        }
    }
}

impl Document {
    fn of(key: String, bytes: &[u8]) -> Option<Self> {
        let seal = Seal::parse(bytes).ok()?;
        let sealed_at = time::OffsetDateTime::parse(&seal.sealed_at, &Rfc3339).ok()?;
        let sha256 = sha256_hex(bytes);
        Some(Self {
            sealed_at: sealed_at.to_utc(),
            link: SealLink { key, sha256 },
            seal,
        })
    }
}

/// The latest manifest of each tenant, in the order of tenants.
pub(super) fn newest(before: &[SealedManifest], after: Vec<SealedManifest>) -> Vec<SealedManifest> {
    let mut newest: BTreeMap<String, SealedManifest> = BTreeMap::new();
    for manifest in before.iter().cloned().chain(after) {
        let there = newest.get(&manifest.tenant);
        // Later revisions have later keys.
        if there.is_none_or(|there| there.key < manifest.key) {
            newest.insert(manifest.tenant.clone(), manifest);
        }
    }
    newest.into_values().collect()
}
