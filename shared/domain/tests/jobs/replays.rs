//! What a replay sends, and to whom.

use pillarbox_domain::Clock;
use pillarbox_domain::job::{JobState, QUEUE_SUBSCRIPTION, Ran, ReplayFilter, Target};
use pillarbox_domain::log_hour::IdRange;
use pillarbox_domain::logged_event::OutboxMode;
use pillarbox_domain::subscription::{MessageGroup, SubscriptionState};
use pillarbox_testkit::builders::{subscription, tenant};
use pillarbox_testkit::hooked::Hook;
use pillarbox_testkit::job_bus::{BUDGET, work};
use pillarbox_testkit::{ManualClock, MemoryCaller, MemoryJobBus};
use serde_json::json;
use time::UtcDateTime;

use crate::support::{
    HOUR, SECOND, bus, counts, deliveries, demo, events, ids, received, sent, types,
};

#[tokio::test]
async fn a_replay_sends_each_event_once_in_order_and_counts_it() {
    let bus = bus();
    let events = events(&bus, 1_234).await;
    let spec = bus.replay(ReplayFilter::default(), Target::All);
    let job = bus.job(&demo(), spec).await;
    let over = bus.work_off(&job).await;
    assert_eq!(over.state, JobState::Completed);
    assert_eq!(counts(&over), [1_234, 1_234, 0, 0]);
    assert_eq!(over.plan.total, 1_234);
    assert_eq!(sent(&bus, "orders"), ids(&events));
    let bodies = bus.parts.queues.bodies("orders");
    let bytes: usize = bodies.iter().map(String::len).sum();
    assert!(over.done.bytes > u64::try_from(bytes).unwrap());
    let all = received(&bus, "orders");
    let name = job.id.to_string();
    assert!(
        all.iter()
            .all(|it| it.job.as_ref() == Some(&name) && it.attempt == 1)
    );
    // Whoever comes later finds nothing to do.
    bus.work_off(&job).await;
    assert_eq!(bus.parts.queues.bodies("orders").len(), 1_234);
}

#[tokio::test]
async fn an_event_goes_to_whoever_wants_it_now_and_is_skipped_where_nobody_does() {
    let paused = SubscriptionState::Paused {
        since: UtcDateTime::UNIX_EPOCH,
        reason: None,
    };
    let bus = MemoryJobBus::new(
        4,
        [
            subscription(&demo(), "orders", &["order.*"]),
            subscription(&demo(), "created", &["order.created"]),
            pillarbox_domain::Subscription {
                state: paused,
                ..subscription(&demo(), "paused", &["*"])
            },
            subscription(&tenant("other"), "foreign", &["*"]),
            subscription(&tenant("_bus"), "_audit", &["*"]),
        ],
    );
    let at = bus.clock.now() - SECOND;
    for (number, event_type) in ["order.created", "order.paid", "price.set"]
        .iter()
        .enumerate()
    {
        let members = json!({ "id": number.to_string(), "type": event_type });
        bus.logged(&demo(), at, members).await;
    }
    bus.logged(&tenant("other"), at, json!({ "id": "x" })).await;
    let spec = bus.replay(ReplayFilter::default(), Target::All);
    let job = bus.job(&demo(), spec).await;
    let over = bus.work_off(&job).await;
    assert_eq!(counts(&over), [3, 3, 1, 0]);
    let taken = ["orders", "created", "paused", "foreign", "_audit"];
    let taken = taken.map(|queue| bus.parts.queues.bodies(queue).len());
    assert_eq!(taken, [2, 1, 0, 0, 0]);
}

#[tokio::test]
async fn a_filter_leaves_out_other_types_sources_and_times() {
    let bus = bus();
    let now = bus.clock.now();
    let mut wanted = vec![];
    let cases = [
        ("order.created", "/shop", 30, true),
        ("order.paid", "/shop", 20, true),
        ("price.set", "/shop", 20, true),
        ("price.removed", "/shop", 20, false),
        ("order.created", "/other", 20, false),
        ("order.created", "/shop", 100, false),
        ("order.created", "/shop", 5, false),
    ];
    for (number, (event_type, source, hours, is_wanted)) in cases.into_iter().enumerate() {
        let members = json!({ "id": number.to_string(), "type": event_type, "source": source });
        let event = bus.logged(&demo(), now - hours * HOUR, members).await;
        wanted.extend(is_wanted.then_some(event.event_id));
    }
    let filter = ReplayFilter {
        source: Some("/shop".to_owned()),
        ..types(&["order.*", "price.set"])
    };
    let mut spec = bus.replay(filter, Target::All);
    spec.range = IdRange::of_times(Some(now - 50 * HOUR), Some(now - 10 * HOUR)).unwrap();
    let job = bus.job(&demo(), spec).await;
    let over = bus.work_off(&job).await;
    assert_eq!((over.plan.total, counts(&over)), (3, [3, 3, 0, 0]));
    assert_eq!(sent(&bus, "orders"), wanted);
}

