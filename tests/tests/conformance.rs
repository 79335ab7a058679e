//! The adapters on Amazon's own DynamoDB engine, in tables that are made from template.yaml.
//!
//! The suites of the ports are `pillarbox_testkit::conformance`, which the fakes pass as well. What
//! follows them is what only the real engine can tell: how items, indexes and stream records look to
//! other programs. Nothing expires by itself here: the engine's time to live is off.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

#[path = "conformance/auditing.rs"]
mod auditing;
#[path = "conformance/sealing.rs"]
mod sealing;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use aws_lambda_events::dynamodb::EventRecord;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::error::TransactionCanceledException;
use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnConsumedCapacity, TransactWriteItem};
use futures::future::join_all;
use pillarbox_aws::{
    Cancelled, DynamoActiveHours, DynamoEventLog, DynamoInbox, DynamoJobs, DynamoLetters,
    DynamoLogIndex, DynamoReceipts, DynamoRegistry, DynamoReopenings, DynamoRollups, DynamoSeals,
    DynamoSuspensions, DynamoSweepStore, DynamoTroubledDeliveries, decode_stream_image,
    encode_event_item, explain_cancelled, keys, outbox_put,
};
use pillarbox_domain::dead_letter::Failure;
use pillarbox_domain::job::{JobState, JobStore, Parts, Ran, ReplayFilter, Target};
use pillarbox_domain::log_hour::LogHour;
use pillarbox_domain::publish::{Appended, EventLog};
use pillarbox_domain::receipt::{BatchId, Bucket, Group, Receipt, Receipts};
use pillarbox_domain::registry::{Added, Registry, Tenants};
use pillarbox_domain::seal::{Reopening, Reopenings};
use pillarbox_domain::tenant_settings::TenantSettingsReader;
use pillarbox_domain::trouble::{Attempt, TroubleStatus, TroubledDeliveries, TroubledDelivery};
use pillarbox_domain::{Clock, LoggedEvent};
use pillarbox_testkit::builders::{RETENTION, event, event_with, logged, subscription, tenant};
use pillarbox_testkit::job_bus::{BUDGET, MemoryCaller, MemoryJobBus, work};
use pillarbox_testkit::{ManualClock, MemoryPayloads, conformance};
use pillarbox_tests::engine::{Engine, Table};
use pillarbox_tests::eventually;
use serde_json::{Value, json};
use time::UtcDateTime;
use time::macros::utc_datetime;

type Item = HashMap<String, AttributeValue>;

#[tokio::test]
async fn the_log_conforms() {
    let engine = Engine::of_process();
    let clock = ManualClock::default();
    let table = engine.table("EventLogTable").await.name;
    let log = DynamoEventLog::new(
        engine.client,
        table,
        MemoryPayloads::default(),
        clock.clone(),
    );
    conformance::event_log(&log, &clock).await;
}

/// The log, its index and marks, in tables of their own. Large data is in memory.
struct Queried {
    log: DynamoEventLog<MemoryPayloads, ManualClock>,
    index: DynamoLogIndex<MemoryPayloads>,
    marks: DynamoActiveHours,
    clock: ManualClock,
}

impl Queried {
    async fn new() -> Self {
        let engine = Engine::of_process();
        let clock = ManualClock::default();
        let payloads = MemoryPayloads::default();
        let log = engine.table("EventLogTable").await.name;
        let outbox = engine.table("OutboxTable").await.name;
        let client = || engine.client.clone();
        Self {
            log: DynamoEventLog::new(client(), log.clone(), payloads.clone(), clock.clone()),
            index: DynamoLogIndex::new(client(), log, payloads),
            marks: DynamoActiveHours::new(client(), outbox),
            clock,
        }
    }
}

#[tokio::test]
async fn the_log_can_be_queried() {
    let Queried {
        log,
        index,
        marks,
        clock,
    } = Queried::new().await;
    conformance::queries::event_query(&log, &index, &marks, &clock).await;
}

