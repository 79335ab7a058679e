//! Dispatching in the versions that subscriptions ask for, on queues and schemas in memory.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::ops::Deref;

use pillarbox_domain::dead_letter::Origin;
use pillarbox_domain::delivery::Received;
use pillarbox_domain::dispatch::{DispatchError, Outcomes};
use pillarbox_domain::schema::delivery::Upcasting;
use pillarbox_domain::schema::registration::register;
use pillarbox_domain::schema::{Schema, SchemaVersion};
use pillarbox_domain::{LoggedEvent, Subscription, TenantId};
use pillarbox_testkit::MemoryBus;
use pillarbox_testkit::builders::{subscription, tenant};
use pillarbox_testkit::schemas::schema;
use serde_json::{Value, json};

struct Bus(MemoryBus);

impl Deref for Bus {
    type Target = MemoryBus;

    fn deref(&self) -> &MemoryBus {
        &self.0
    }
}

impl Bus {
    async fn with(
        subscriptions: impl IntoIterator<Item = Subscription>,
        schemas: impl IntoIterator<Item = Schema>,
    ) -> Self {
        let bus = MemoryBus::with(subscriptions);
        for schema in schemas {
            register(&bus.registry, &tenant("demo"), &schema)
                .await
                .unwrap();
        }
        Self(bus)
    }

    fn event(&self, members: Value) -> LoggedEvent {
        self.0.event_with("demo", members)
    }

    async fn dispatch(&self, events: &[LoggedEvent]) -> Outcomes {
        self.0.dispatch(events).await.outcomes
    }

    /// What a queue got: version and data, as they stand in the body.
    fn delivered(&self, queue: &str) -> Vec<(Value, String)> {
        let bodies = self.queues.bodies(queue).into_iter();
        let read = bodies.map(|body| {
            let received = Received::parse(&body).unwrap();
            let data = received.event.data().map(|data| data.bytes().to_vec());
            let data = String::from_utf8(data.unwrap_or_default()).unwrap();
            let body: Value = serde_json::from_str(&body).unwrap();
            (body["dataversion"].clone(), data)
        });
        read.collect()
    }
}

fn wanting(owner: &TenantId, id: &str, version: u64) -> Subscription {
    Subscription {
        target_version: Some(SchemaVersion::new(version).unwrap()),
        ..subscription(owner, id, &["*"])
    }
}

/// Three versions: cents, then an amount, then an amount with a currency that may be left out.
fn prices() -> [Schema; 3] {
    let cents = json!({ "type": "object", "required": ["cents"], "properties": { "cents": { "type": "integer" } } });
    let amount = json!({ "type": "object", "required": ["amount"], "additionalProperties": false,
                         "properties": { "amount": { "type": "number", "minimum": 0 }, "big": {} } });
    let mut currency = amount.clone();
    currency["properties"]["currency"] = json!({ "type": "string" });
    [
        schema("order.created", 1, cents, None),
        schema(
            "order.created",
            2,
            amount,
            Some(".amount = .cents / 100 | del(.cents)"),
        ),
        schema("order.created", 3, currency, None),
    ]
}

