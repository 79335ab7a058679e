//! Queues that refuse, subscriptions that are not what they were, and events that cannot be sent.

use pillarbox_domain::dead_letter::Origin;
use pillarbox_domain::dispatch::Refusal;
use pillarbox_domain::job::{
    ChangeJob, FailedEvent, Job, JobState, JobStore, Ran, ReplayFilter, Target,
};
use pillarbox_domain::letters::{QueueMessage, read};
use pillarbox_domain::subscription::SubscriptionState;
use pillarbox_domain::{Clock, Subscription};
use pillarbox_testkit::MemoryJobBus;
use pillarbox_testkit::builders::subscription;
use time::UtcDateTime;

use crate::support::{SECOND, bus, change, counts, deliveries, demo, events, ids, sent};

async fn replay(bus: &MemoryJobBus, target: Target) -> Job {
    bus.job(&demo(), bus.replay(ReplayFilter::default(), target))
        .await
}

async fn failures(bus: &MemoryJobBus, job: &Job) -> Vec<FailedEvent> {
    let failures = bus.parts.jobs.failures(&job.tenant, job.id, None, 1_000);
    failures.await.unwrap()
}

async fn resumed(bus: &MemoryJobBus, job: &Job) -> Job {
    change(bus, job, ChangeJob::Resume).await;
    bus.work_off(job).await
}

#[tokio::test]
async fn a_bad_event_fails_itself_and_can_be_redriven() {
    let bus = bus();
    let events = events(&bus, 300).await;
    let bad = events[123].event_id;
    bus.parts.queues.refuse_with(
        "orders",
        &bad.to_string(),
        "InvalidMessageContents",
        Refusal::Message,
    );
    let job = replay(&bus, Target::All).await;
    let over = bus.work_off(&job).await;
    assert_eq!(over.state, JobState::Completed);
    assert_eq!(counts(&over), [300, 299, 0, 1]);
    let expected = FailedEvent {
        event_id: bad,
        subscription: Some("orders".parse().unwrap()),
        error_class: "InvalidMessageContents".to_owned(),
        error_message: "as the test wants it".to_owned(),
    };
    assert_eq!(failures(&bus, &job).await, [expected]);
    let [dead] = &bus.parts.dead_letters.taken()[..] else {
        panic!("one dead letter");
    };
    assert_eq!((dead.origin, dead.attempts), (Origin::Replay, 1));

    // What it is kept as can be redriven.
    let message = dead.to_message();
    let attributes = message.attributes.iter();
    let failure = read(&QueueMessage {
        id: "m-1",
        body: &message.body,
        attributes: attributes
            .map(|(name, value)| (*name, value.as_str()))
            .collect(),
        source_queue: None,
        first_received_at: None,
    });
    assert_eq!(failure.origin, pillarbox_domain::letters::Origin::Replay);
    assert_eq!(
        (failure.owner, failure.job),
        (demo(), Some(job.id.to_string()))
    );
    assert_eq!(
        failure.delivery.map(|delivery| delivery.event_id),
        Some(bad)
    );
}

#[tokio::test]
async fn a_queue_that_is_busy_is_tried_again_in_place() {
    let bus = bus();
    let events = events(&bus, 50).await;
    let busy = events[7].event_id;
    bus.parts.queues.refuse("orders", &busy.to_string());
    let job = replay(&bus, Target::All).await;
    let before = bus.clock.now();
    let over = bus.work_off(&job).await;
    assert_eq!(counts(&over), [50, 49, 0, 1]);
    // Four attempts, with 1, 2 and 4 s between them.
    let took = bus.clock.now() - before;
    assert!(
        (time::Duration::seconds(5)..time::Duration::seconds(8)).contains(&took),
        "{took}"
    );
    let dead = &bus.parts.dead_letters.taken()[0];
    assert_eq!(
        (dead.attempts, &*dead.error.class),
        (4, "ServiceUnavailable")
    );
    assert!(dead.first_failed_at < dead.last_failed_at);
    assert_eq!(sent(&bus, "orders").len(), 49, "the others went once");
}

#[tokio::test]
async fn an_answer_that_leaves_messages_out_is_no_success() {
    let bus = bus();
    events(&bus, 5).await;
    bus.parts.queues.fall_silent();
    let job = replay(&bus, Target::All).await;
    assert_eq!(counts(&bus.work_off(&job).await), [5, 0, 0, 5]);
    let listed = failures(&bus, &job).await;
    assert!(
        listed
            .iter()
            .all(|failed| failed.error_class == "Unanswered")
    );
}

#[tokio::test]
async fn a_wait_that_is_too_long_gives_the_unit_back() {
    let bus = bus();
    let events = events(&bus, 50).await;
    let busy = events[20].event_id;
    bus.parts.queues.refuse("orders", &busy.to_string());
    let job = replay(&bus, Target::All).await;
    let ran = bus.work_for(&demo(), job.id, SECOND / 2).await.unwrap();
    assert!(
        matches!(ran, Ran::Again { after } if after >= SECOND / 2),
        "{ran:?}"
    );
    // What was sent before it is not sent again.
    let now = bus.now(&job).await;
    assert_eq!(counts(&now), [20, 20, 0, 0]);
    bus.parts.queues.recover();
    assert_eq!(counts(&bus.work_off(&job).await), [50, 50, 0, 0]);
    let twice = deliveries(&bus, "orders");
    assert!(ids(&events[..20]).iter().all(|id| twice[id] == 1));
    assert_eq!(twice[&busy], 1);
}