/// An entry is 2 KB, and a page of an index 1 MB.
#[tokio::test]
async fn entries_of_more_than_a_page_are_all_found() {
    const MORE_THAN_TWO_PAGES: usize = 1_250;
    let Queried {
        log,
        index,
        marks,
        clock,
    } = Queried::new().await;
    conformance::queries::many_entries(&log, &index, &marks, &clock, MORE_THAN_TWO_PAGES).await;
}

#[tokio::test]
async fn the_active_hours_conform() {
    let engine = Engine::of_process();
    let table = engine.table("OutboxTable").await.name;
    let marks = DynamoActiveHours::new(engine.client, table);
    conformance::queries::active_hours(&marks, &ManualClock::default()).await;
}

#[tokio::test]
async fn the_registry_conforms() {
    let engine = Engine::of_process();
    let table = engine.table("RegistryTable").await.name;
    let registry = DynamoRegistry::new(engine.client, table);
    conformance::registry(&registry).await;
    conformance::tenant_settings(&registry).await;
}

#[tokio::test]
async fn the_list_of_tenants_conforms() {
    let engine = Engine::of_process();
    let registry = async || {
        let table = engine.table("RegistryTable").await.name;
        DynamoRegistry::new(engine.client.clone(), table)
    };
    conformance::tenants(&registry().await).await;
    conformance::many_tenants(&registry().await, 200).await;
}

/// A tenant that was registered before there was a list.
#[tokio::test]
async fn a_tenant_that_is_not_in_the_list_gets_into_it_when_it_is_registered_again() {
    let engine = Engine::of_process();
    let table = engine.table("RegistryTable").await.name;
    let registry = DynamoRegistry::new(engine.client.clone(), table.clone());
    let demo = tenant("demo");
    registry.add_tenant(&demo, Some("Demo")).await.unwrap();
    let delete = engine.client.delete_item().table_name(table);
    let listed = delete
        .key(keys::PK, text(keys::TENANTS))
        .key(keys::SK, text("demo"));
    listed.send().await.unwrap();
    assert_eq!(registry.tenants(None, 10).await.unwrap(), []);

    let added = registry.add_tenant(&demo, None).await.unwrap();
    assert_eq!(added, Added::Unchanged);
    assert_eq!(registry.tenants(None, 10).await.unwrap(), [tenant("demo")]);
    let settings = registry.settings(&demo).await.unwrap().unwrap();
    assert_eq!(settings.name.as_deref(), Some("Demo"), "it stays as it was");
}

#[tokio::test]
async fn subscriptions_and_suspensions_conform() {
    let engine = Engine::of_process();
    let table = engine.table("RegistryTable").await.name;
    let registry = DynamoRegistry::new(engine.client, table);
    let clock = ManualClock::default();
    conformance::subscriptions::subscriptions(&registry, &clock).await;
    let suspensions = DynamoSuspensions::new(registry.clone(), clock.clone());
    conformance::subscriptions::suspensions(&registry, &suspensions, &clock).await;
}

#[tokio::test]
async fn deliveries_in_trouble_conform() {
    let engine = Engine::of_process();
    let table = engine.table("OutboxTable").await.name;
    let rows = DynamoTroubledDeliveries::new(engine.client, table);
    conformance::trouble::troubled_deliveries(&rows, &ManualClock::default()).await;
    conformance::trouble::trouble_ledger(&rows, &ManualClock::default()).await;
}

#[tokio::test]
async fn the_count_of_deliveries_that_are_tried_again_conforms() {
    let engine = Engine::of_process();
    let table = engine.table("OutboxTable").await.name;
    let rows = DynamoTroubledDeliveries::new(engine.client, table);
    conformance::trouble::retrying_count(&rows, &ManualClock::default()).await;
}

#[tokio::test]
async fn receipts_conform() {
    let engine = Engine::of_process();
    let table = engine.table("OutboxTable").await.name;
    let receipts = DynamoReceipts::new(engine.client, table);
    let clock = ManualClock::default();
    conformance::receipts::receipts_of_events(&receipts, &clock).await;
    clock.advance(Duration::from_secs(3_600));
    conformance::receipts::receipts_of_a_time(&receipts, &clock).await;
}

#[tokio::test]
async fn rollups_conform() {
    let engine = Engine::of_process();
    let table = engine.table("OutboxTable").await.name;
    let rollups = DynamoRollups::new(engine.client, table);
    conformance::rollups::rollups(&rollups, &ManualClock::default()).await;
}

