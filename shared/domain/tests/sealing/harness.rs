//! A bus in memory whose hours are sealed, with calls that end in a crash where a test wants it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::Mutex;
use std::time::Duration;

use pillarbox_domain::archive::{Manifest, ObjectLimits, layout, line, sha256_hex};
use pillarbox_domain::event_query::{EventBodies, IndexEntry, IndexPage, IndexQuery, LogIndex};
use pillarbox_domain::log_hour::LogHour;
use pillarbox_domain::log_shard::{LogShard, LogShards};
use pillarbox_domain::publish::{Appended, EventLog};
use pillarbox_domain::receipt::{Bucket, Receipt, ReceiptLedger};
use pillarbox_domain::registry::Tenants;
use pillarbox_domain::seal::{
    Pass, Redispatch, Reopening, Reopenings, Seal, SealLink, SealSettings, Sealer,
};
use pillarbox_domain::tenant_settings::{TenantSettings, TenantSettingsReader};
use pillarbox_domain::{Clock, EventId, LoggedEvent, StoreError, TenantId};
use pillarbox_testkit::builders::{RETENTION, event_with, logged, subscription, tenant};
use pillarbox_testkit::{ManualClock, MemoryArchive, MemoryBus, MemorySeals};
use serde_json::{Value, json};
use time::UtcDateTime;
use time::macros::utc_datetime;

use crate::mortal::{Life, Mortal};

pub const HOUR: Duration = Duration::from_secs(60 * 60);

/// When the first pass is made.
pub const NOW: UtcDateTime = utc_datetime!(2026-11-23 12:30);

/// The first hour that is sealed: it ended 25 and a half hours before.
pub const FIRST: UtcDateTime = utc_datetime!(2026-11-22 10:00);

pub const SETTLE: Duration = Duration::from_secs(10 * 60);

/// The hour so many hours after the first one.
pub fn hour(after: i64) -> LogHour {
    LogHour::at(FIRST + time::Duration::hours(after))
}

/// Everything of which nothing is lost in a crash.
pub struct World {
    pub bus: MemoryBus,
    pub archive: MemoryArchive,
    pub seals: MemorySeals,
    /// What the log answers in the place of some events.
    pub bodies: Mutex<BTreeMap<EventId, Option<LoggedEvent>>>,
    pub shards: BTreeMap<TenantId, LogShards>,
    pub limits: ObjectLimits,
    pub budget: Duration,
    ids: ManualClock,
}

impl Default for World {
    fn default() -> Self {
        let shop = tenant("shop");
        let bus = MemoryBus::with([
            subscription(&shop, "billing", &["order.*"]),
            subscription(&shop, "everything", &["*"]),
        ]);
        let until = NOW - bus.clock.now();
        bus.clock.advance(Duration::try_from(until).unwrap());
        let tenants = [("shop", 4), ("depot", 1), ("empty", 2)];
        let shards = tenants.map(|(name, shards)| (tenant(name), LogShards::new(shards).unwrap()));
        Self {
            bus,
            archive: MemoryArchive::default(),
            seals: MemorySeals::default(),
            bodies: Mutex::default(),
            shards: shards.into(),
            limits: ObjectLimits::default(),
            budget: HOUR,
            ids: ManualClock::at(FIRST),
        }
    }
}