#[tokio::test]
async fn a_queue_that_is_gone_pauses_the_job_which_completes_once_it_is_back() {
    let bus = bus();
    let events = events(&bus, 250).await;
    // The queue goes away in the middle of a page.
    let last = events[150].event_id.to_string();
    bus.parts
        .queues
        .refuse_with("orders", &last, "QueueDoesNotExist", Refusal::Queue);
    let job = replay(&bus, Target::Subscription("orders".parse().unwrap())).await;
    let paused = bus.work_off(&job).await;
    assert_eq!(paused.state, JobState::Paused);
    let reason = paused.reason.as_ref().unwrap();
    for part in [
        "https://sqs.test/1/orders",
        "subscription orders",
        "QueueDoesNotExist: as the test wants it",
    ] {
        assert!(reason.contains(part), "{reason}");
    }
    assert_eq!(counts(&paused), [150, 150, 0, 0]);
    assert!(failures(&bus, &job).await.is_empty());

    bus.parts.queues.recover();
    let over = resumed(&bus, &job).await;
    assert_eq!(
        (over.state, over.reason.clone()),
        (JobState::Completed, None)
    );
    assert_eq!(counts(&over), [250, 250, 0, 0]);
    let all = deliveries(&bus, "orders");
    assert_eq!(all.len(), 250);
    assert!(ids(&events[..150]).iter().all(|id| all[id] == 1));
}

#[tokio::test]
async fn a_subscription_that_is_removed_or_paused_pauses_its_job() {
    let bus = bus();
    events(&bus, 3).await;
    let suspended = SubscriptionState::Suspended {
        since: UtcDateTime::UNIX_EPOCH,
        reason: "QueueDoesNotExist: gone".to_owned(),
    };
    bus.subscribe(Subscription {
        state: suspended,
        ..subscription(&demo(), "suspended", &["*"])
    });
    for (id, reason) in [
        ("nobody", "the subscription nobody was removed"),
        (
            "suspended",
            "the subscription suspended is suspended: QueueDoesNotExist: gone",
        ),
    ] {
        let job = replay(&bus, Target::Subscription(id.parse().unwrap())).await;
        let paused = bus.work_off(&job).await;
        assert_eq!(paused.state, JobState::Paused);
        assert_eq!(paused.reason.as_deref(), Some(reason));
        assert_eq!(counts(&paused), [0, 0, 0, 0]);
        bus.subscribe(subscription(&demo(), id, &["*"]));
        assert_eq!(counts(&resumed(&bus, &job).await), [3, 3, 0, 0]);
    }
}

#[tokio::test]
async fn one_queue_that_is_gone_pauses_a_replay_to_all() {
    let bus = bus();
    bus.subscribe(subscription(&demo(), "gone", &["*"]));
    events(&bus, 10).await;
    bus.parts.queues.remove("gone");
    let job = replay(&bus, Target::All).await;
    let paused = bus.work_off(&job).await;
    assert_eq!(paused.state, JobState::Paused);
    assert_eq!(counts(&paused), [0, 0, 0, 0]);
    // Dispatch suspends it with the next event; it is left out then.
    bus.subscribe(Subscription {
        state: SubscriptionState::Suspended {
            since: bus.clock.now(),
            reason: "gone".to_owned(),
        },
        ..subscription(&demo(), "gone", &["*"])
    });
    assert_eq!(counts(&resumed(&bus, &job).await), [10, 10, 0, 0]);
}

#[tokio::test]
async fn a_dead_letter_queue_that_fails_holds_the_place() {
    let bus = bus();
    let events = events(&bus, 20).await;
    let bad = events[3].event_id.to_string();
    bus.parts
        .queues
        .refuse_with("orders", &bad, "InvalidMessageContents", Refusal::Message);
    bus.parts.dead_letters.set_failing(true);
    let job = replay(&bus, Target::All).await;
    assert!(bus.work_for(&demo(), job.id, 45 * SECOND).await.is_err());
    assert_eq!(counts(&bus.now(&job).await), [0, 0, 0, 0]);
    bus.parts.dead_letters.set_failing(false);
    // The hold of the call that failed runs out first.
    assert_eq!(counts(&bus.work_off(&job).await), [20, 19, 0, 1]);
    assert_eq!(failures(&bus, &job).await.len(), 1);
}

#[tokio::test]
async fn events_are_brought_up_and_one_that_cannot_be_fails_itself() {
    let bus = bus();
    bus.subscribe(Subscription {
        target_version: Some("2".parse().unwrap()),
        ..subscription(&demo(), "orders", &["*"])
    });
    let events = events(&bus, 3).await;
    bus.parts.upcasts.refuse("e-1");
    let job = replay(&bus, Target::All).await;
    // As long as the schemas cannot be read, no event is to blame.
    bus.parts.upcasts.set_failing(true);
    assert!(bus.work_for(&demo(), job.id, 45 * SECOND).await.is_err());
    bus.parts.upcasts.set_failing(false);
    assert_eq!(counts(&bus.work_off(&job).await), [3, 2, 0, 1]);
    let listed = failures(&bus, &job).await;
    assert_eq!(listed[0].error_class, "UpcastFailed");
    assert_eq!(listed[0].event_id, events[1].event_id);
    assert_eq!(bus.parts.dead_letters.taken().len(), 1);
    let bodies = bus.parts.queues.bodies("orders");
    assert_eq!(bodies.len(), 2);
    assert!(
        bodies
            .iter()
            .all(|body| body.contains(r#""data":{"version":2}"#))
    );
}
