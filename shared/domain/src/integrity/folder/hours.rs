//! The hours of tenants in a copy: manifests that seals name, and the objects that manifests name.

use std::collections::{BTreeMap, BTreeSet};

use super::chain::Chain;
use super::stock::{Place, Stock};
use super::{ArchiveFolder, Report};
use crate::archive::{ArchivedObject, Manifest};
use crate::event_id::EventId;
use crate::integrity::contents::{Lines, inspect};
use crate::integrity::documents;
use crate::integrity::finding::{Finding, FindingKind};
use crate::log_hour::LogHour;
use crate::seal::SealedManifest;
use crate::tenant::TenantId;

/// All of them, while they are being verified.
pub(super) struct Hours<'a> {
    stock: &'a Stock,
    chain: &'a Chain,
    sealed: BTreeSet<LogHour>,
    /// Keys of objects that a manifest names.
    named: BTreeSet<String>,
    /// Hours of tenants of which a manifest is gone or is not what it was: what it named is not known.
    blind: BTreeSet<Place>,
    /// Manifests of tenants that are not in the copy.
    absent: usize,
    /// Manifests and objects that may have been written since the last seal.
    unsealed: usize,
}

impl<'a> Hours<'a> {
    pub(super) fn new(stock: &'a Stock, chain: &'a Chain) -> Self {
        Self {
            stock,
            chain,
            sealed: chain.hours(),
            named: BTreeSet::new(),
            blind: BTreeSet::new(),
            absent: 0,
            unsealed: 0,
        }
    }

    pub(super) fn verify<F: ArchiveFolder>(
        &mut self,
        folder: &F,
        report: &mut Report,
    ) -> Result<(), F::Error> {
        let places = self.stock.manifests.keys().cloned();
        let mut places: BTreeSet<Place> = places.collect();
        for hour in &self.sealed {
            for manifest in self.chain.manifests(*hour) {
                match manifest.tenant.parse::<TenantId>() {
                    Ok(tenant) if self.stock.described.contains(&tenant) => {
                        places.insert((*hour, tenant));
                    }
                    _ => self.absent += 1,
                }
            }
        }
        for place in places {
            self.hour(folder, &place, report)?;
        }
        report.note(
            self.absent,
            "sealed manifests of tenants that are not in this folder",
        );
        Ok(())
    }

    /// Verifies an hour of a tenant.
    fn hour<F: ArchiveFolder>(
        &mut self,
        folder: &F,
        place: &Place,
        report: &mut Report,
    ) -> Result<(), F::Error> {
        let manifests = self.manifests(folder, place, report)?;
        let mut objects: Vec<(&ArchivedObject, Lines)> = Vec::new();
        for manifest in manifests.values() {
            let events = manifest.objects.iter().map(|it| (it, Lines::Events));
            let receipts = manifest.receipts.iter().map(|it| (it, Lines::Receipts));
            for object in events.chain(receipts) {
                if !objects.contains(&object) {
                    objects.push(object);
                }
            }
        }
        let latest = manifests.values().next_back();
        let mut held = Held::default();
        for (object, what) in objects {
            self.named.insert(object.key.clone());
            let stored = folder.read(&object.key)?;
            let contents = inspect(object, place.0, what, stored.as_deref());
            report.counts.objects += u64::from(stored.is_some());
            report.counts.stored_bytes += stored.map_or(0, |bytes| count(bytes.len()));
            report.findings.extend(contents.findings);
            if what == Lines::Events {
                held.take(&object.key, contents.ids, contents.types);
            }
        }
        report.counts.events += count(held.ids.len());
        held.tell(place.0, latest, report);
        Ok(())
    }