#[tokio::test]
async fn each_subscription_gets_the_version_that_it_asks_for() {
    let (demo, bus) = (tenant("demo"), TenantId::bus());
    let bus = Bus::with(
        [
            subscription(&demo, "as-published", &["*"]),
            wanting(&demo, "first", 1),
            wanting(&demo, "second", 2),
            wanting(&demo, "newest", 99),
            wanting(&bus, "_audit", 2),
        ],
        prices(),
    )
    .await;
    let events = [
        bus.event(
            json!({ "id": "1", "data": { "big": 9_007_199_254_740_993_u64, "cents": 1250 } }),
        ),
        bus.event(json!({ "id": "2", "dataversion": "2", "data": { "amount": 5 } })),
        bus.event(json!({ "id": "3", "dataversion": 3, "data": { "amount": 7 } })),
        bus.event(json!({ "id": "4", "type": "other", "data": { "cents": 1 } })),
        bus.event(json!({ "id": "5", "data_base64": "MQ==" })),
    ];
    let outcomes = bus.dispatch(&events).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    let old = r#"{"big":9007199254740993,"cents":1250}"#;
    let new = r#"{"big":9007199254740993,"amount":12.5}"#;
    let (null, five, seven, other) = (
        Value::Null,
        r#"{"amount":5}"#,
        r#"{"amount":7}"#,
        r#"{"cents":1}"#,
    );
    let cases = [
        (
            "as-published",
            [(null.clone(), old), (json!("2"), five), (json!(3), seven)],
        ),
        (
            "first",
            [(null.clone(), old), (json!("2"), five), (json!(3), seven)],
        ),
        (
            "second",
            [(json!("2"), new), (json!("2"), five), (json!(3), seven)],
        ),
        (
            "newest",
            [(json!("3"), new), (json!("3"), five), (json!(3), seven)],
        ),
        (
            "_audit",
            [(json!("2"), new), (json!("2"), five), (json!(3), seven)],
        ),
    ];
    for (queue, expected) in cases {
        let delivered = bus.delivered(queue);
        let rest = [(null.clone(), other), (null.clone(), "1")];
        let expected = expected.into_iter().chain(rest);
        let expected: Vec<_> = expected
            .map(|(version, data)| (version, data.to_owned()))
            .collect();
        assert_eq!(delivered, expected, "{queue}");
    }
    assert!(bus.dead_letters.taken().is_empty());
}