#[tokio::test]
async fn seals_conform() {
    let engine = Engine::of_process();
    let table = engine.table("OutboxTable").await.name;
    let reopenings = DynamoReopenings::new(engine.client.clone(), table.clone());
    let seals = DynamoSeals::new(engine.client, table);
    let clock = ManualClock::default();
    pillarbox_testkit::seals::conformance(&seals, &clock).await;
    pillarbox_testkit::seals::reopened_hours(&seals, &reopenings, &clock).await;
}

#[tokio::test]
async fn the_sweep_s_state_conforms() {
    let engine = Engine::of_process();
    let table = engine.table("OutboxTable").await.name;
    let store = DynamoSweepStore::new(engine.client, table);
    pillarbox_testkit::sweep::sweep_states(&store, &ManualClock::default()).await;
}

#[tokio::test]
async fn a_reopened_hour_is_one_item_whose_time_is_that_of_the_last_note() {
    let engine = Engine::of_process();
    let table = engine.table("OutboxTable").await.name;
    let reopenings = DynamoReopenings::new(engine.client.clone(), table.clone());
    let clock = ManualClock::at(utc_datetime!(2026-11-23 12:34:56.789));
    for _ in 0..2 {
        let reopening = Reopening {
            tenant: tenant("demo"),
            hour: LogHour::at(utc_datetime!(2026-11-20 07:00)),
            noted_at: clock.now(),
        };
        reopenings.reopen(&reopening).await.unwrap();
        clock.advance(Duration::from_millis(1));
    }
    let all = engine.client.scan().table_name(table).send().await.unwrap();
    let [item] = all.items() else {
        panic!("{all:?}");
    };
    assert_eq!(item["pk"], text("REOPENED"));
    assert_eq!(item["sk"], text("2026112007#demo"));
    assert_eq!(item["noted_ms"].as_n().unwrap(), "1795437296790");
    assert_eq!(item.len(), 3);
}

/// What stands in an index costs: statistics find every row by its status, the pass over overdue rows only what is tried
/// again.
#[tokio::test]
async fn only_deliveries_that_are_tried_again_are_in_the_index_of_what_is_due() {
    let engine = Engine::of_process();
    let table = engine.table("OutboxTable").await.name;
    let rows = DynamoTroubledDeliveries::new(engine.client.clone(), table.clone());
    let clock = ManualClock::default();
    let counts = async || {
        let mut counts = [0, 0];
        for (index, count) in ["ByStatus", "ByDue"].into_iter().zip(&mut counts) {
            let scan = engine.client.scan().table_name(&table).index_name(index);
            *count = scan.send().await.unwrap().count();
        }
        counts
    };
    let event = logged(&clock, &tenant("demo"), event("1", json!(1)));
    let attempt = Attempt {
        at: clock.now(),
        failure: Failure::new("ServiceUnavailable", "later"),
    };
    let now = TroubleStatus::Retrying {
        next_attempt_at: clock.now(),
    };
    let ends = [
        ("a", TroubleStatus::Recovered { at: clock.now() }),
        ("b", TroubleStatus::Failed { at: clock.now() }),
    ];
    for (rows_so_far, (id, end)) in (1..).zip(ends) {
        let row = TroubledDelivery::new(&event, &id.parse().unwrap(), now, attempt.clone());
        assert!(rows.open(&row).await.unwrap());
        assert_eq!(counts().await, [rows_so_far, 1]);
        let mut held = rows.hold(&row.key, clock.now()).await.unwrap().unwrap();
        held.status = end;
        assert!(rows.settle(&held).await.unwrap());
        assert_eq!(counts().await, [rows_so_far, 0], "{end:?}");
    }
}

#[tokio::test]
async fn schemas_conform() {
    let engine = Engine::of_process();
    let table = engine.table("RegistryTable").await.name;
    pillarbox_testkit::schemas::conformance(&DynamoRegistry::new(engine.client, table)).await;
}

