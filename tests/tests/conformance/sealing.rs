//! A closed hour of a log as the engine has it, archived into memory.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;

use pillarbox_aws::{
    DynamoEventLog, DynamoLogIndex, DynamoReceipts, DynamoRegistry, DynamoReopenings, DynamoSeals,
};
use pillarbox_domain::archive::{ArchiveReader, line};
use pillarbox_domain::log_hour::LogHour;
use pillarbox_domain::log_shard::LogShards;
use pillarbox_domain::publish::{Appended, EventLog};
use pillarbox_domain::receipt::{HandedOver, Receipts, receipts};
use pillarbox_domain::registry::Registry;
use pillarbox_domain::seal::{
    Pass, Redispatch, Reopening, Reopenings, SealSettings, Sealer, Unsealed,
};
use pillarbox_domain::tenant_settings::{SettingsChange, TenantSettingsWriter};
use pillarbox_domain::{Clock, LoggedEvent, StoreError, TenantId};
use pillarbox_testkit::builders::{event_with, handed_over, logged, tenant};
use pillarbox_testkit::{ManualClock, MemoryArchive, MemoryPayloads};
use pillarbox_tests::engine::Engine;
use serde_json::json;

const SHARDS: u64 = 3;

/// Everything that a pass reads and writes; payloads and the archive are in memory.
struct Stores {
    clock: ManualClock,
    registry: DynamoRegistry,
    log: DynamoEventLog<MemoryPayloads, ManualClock>,
    index: DynamoLogIndex<MemoryPayloads>,
    receipts: Ledger,
    reopenings: DynamoReopenings,
    seals: DynamoSeals,
    archive: MemoryArchive,
}

/// Receipts, and a dispatch that does nothing but write them.
struct Ledger {
    receipts: DynamoReceipts,
    clock: ManualClock,
}

