//! Jobs that send dead letters back.

use pillarbox_domain::delivery::Received;
use pillarbox_domain::dispatch::Refusal;
use pillarbox_domain::job::{ChangeJob, Job, JobState, JobStore, Ran, Work};
use pillarbox_domain::letters::{
    Change, DeadLetter, DeadLetterId, Discard, FailedDelivery, LetterError, LetterFilter,
    LetterState, LetterStore, NewLetter, Origin, StateName,
};
use pillarbox_domain::subscription::SubscriptionState;
use pillarbox_domain::{Clock, Subscription};
use pillarbox_testkit::builders::{event, logged, subscription};
use pillarbox_testkit::job_bus::{BUDGET, work};
use pillarbox_testkit::{MemoryCaller, MemoryJobBus};
use serde_json::json;
use time::UtcDateTime;

use crate::support::{SECOND, bus, change as change_job, counts, demo, sent};

/// A letter of a delivery to this subscription, with this class of error.
pub async fn letter(bus: &MemoryJobBus, subscription: &str, class: &str) -> DeadLetter {
    let id = bus.clock.next_id().to_string();
    let event = logged(&bus.clock, &demo(), event(&id, json!({ "class": class })));
    let wanted = pillarbox_testkit::builders::subscription(&demo(), subscription, &["*"]);
    let body = wanted.message(&event, 6, None).body;
    let letter = DeadLetter {
        tenant: demo(),
        id: DeadLetterId::new(bus.clock.next_id()),
        origin: Origin::Queue,
        delivery: Some(FailedDelivery {
            event_id: event.event_id,
            event_type: event.event.event_type().to_owned(),
            source: event.event.source().to_owned(),
            id,
            subscription: wanted.id,
            correlation_id: None,
        }),
        error: LetterError {
            class: class.to_owned(),
            message: "no answer".to_owned(),
        },
        attempts: None,
        first_failed_at: None,
        last_failed_at: None,
        job: None,
        first_dead_letter_id: None,
        state: LetterState::Open,
        redrive_ids: [].into(),
        expires_at: bus.clock.now() + 90 * 24 * 60 * 60 * SECOND,
    };
    let new = NewLetter {
        letter: letter.clone(),
        body,
        message_id: letter.id.to_string(),
    };
    bus.parts.letters.keep(&new).await.unwrap();
    bus.clock.advance(SECOND / 1_000);
    letter
}

async fn redrive(bus: &MemoryJobBus, filter: LetterFilter) -> Job {
    let filter = LetterFilter {
        state: Some(StateName::Open),
        ..filter
    };
    bus.job(&demo(), bus.spec(Work::Redrive { filter })).await
}

async fn state(bus: &MemoryJobBus, letter: &DeadLetter) -> StateName {
    let found = bus.parts.letters.get(&letter.tenant, letter.id).await;
    found.unwrap().unwrap().state.name_at(bus.clock.now())
}

#[tokio::test]
async fn every_letter_that_matches_goes_to_its_own_subscription_under_the_job_s_name() {
    let bus = bus();
    bus.subscribe(subscription(&demo(), "other", &["*"]));
    let mut wanted = vec![];
    for number in 0..2_345 {
        let class = ["Timeout", "Unknown"][usize::from(number % 5 == 0)];
        let id = ["orders", "other"][usize::from(number % 3 == 0)];
        let kept = letter(&bus, id, class).await;
        if class == "Timeout" && id == "orders" {
            wanted.push(kept);
        }
    }
    let filter = LetterFilter {
        subscription: Some("orders".parse().unwrap()),
        error_class: Some("Timeout".to_owned()),
        ..LetterFilter::default()
    };
    let job = redrive(&bus, filter).await;
    // What comes later is not in the set.
    letter(&bus, "orders", "Timeout").await;
    let over = bus.work_off(&job).await;
    let total = u64::try_from(wanted.len()).unwrap();
    assert_eq!((over.plan.total, over.plan.units), (total, 2));
    assert_eq!(counts(&over), [total, total, 0, 0]);
    assert!(over.done.bytes > total * 100 && over.plan.sampled > 0);
    let mut expected: Vec<_> = wanted
        .iter()
        .map(|letter| letter.delivery.as_ref().unwrap().event_id)
        .collect();
    expected.sort();
    let mut found = sent(&bus, "orders");
    found.sort();
    assert_eq!(found, expected);
    assert!(bus.parts.queues.bodies("other").is_empty());
    let body = &bus.parts.queues.bodies("orders")[0];
    assert_eq!(Received::parse(body).unwrap().job, Some(job.id.to_string()));
    let own = format!("demo:{}", job.id);
    assert!(
        bus.parts
            .queues
            .groups("orders")
            .iter()
            .all(|group| *group == own)
    );
    assert_eq!(state(&bus, &wanted[7]).await, StateName::Redriven);
}

