//! The seal of an hour, its place in the chain, and the manifest that it names.

use super::HourLedger;
use super::archived::ArchivedHour;
use super::documents;
use super::finding::{Finding, FindingKind};
use super::ledger::Counts;
use super::walk::{Hour, Walk};
use crate::archive::{ArchiveKey, ArchiveReader, Manifest, layout};
use crate::log_hour::LogHour;
use crate::seal::{Seal, SealLink, SealRow, SealStore};
use crate::store_error::StoreError;

/// Rows of seals of one hour that are looked at.
const ROWS_OF_AN_HOUR: usize = 1_000;

impl<S, I, M, R, T, K, A> Walk<'_, '_, S, I, M, R, T, K, A>
where
    K: SealStore + Sync,
    A: ArchiveReader + Sync,
{
    /// An hour before its events are looked at, and what is wrong with its seals.
    pub(super) async fn sealed(&self, hour: LogHour) -> Result<(Hour, Vec<Finding>), StoreError> {
        let of_hour = self.ground.rows.range((hour, 0)..=(hour, u32::MAX));
        let rows: Vec<&SealRow> = of_hour.map(|(_, row)| row).collect();
        let mut findings = self.missing_rows(hour, &rows);
        let mut latest = None;
        for row in &rows {
            let document = self.auditor.archive.object(&row.link.key).await?;
            let (seal, wrong) = documents::sealed(row, document.as_deref());
            findings.extend(wrong);
            let is_lowest = rows.first() == Some(row);
            findings.extend(self.chained(row, is_lowest).await?);
            latest = seal;
        }
        let manifest = match &latest {
            Some(seal) => self.manifest(hour, seal, &mut findings).await?,
            None => None,
        };
        let is_sealed = !rows.is_empty();
        Ok((self.begun(hour, is_sealed, manifest), findings))
    }

    fn begun(&self, hour: LogHour, is_sealed: bool, manifest: Option<Manifest>) -> Hour {
        Hour {
            ledger: HourLedger {
                hour,
                counts: Counts::default(),
                is_sealed,
                archived: manifest.as_ref().map(|manifest| manifest.events),
            },
            archived: manifest.map(|manifest| ArchivedHour::of(hour, manifest)),
            is_marked: self.ground.marked.contains(&hour),
            is_kept: None,
        }
    }

    /// What is known to be missing of the rows of an hour.
    fn missing_rows(&self, hour: LogHour, rows: &[&SealRow]) -> Vec<Finding> {
        if rows.is_empty() && self.ground.has_to_be_sealed(hour) {
            let message = "it has no seal, although the hours after it are sealed";
            return vec![Finding::of(FindingKind::SealMissing, hour, message)];
        }
        let Some(head) = &self.ground.head else {
            return vec![];
        };
        let is_its = of_seal(&head.link).is_some_and(|(of_head, _)| of_head == hour);
        let is_there = rows.iter().any(|row| row.link == head.link);
        if is_its && !is_there {
            let message = "the end of the chain is no seal of it, although it says so";
            let finding = Finding::of(FindingKind::ChainBroken, hour, message);
            return vec![finding.about(&head.link.key)];
        }
        vec![]
    }

    async fn chained(&self, row: &SealRow, is_lowest: bool) -> Result<Option<Finding>, StoreError> {
        let before = match &row.previous {
            Some(link) => self.row(link).await?,
            None => None,
        };
        let is_first = is_lowest && self.ground.begun == Some(row.hour);
        Ok(documents::chained(row, before.as_ref(), is_first))
    }

    /// The row of the seal that a link names.
    async fn row(&self, link: &SealLink) -> Result<Option<SealRow>, StoreError> {
        let Some((hour, revision)) = of_seal(link) else {
            return Ok(None);
        };
        if let Some(row) = self.ground.rows.get(&(hour, revision)) {
            return Ok(Some(row.clone()));
        }
        let rows = self.auditor.seals.rows(hour, hour, ROWS_OF_AN_HOUR).await?;
        Ok(rows.into_iter().find(|row| row.revision == revision))
    }

    /// The tenant's manifest that a seal names; one without events where it names none.
    async fn manifest(
        &self,
        hour: LogHour,
        seal: &Seal,
        findings: &mut Vec<Finding>,
    ) -> Result<Option<Manifest>, StoreError> {
        let tenant = self.tenant.as_str();
        let named = seal.manifests.iter().find(|named| named.tenant == tenant);
        let Some(named) = named else {
            return Ok(Some(nothing(tenant, hour)));
        };
        let bytes = self.auditor.archive.object(&named.key).await?;
        match documents::named_manifest(named, hour, bytes.as_deref()) {
            Ok(manifest) => {
                let sealed = Some(named.events);
                findings.extend(documents::figures(&named.key, hour, &manifest, sealed));
                findings.extend(documents::unreadable(&named.key, hour, &manifest));
                Ok(Some(manifest))
            }
            Err(finding) => {
                findings.push(finding);
                Ok(None)
            }
        }
    }
}

/// Which seal a link names.
fn of_seal(link: &SealLink) -> Option<(LogHour, u32)> {
    match ArchiveKey::parse(&link.key)? {
        ArchiveKey::Seal { hour, revision } => Some((hour, revision)),
        _ => None,
    }
}

/// What a tenant has in an hour of which its seal does not name it.
fn nothing(tenant: &str, hour: LogHour) -> Manifest {
    Manifest {
        format: 1,
        tenant: tenant.to_owned(),
        hour: layout::hour_text(hour),
        revision: 0,
        events: 0,
        bytes: 0,
        types: [].into(),
        objects: vec![],
        receipts: vec![],
        unreadable: vec![],
    }
}