#[tokio::test]
async fn an_operation_is_replayed_across_hours_and_shards_in_its_order() {
    let bus = MemoryJobBus::new(8, [subscription(&demo(), "orders", &["*"])]);
    let now = bus.clock.now();
    let mut wanted = vec![];
    for number in 0..700_u32 {
        let operation = format!("c-{}", number % 2);
        let members = json!({ "id": number.to_string(), "correlationid": operation });
        let event = bus
            .logged(&demo(), now - (700 - number) * 60 * SECOND, members)
            .await;
        wanted.extend((number % 2 == 1).then_some(event.event_id));
    }
    let filter = ReplayFilter {
        correlation_id: Some("c-1".to_owned()),
        ..ReplayFilter::default()
    };
    let job = bus.job(&demo(), bus.replay(filter, Target::All)).await;
    let over = bus.work_off(&job).await;
    assert_eq!((over.plan.units, over.plan.total), (1, 350));
    assert_eq!(sent(&bus, "orders"), wanted);
}

#[tokio::test]
async fn events_that_were_only_logged_are_replayed() {
    let bus = bus();
    let mut event = bus.event(&demo(), bus.clock.now() - SECOND, json!({ "id": "1" }));
    event.outbox = OutboxMode::None;
    bus.log(&event).await;
    let job = bus
        .job(&demo(), bus.replay(ReplayFilter::default(), Target::All))
        .await;
    assert_eq!(counts(&bus.work_off(&job).await), [1, 1, 0, 0]);
}

#[tokio::test]
async fn what_is_gone_when_it_is_its_turn_is_skipped() {
    let bus = bus();
    let at = bus.clock.now() - SECOND;
    for number in 0..3 {
        let members = json!({ "id": number.to_string() });
        let mut event = bus.event(&demo(), at, members);
        // One of them is over when the job was planned and its worker comes.
        if number == 1 {
            event.expires_at = bus.clock.now();
        }
        bus.log(&event).await;
    }
    let job = bus
        .job(&demo(), bus.replay(ReplayFilter::default(), Target::All))
        .await;
    let over = bus.work_off(&job).await;
    assert_eq!((over.plan.total, counts(&over)), (3, [3, 2, 1, 0]));
}

#[tokio::test]
async fn one_subscription_gets_what_its_pattern_matches() {
    let bus = MemoryJobBus::new(
        1,
        [
            subscription(&demo(), "orders", &["order.*"]),
            subscription(&demo(), "all", &["*"]),
            subscription(&tenant("_bus"), "_audit", &["price.*"]),
        ],
    );
    let at = bus.clock.now() - SECOND;
    for (id, event_type) in [("1", "order.created"), ("2", "price.set")] {
        bus.logged(&demo(), at, json!({ "id": id, "type": event_type }))
            .await;
    }
    for (id, taken) in [("orders", [1, 0, 0]), ("_audit", [1, 0, 1])] {
        let target = Target::Subscription(id.parse().unwrap());
        let job = bus
            .job(&demo(), bus.replay(ReplayFilter::default(), target))
            .await;
        assert_eq!(counts(&bus.work_off(&job).await), [2, 1, 1, 0]);
        let found = ["orders", "all", "_audit"].map(|queue| bus.parts.queues.bodies(queue).len());
        assert_eq!(found, taken, "{id}");
    }
}

#[tokio::test]
async fn a_queue_of_no_subscription_gets_everything() {
    let bus = MemoryJobBus::new(2, [subscription(&demo(), "orders", &["*"])]);
    let events = events(&bus, 20).await;
    let target = Target::Queue("https://sqs.test/1/migration".parse().unwrap());
    let job = bus
        .job(&demo(), bus.replay(ReplayFilter::default(), target))
        .await;
    assert_eq!(counts(&bus.work_off(&job).await), [20, 20, 0, 0]);
    assert_eq!(deliveries(&bus, "migration").len(), events.len());
    let all = received(&bus, "migration");
    assert!(
        all.iter()
            .all(|it| it.subscription.as_str() == QUEUE_SUBSCRIPTION)
    );
    assert_eq!(bus.parts.queues.bodies("orders").len(), 0);
}