    /// The manifests of an hour that are what they were, by revision.
    fn manifests<F: ArchiveFolder>(
        &mut self,
        folder: &F,
        place: &Place,
        report: &mut Report,
    ) -> Result<BTreeMap<u32, Manifest>, F::Error> {
        let (hour, tenant) = place;
        let mut named: BTreeMap<&str, &SealedManifest> = BTreeMap::new();
        let of_tenant = self.chain.manifests(*hour);
        for manifest in of_tenant.filter(|manifest| manifest.tenant == tenant.as_str()) {
            named.insert(&manifest.key, manifest);
        }
        let there = self.stock.manifests.get(place);
        let there: Vec<&String> = there.into_iter().flat_map(BTreeMap::values).collect();
        let keys: BTreeSet<&str> = named
            .keys()
            .copied()
            .chain(there.iter().map(|key| key.as_str()))
            .collect();
        let mut manifests = BTreeMap::new();
        for key in keys {
            let bytes = folder.read(key)?;
            report.counts.manifests += u64::from(bytes.is_some());
            let sealed = named.get(key).copied();
            let read = match (sealed, &bytes) {
                (Some(sealed), _) => documents::named_manifest(sealed, *hour, bytes.as_deref()),
                (None, Some(bytes)) => documents::manifest(key, *hour, bytes),
                (None, None) => continue,
            };
            match read {
                Ok(manifest) => {
                    let events = sealed.map(|sealed| sealed.events);
                    let findings = &mut report.findings;
                    findings.extend(documents::figures(key, *hour, &manifest, events));
                    findings.extend(documents::unreadable(key, *hour, &manifest));
                    manifests.insert(manifest.revision, manifest);
                }
                Err(finding) => {
                    self.blind.insert(place.clone());
                    report.tell(finding);
                }
            }
        }
        self.count_unsealed(place, &named);
        Ok(manifests)
    }

    /// Manifests that no seal names: the latest may be waiting for theirs, and who sealed after a sealing that died may
    /// have gone on from its manifest to another.
    fn count_unsealed(&mut self, place: &Place, named: &BTreeMap<&str, &SealedManifest>) {
        let there = self.stock.manifests.get(place);
        let keys = there.into_iter().flat_map(BTreeMap::values);
        if self.chain.last_hour().is_some() {
            self.unsealed += keys.filter(|key| !named.contains_key(key.as_str())).count();
        }
    }

    /// Objects that no manifest names.
    pub(super) fn tell_unnamed(&mut self, report: &mut Report) {
        let mut undescribed = 0;
        let mut blind = 0;
        for (place, objects) in &self.stock.objects {
            let manifests = self.stock.manifests.get(place);
            let latest = manifests.and_then(|it| it.keys().next_back());
            for (key, revision) in objects.iter().filter(|(key, _)| !self.named.contains(*key)) {
                if !self.stock.described.contains(&place.1) {
                    undescribed += 1;
                } else if self.blind.contains(place) {
                    blind += 1;
                } else if self.may_be_under_way(place.0, *revision, latest.copied()) {
                    self.unsealed += 1;
                } else {
                    let message = "an object that no manifest names";
                    let finding = Finding::of(FindingKind::ObjectUnnamed, place.0, message);
                    report.tell(finding.about(key));
                }
            }
        }
        report.note(
            undescribed,
            "objects of tenants whose manifests are not in this folder",
        );
        report.note(blind, "objects of hours whose manifest is gone or altered");
        report.note(
            self.unsealed,
            "manifests and objects that no seal leads to: it is yet to come, or its sealing died and another went on",
        );
    }

    /// Whether an object may belong to a manifest that is not written yet: of an hour after the last seal, or of a
    /// revision after the last manifest.
    fn may_be_under_way(&self, hour: LogHour, revision: u32, latest: Option<u32>) -> bool {
        match latest {
            Some(latest) => revision > latest,
            None => self.chain.last_hour().is_none_or(|last| hour > last),
        }
    }
}

/// What the objects of an hour hold.
#[derive(Default)]
struct Held {
    ids: BTreeMap<EventId, String>,
    twice: BTreeSet<EventId>,
    types: BTreeMap<String, u64>,
    /// Whether it is not known of one of them.
    is_blind: bool,
}

impl Held {
    fn take(&mut self, key: &str, ids: Option<Vec<EventId>>, types: BTreeMap<String, u64>) {
        let Some(ids) = ids else {
            self.is_blind = true;
            return;
        };
        for event_id in ids {
            let holder = self.ids.entry(event_id).or_insert_with(|| key.to_owned());
            if holder != key {
                self.twice.insert(event_id);
            }
        }
        for (event_type, count) in types {
            *self.types.entry(event_type).or_default() += count;
        }
    }

    fn tell(self, hour: LogHour, latest: Option<&Manifest>, report: &mut Report) {
        let message = "archived in more than one object of their hour";
        let finding = Finding::of(FindingKind::DuplicateEventId, hour, message);
        report.findings.tell_of(finding, self.twice);
        let Some(latest) = latest.filter(|_| !self.is_blind) else {
            return;
        };
        if latest.types != self.types {
            let message = "its manifest counts other events of a type than there are";
            report.tell(Finding::of(FindingKind::ArchiveCount, hour, message));
        }
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
