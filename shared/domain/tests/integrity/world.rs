//! A bus in memory that can be bent where an audit has to notice it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use pillarbox_domain::active_hours::HourMarks;
use pillarbox_domain::archive::{
    ArchiveWriter, ArchivedObject, Manifest, Stored, layout, line, sha256_hex,
};
use pillarbox_domain::event_query::{IndexEntry, IndexPage, IndexPart, IndexQuery, LogIndex};
use pillarbox_domain::integrity::{
    Audit, Auditor, Bounds, Finding, FindingKind, Findings, HourLedger, IntegrityQuery, PATIENCE,
};
use pillarbox_domain::log_hour::{LogHour, Order, Position};
use pillarbox_domain::log_shard::LogShards;
use pillarbox_domain::logged_event::OutboxMode;
use pillarbox_domain::receipt::{HandedOver, Receipts, receipts};
use pillarbox_domain::seal::{Seal, SealHead, SealLink, SealRow, SealStore, SealedManifest};
use pillarbox_domain::{Clock, EventId, LoggedEvent, StoreError, TenantId};
use pillarbox_testkit::builders::{event_with, handed_over, logged, tenant};
use pillarbox_testkit::queried::Shards;
use pillarbox_testkit::{
    ManualClock, MemoryActiveHours, MemoryArchive, MemoryReceipts, MemorySeals,
    MemoryTroubledDeliveries,
};
use serde_json::json;
use time::UtcDateTime;
use time::macros::utc_datetime;

/// Now, in every test.
pub const NOW: UtcDateTime = utc_datetime!(2026-11-23 12:30);

pub struct World {
    pub clock: ManualClock,
    pub index: BentIndex,
    pub marks: MemoryActiveHours,
    pub receipts: MemoryReceipts,
    pub rows: MemoryTroubledDeliveries,
    pub seals: MemorySeals,
    pub archive: MemoryArchive,
    pub shards: u64,
    pub bounds: Bounds,
    /// Lines of an object, at the most.
    pub object_lines: usize,
    ids: Mutex<u64>,
    events: Mutex<Vec<LoggedEvent>>,
}

/// The entries of indexes, each where it was put: right or wrong.
#[derive(Default)]
pub struct BentIndex {
    entries: Mutex<Vec<(TenantId, IndexPart, IndexEntry)>>,
    /// Those that cannot be read.
    unreadable: Mutex<BTreeSet<EventId>>,
    /// Whether they come in the order in which they were put there.
    unsorted: Mutex<bool>,
}

impl BentIndex {
    pub fn put(&self, owner: &TenantId, part: IndexPart, entry: IndexEntry) {
        let mut entries = self.entries.lock().unwrap();
        entries.push((owner.clone(), part, entry));
    }

    pub fn remove(&self, event_id: EventId) {
        let mut entries = self.entries.lock().unwrap();
        entries.retain(|(_, _, entry)| entry.event_id != event_id);
    }

    pub fn make_unreadable(&self, event_id: EventId) {
        self.unreadable.lock().unwrap().insert(event_id);
    }

    pub fn mix_up(&self) {
        *self.unsorted.lock().unwrap() = true;
    }
}

impl LogIndex for BentIndex {
    async fn page(&self, owner: &TenantId, query: IndexQuery<'_>) -> Result<IndexPage, StoreError> {
        assert_eq!(query.order, Order::Oldest);
        let range = query.range;
        let entries = self.entries.lock().unwrap();
        let found = entries.iter().filter(|(of, part, entry)| {
            let position = Position::of(entry.event_id);
            let is_in = (range.first()..=range.last()).contains(&position);
            of == owner && part == query.part && is_in
        });
        let mut found: Vec<IndexEntry> = found.map(|(_, _, entry)| entry.clone()).collect();
        if !*self.unsorted.lock().unwrap() {
            found.sort_by_key(|entry| entry.event_id);
        }
        let is_cut = found.len() > query.limit;
        found.truncate(query.limit);
        let last = found.last().filter(|_| is_cut).map(|entry| entry.event_id);
        let unreadable = self.unreadable.lock().unwrap();
        Ok(IndexPage {
            examined: found.len(),
            rest: last.and_then(|last| range.beyond(Position::of(last), Order::Oldest)),
            entries: found
                .into_iter()
                .filter(|entry| !unreadable.contains(&entry.event_id))
                .collect(),
        })
    }
}