/// One of these subscriptions is 12 KB, and a page of a query is 1 MB
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html>).
#[tokio::test]
async fn subscriptions_of_more_than_a_page_are_all_read() {
    const MORE_THAN_TWO_PAGES: usize = 200;
    let engine = Engine::of_process();
    let table = engine.table("RegistryTable").await.name;
    let registry = DynamoRegistry::new(engine.client.clone(), table.clone());
    let clock = ManualClock::default();
    conformance::subscriptions::many_subscriptions(&registry, &clock, MORE_THAN_TWO_PAGES).await;

    let query = engine.client.query().table_name(table);
    let page = query
        .key_condition_expression("pk = :tenant")
        .expression_attribute_values(":tenant", text(keys::tenant(&tenant("many"))))
        .send()
        .await
        .unwrap();
    assert!(
        page.last_evaluated_key().is_some(),
        "one page holds all of them"
    );
}

#[tokio::test]
async fn jobs_conform() {
    let engine = Engine::of_process();
    let table = engine.table("JobTable").await.name;
    let jobs = DynamoJobs::new(engine.client, table);
    conformance::jobs::jobs(&jobs, &ManualClock::default()).await;
}

/// What only a real engine does: their transactions meet at the item of their job.
#[tokio::test]
async fn workers_side_by_side_finish_a_job_and_count_every_unit_once() {
    const EVENTS: u32 = 400;
    const MAX_CALLS: usize = 10_000;
    let engine = Engine::of_process();
    let table = engine.table("JobTable").await.name;
    let demo = tenant("demo");
    let bus = MemoryJobBus::new(4, [subscription(&demo, "orders", &["*"])]);
    for number in 0..EVENTS {
        let at = bus.clock.now() - number * Duration::from_secs(15 * 60) - Duration::from_secs(1);
        bus.logged(&demo, at, json!({ "id": number.to_string() }))
            .await;
    }
    let job = bus
        .job(&demo, bus.replay(ReplayFilter::default(), Target::All))
        .await;
    let parts = bus.parts;
    let parts = Parts {
        jobs: DynamoJobs::new(engine.client, table),
        calls: parts.calls,
        settings: parts.settings,
        marks: parts.marks,
        log: parts.log,
        archive: parts.archive,
        letters: parts.letters,
        registry: parts.registry,
        subscriptions: parts.subscriptions,
        upcasts: parts.upcasts,
        queues: parts.queues,
        dead_letters: parts.dead_letters,
        clock: parts.clock,
        sleeper: parts.sleeper,
    };
    parts.jobs.create(&job, 10).await.unwrap();
    let caller = MemoryCaller::default();
    let workers = (0..8).map(|_| async {
        // The clock stands still, so whoever finds every unit held looks again at once.
        for _ in 0..MAX_CALLS {
            if work(&parts, &demo, job.id, BUDGET, &caller).await.unwrap() == Ran::Finished {
                return;
            }
        }
        panic!("not finished after {MAX_CALLS} calls");
    });
    join_all(workers).await;
    let over = parts.jobs.get(&demo, job.id).await.unwrap().unwrap();
    assert_eq!(over.state, JobState::Completed);
    assert_eq!(over.plan.total, u64::from(EVENTS));
    assert_eq!(over.plan.units_done, over.plan.units);
    let sent = (over.done.events, over.done.sent);
    assert_eq!(sent, (u64::from(EVENTS), u64::from(EVENTS)));
    let taken = parts.queues.bodies("orders").len();
    assert_eq!(u64::try_from(taken).unwrap(), u64::from(EVENTS));
}

#[tokio::test]
async fn the_inbox_conforms() {
    let engine = Engine::of_process();
    let clock = ManualClock::default();
    let table = engine.table("SubscriberExampleInboxTable").await.name;
    let inbox = DynamoInbox::new(engine.client, table, clock.clone(), RETENTION);
    conformance::inbox(&inbox, &clock).await;
}

#[tokio::test]
async fn dead_letters_conform() {
    let engine = Engine::of_process();
    let clock = ManualClock::default();
    let table = engine.table("DeadLetterTable").await.name;
    let payloads = MemoryPayloads::default();
    let letters = DynamoLetters::new(engine.client, table, payloads.clone());
    pillarbox_testkit::letters::conformance(&letters, &clock).await;
    assert_eq!(payloads.len(), 2, "what an item holds is in the bucket");
}

