//! The archive's side of an hour: the objects that its manifest names, read as slices come to them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::contents::{Contents, Lines, inspect};
use super::finding::{Finding, FindingKind, Findings};
use crate::archive::{ArchiveReader, ArchivedObject, Manifest};
use crate::event_id::EventId;
use crate::log_hour::{IdRange, LogHour, Order, Position};
use crate::store_error::StoreError;

/// An archived hour of a tenant, as far as it was read.
pub(super) struct ArchivedHour {
    hour: LogHour,
    objects: Vec<Placed>,
    /// Ids of events that could not be archived.
    unreadable: BTreeSet<EventId>,
    read: HashMap<String, Contents>,
}

/// An object, and the ids that its manifest says it has.
#[derive(Clone, Debug)]
struct Placed {
    object: ArchivedObject,
    what: Lines,
    ids: IdRange,
}

impl ArchivedHour {
    /// What a manifest that can be trusted says of the hour.
    pub(super) fn of(hour: LogHour, manifest: Manifest) -> Self {
        let events = manifest.objects.into_iter();
        let receipts = manifest.receipts.into_iter();
        let events = events.map(|object| Placed::of(hour, object, Lines::Events));
        let receipts = receipts.map(|object| Placed::of(hour, object, Lines::Receipts));
        let mut objects: Vec<Placed> = events.chain(receipts).collect();
        objects.sort_by_key(|placed| placed.ids.first());
        let unreadable = manifest.unreadable.iter();
        Self {
            hour,
            objects,
            unreadable: unreadable.filter_map(|id| id.parse().ok()).collect(),
            read: HashMap::new(),
        }
    }

    /// How far a slice may go that begins where `ids` do, when so many bytes may be read. None when it may not even
    /// begin; where nothing was read before, it may.
    pub(super) fn reach(&self, ids: IdRange, left: u64, is_fresh: bool) -> Option<IdRange> {
        let mut spent = 0;
        for placed in self.unread(ids) {
            let begins = placed.ids.first() <= ids.first();
            if spent + placed.bytes() > left && !(begins && is_fresh) {
                return match begins {
                    true => None,
                    false => ids.beyond(placed.ids.first(), Order::Newest),
                };
            }
            spent += placed.bytes();
        }
        Some(ids)
    }

    /// Reads what a slice of these ids needs, and returns how many bytes that were.
    pub(super) async fn read<A: ArchiveReader>(
        &mut self,
        archive: &A,
        ids: IdRange,
    ) -> Result<u64, StoreError> {
        let needed: Vec<Placed> = self.unread(ids).cloned().collect();
        self.read_all(archive, needed).await
    }

    /// Reads the receipts of a slice of these ids, too.
    pub(super) async fn read_receipts<A: ArchiveReader>(
        &mut self,
        archive: &A,
        ids: IdRange,
    ) -> Result<u64, StoreError> {
        let of_slice = self.holders(Lines::Receipts, ids);
        let unread = of_slice.filter(|placed| !self.read.contains_key(&placed.object.key));
        let needed: Vec<Placed> = unread.cloned().collect();
        self.read_all(archive, needed).await
    }

    async fn read_all<A: ArchiveReader>(
        &mut self,
        archive: &A,
        needed: Vec<Placed>,
    ) -> Result<u64, StoreError> {
        let mut bytes = 0;
        for placed in needed {
            let stored = archive.object(&placed.object.key).await?;
            let contents = inspect(&placed.object, self.hour, placed.what, stored.as_deref());
            bytes += placed.bytes();
            self.read.insert(placed.object.key, contents);
        }
        Ok(bytes)
    }

    fn unread(&self, ids: IdRange) -> impl Iterator<Item = &Placed> {
        self.objects
            .iter()
            .filter(move |placed| placed.is_needed(ids))
            .filter(|placed| !self.read.contains_key(&placed.object.key))
    }

    /// What is wrong with the objects that begin in this slice, which has been read.
    pub(super) fn tell(&self, ids: IdRange, findings: &mut Findings) {
        let begins = |placed: &&Placed| is_in(ids, placed.ids.first());
        for placed in self.objects.iter().filter(begins) {
            if let Some(contents) = self.read.get(&placed.object.key) {
                findings.extend(contents.findings.iter().cloned());
            }
        }
        let message = "archived in more than one object of their hour";
        let finding = Finding::of(FindingKind::DuplicateEventId, self.hour, message);
        findings.tell_of(finding, self.twice(ids));
    }

