//! An audit of a log as the engine has it.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use pillarbox_aws::{
    DynamoActiveHours, DynamoEventLog, DynamoLogIndex, DynamoReceipts, DynamoSeals,
    DynamoTroubledDeliveries, encode_event_item, keys,
};
use pillarbox_domain::active_hours::HourMarks;
use pillarbox_domain::dead_letter::Failure;
use pillarbox_domain::integrity::{
    Audit, Auditor, Bounds, Finding, FindingKind, Findings, HourLedger, IntegrityQuery, PATIENCE,
};
use pillarbox_domain::log_hour::LogHour;
use pillarbox_domain::log_shard::LogShards;
use pillarbox_domain::logged_event::OutboxMode;
use pillarbox_domain::publish::EventLog;
use pillarbox_domain::receipt::{HandedOver, Receipts, receipts};
use pillarbox_domain::trouble::{Attempt, TroubleStatus, TroubledDeliveries, TroubledDelivery};
use pillarbox_domain::{Clock, LoggedEvent, TenantId};
use pillarbox_testkit::builders::{event_with, handed_over, logged, tenant};
use pillarbox_testkit::queried::Shards;
use pillarbox_testkit::{ManualClock, MemoryArchive, MemoryPayloads};
use pillarbox_tests::engine::Engine;
use serde_json::json;

const SHARDS: u64 = 3;

/// What an audit reads; payloads and the archive are in memory.
struct Stores {
    clock: ManualClock,
    client: Client,
    log_table: String,
    log: DynamoEventLog<MemoryPayloads, ManualClock>,
    index: DynamoLogIndex<MemoryPayloads>,
    marks: DynamoActiveHours,
    receipts: DynamoReceipts,
    rows: DynamoTroubledDeliveries,
    seals: DynamoSeals,
    archive: MemoryArchive,
}

impl Stores {
    async fn new() -> Self {
        let engine = Engine::of_process();
        let (clock, payloads) = (ManualClock::default(), MemoryPayloads::default());
        let client = || engine.client.clone();
        let log = engine.table("EventLogTable").await.name;
        let outbox = engine.table("OutboxTable").await.name;
        Self {
            log: DynamoEventLog::new(client(), log.clone(), payloads.clone(), clock.clone()),
            index: DynamoLogIndex::new(client(), log.clone(), payloads),
            marks: DynamoActiveHours::new(client(), outbox.clone()),
            receipts: DynamoReceipts::new(client(), outbox.clone()),
            rows: DynamoTroubledDeliveries::new(client(), outbox.clone()),
            seals: DynamoSeals::new(client(), outbox),
            archive: MemoryArchive::default(),
            client: client(),
            log_table: log,
            clock,
        }
    }

    /// An event that is accepted now, a second before the next one.
    fn event(&self, owner: &TenantId, id: &str, outbox: OutboxMode) -> LoggedEvent {
        let mut event = logged(&self.clock, owner, event_with(json!({ "id": id })));
        event.shard = LogShards::new(SHARDS).unwrap().shard_of(event.event_id);
        event.outbox = outbox;
        self.clock.advance(Duration::from_secs(1));
        event
    }

    async fn hand_over(&self, events: &[LoggedEvent]) {
        let done = events.iter().map(|event| handed_over(event, &["billing"]));
        let done: Vec<HandedOver> = done.collect();
        let now = self.clock.now();
        for receipt in receipts(&done, self.clock.next_id(), now, now + PATIENCE) {
            self.receipts.put(&receipt).await.unwrap();
        }
    }

    async fn fail(&self, event: &LoggedEvent) {
        let at = self.clock.now();
        let failure = Failure::new("Refused", "no");
        let row = TroubledDelivery::new(
            event,
            &"billing".parse().unwrap(),
            TroubleStatus::Failed { at },
            Attempt { at, failure },
        );
        assert!(self.rows.open(&row).await.unwrap());
    }

    /// Puts an event into a part of the index, whether it belongs there or not.
    async fn put(&self, event: &LoggedEvent, log_pk: String) {
        let mut item = encode_event_item(event);
        item.insert(keys::LOG_PK.to_owned(), AttributeValue::S(log_pk));
        let put = self.client.put_item().table_name(&self.log_table);
        put.set_item(Some(item)).send().await.unwrap();
    }