/// The log with an event that carries a correlation id and one that does not.
struct Log {
    engine: Engine,
    table: Table,
    correlated: LoggedEvent,
    alone: LoggedEvent,
}

impl Log {
    async fn with_two_events() -> Self {
        let engine = Engine::of_process();
        let clock = ManualClock::default();
        let table = engine.table("EventLogTable").await;
        let demo = tenant("demo");
        let members = json!({
            "id": "1", "correlationid": "c-1", "subject": "order 1", "data": { "total": 12.50 },
        });
        let correlated = logged(&clock, &demo, event_with(members));
        let alone = logged(&clock, &demo, event("2", json!("x".repeat(1_000))));
        let (client, name) = (engine.client.clone(), table.name.clone());
        let log = DynamoEventLog::new(client, name, MemoryPayloads::default(), clock);
        for event in [&correlated, &alone] {
            assert_eq!(log.append(event).await.unwrap(), Appended::New);
        }
        Self {
            engine,
            table,
            correlated,
            alone,
        }
    }

    /// What an index has under a key, in order. Indexes follow their table, so what has to be there is
    /// waited for.
    async fn found(&self, index: &str, name: &str, key: &str, count: usize) -> Vec<Item> {
        eventually("the index has followed its table", async || {
            let query = self
                .engine
                .client
                .query()
                .table_name(&self.table.name)
                .index_name(index);
            let page = query
                .key_condition_expression("#key = :key")
                .expression_attribute_names("#key", name)
                .expression_attribute_values(":key", text(key))
                .send()
                .await
                .unwrap();
            page.items.filter(|items| items.len() >= count)
        })
        .await
    }
}

fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

fn names(item: &Item) -> BTreeSet<&str> {
    item.keys().map(String::as_str).collect()
}

#[tokio::test]
async fn an_hour_of_the_log_is_read_in_order_with_types_and_correlation_ids_only() {
    let log = Log::with_two_events().await;
    let hour = keys::log_hour(
        &log.correlated.tenant,
        log.correlated.event_id,
        log.correlated.shard,
    );
    let items = log.found("ByTime", keys::LOG_PK, &hour, 2).await;
    let ids: Vec<&AttributeValue> = items.iter().map(|item| &item["event_id"]).collect();
    let expected = [&log.correlated, &log.alone].map(|event| text(event.event_id.to_string()));
    assert_eq!(ids, expected.iter().collect::<Vec<_>>());
    let keys = ["event_id", "log_pk", "pk"];
    assert_eq!(
        names(&items[0]),
        keys.into_iter().chain(["correlationid", "type"]).collect()
    );
    assert_eq!(names(&items[1]), keys.into_iter().chain(["type"]).collect());
    assert_eq!(items[0]["type"], text("order.created"));
    assert_eq!(items[0]["correlationid"], text("c-1"));
}

#[tokio::test]
async fn only_events_with_a_correlation_id_are_found_by_one() {
    let log = Log::with_two_events().await;
    let key = keys::correlation(&log.correlated.tenant, "c-1");
    let items = log.found("ByCorrelation", keys::CORR_PK, &key, 1).await;
    assert_eq!(items.len(), 1);
    assert_eq!(
        items[0]["event_id"],
        text(log.correlated.event_id.to_string())
    );
    assert_eq!(
        names(&items[0]),
        ["corr_pk", "event_id", "pk", "type"].into()
    );

    let scan = log.engine.client.scan().table_name(&log.table.name);
    let all = scan.index_name("ByCorrelation").send().await.unwrap();
    assert_eq!(all.count(), 1, "the index is not sparse");
}