/// All pages of an audit together.
#[derive(Debug, PartialEq)]
pub struct Whole {
    pub hours: Vec<HourLedger>,
    pub findings: Vec<Finding>,
    pub pages: usize,
}

impl Whole {
    pub fn kinds(&self) -> Vec<FindingKind> {
        self.findings.iter().map(|finding| finding.kind).collect()
    }

    /// The only finding.
    pub fn only(&self) -> &Finding {
        assert_eq!(self.findings.len(), 1, "{:#?}", self.findings);
        &self.findings[0]
    }

    pub fn hour(&self, at: UtcDateTime) -> &HourLedger {
        let hour = LogHour::at(at);
        self.hours.iter().find(|row| row.hour == hour).unwrap()
    }
}

impl Default for World {
    fn default() -> Self {
        Self {
            clock: ManualClock::at(NOW),
            index: BentIndex::default(),
            marks: MemoryActiveHours::default(),
            receipts: MemoryReceipts::default(),
            rows: MemoryTroubledDeliveries::default(),
            seals: MemorySeals::default(),
            archive: MemoryArchive::default(),
            shards: 1,
            bounds: Bounds::default(),
            object_lines: 2,
            ids: Mutex::default(),
            events: Mutex::default(),
        }
    }
}

impl World {
    /// An event that was accepted then, in no log.
    pub fn event(&self, owner: &str, at: UtcDateTime, outbox: OutboxMode) -> LoggedEvent {
        let nth = {
            let mut ids = self.ids.lock().unwrap();
            *ids += 1;
            *ids
        };
        let members = json!({ "id": nth.to_string(), "data": { "nth": nth } });
        let mut event = logged(&self.clock, &tenant(owner), event_with(members));
        let millis = u64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap();
        let mut bytes = *event.event_id.as_bytes();
        bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
        bytes[8..].copy_from_slice(&(0x8000_0000_0000_0000 | nth).to_be_bytes());
        event.event_id = EventId::from_bytes(bytes).unwrap();
        event.shard = LogShards::new(self.shards)
            .unwrap()
            .shard_of(event.event_id);
        event.outbox = outbox;
        event
    }

    /// Puts an event into the log, where it belongs.
    pub async fn log(&self, event: &LoggedEvent) {
        let part = IndexPart::Hour(LogHour::of(event.event_id), event.shard);
        self.index.put(&event.tenant, part, entry(event));
        self.events.lock().unwrap().push(event.clone());
    }

    /// Writes down that events were handed over then.
    pub async fn receipt(&self, events: &[&LoggedEvent], at: UtcDateTime) {
        let done: Vec<HandedOver> = events
            .iter()
            .map(|event| handed_over(event, &["orders"]))
            .collect();
        for event in events {
            self.mark(event).await;
        }
        let expires_at = NOW + time::Duration::days(90);
        for receipt in receipts(&done, self.clock.next_id(), at, expires_at) {
            self.receipts.put(&receipt).await.unwrap();
        }
    }

    pub async fn mark(&self, event: &LoggedEvent) {
        let hours = [LogHour::of(event.event_id)].into();
        self.marks.mark(&event.tenant, &hours).await.unwrap();
    }

    /// An event as it is when all went well.
    pub async fn delivered(&self, owner: &str, at: UtcDateTime) -> LoggedEvent {
        let event = self.event(owner, at, OutboxMode::Dispatch);
        self.log(&event).await;
        self.receipt(&[&event], at + time::Duration::milliseconds(40))
            .await;
        event
    }

    /// An event that nobody was to be told of.
    pub async fn only_logged(&self, owner: &str, at: UtcDateTime) -> LoggedEvent {
        let event = self.event(owner, at, OutboxMode::None);
        self.log(&event).await;
        self.mark(&event).await;
        event
    }

    /// Seals every hour from one to before another, with all that was logged until now.
    pub async fn seal(&self, first: UtcDateTime, end: UtcDateTime) {
        let mut hour = LogHour::at(first);
        self.seals.begin(hour).await.unwrap();
        while hour < LogHour::at(end) {
            self.seal_hour(hour, 0).await;
            hour = LogHour::at(hour.end());
        }
    }