impl World {
    /// One whose objects are cut there.
    pub fn with(limits: ObjectLimits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// An event that was accepted some minutes after the first hour began.
    pub fn event_at(&self, owner: &str, minutes: i64, members: Value) -> LoggedEvent {
        let owner = tenant(owner);
        let mut event = logged(&self.ids, &owner, event_with(members));
        let at = FIRST + time::Duration::minutes(minutes);
        let millis = u64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap();
        let mut bytes = *event.event_id.as_bytes();
        bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
        event.event_id = EventId::from_bytes(bytes).unwrap();
        event.expires_at = event.event_id.accepted_at() + RETENTION;
        let shards = self.shards.get(&owner).copied().unwrap_or_default();
        event.shard = shards.shard_of(event.event_id);
        event
    }

    pub async fn log(&self, event: LoggedEvent) -> LoggedEvent {
        let appended = self.bus.log.append(&event).await.unwrap();
        assert_eq!(appended, Appended::New);
        event
    }

    /// Events that were dispatched: one every two minutes, from so many minutes on.
    pub async fn dispatched(&self, owner: &str, minutes: i64, count: usize) -> Vec<LoggedEvent> {
        let mut events = Vec::new();
        for n in 0..count {
            let at = minutes + 2 * i64::try_from(n).unwrap();
            let kind = ["order.created", "order.paid", "stock.counted"][n % 3];
            let members = json!({
                "id": format!("{minutes}-{n}"),
                "type": kind,
                "data": { "n": n, "text": "pillar ".repeat(n % 7) },
            });
            events.push(self.log(self.event_at(owner, at, members)).await);
        }
        self.bus.dispatch(&events).await;
        events
    }

    /// From now on these events cannot be read.
    pub fn make_unreadable(&self, ids: impl IntoIterator<Item = EventId>) {
        let none = ids.into_iter().map(|id| (id, None));
        self.bodies.lock().unwrap().extend(none);
    }

    pub fn advance(&self, by: Duration) {
        self.bus.clock.advance(by);
    }

    /// Says that something came late.
    pub async fn reopen(&self, owner: &str, hour: LogHour) {
        let reopening = Reopening {
            tenant: tenant(owner),
            hour,
            noted_at: self.bus.clock.now(),
        };
        self.seals.reopen(&reopening).await.unwrap();
    }

    /// A pass that nothing disturbs.
    pub async fn pass(&self) -> Pass {
        let pass = self.pass_of(&Life::default()).await.unwrap();
        assert!(pass.fault.is_none(), "{:?}", pass.fault);
        pass
    }

    /// A pass that lives so long.
    pub async fn pass_of(&self, life: &Life) -> Result<Pass, StoreError> {
        let sealer = Sealer {
            tenants: &Mortal::of(&self.shards, life),
            log: &Mortal::of(self, life),
            receipts: &Mortal::of(&self.bus.receipts, life),
            archive: &Mortal::of(&self.archive, life),
            seals: &Mortal::of(&self.seals, life),
            redispatch: &Mortal::of(&self.bus, life),
            clock: &self.bus.clock,
            settings: SealSettings {
                budget: self.budget,
                settle: SETTLE,
                limits: self.limits,
            },
        };
        sealer.run().await
    }

    /// Everything that manifests which the latest seals name have of a tenant's hour, in their order.
    pub fn archived(&self, owner: &str, hour: LogHour) -> Vec<LoggedEvent> {
        let Some(manifest) = self.manifest(owner, hour) else {
            return vec![];
        };
        let owner = tenant(owner);
        let lines = manifest.objects.iter().flat_map(|object| {
            let text = self.unpacked(&object.key, &object.sha256);
            assert_eq!(text.len() as u64, object.bytes);
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            assert_eq!(lines.len() as u64, object.lines);
            lines
        });
        let events: Vec<LoggedEvent> = lines
            .map(|line| line::read(&owner, line.as_bytes()).unwrap())
            .collect();
        assert_eq!(manifest.events, events.len() as u64);
        assert_eq!(manifest.types.values().sum::<u64>(), manifest.events);
        events
    }

    /// The lines of receipts of a tenant's hour.
    pub fn receipts(&self, owner: &str, hour: LogHour) -> Vec<Value> {
        let manifest = self.manifest(owner, hour);
        let objects = manifest.into_iter().flat_map(|manifest| manifest.receipts);
        let lines = objects.flat_map(|object| {
            let text = self.unpacked(&object.key, &object.sha256);
            let lines: Vec<Value> = text
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect();
            assert_eq!(lines.len() as u64, object.lines);
            lines
        });
        lines.collect()
    }

    /// The manifest that the latest seal of an hour names.
    pub fn manifest(&self, owner: &str, hour: LogHour) -> Option<Manifest> {
        let rows = self.seals.all().into_iter();
        let row = rows.rev().find(|row| row.hour == hour)?;
        let seal = self.seal(&row.link);
        let named = seal.manifests.into_iter().find(|it| it.tenant == owner)?;
        let bytes = &self.archive.objects()[&named.key];
        assert_eq!(sha256_hex(bytes), named.sha256);
        let manifest = Manifest::parse(bytes).unwrap();
        assert_eq!(manifest.events, named.events);
        Some(manifest)
    }

    fn unpacked(&self, key: &str, sha256: &str) -> String {
        let stored = &self.archive.objects()[key];
        assert_eq!(sha256_hex(stored), sha256, "{key}");
        let mut text = String::new();
        let mut frame = zstd::stream::read::Decoder::new(&stored[..]).unwrap();
        frame.read_to_string(&mut text).unwrap();
        text
    }

    fn seal(&self, link: &SealLink) -> Seal {
        let bytes = &self.archive.objects()[&link.key];
        assert_eq!(sha256_hex(bytes), link.sha256, "{}", link.key);
        Seal::parse(bytes).unwrap()
    }

    /// Goes from the end of the chain to its beginning, and returns the keys of its seals in the order in which they
    /// were written. Every row has to be in it.
    pub fn chain(&self) -> Vec<String> {
        let rows = self.seals.all();
        let mut keys = Vec::new();
        let is_last = |link: &SealLink| rows.iter().all(|row| row.previous.as_ref() != Some(link));
        let mut ends = rows
            .iter()
            .map(|row| &row.link)
            .filter(|link| is_last(link));
        let mut link = ends.next().cloned();
        assert_eq!(ends.count(), 0, "the chain has one end");
        while let Some(here) = link {
            let row = rows.iter().find(|row| row.link == here).unwrap();
            let seal = self.seal(&here);
            assert_eq!(here.key, layout::seal(row.hour, row.revision));
            assert_eq!(seal.previous, row.previous);
            assert_eq!(seal.events, row.events);
            let events: u64 = seal.manifests.iter().map(|it| it.events).sum();
            assert_eq!(seal.events, events);
            keys.push(here.key);
            link = row.previous.clone();
        }
        assert_eq!(keys.len(), rows.len(), "every row is in the chain");
        keys.reverse();
        keys
    }

    /// Nothing is in the archive that no seal leads to.
    pub fn assert_all_is_named(&self) {
        let mut named: BTreeSet<String> = self.chain().into_iter().collect();
        for row in self.seals.all() {
            for sealed in self.seal(&row.link).manifests {
                let manifest = Manifest::parse(&self.archive.objects()[&sealed.key]).unwrap();
                let objects = manifest.objects.into_iter().chain(manifest.receipts);
                named.extend(objects.map(|object| object.key));
                named.insert(sealed.key);
            }
        }
        let there: BTreeSet<String> = self.archive.keys().into_iter().collect();
        assert_eq!(there, named);
    }
}

/// As they come back from an archive, which does not keep where they stood and for how long.
pub fn as_archived(events: &[LoggedEvent]) -> Vec<LoggedEvent> {
    let mut events = events.to_vec();
    for event in &mut events {
        event.shard = LogShard::default();
        event.expires_at = UtcDateTime::MAX;
    }
    events.sort_by_key(|event| event.event_id);
    events
}

impl Tenants for Mortal<'_, BTreeMap<TenantId, LogShards>> {
    async fn tenants(
        &self,
        after: Option<&TenantId>,
        limit: usize,
    ) -> Result<Vec<TenantId>, StoreError> {
        let all = self.inner.keys();
        let later = all.filter(|tenant| after.is_none_or(|after| *tenant > after));
        let page = later.take(limit).cloned().collect();
        self.call(async { Ok(page) }).await
    }
}