impl Redispatch for Ledger {
    async fn redispatch(&self, events: &[LoggedEvent]) -> Result<(), StoreError> {
        let done = events.iter().map(|event| handed_over(event, &["billing"]));
        let done: Vec<HandedOver> = done.collect();
        let (now, expires_at) = (self.clock.now(), self.clock.now() + 30 * DAY);
        for receipt in receipts(&done, self.clock.next_id(), now, expires_at) {
            self.receipts.put(&receipt).await?;
        }
        Ok(())
    }
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Stores {
    async fn with(tenants: &[&str]) -> Self {
        let engine = Engine::of_process();
        let (clock, payloads) = (ManualClock::default(), MemoryPayloads::default());
        let client = || engine.client.clone();
        let log = engine.table("EventLogTable").await.name;
        let outbox = engine.table("OutboxTable").await.name;
        let registry = engine.table("RegistryTable").await.name;
        let registry = DynamoRegistry::new(client(), registry);
        for name in tenants {
            let change = SettingsChange {
                log_shards: Some(LogShards::new(SHARDS).unwrap()),
                ..SettingsChange::default()
            };
            let owner = tenant(name);
            registry.add_tenant(&owner, None).await.unwrap();
            registry.change_settings(&owner, &change).await.unwrap();
        }
        Self {
            registry,
            log: DynamoEventLog::new(client(), log.clone(), payloads.clone(), clock.clone()),
            index: DynamoLogIndex::new(client(), log, payloads),
            receipts: Ledger {
                receipts: DynamoReceipts::new(client(), outbox.clone()),
                clock: clock.clone(),
            },
            reopenings: DynamoReopenings::new(client(), outbox.clone()),
            seals: DynamoSeals::new(client(), outbox),
            archive: MemoryArchive::default(),
            clock,
        }
    }

    /// Events of some sizes that are accepted now, in every shard.
    async fn append(&self, owner: &str, name: &str, count: usize) -> Vec<LoggedEvent> {
        let mut events = Vec::new();
        for n in 0..count {
            let text = "pillar ".repeat(n % 100 * if n % 40 == 0 { 1_000 } else { 1 });
            let members = json!({ "id": format!("{name}-{n}"), "data": { "n": n, "text": text } });
            let mut event = logged(&self.clock, &tenant(owner), event_with(members));
            event.shard = LogShards::new(SHARDS).unwrap().shard_of(event.event_id);
            events.push(event);
            self.clock.advance(Duration::from_millis(50));
        }
        let appended = self.log.append_all(&events).await;
        for (event, appended) in events.iter().zip(appended) {
            // On a machine that is busy an answer may be lost.
            let there = [Appended::New, Appended::Same(event.event_id)];
            assert!(there.contains(&appended.unwrap()));
        }
        events
    }

    async fn pass(&self) -> Pass {
        let sealer = Sealer {
            tenants: &self.registry,
            log: &self.index,
            receipts: &self.receipts.receipts,
            archive: &self.archive,
            seals: &self.seals,
            redispatch: &self.receipts,
            clock: &self.clock,
            settings: SealSettings::default(),
        };
        sealer.run().await.unwrap()
    }

    async fn archived(&self, owner: &TenantId, hour: LogHour) -> BTreeMap<String, LoggedEvent> {
        let manifest = self.archive.manifest(owner, hour).await.unwrap().unwrap();
        let mut events = BTreeMap::new();
        for object in manifest.objects {
            let stored = self.archive.object(&object.key).await.unwrap().unwrap();
            let mut text = String::new();
            let mut frame = zstd::stream::read::Decoder::new(&stored[..]).unwrap();
            frame.read_to_string(&mut text).unwrap();
            let lines = text.lines().map(|text| line::read(owner, text.as_bytes()));
            let read = lines.map(Result::unwrap);
            events.extend(read.map(|event| (event.event_id.to_string(), event)));
        }
        assert_eq!(manifest.events, events.len() as u64);
        events
    }
}

#[tokio::test]
async fn an_hour_of_the_log_is_proven_archived_sealed_and_sealed_again() {
    let stores = Stores::with(&["shop", "depot"]).await;
    let shop = tenant("shop");
    let hour = LogHour::at(stores.clock.now());
    let mut events = stores.append("shop", "in-time", 450).await;
    let of_depot = stores.append("depot", "in-time", 20).await;
    stores.receipts.redispatch(&events[..400]).await.unwrap();
    stores.receipts.redispatch(&of_depot).await.unwrap();
    stores
        .clock
        .advance(DAY + Duration::from_secs(2 * 3_600 + 700));

    let pass = stores.pass().await;
    assert_eq!((pass.dispatched, pass.sealed.len()), (50, 0));
    let why = &pass.left[0].why;
    assert!(matches!(why, Unsealed::Unproven { events: 50, .. }));
    let pass = stores.pass().await;
    assert_eq!((pass.events, &pass.sealed[..]), (470, &[hour][..]));
    assert_same(&stores.archived(&shop, hour).await, &events);

    let late = ManualClock::at(hour.start() + Duration::from_secs(3_000));
    for n in 0..3 {
        let event = event_with(json!({ "id": format!("late-{n}") }));
        events.push(logged(&late, &shop, event));
    }
    for event in &events[450..] {
        assert_eq!(stores.log.append(event).await.unwrap(), Appended::New);
    }
    stores.receipts.redispatch(&events[450..]).await.unwrap();
    let reopening = Reopening {
        tenant: shop.clone(),
        hour,
        noted_at: stores.clock.now(),
    };
    stores.reopenings.reopen(&reopening).await.unwrap();
    stores.clock.advance(Duration::from_secs(600));
    let pass = stores.pass().await;
    assert_eq!((pass.events, &pass.resealed[..]), (3, &[hour][..]));
    assert_same(&stores.archived(&shop, hour).await, &events);
    assert!(stores.pass().await.resealed.is_empty());
}

fn assert_same(archived: &BTreeMap<String, LoggedEvent>, events: &[LoggedEvent]) {
    assert_eq!(archived.len(), events.len());
    for event in events {
        let found = &archived[&event.event_id.to_string()];
        assert_eq!(found.event, event.event);
        assert_eq!(found.fingerprint, event.fingerprint);
    }
}
