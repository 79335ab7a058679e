//! The seals of a copy: one chain, with one beginning and no forks.
//!
//! A sealing that died between a document and its row may leave a document that no seal ever names, beside the one
//! that is in its place. Such a dead end is told, and is no fork: a fork goes on at both its ends.

use std::collections::{BTreeMap, BTreeSet};

use super::stock::Stock;
use super::{ArchiveFolder, Report};
use crate::archive::{ArchiveKey, layout, sha256_hex};
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
    hour: LogHour,
    own: SealLink,
    seal: Seal,
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
        let links = Links::of(&chain.seals);
        links.tell_differing(report);
        links.tell_forks(report);
        links.tell_starts(report);
        tell_gaps(links.begins_at(), stock, report);
        chain.last = links.end();
        Ok(chain)
    }

    /// The manifests that seals of an hour name.
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
        for link in self.seals.values() {
            let manifests = link.seal.manifests.iter();
            let events: u64 = manifests.map(|manifest| manifest.events).sum();
            if events != link.seal.events {
                let message = "its seal and the manifests that it names count different events";
                let finding = Finding::of(FindingKind::ArchiveCount, link.hour, message);
                report.tell(finding.about(&link.own.key));
            }
        }
    }
}

fn read(hour: LogHour, revision: u32, key: &str, bytes: &[u8]) -> Result<Link, Finding> {
    let altered = |message: &str| Finding::of(FindingKind::SealAltered, hour, message).about(key);
    let seal = Seal::parse(bytes).map_err(|_| altered("it cannot be read"))?;
    if !documents::is_at(&seal, hour, revision) {
        return Err(altered(
            "it is the seal of another hour, or of another time",
        ));
    }
    let own = SealLink {
        key: layout::seal(hour, revision),
        sha256: sha256_hex(bytes),
    };
    Ok(Link { hour, own, seal })
}

/// Who names whom.
struct Links<'a> {
    seals: &'a BTreeMap<(LogHour, u32), Link>,
    by_key: BTreeMap<&'a str, &'a Link>,
    /// The seals that name this one as the one before them.
    after: BTreeMap<&'a str, Vec<&'a Link>>,
    /// The seals that have none before them in the copy.
    starts: Vec<&'a Link>,
}

impl<'a> Links<'a> {
    fn of(seals: &'a BTreeMap<(LogHour, u32), Link>) -> Self {
        let of_key = |link: &'a Link| (link.own.key.as_str(), link);
        let mut links = Self {
            by_key: seals.values().map(of_key).collect(),
            after: BTreeMap::new(),
            starts: vec![],
            seals,
        };
        for link in seals.values() {
            let before = link.seal.previous.as_ref();
            match before.filter(|before| links.by_key.contains_key(before.key.as_str())) {
                Some(before) => links.after.entry(&before.key).or_default().push(link),
                None => links.starts.push(link),
            }
        }
        links
    }

    fn is_end(&self, link: &Link) -> bool {
        !self.after.contains_key(link.own.key.as_str())
    }

    /// Seals that are another than the one that a later seal names.
    fn tell_differing(&self, report: &mut Report) {
        for link in self.seals.values() {
            let Some(before) = &link.seal.previous else {
                continue;
            };
            let there = self.by_key.get(before.key.as_str());
            if there.is_some_and(|there| there.own != *before) {
                let message = "the seal that it names before it is another now";
                let finding = Finding::of(FindingKind::ChainBroken, link.hour, message);
                report.tell(finding.about(&before.key));
            }
        }
    }

    fn tell_forks(&self, report: &mut Report) {
        let mut dead_ends = 0;
        for (key, after) in self.after.iter().filter(|(_, after)| after.len() > 1) {
            let ends = after.iter().filter(|link| self.is_end(link)).count();
            let going_on = after.len() - ends;
            if going_on > 1 {
                let message = format!("{going_on} chains go on after it");
                let finding = Finding::without_hour(FindingKind::ChainBroken, message);
                report.tell(finding.about(key));
            }
            // Where none goes on, one of them may be the end.
            dead_ends += ends - usize::from(going_on == 0);
        }
        report.note(
            dead_ends,
            "seals that no other names, and that are not the end: left by a sealing that died",
        );
    }

    fn tell_starts(&self, report: &mut Report) {
        if self.starts.is_empty() && !self.seals.is_empty() {
            let message = "the chain has no beginning: its seals name one another in a circle";
            report.tell(Finding::without_hour(FindingKind::ChainBroken, message));
        }
        let begin = self.begin().map(|begin| &begin.own.key);
        let mut cut = 0;
        for link in &self.starts {
            let message = match &link.seal.previous {
                None if Some(&link.own.key) == begin => continue,
                None => "it names no seal before it, and is not the first",
                Some(before) if self.is_before_the_copy(before) => {
                    cut += 1;
                    continue;
                }
                Some(_) => "the seal that it names before it is not there",
            };
            let finding = Finding::of(FindingKind::ChainBroken, link.hour, message);
            report.tell(finding.about(&link.own.key));
        }
        report.note(
            cut,
            "seals whose ones before them are of earlier hours than this folder has",
        );
    }

    /// Whether a seal is of an hour before all those in the copy, which then is one of later hours.
    fn is_before_the_copy(&self, link: &SealLink) -> bool {
        let hour = ArchiveKey::parse(&link.key).map(|key| key.hour());
        let first = self.seals.keys().next().map(|(first, _)| *first);
        hour.zip(first).is_some_and(|(hour, first)| hour < first)
    }

    /// The seal that says that it is the first.
    fn begin(&self) -> Option<&'a Link> {
        let mut first = self.starts.iter().copied();
        first.find(|link| link.seal.previous.is_none())
    }

    /// The hour from which on each has to have a seal: seals of hours before are of what came late.
    fn begins_at(&self) -> Option<LogHour> {
        let begin = self.begin().or(self.starts.first().copied());
        begin.map(|begin| begin.hour)
    }

    fn end(&self) -> Option<SealLink> {
        let mut ends = self.seals.values().filter(|link| {
            let before = link.seal.previous.as_ref();
            let beside = before.and_then(|before| self.after.get(before.key.as_str()));
            let is_dead = beside.is_some_and(|beside| beside.iter().any(|it| !self.is_end(it)));
            self.is_end(link) && !is_dead
        });
        let end = ends.next().map(|end| end.own.clone());
        end.filter(|_| ends.next().is_none())
    }
}

/// Hours and revisions that are left out.
fn tell_gaps(first: Option<LogHour>, stock: &Stock, report: &mut Report) {
    let last = stock.seals.keys().next_back().map(|(hour, _)| *hour);
    let (Some(first), Some(last)) = (first, last) else {
        if stock.seals.is_empty() {
            let note = "there are no seals: manifests are held against nothing";
            report.unchecked.push(note.to_owned());
        }
        return;
    };
    for hour in (HourRange { first, last }).iter() {
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