impl TenantSettingsReader for Mortal<'_, BTreeMap<TenantId, LogShards>> {
    async fn settings(&self, tenant: &TenantId) -> Result<Option<TenantSettings>, StoreError> {
        let settings = self.inner.get(tenant).map(|shards| TenantSettings {
            log_shards: *shards,
            ..TenantSettings::default()
        });
        self.call(async { Ok(settings) }).await
    }
}

impl LogIndex for Mortal<'_, World> {
    async fn page(
        &self,
        tenant: &TenantId,
        query: IndexQuery<'_>,
    ) -> Result<IndexPage, StoreError> {
        // Few enough that pages have next ones.
        let limit = query.limit.min(5);
        let query = IndexQuery { limit, ..query };
        self.call(self.inner.bus.log.page(tenant, query)).await
    }
}

impl EventBodies for Mortal<'_, World> {
    async fn bodies(
        &self,
        tenant: &TenantId,
        entries: &[IndexEntry],
        enough_bytes: usize,
    ) -> Result<Vec<Option<LoggedEvent>>, StoreError> {
        let instead = self.inner.bodies.lock().unwrap().clone();
        let bodies = async {
            // Only a few in one answer.
            let entries = &entries[..entries.len().min(3)];
            let bodies = self.inner.bus.log.bodies(tenant, entries, enough_bytes);
            let bodies = entries.iter().zip(bodies.await?);
            let answers = bodies.map(|(entry, body)| match instead.get(&entry.event_id) {
                Some(instead) => instead.clone(),
                None => body,
            });
            Ok(answers.collect())
        };
        self.call(bodies).await
    }
}

impl<R: ReceiptLedger + Sync> ReceiptLedger for Mortal<'_, R> {
    async fn in_bucket(&self, bucket: Bucket) -> Result<Vec<Receipt>, StoreError> {
        self.call(self.inner.in_bucket(bucket)).await
    }
}

impl Redispatch for Mortal<'_, MemoryBus> {
    async fn redispatch(&self, events: &[LoggedEvent]) -> Result<(), StoreError> {
        let dispatch = async {
            self.inner.dispatch(events).await;
            Ok(())
        };
        self.call(dispatch).await
    }
}