    /// Every page of an audit of the last day.
    async fn audit(&self, owner: &TenantId, bounds: Bounds) -> Vec<Audit> {
        let mut pages: Vec<Audit> = Vec::new();
        loop {
            let before = pages.last().map(|page| page.next_cursor.clone());
            let given = match before {
                None => vec![],
                Some(Some(cursor)) => vec![("cursor".to_owned(), cursor)],
                Some(None) => return pages,
            };
            let query = IntegrityQuery::parse(owner, &given, self.clock.now()).unwrap();
            let auditor = Auditor {
                settings: &Shards::of(SHARDS),
                index: &self.index,
                marks: &self.marks,
                receipts: &self.receipts,
                trouble: &self.rows,
                seals: &self.seals,
                archive: &self.archive,
                now: self.clock.now(),
                bounds,
                patience: PATIENCE,
            };
            pages.push(auditor.audit(owner, &query).await.unwrap());
        }
    }
}

/// All pages together.
fn whole(pages: Vec<Audit>) -> (BTreeMap<LogHour, HourLedger>, Vec<Finding>) {
    let mut hours: BTreeMap<LogHour, HourLedger> = BTreeMap::new();
    let mut findings = Findings::default();
    for page in pages {
        findings.extend(page.findings);
        for row in page.hours {
            match hours.get_mut(&row.hour) {
                Some(begun) => begun.counts += row.counts,
                None => drop(hours.insert(row.hour, row)),
            }
        }
    }
    (hours, findings.into_vec())
}

#[tokio::test]
async fn an_audit_finds_what_is_wrong_with_a_log_and_the_same_in_small_pages() {
    let stores = Stores::new().await;
    let (shop, other) = (tenant("shop"), tenant("other"));
    let hour = LogHour::at(stores.clock.now());
    let before = hour.previous().unwrap();
    stores.marks.mark(&shop, &[hour].into()).await.unwrap();
    let outbox = |n: usize| match n % 30 {
        0 => OutboxMode::None,
        _ => OutboxMode::Dispatch,
    };
    let event = |n: usize| stores.event(&shop, &n.to_string(), outbox(n));
    let events: Vec<LoggedEvent> = (0..300).map(event).collect();
    for appended in stores.log.append_all(&events).await {
        appended.unwrap();
    }
    // Of the first twenty, one of which is only logged, nothing tells that they were handed over.
    let late = events[20..].iter();
    let dispatched = late.filter(|event| event.outbox == OutboxMode::Dispatch);
    let dispatched: Vec<LoggedEvent> = dispatched.cloned().collect();
    stores.hand_over(&dispatched).await;
    stores.fail(&events[40]).await;
    let strayed = stores.event(&shop, "strayed", OutboxMode::None);
    let elsewhere = keys::log_part(&shop, before, strayed.shard);
    stores.put(&strayed, elsewhere).await;
    let foreign = stores.event(&other, "foreign", OutboxMode::None);
    let not_its_own = keys::log_part(&shop, hour, foreign.shard);
    stores.put(&foreign, not_its_own).await;
    stores.clock.advance(PATIENCE);

    let (hours, findings) = whole(stores.audit(&shop, Bounds::default()).await);
    let counts = hours[&hour].counts;
    assert_eq!((counts.logged, counts.logged_only), (300, 10));
    assert_eq!((counts.receipted, counts.pending), (271, 19));
    assert_eq!(counts.in_trouble, 1);
    let told = findings.iter();
    let told: Vec<_> = told.map(|it| (it.kind, it.hour, it.event_count)).collect();
    let expected = [
        (FindingKind::Order, Some(before), Some(1)),
        (FindingKind::MissingReceipt, Some(hour), Some(19)),
        (FindingKind::Unreadable, Some(hour), Some(1)),
    ];
    assert_eq!(told, expected);

    let small = Bounds {
        hours: 7,
        entries: 60,
        buckets: 11,
        receipted: 25,
        archive_bytes: 1,
    };
    let pages = stores.audit(&shop, small).await;
    assert!(pages.len() > 10, "{}", pages.len());
    assert_eq!(whole(pages), (hours, findings));
    let (hours, findings) = whole(stores.audit(&other, Bounds::default()).await);
    assert_eq!((hours.len(), findings.len()), (0, 0));
}
