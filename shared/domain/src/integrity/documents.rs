//! Seals and manifests, held against what names them.

use super::finding::{Finding, FindingKind};
use crate::archive::{ArchiveKey, ArchivedObject, Manifest, layout, sha256_hex};
use crate::log_hour::LogHour;
use crate::seal::{Seal, SealLink, SealRow, SealedManifest};
use crate::tenant::TenantId;

/// The document that a link names, if it is what it was.
pub(super) fn linked(
    link: &SealLink,
    hour: LogHour,
    document: Option<&[u8]>,
) -> Result<Seal, Finding> {
    let altered = |message: &str| {
        let finding = Finding::of(FindingKind::SealAltered, hour, message);
        Err(finding.about(&link.key))
    };
    let Some(document) = document else {
        let finding = Finding::of(FindingKind::SealMissing, hour, "its document is gone");
        return Err(finding.about(&link.key));
    };
    if sha256_hex(document) != link.sha256 {
        return altered("its document is not the one that was sealed");
    }
    match serde_json::from_slice(document) {
        Ok(seal) => Ok(seal),
        Err(_) => altered("its document cannot be read"),
    }
}

/// The seal of a row, with everything that is wrong with either.
pub(super) fn sealed(row: &SealRow, document: Option<&[u8]>) -> (Option<Seal>, Vec<Finding>) {
    let seal = match linked(&row.link, row.hour, document) {
        Ok(seal) => seal,
        Err(finding) => return (None, vec![finding]),
    };
    let mut findings = Vec::new();
    let is_of_row = is_at(&seal, row.hour, row.revision)
        && row.link.key == layout::seal(row.hour, row.revision)
        && seal.events == row.events;
    if !is_of_row {
        let message = "its row and its document are not of the same seal";
        findings.push(altered(row, message));
    }
    if seal.previous != row.previous {
        let message = "its row and its document name different seals before it";
        findings.push(broken(row, message));
    }
    (Some(seal), findings)
}

/// Whether a seal is of this hour and revision.
pub(super) fn is_at(seal: &Seal, hour: LogHour, revision: u32) -> bool {
    seal.hour == layout::hour_text(hour) && seal.revision == revision
}

/// How far the clocks of two sealings may be apart.
const MAX_SKEW: time::Duration = time::Duration::MINUTE;

/// What is wrong with the link of a row to the one before it, which is `before`. Only the first names none.
pub(super) fn chained(row: &SealRow, before: Option<&SealRow>, is_first: bool) -> Option<Finding> {
    match (&row.previous, before) {
        (None, _) if is_first => None,
        (None, _) => Some(broken(
            row,
            "it names no seal before it, and is not the first",
        )),
        (Some(_), None) => Some(broken(row, "the seal that it names before it is not there")),
        (Some(link), Some(before)) if *link != before.link => Some(broken(
            row,
            "the seal that it names before it is another now",
        )),
        (Some(_), Some(before)) if before.sealed_at - row.sealed_at > MAX_SKEW => Some(broken(
            row,
            "the seal that it names before it was written later",
        )),
        (Some(_), Some(_)) => None,
    }
}

fn altered(row: &SealRow, message: &str) -> Finding {
    Finding::of(FindingKind::SealAltered, row.hour, message).about(&row.link.key)
}

fn broken(row: &SealRow, message: &str) -> Finding {
    Finding::of(FindingKind::ChainBroken, row.hour, message).about(&row.link.key)
}

/// The manifest that a seal names, if it is what it was.
pub(super) fn named_manifest(
    named: &SealedManifest,
    hour: LogHour,
    bytes: Option<&[u8]>,
) -> Result<Manifest, Finding> {
    match bytes {
        None => {
            let finding = Finding::of(FindingKind::ManifestMissing, hour, "its manifest is gone");
            Err(finding.about(&named.key))
        }
        Some(bytes) if sha256_hex(bytes) != named.sha256 => {
            let message = "its manifest is not the one that was sealed";
            Err(Finding::of(FindingKind::ManifestAltered, hour, message).about(&named.key))
        }
        Some(bytes) => manifest(&named.key, hour, bytes).and_then(|manifest| {
            let message = "its manifest is of another tenant than its seal says";
            match manifest.tenant == named.tenant {
                true => Ok(manifest),
                false => {
                    let finding = Finding::of(FindingKind::ManifestAltered, hour, message);
                    Err(finding.about(&named.key))
                }
            }
        }),
    }
}

/// A manifest, as its bytes are at this key.
pub(super) fn manifest(key: &str, hour: LogHour, bytes: &[u8]) -> Result<Manifest, Finding> {
    let altered = |message: &str| {
        let finding = Finding::of(FindingKind::ManifestAltered, hour, message);
        Err(finding.about(key))
    };
    let Ok(manifest) = Manifest::parse(bytes) else {
        return altered("its manifest cannot be read");
    };
    let place = match ArchiveKey::parse(key) {
        Some(ArchiveKey::Manifest {
            tenant,
            hour: of_key,
            ..
        }) if of_key == hour => tenant,
        _ => return altered("its manifest stands elsewhere"),
    };
    if !is_of(&manifest, &place, hour) {
        return altered("its manifest is of another tenant or hour, or names objects of one");
    }
    Ok(manifest)
}

fn is_of(manifest: &Manifest, tenant: &TenantId, hour: LogHour) -> bool {
    let stands = |object: &ArchivedObject| {
        let key = ArchiveKey::parse(&object.key);
        key.filter(|key| key.tenant() == Some(tenant) && key.hour() == hour)
    };
    let mut events = manifest.objects.iter().map(stands);
    let mut receipts = manifest.receipts.iter().map(stands);
    manifest.tenant == tenant.as_str()
        && manifest.hour == layout::hour_text(hour)
        && events.all(|key| matches!(key, Some(ArchiveKey::Events(_))))
        && receipts.all(|key| matches!(key, Some(ArchiveKey::Receipts(_))))
}

/// What is wrong with the figures of a manifest. A seal that names it says how many events it has.
pub(super) fn figures(
    key: &str,
    hour: LogHour,
    manifest: &Manifest,
    sealed: Option<u64>,
) -> Option<Finding> {
    let events = manifest.events;
    let lines: u64 = manifest.objects.iter().map(|object| object.lines).sum();
    let bytes: u64 = manifest.objects.iter().map(|object| object.bytes).sum();
    let of_types: u64 = manifest.types.values().sum();
    let agree = lines == events
        && of_types == events
        && bytes == manifest.bytes
        && sealed.is_none_or(|sealed| sealed == events);
    let message = "the figures of its manifest, of its objects and of its seal differ";
    (!agree).then(|| Finding::of(FindingKind::ArchiveCount, hour, message).about(key))
}

/// Events that a manifest says could not be archived.
pub(super) fn unreadable(key: &str, hour: LogHour, manifest: &Manifest) -> Option<Finding> {
    let unreadable = &manifest.unreadable;
    let count = u64::try_from(unreadable.len()).unwrap_or(u64::MAX);
    let message = "could not be read when their hour was archived, and are in no object";
    let finding = Finding::of(FindingKind::Unreadable, hour, message).about(key);
    let named = unreadable.iter().filter_map(|id| id.parse().ok());
    let finding = Finding {
        event_count: Some(count),
        ..finding.naming(named)
    };
    (count > 0).then_some(finding)
}