#[tokio::test]
async fn messages_of_a_job_are_a_group_of_their_own_unless_an_attribute_groups_them() {
    let by_key = MessageGroup::Attribute("partitionkey".to_owned());
    let bus = MemoryJobBus::new(
        1,
        [
            subscription(&demo(), "fair", &["*"]),
            pillarbox_domain::Subscription {
                message_group: by_key,
                ..subscription(&demo(), "ordered", &["*"])
            },
        ],
    );
    let at = bus.clock.now() - SECOND;
    bus.logged(&demo(), at, json!({ "id": "1", "partitionkey": "7" }))
        .await;
    bus.logged(&demo(), at, json!({ "id": "2" })).await;
    let job = bus
        .job(&demo(), bus.replay(ReplayFilter::default(), Target::All))
        .await;
    bus.work_off(&job).await;
    let groups = |queue: &str| {
        let mut groups = bus.parts.queues.groups(queue);
        groups.sort();
        groups
    };
    let own = format!("demo:{}", job.id);
    assert_eq!(groups("fair"), [own.clone(), own.clone()]);
    assert_eq!(groups("ordered"), [own, "demo:7".to_owned()]);
}

#[tokio::test]
async fn large_events_are_sent_in_pages_that_fit_the_memory() {
    let bus = bus();
    let large = "x".repeat(900_000);
    let mut all = vec![];
    for number in 0..40_u32 {
        let at = bus.clock.now() - (40 - number) * SECOND;
        let data = if number % 10 == 0 { "small" } else { &large };
        let members = json!({ "id": number.to_string(), "data": data });
        all.push(bus.logged(&demo(), at, members).await);
    }
    let job = bus
        .job(&demo(), bus.replay(ReplayFilter::default(), Target::All))
        .await;
    let (caller, owner) = (MemoryCaller::default(), demo());
    let ran = work(&bus.parts, &owner, job.id, BUDGET, &caller).await;
    assert_eq!(ran.unwrap(), Ran::Finished);
    assert_eq!(sent(&bus, "orders"), ids(&all));
    for page in caller.pages() {
        assert!(page.done.bytes < 10_000_000, "{page:?}");
    }
    assert!(caller.pages().len() >= 4);
}

/// Queues that take a second for each call.
struct SlowQueues(ManualClock);

impl Hook for SlowQueues {
    async fn before(&self, call: &'static str) {
        if call == "send" {
            self.0.advance(SECOND);
        }
    }

    async fn after(&self, _: &'static str) {}
}

#[tokio::test]
async fn a_page_for_many_is_sent_in_parts_and_given_back_where_time_runs_out() {
    let many: Vec<_> = (0..5)
        .map(|number| subscription(&demo(), &format!("s-{number}"), &["*"]))
        .collect();
    let bus = MemoryJobBus::new(1, many);
    let large = "x".repeat(900_000);
    for number in 0..9_u32 {
        let at = bus.clock.now() - (40 - number) * SECOND;
        let members = json!({ "id": number.to_string(), "data": large });
        bus.logged(&demo(), at, members).await;
    }
    let job = bus
        .job(&demo(), bus.replay(ReplayFilter::default(), Target::All))
        .await;
    // Nine events of 0.9 MB for five are 40 MB, of which 8 are sent at a time, in 5 calls or 10.
    let (slow, owner) = (SlowQueues(bus.clock.clone()), demo());
    let parts = bus.hooked(&slow);
    let caller = MemoryCaller::default();
    let first = work(&parts, &owner, job.id, 8 * SECOND, &caller).await;
    assert!(matches!(first.unwrap(), Ran::Again { .. }));
    let [done, messages, ..] = counts(&bus.now(&job).await);
    assert!(
        (1..9).contains(&done) && messages == 5 * done,
        "{done} {messages}"
    );
    assert!(
        caller.signs() >= 2,
        "it says that it is at it in the middle of a page"
    );
    for _ in 0..20 {
        work(&parts, &owner, job.id, 60 * SECOND, &caller)
            .await
            .unwrap();
    }
    assert_eq!(counts(&bus.now(&job).await), [9, 45, 0, 0]);
    let first = deliveries(&bus, "s-0");
    assert_eq!(first.len(), 9);
    assert!(first.values().sum::<usize>() <= 11, "{first:?}");
}
