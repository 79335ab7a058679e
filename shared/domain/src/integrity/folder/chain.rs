//! The seals of a copy: one chain, with one beginning and no forks.

use std::collections::{BTreeMap, BTreeSet};

use super::stock::Stock;
use super::{ArchiveFolder, Report};
use crate::archive::{layout, sha256_hex};
use crate::integrity::documents;
use crate::integrity::finding::{Finding, FindingKind};
use crate::log_hour::{HourRange, LogHour};
use crate::seal::{Seal, SealLink, SealedManifest};

/// The seals that could be read.
#[derive(Debug, Default)]
pub(super) struct Chain {
    seals: BTreeMap<(LogHour, u32), Link>,
    /// Its end, where there is but one.
    pub(super) last: Option<SealLink>,
}

#[derive(Debug)]
struct Link {
    own: SealLink,
    seal: Seal,
}

/// Where a seal is not held by one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// It says that it is the first.
    First,
    /// The one that it names is not in the copy.
    Loose,
}

impl Chain {
    pub(super) fn read<F: ArchiveFolder>(
        folder: &F,
        stock: &Stock,
        report: &mut Report,
    ) -> Result<Self, F::Error> {
        let mut chain = Self::default();
        for ((hour, revision), key) in &stock.seals {
            let Some(bytes) = folder.read(key)? else {
                continue;
            };
            report.counts.seals += 1;
            match read(*hour, *revision, key, &bytes) {
                Ok(link) => {
                    chain.seals.insert((*hour, *revision), link);
                }
                Err(finding) => report.tell(finding),
            }
        }
        chain.tell_figures(report);
        chain.tell_gaps(stock, report);
        chain.tell_links(report);
        Ok(chain)
    }

    /// What seals name of an hour: manifests and, beside each, the events that its seal counts.
    pub(super) fn manifests(&self, hour: LogHour) -> impl Iterator<Item = &SealedManifest> {
        let of_hour = self.seals.range((hour, 0)..=(hour, u32::MAX));
        of_hour.flat_map(|(_, link)| &link.seal.manifests)
    }

    /// The hours that have seals which can be read.
    pub(super) fn hours(&self) -> BTreeSet<LogHour> {
        self.seals.keys().map(|(hour, _)| *hour).collect()
    }

    /// The last hour that has one.
    pub(super) fn last_hour(&self) -> Option<LogHour> {
        self.seals.keys().map(|(hour, _)| *hour).max()
    }

    fn tell_figures(&self, report: &mut Report) {
        for ((hour, _), link) in &self.seals {
            let manifests = link.seal.manifests.iter();
            let events: u64 = manifests.map(|manifest| manifest.events).sum();
            if events != link.seal.events {
                let message = "its seal and the manifests that it names count different events";
                let finding = Finding::of(FindingKind::ArchiveCount, *hour, message);
                report.tell(finding.about(&link.own.key));
            }
        }
    }

    /// Hours and revisions that are left out.
    fn tell_gaps(&self, stock: &Stock, report: &mut Report) {
        let hours: BTreeSet<LogHour> = stock.seals.keys().map(|(hour, _)| *hour).collect();
        let (Some(first), Some(last)) = (hours.first(), hours.last()) else {
            report
                .unchecked
                .push("there are no seals: manifests are held against nothing".to_owned());
            return;
        };
        let range = HourRange {
            first: *first,
            last: *last,
        };
        for hour in range.iter() {
            let of_hour = stock.seals.range((hour, 0)..=(hour, u32::MAX));
            let revisions: Vec<u32> = of_hour.map(|((_, revision), _)| *revision).collect();
            let message = match revisions.last() {
                None => "it has no seal, although hours after it have",
                Some(last) if u32::try_from(revisions.len()) != Ok(last + 1) => {
                    "it was sealed more than once, and one of its seals is gone"
                }
                Some(_) => continue,
            };
            report.tell(Finding::of(FindingKind::SealMissing, hour, message));
        }
    }

    fn tell_links(&mut self, report: &mut Report) {
        let by_key: BTreeMap<&str, &Link> = self
            .seals
            .values()
            .map(|link| (link.own.key.as_str(), link))
            .collect();
        let mut named: BTreeMap<&str, u32> = BTreeMap::new();
        let mut starts = Vec::new();
        for ((hour, _), link) in &self.seals {
            let Some(before) = &link.seal.previous else {
                starts.push((*hour, link, Start::First));
                continue;
            };
            match by_key.get(before.key.as_str()) {
                None => starts.push((*hour, link, Start::Loose)),
                Some(there) => {
                    *named.entry(before.key.as_str()).or_default() += 1;
                    report.findings.extend(differing(*hour, before, there));
                }
            }
        }
        tell_forks(&by_key, &named, report);
        tell_starts(&starts, self.seals.is_empty(), report);
        let mut ends = by_key.iter().filter(|(key, _)| !named.contains_key(*key));
        let last = ends.next().map(|(_, link)| link.own.clone());
        self.last = last.filter(|_| ends.next().is_none());
    }
}

fn read(hour: LogHour, revision: u32, key: &str, bytes: &[u8]) -> Result<Link, Finding> {
    let altered = |message: &str| Finding::of(FindingKind::SealAltered, hour, message).about(key);
    let seal: Seal = serde_json::from_slice(bytes).map_err(|_| altered("it cannot be read"))?;
    if !documents::is_at(&seal, hour, revision) {
        return Err(altered(
            "it is the seal of another hour, or of another time",
        ));
    }
    let own = SealLink {
        key: layout::seal(hour, revision),
        sha256: sha256_hex(bytes),
    };
    Ok(Link { own, seal })
}

/// A seal that is another than the one that the next one names.
fn differing(hour: LogHour, before: &SealLink, there: &Link) -> Option<Finding> {
    let message = "the seal that it names before it is another now";
    (*before != there.own)
        .then(|| Finding::of(FindingKind::ChainBroken, hour, message).about(&before.key))
}

fn tell_forks(by_key: &BTreeMap<&str, &Link>, named: &BTreeMap<&str, u32>, report: &mut Report) {
    for (key, count) in named {
        if *count > 1 && by_key.contains_key(key) {
            let message = format!("{count} seals name it as the one before them");
            let finding = Finding::without_hour(FindingKind::ChainBroken, message);
            report.tell(finding.about(key));
        }
    }
}

fn tell_starts(starts: &[(LogHour, &Link, Start)], is_empty: bool, report: &mut Report) {
    if starts.is_empty() && !is_empty {
        let message = "the chain has no beginning: its seals name one another in a circle";
        report.tell(Finding::without_hour(FindingKind::ChainBroken, message));
    }
    if let Some((_, link, Start::Loose)) = starts.first() {
        report.unchecked.push(format!(
            "the chain begins with {}: the seals before it are not in this folder",
            link.own.key
        ));
    }
    for (hour, link, start) in starts.iter().skip(1) {
        let message = match start {
            Start::First => "it names no seal before it, and is not the first",
            Start::Loose => "the seal that it names before it is not there",
        };
        let finding = Finding::of(FindingKind::ChainBroken, *hour, message);
        report.tell(finding.about(&link.own.key));
    }
}