    /// Events of a slice that are in more than one object.
    fn twice(&self, ids: IdRange) -> BTreeSet<EventId> {
        let mut holders: BTreeMap<EventId, &str> = BTreeMap::new();
        let mut twice = BTreeSet::new();
        for (key, event_id) in self.events(ids) {
            if *holders.entry(event_id).or_insert(key) != key {
                twice.insert(event_id);
            }
        }
        twice
    }

    /// Objects that may hold lines of a slice.
    fn holders(&self, what: Lines, ids: IdRange) -> impl Iterator<Item = &Placed> {
        self.objects
            .iter()
            .filter(move |placed| placed.what == what && placed.ids.intersection(ids).is_some())
    }

    /// The events of a slice that lines were read of, with the objects that hold them.
    fn held(&self, what: Lines, ids: IdRange) -> impl Iterator<Item = (&str, EventId)> {
        let held = self.holders(what, ids).filter_map(|placed| {
            let contents = self.read.get(&placed.object.key)?;
            Some((placed.object.key.as_str(), contents.ids.as_ref()?))
        });
        held.flat_map(|(key, events)| events.iter().map(move |event_id| (key, *event_id)))
            .filter(move |(_, event_id)| is_in(ids, Position::of(*event_id)))
    }

    /// The archived events of a slice, with the objects that hold them.
    fn events(&self, ids: IdRange) -> impl Iterator<Item = (&str, EventId)> {
        self.held(Lines::Events, ids)
    }

    /// Events of a slice that archived receipts name, as far as they were read.
    pub(super) fn receipted(&self, ids: IdRange) -> BTreeSet<EventId> {
        let held = self.held(Lines::Receipts, ids);
        held.map(|(_, event_id)| event_id).collect()
    }

    /// Events of the log that are not in the archive, and need not be in an object that could not be read.
    pub(super) fn without(&self, ids: IdRange, logged: &BTreeSet<EventId>) -> BTreeSet<EventId> {
        let archived: BTreeSet<EventId> = self.events(ids).map(|(_, event_id)| event_id).collect();
        let blind = self.objects.iter().filter(|placed| {
            let contents = self.read.get(&placed.object.key);
            placed.what == Lines::Events && contents.is_some_and(|read| read.ids.is_none())
        });
        let blind: Vec<IdRange> = blind.map(|placed| placed.ids).collect();
        let is_without = |id: &&EventId| {
            let position = Position::of(**id);
            !archived.contains(id)
                && !self.unreadable.contains(id)
                && !blind.iter().any(|range| is_in(*range, position))
        };
        logged.iter().filter(is_without).copied().collect()
    }

    /// Archived events that are not in the log.
    pub(super) fn beyond(&self, ids: IdRange, logged: &BTreeSet<EventId>) -> BTreeSet<EventId> {
        let archived = self.events(ids).map(|(_, event_id)| event_id);
        archived.filter(|id| !logged.contains(id)).collect()
    }
}

impl Placed {
    /// Where its manifest tells no range within the hour, it may have anything of it.
    fn of(hour: LogHour, object: ArchivedObject, what: Lines) -> Self {
        let all = hour.ids();
        let end = |text: &str| text.parse().ok().map(Position::of);
        let first = end(&object.first_event_id).filter(|first| is_in(all, *first));
        let last = end(&object.last_event_id).filter(|last| is_in(all, *last));
        let ids = first.zip(last).and_then(|(first, last)| {
            let from = all.starting_at(first, Order::Oldest)?;
            from.starting_at(last, Order::Newest)
        });
        Self {
            ids: ids.unwrap_or(all),
            object,
            what,
        }
    }

    /// Whether a slice of these ids cannot do without it. Receipts are only held against their manifest, with the
    /// slice in which they begin.
    fn is_needed(&self, ids: IdRange) -> bool {
        match self.what {
            Lines::Events => self.ids.intersection(ids).is_some(),
            Lines::Receipts => is_in(ids, self.ids.first()),
        }
    }

    fn bytes(&self) -> u64 {
        self.object.bytes.max(self.object.stored_bytes)
    }
}

fn is_in(ids: IdRange, position: Position) -> bool {
    (ids.first()..=ids.last()).contains(&position)
}