    pub async fn seal_hour(&self, hour: LogHour, revision: u32) {
        let events = self.events.lock().unwrap().clone();
        let mut of_tenants: BTreeMap<TenantId, Vec<LoggedEvent>> = BTreeMap::new();
        for event in events {
            if LogHour::of(event.event_id) == hour {
                of_tenants
                    .entry(event.tenant.clone())
                    .or_default()
                    .push(event);
            }
        }
        let mut manifests = Vec::new();
        for (tenant, mut events) in of_tenants {
            events.sort_by_key(|event| event.event_id);
            let manifest = self.archive_hour(&tenant, hour, revision, &events).await;
            manifests.push(manifest);
        }
        self.append(hour, revision, manifests).await;
    }

    async fn archive_hour(
        &self,
        tenant: &TenantId,
        hour: LogHour,
        revision: u32,
        events: &[LoggedEvent],
    ) -> SealedManifest {
        let mut objects = Vec::new();
        for (part, events) in events.chunks(self.object_lines).enumerate() {
            let key = layout::events(tenant, hour, revision, part.try_into().unwrap());
            objects.push(self.archive_events(key, events).await);
        }
        let count = events.len().try_into().unwrap();
        let manifest = Manifest {
            format: 1,
            tenant: tenant.to_string(),
            hour: layout::hour_text(hour),
            revision,
            events: count,
            bytes: objects.iter().map(|object| object.bytes).sum(),
            types: [("order.created".to_owned(), count)].into(),
            objects,
            receipts: vec![self.archive_receipts(tenant, hour, revision, events).await],
            unreadable: vec![],
        };
        let key = layout::manifest(tenant, hour, revision);
        let sha256 = self.put(&key, serde_json::to_vec(&manifest).unwrap()).await;
        SealedManifest {
            tenant: tenant.to_string(),
            key,
            sha256,
            events: count,
        }
    }

    async fn archive_events(&self, key: String, events: &[LoggedEvent]) -> ArchivedObject {
        let lines: String = events
            .iter()
            .map(|event| line::write(event) + "\n")
            .collect();
        self.store(key, &lines, events).await
    }

    async fn archive_receipts(
        &self,
        tenant: &TenantId,
        hour: LogHour,
        revision: u32,
        events: &[LoggedEvent],
    ) -> ArchivedObject {
        let line = |event: &LoggedEvent| format!("{{\"event_id\":\"{}\"}}\n", event.event_id);
        let lines: String = events.iter().map(line).collect();
        let key = layout::receipts(tenant, hour, revision, 0);
        self.store(key, &lines, events).await
    }

    async fn store(&self, key: String, lines: &str, events: &[LoggedEvent]) -> ArchivedObject {
        let stored = zstd::bulk::compress(lines.as_bytes(), 3).unwrap();
        let stored_bytes = stored.len().try_into().unwrap();
        let sha256 = self.put(&key, stored).await;
        ArchivedObject {
            key,
            lines: events.len().try_into().unwrap(),
            bytes: lines.len().try_into().unwrap(),
            stored_bytes,
            sha256,
            first_event_id: events[0].event_id.to_string(),
            last_event_id: events[events.len() - 1].event_id.to_string(),
        }
    }

    /// Puts a new object there, and returns its SHA-256.
    pub async fn put(&self, key: &str, bytes: Vec<u8>) -> String {
        assert_eq!(self.archive.put(key, &bytes).await.unwrap(), Stored::New);
        sha256_hex(&bytes)
    }

    async fn append(&self, hour: LogHour, revision: u32, manifests: Vec<SealedManifest>) {
        let seen = self.seals.head().await.unwrap();
        let previous = seen.as_ref().map(|head| head.link.clone());
        let seal = Seal {
            format: 1,
            hour: layout::hour_text(hour),
            revision,
            sealed_at: layout::hour_text(LogHour::at(NOW)),
            previous: previous.clone(),
            events: manifests.iter().map(|manifest| manifest.events).sum(),
            manifests,
        };
        let key = layout::seal(hour, revision);
        let sha256 = self.put(&key, serde_json::to_vec(&seal).unwrap()).await;
        let link = SealLink { key, sha256 };
        let after = LogHour::at(hour.end());
        let sealed_before = seen
            .as_ref()
            .map_or(after, |seen| seen.sealed_before.max(after));
        let row = SealRow {
            hour,
            revision,
            link: link.clone(),
            previous,
            events: seal.events,
            sealed_at: NOW,
        };
        let head = SealHead {
            link,
            sealed_before,
        };
        let appended = self.seals.append(&row, seen.as_ref(), &head).await;
        assert!(appended.unwrap());
    }