#[tokio::test]
async fn each_letter_that_is_sent_is_told_of_with_its_trace() {
    let bus = bus();
    let good = letter(&bus, "orders", "Timeout").await;
    letter(&bus, "removed", "Timeout").await;
    let job = redrive(&bus, LetterFilter::default()).await;
    let (caller, owner) = (MemoryCaller::default(), demo());
    let ran = work(&bus.parts, &owner, job.id, BUDGET, &caller).await;
    assert_eq!(ran.unwrap(), Ran::Finished);
    let [told] = &caller.letters()[..] else {
        panic!("not one letter");
    };
    let delivery = good.delivery.as_ref().unwrap();
    assert_eq!(
        (told.letter.id, told.trace_id),
        (good.id, Some(delivery.event_id.into()))
    );
}

#[tokio::test]
async fn a_letter_that_is_no_longer_open_is_skipped_and_one_that_never_was_is_not_counted() {
    let bus = bus();
    let discard = async |letter: &DeadLetter| {
        let decision = Discard::new("not needed".to_owned(), bus.clock.now());
        let change = Change::Discard(decision);
        bus.parts
            .letters
            .change(&demo(), letter.id, &change)
            .await
            .unwrap();
    };
    let mut letters = vec![];
    for _ in 0..5 {
        letters.push(letter(&bus, "orders", "Timeout").await);
    }
    discard(&letters[0]).await;
    bus.clock.advance(SECOND);
    let job = redrive(&bus, LetterFilter::default()).await;
    // It is planned, and then somebody decides.
    bus.work_for(&demo(), job.id, std::time::Duration::ZERO)
        .await
        .unwrap();
    discard(&letters[1]).await;
    let over = bus.work_off(&job).await;
    assert_eq!((over.plan.total, counts(&over)), (4, [4, 3, 1, 0]));
    assert_eq!(state(&bus, &letters[1]).await, StateName::Discarded);
}

#[tokio::test]
async fn a_letter_that_cannot_be_sent_fails_and_stays_open() {
    let bus = bus();
    let good = letter(&bus, "orders", "Timeout").await;
    let removed = letter(&bus, "removed", "Timeout").await;
    bus.subscribe(Subscription {
        state: SubscriptionState::Paused {
            since: UtcDateTime::UNIX_EPOCH,
            reason: None,
        },
        ..subscription(&demo(), "paused", &["*"])
    });
    let paused = letter(&bus, "paused", "Timeout").await;
    let busy = letter(&bus, "orders", "Busy").await;
    bus.parts.queues.refuse("orders", "Busy");
    let job = redrive(&bus, LetterFilter::default()).await;
    let over = bus.work_off(&job).await;
    assert_eq!(
        (over.state, counts(&over)),
        (JobState::Completed, [4, 1, 0, 3])
    );
    assert_eq!(state(&bus, &good).await, StateName::Redriven);
    for letter in [&removed, &paused, &busy] {
        assert_eq!(state(&bus, letter).await, StateName::Open);
    }
    let listed = bus
        .parts
        .jobs
        .failures(&demo(), job.id, None, 10)
        .await
        .unwrap();
    let classes: Vec<&str> = listed.iter().map(|it| it.error_class.as_str()).collect();
    assert_eq!(
        classes,
        [
            "SubscriptionRemoved",
            "SubscriptionInactive",
            "ServiceUnavailable"
        ]
    );
    assert!(
        bus.parts.dead_letters.taken().is_empty(),
        "the letters are there already"
    );
}

#[tokio::test]
async fn a_queue_that_is_gone_pauses_the_redrive_which_goes_on_once_it_is_back() {
    let bus = bus();
    let mut letters = vec![];
    for number in 0..10 {
        let class = ["Timeout", "Last"][usize::from(number == 9)];
        letters.push(letter(&bus, "orders", class).await);
    }
    bus.parts
        .queues
        .refuse_with("orders", "Last", "AccessDenied", Refusal::Queue);
    let job = redrive(&bus, LetterFilter::default()).await;
    let paused = bus.work_off(&job).await;
    assert_eq!(
        (paused.state, counts(&paused)),
        (JobState::Paused, [9, 9, 0, 0])
    );
    let reason = paused.reason.unwrap();
    for part in [
        "https://sqs.test/1/orders",
        "subscription orders",
        "AccessDenied",
    ] {
        assert!(reason.contains(part), "{reason}");
    }
    bus.parts.queues.recover();
    change_job(&bus, &job, ChangeJob::Resume).await;
    let over = bus.work_off(&job).await;
    assert_eq!(counts(&over), [10, 10, 0, 0]);
    assert_eq!(bus.parts.queues.bodies("orders").len(), 10, "each once");
}