#[tokio::test]
async fn a_failing_upcaster_puts_away_its_deliveries_and_nothing_else() {
    let demo = tenant("demo");
    let bus = Bus::with(
        [
            subscription(&demo, "old", &["*"]),
            wanting(&demo, "new", 2),
            wanting(&demo, "newer", 2),
        ],
        prices(),
    )
    .await;
    let cases = [
        (json!({ "id": "text", "data": { "cents": "12" } }), "cannot"),
        (
            json!({ "id": "negative", "data": { "cents": -1 } }),
            "data/amount",
        ),
        (
            json!({ "id": "more", "data": { "cents": 1, "more": 1 } }),
            "Additional",
        ),
        (
            json!({ "id": "version", "dataversion": "two", "data": { "cents": 1 } }),
            "dataversion must be",
        ),
    ];
    let mut events: Vec<_> = cases
        .iter()
        .map(|(event, _)| bus.event(event.clone()))
        .collect();
    events.push(bus.event(json!({ "id": "fine", "data": { "cents": 100 } })));
    let outcomes = bus.dispatch(&events).await;
    let dead: Vec<_> = outcomes
        .iter()
        .map(|outcome| outcome.as_ref().unwrap().dead_lettered)
        .collect();
    assert_eq!(dead, [2, 2, 2, 2, 0]);
    assert_eq!(bus.delivered("old").len(), 5);
    assert_eq!(
        bus.delivered("new"),
        [(json!("2"), r#"{"amount":1.0}"#.to_owned())]
    );
    let receipts = bus.receipts.written();
    let receipted = receipts.iter().flat_map(|receipt| &receipt.groups);
    assert_eq!(
        receipted.map(|group| group.event_ids.len()).sum::<usize>(),
        5
    );

    let taken = bus.dead_letters.taken();
    assert_eq!(taken.len(), 8);
    for (pair, ((event, words), logged)) in taken.chunks(2).zip(cases.iter().zip(&events)) {
        for (dead, name) in pair.iter().zip(["new", "newer"]) {
            assert_eq!((dead.origin, dead.attempts), (Origin::Dispatch, 1));
            assert_eq!(dead.error.class, "UpcastFailed");
            assert!(dead.error.message.contains(words), "{dead:?}");
            let whose = ("subscription", name.to_owned());
            assert!(dead.message.attributes.contains(&whose), "{dead:?}");
            let received = Received::parse(&dead.message.body).unwrap();
            assert_eq!(received.event, logged.event, "{event}");
            assert_eq!(
                (received.event_id, received.subscription.as_str()),
                (logged.event_id, name)
            );
        }
    }
}

#[tokio::test]
async fn a_delivery_that_cannot_be_put_away_comes_again() {
    let bus = Bus::with([wanting(&tenant("demo"), "new", 2)], prices()).await;
    let events = [
        bus.event(json!({ "id": "1", "data": {} })),
        bus.event(json!({ "id": "2", "data": { "cents": 100 } })),
    ];
    bus.dead_letters.set_failing(true);
    let outcomes = bus.dispatch(&events).await;
    assert!(
        matches!(&outcomes[0], Err(DispatchError::DeadLetter { .. })),
        "{outcomes:?}"
    );
    assert!(outcomes[1].is_ok());
    assert_eq!(bus.delivered("new").len(), 1);
}

#[tokio::test]
async fn a_version_that_is_missing_puts_the_delivery_away() {
    let demo = tenant("demo");
    let bus = Bus::with([wanting(&demo, "new", 3)], prices()).await;
    bus.registry.forget_schema(&demo, &prices()[1]);
    let outcomes = bus
        .dispatch(&[bus.event(json!({ "data": { "cents": 1 } }))])
        .await;
    assert_eq!(outcomes[0].as_ref().unwrap().dead_lettered, 1);
    let reason = &bus.dead_letters.taken()[0].error.message;
    assert!(
        reason.contains("version 2 of order.created is missing"),
        "{reason}"
    );
}

#[tokio::test]
async fn an_event_that_grows_too_large_is_put_away() {
    let wide = schema("order.created", 2, json!(true), Some(". * 3"));
    let bus = Bus::with(
        [wanting(&tenant("demo"), "new", 2)],
        [schema("order.created", 1, json!(true), None), wide],
    )
    .await;
    let outcomes = bus
        .dispatch(&[bus.event(json!({ "data": "x".repeat(400_000) }))])
        .await;
    assert_eq!(outcomes[0].as_ref().unwrap().dead_lettered, 1);
    let reason = &bus.dead_letters.taken()[0].error.message;
    assert!(reason.contains("1000000 is the most"), "{reason}");
}

#[tokio::test]
async fn nothing_is_read_for_who_asks_for_no_later_version() {
    let demo = tenant("demo");
    let bus = Bus::with(
        [
            subscription(&demo, "any", &["*"]),
            wanting(&demo, "first", 1),
        ],
        prices(),
    )
    .await;
    let before = bus.registry.reads();
    let events: Vec<_> = (0..5)
        .map(|n| bus.event(json!({ "id": n.to_string(), "data": { "cents": 1 } })))
        .collect();
    assert!(bus.dispatch(&events).await.iter().all(Result::is_ok));
    assert_eq!(
        bus.registry.reads() - before,
        2,
        "the subscriptions of two owners"
    );
}

#[tokio::test]
async fn schemas_that_cannot_be_read_put_nothing_away() {
    let bus = Bus::with([wanting(&tenant("demo"), "new", 2)], prices()).await;
    let upcasting = Upcasting::new(&bus.registry, bus.clock.clone());
    bus.registry.set_failing(true);
    use pillarbox_domain::schema::delivery::{UpcastError, Upcasts};
    let event = bus.event(json!({ "data": { "cents": 1 } }));
    let version = SchemaVersion::new(2).unwrap();
    let failed = upcasting.upcast(&event.tenant, &event.event, version).await;
    assert!(
        matches!(failed, Err(UpcastError::Unavailable { .. })),
        "{failed:?}"
    );
    bus.registry.set_failing(false);
    assert!(
        upcasting
            .upcast(&event.tenant, &event.event, version)
            .await
            .unwrap()
            .is_some()
    );
}