    pub fn query(&self, owner: &str, parameters: &[(&str, &str)]) -> IntegrityQuery {
        let parameters = parameters.iter();
        let parameters: Vec<(String, String)> = parameters
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        IntegrityQuery::parse(&tenant(owner), &parameters, self.clock.now()).unwrap()
    }

    pub async fn page(&self, owner: &str, query: &IntegrityQuery) -> Audit {
        let auditor = Auditor {
            settings: &Shards::of(self.shards),
            index: &self.index,
            marks: &self.marks,
            receipts: &self.receipts,
            trouble: &self.rows,
            seals: &self.seals,
            archive: &self.archive,
            now: self.clock.now(),
            bounds: self.bounds,
            patience: PATIENCE,
        };
        auditor.audit(&tenant(owner), query).await.unwrap()
    }

    /// All pages of an audit of the last days.
    pub async fn audit(&self, owner: &str) -> Whole {
        self.audit_from(owner, "2026-11-20T00:00:00Z").await
    }

    pub async fn audit_from(&self, owner: &str, from: &str) -> Whole {
        let mut hours: BTreeMap<LogHour, HourLedger> = BTreeMap::new();
        let mut findings = Findings::default();
        let mut cursor: Option<String> = None;
        for pages in 1..10_000 {
            let mut parameters = vec![("from", from)];
            if let Some(cursor) = &cursor {
                parameters.push(("cursor", cursor));
            }
            let query = self.query(owner, &parameters);
            let page = self.page(owner, &query).await;
            findings.extend(page.findings);
            for row in page.hours {
                match hours.get_mut(&row.hour) {
                    Some(begun) => begun.counts += row.counts,
                    None => {
                        hours.insert(row.hour, row);
                    }
                }
            }
            let Some(next) = page.next_cursor else {
                return Whole {
                    hours: hours.into_values().collect(),
                    findings: findings.into_vec(),
                    pages,
                };
            };
            assert_ne!(Some(&next), cursor.as_ref(), "it does not get on");
            cursor = Some(next);
        }
        panic!("it does not come to an end");
    }
}

/// What an index has of an event.
pub fn entry(event: &LoggedEvent) -> IndexEntry {
    IndexEntry {
        event_id: event.event_id,
        source: event.event.source().to_owned(),
        id: event.event.id().to_owned(),
        event_type: event.event.event_type().to_owned(),
        outbox: event.outbox,
    }
}

/// A day of two tenants in which all went well: ten sealed hours, and a few that are not yet.
pub async fn a_good_day() -> (World, GoodDay) {
    let world = World::default();
    let mut sealed = Vec::new();
    for minute in [1, 2, 30, 58, 59] {
        let at = utc_datetime!(2026-11-22 3:00) + time::Duration::minutes(minute);
        sealed.push(world.delivered("demo", at).await);
        world.delivered("other", at).await;
    }
    let logged_only = world
        .only_logged("demo", utc_datetime!(2026-11-22 5:20))
        .await;
    world
        .delivered("other", utc_datetime!(2026-11-22 6:00))
        .await;
    world
        .seal(
            utc_datetime!(2026-11-22 0:00),
            utc_datetime!(2026-11-22 10:00),
        )
        .await;
    let recent = world
        .delivered("demo", utc_datetime!(2026-11-23 11:10))
        .await;
    world
        .delivered("other", utc_datetime!(2026-11-23 11:10))
        .await;
    // Dispatch is on its way to it.
    let pending = world.event(
        "demo",
        utc_datetime!(2026-11-23 12:29),
        OutboxMode::Dispatch,
    );
    world.log(&pending).await;
    (
        world,
        GoodDay {
            sealed,
            logged_only,
            recent,
            pending,
        },
    )
}

/// The events of `demo` in [`a_good_day`].
pub struct GoodDay {
    pub sealed: Vec<LoggedEvent>,
    pub logged_only: LoggedEvent,
    pub recent: LoggedEvent,
    pub pending: LoggedEvent,
}