#[tokio::test]
async fn an_event_s_attributes_are_named_like_its_members() {
    let log = Log::with_two_events().await;
    let item = encode_event_item(&log.correlated);
    let is_own = |name: &&str| name.contains('_') || *name == "pk";
    let (own, members): (BTreeSet<_>, BTreeSet<_>) = names(&item).into_iter().partition(is_own);
    let expected = [
        "corr_pk",
        "data_json",
        "event_id",
        "expires_at",
        "log_pk",
        "pk",
    ];
    assert!(own.is_superset(&expected.into()), "{own:?}");
    assert_eq!(members, ["correlationid", "subject", "type"].into());
    assert_eq!(item["pk"], text("T#demo#K#/shop#1"));
    assert_eq!(item["data_json"], text(r#"{"total":12.5}"#));

    let get = log.engine.client.get_item().table_name(&log.table.name);
    let stored = get.key(keys::PK, item["pk"].clone()).send().await.unwrap();
    assert_eq!(stored.item, Some(item));
    assert!(encode_event_item(&log.alone).contains_key("data_json_zstd"));
}

#[tokio::test]
async fn what_is_appended_comes_out_of_the_stream_as_the_same_event() {
    let log = Log::with_two_events().await;
    let stream_arn = log.table.stream_arn.as_deref().unwrap();
    let records = eventually("both events are on the stream", async || {
        let records = log.engine.records(stream_arn).await;
        (records.len() >= 2).then_some(records)
    })
    .await;
    let mut events: Vec<LoggedEvent> = vec![];
    for record in records {
        events.push(inserted(record).await);
    }
    assert_eq!(events.len(), 2);
    assert!(events.contains(&log.correlated) && events.contains(&log.alone));
}

/// The event of a record, read as `dispatch` reads it.
async fn inserted(record: Value) -> LoggedEvent {
    let record: EventRecord = serde_json::from_value(record).unwrap();
    assert_eq!(record.event_name, "INSERT");
    decode_stream_image(record.change.new_image, &MemoryPayloads::default())
        .await
        .unwrap()
}

/// A write unit is 1 KB, in the table and in each index that the item is in
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html>). This
/// is what an event costs.
#[tokio::test]
async fn an_event_of_one_kilobyte_costs_one_write_unit_and_one_for_each_index() {
    let engine = Engine::of_process();
    let clock = ManualClock::default();
    let table = engine.table("EventLogTable").await.name;
    let incompressible: String = (0..10).map(|_| clock.next_id().to_string()).collect();
    for (correlation_id, expected) in [(None, [1.0, 0.0, 2.0]), (Some("c-1"), [1.0, 1.0, 3.0])] {
        let members = json!({
            "id": correlation_id.unwrap_or("1"), "correlationid": correlation_id, "data": incompressible,
        });
        let event = logged(&clock, &tenant("demo"), event_with(members));
        let put = engine.client.put_item().table_name(&table);
        let written = put
            .set_item(Some(encode_event_item(&event)))
            .return_consumed_capacity(ReturnConsumedCapacity::Indexes)
            .send()
            .await
            .unwrap();
        let consumed = written.consumed_capacity.unwrap();
        let indexes = consumed.global_secondary_indexes.unwrap_or_default();
        let units = |index: &str| {
            indexes
                .get(index)
                .and_then(|units| units.capacity_units)
                .unwrap_or_default()
        };
        let all = [
            units("ByTime"),
            units("ByCorrelation"),
            consumed.capacity_units.unwrap(),
        ];
        assert_eq!(all, expected, "{indexes:?}");
    }
}

#[tokio::test]
async fn a_receipt_can_be_read_by_any_program() {
    let engine = Engine::of_process();
    let table = engine.table("OutboxTable").await.name;
    let clock = ManualClock::at(utc_datetime!(2026-11-23 12:34:56.789));
    let event_ids = vec![clock.next_id(), clock.next_id(), clock.next_id()];
    let batch = clock.next_id();
    let receipt = Receipt {
        bucket: Bucket::of(event_ids[0]),
        batch: BatchId { id: batch, part: 1 },
        handed_over_at: utc_datetime!(2026-11-23 12:34:57.001),
        expires_at: utc_datetime!(2026-12-01 00:00),
        groups: vec![Group {
            tenant: tenant("demo"),
            event_type: "order.created".to_owned(),
            subscriptions: vec!["audit".parse().unwrap(), "mail".parse().unwrap()],
            withheld: vec!["paused".parse().unwrap()],
            event_ids: event_ids.clone(),
        }],
    };
    let receipts = DynamoReceipts::new(engine.client.clone(), table.clone());
    receipts.put(&receipt).await.unwrap();

    let get = engine.client.get_item().table_name(table);
    let stored = get
        .key(keys::PK, text("R#20261123123450"))
        .key(keys::SK, text(format!("{batch}#1")))
        .send()
        .await
        .unwrap();
    let item = stored.item.unwrap();
    assert_eq!(item["handed_over_ms"].as_n().unwrap(), "1795437297001");
    assert_eq!(item["expires_at"].as_n().unwrap(), "1796083200");
    let [group] = &item["groups"].as_l().unwrap()[..] else {
        panic!("{item:?}");
    };
    let group = group.as_m().unwrap();
    assert_eq!(group["tenant"], text("demo"));
    assert_eq!(group["type"], text("order.created"));
    assert_eq!(
        group["subscriptions"].as_l().unwrap(),
        &[text("audit"), text("mail")]
    );
    assert_eq!(group["withheld"].as_l().unwrap(), &[text("paused")]);
    let packed: Vec<u8> = event_ids.iter().flat_map(|id| *id.as_bytes()).collect();
    assert_eq!(packed.len(), 3 * 16);
    assert_eq!(group["event_ids"].as_b().unwrap().as_ref(), packed);
}

/// A producer's own transaction: an order, and the event that says so.
async fn place(
    engine: &Engine,
    table: &str,
    event: &LoggedEvent,
    now: UtcDateTime,
    order: TransactWriteItem,
) -> Option<TransactionCanceledException> {
    let event = outbox_put(table, event, now).unwrap();
    let call = engine.client.transact_write_items();
    let made = call
        .transact_items(order)
        .transact_items(event)
        .send()
        .await;
    match made.err()?.into_service_error() {
        TransactWriteItemsError::TransactionCanceledException(cancelled) => Some(cancelled),
        other => panic!("{other}"),
    }
}

fn order(table: &str, condition: &str) -> TransactWriteItem {
    let put = Put::builder().table_name(table).item("pk", text("order"));
    let put = put.condition_expression(condition).build().unwrap();
    TransactWriteItem::builder().put(put).build()
}

#[tokio::test]
async fn a_cancelled_transaction_says_what_became_of_its_event() {
    let engine = Engine::of_process();
    let clock = ManualClock::default();
    let log = engine.table("EventLogTable").await.name;
    // Any table with a key of this name will do for orders.
    let orders = engine.table("EventLogTable").await.name;
    let any = || order(&orders, "attribute_not_exists(nothing)");
    let never = || order(&orders, "attribute_exists(nothing)");
    let demo = tenant("demo");
    let first = logged(&clock, &demo, event("1", json!(1)));
    let now = clock.now();
    let explain = |event: &LoggedEvent, cancelled: &TransactionCanceledException| {
        explain_cancelled(event, &cancelled.cancellation_reasons()[1]).unwrap()
    };

    let refused = place(&engine, &log, &first, now, never()).await.unwrap();
    assert_eq!(explain(&first, &refused), Cancelled::NotOurs);
    let get = engine.client.get_item().table_name(&log);
    let stored = get
        .key(keys::PK, text("T#demo#K#/shop#1"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        stored.item, None,
        "the event of a transaction that was rolled back is there"
    );

    assert!(place(&engine, &log, &first, now, any()).await.is_none());
    let event_id = first.event_id;
    let again = place(&engine, &log, &first, now, never()).await.unwrap();
    assert_eq!(explain(&first, &again), Cancelled::Committed { event_id });

    let same = logged(&clock, &demo, event("1", json!(1.0)));
    let found = place(&engine, &log, &same, now, any()).await.unwrap();
    assert_eq!(explain(&same, &found), Cancelled::Duplicate { event_id });

    let other = logged(&clock, &demo, event("1", json!(2)));
    let found = place(&engine, &log, &other, now, any()).await.unwrap();
    let differing = vec!["data".to_owned()];
    assert_eq!(
        explain(&other, &found),
        Cancelled::Conflict {
            event_id,
            differing
        }
    );

    let expired = first.expires_at + Duration::from_secs(1);
    assert!(place(&engine, &log, &other, expired, any()).await.is_none());
}
