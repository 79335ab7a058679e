//! The way back of a dead letter, with whatever can go wrong on it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Mutex;
use std::time::Duration;

use pillarbox_domain::delivery::{Delivery, Message, Received};
use pillarbox_domain::dispatch::{DeliveryQueues, Refusal, SendError};
use pillarbox_domain::letters::{
    DeadLetter, DeadLetterId, Keeper, LetterState, LetterStore, NotRedriven, QueueMessage,
    RedriveError, Redriver, StateName,
};
use pillarbox_domain::schema::delivery::Upcasting;
use pillarbox_domain::schema::registration::register;
use pillarbox_domain::schema::{Schema, SchemaVersion};
use pillarbox_domain::subscription::{QueueUrl, SubscriptionState};
use pillarbox_domain::{Clock, Subscription, TenantId};
use pillarbox_testkit::builders::{event, logged, subscription, tenant};
use pillarbox_testkit::{ManualClock, MemoryLetters, MemoryQueues, MemoryRegistry};
use serde_json::{Value, json};
use time::UtcDateTime;

const LEASE: Duration = Duration::from_secs(60);

struct Bench {
    clock: ManualClock,
    keeper: Keeper<MemoryLetters, ManualClock>,
    registry: MemoryRegistry,
    queues: MemoryQueues,
}

impl Bench {
    fn new(subscriptions: impl IntoIterator<Item = Subscription>) -> Self {
        let clock = ManualClock::default();
        Self {
            keeper: Keeper {
                letters: MemoryLetters::default(),
                clock: clock.clone(),
                retention: "90".parse().unwrap(),
            },
            clock,
            registry: MemoryRegistry::with(subscriptions),
            queues: MemoryQueues::default(),
        }
    }

    fn with_connector() -> Self {
        Self::new([
            subscription(&tenant("demo"), "connector", &["*"]),
            subscription(&tenant("demo"), "another", &["*"]),
        ])
    }

    fn store(&self) -> &MemoryLetters {
        &self.keeper.letters
    }

    /// A letter of a delivery to this subscription with these data.
    async fn letter(&self, subscription: &str, data: Value) -> DeadLetter {
        let id = self.clock.next_id().to_string();
        let event = logged(&self.clock, &tenant("demo"), event(&id, data));
        let subscription = subscription.parse().unwrap();
        let message = Delivery {
            event: &event,
            subscription: &subscription,
            attempt: 6,
            job: None,
        }
        .to_message();
        let attributes = message.attributes.iter();
        let message = QueueMessage {
            id: &id,
            body: &message.body,
            attributes: attributes
                .map(|(name, value)| (*name, value.as_str()))
                .collect(),
            source_queue: None,
            first_received_at: None,
        };
        self.keeper.keep(&message).await.unwrap().letter
    }

    async fn redrive_by<Q: DeliveryQueues + Sync>(
        &self,
        queues: &Q,
        owner: &TenantId,
        id: DeadLetterId,
    ) -> Result<DeadLetter, NotRedriven> {
        let upcasts = Upcasting::new(&self.registry, self.clock.clone());
        let redriver = Redriver {
            letters: self.store(),
            subscriptions: &self.registry,
            queues,
            upcasts: &upcasts,
            clock: &self.clock,
        };
        let redriven = redriver.redrive(owner, id).await?;
        Ok(redriven.letter)
    }

    async fn redrive(&self, letter: &DeadLetter) -> Result<DeadLetter, RedriveError> {
        let redriven = self
            .redrive_by(&self.queues, &letter.tenant, letter.id)
            .await;
        redriven.map_err(|why| why.error)
    }

    async fn now(&self, letter: &DeadLetter) -> DeadLetter {
        let found = self.store().get(&letter.tenant, letter.id).await;
        found.unwrap().unwrap()
    }

    async fn state(&self, letter: &DeadLetter) -> StateName {
        self.now(letter).await.state.name_at(self.clock.now())
    }

    fn sent(&self) -> Vec<Received> {
        let bodies = self.queues.bodies("connector");
        bodies
            .iter()
            .map(|body| Received::parse(body).unwrap())
            .collect()
    }
}

#[tokio::test]
async fn a_letter_goes_to_its_own_subscription_once_as_the_job_of_its_redrive() {
    let bench = Bench::with_connector();
    let letter = bench.letter("connector", json!({ "total": 12.5 })).await;
    let redriven = bench.redrive(&letter).await.unwrap();
    let LetterState::Redriven(redrive) = redriven.state else {
        panic!("{redriven:?}");
    };
    assert_eq!(bench.now(&letter).await, redriven);
    let [sent] = &bench.sent()[..] else {
        panic!("one message");
    };
    let delivery = letter.delivery.as_ref().unwrap();
    assert_eq!(sent.event_id, delivery.event_id);
    assert_eq!(sent.attempt, 1);
    assert_eq!(sent.job, Some(redrive.id.to_string()));
    let data = sent.event.data().unwrap().bytes();
    assert_eq!(data, br#"{"total":12.5}"#);
    assert_eq!(bench.queues.bodies("another").len(), 0);

    let second = bench.redrive(&letter).await.unwrap_err();
    assert!(
        matches!(second, RedriveError::NotOpen(StateName::Redriven)),
        "{second}"
    );
    assert_eq!(bench.sent().len(), 1);
}

#[tokio::test]
async fn a_redrive_tells_the_trace_of_its_event() {
    let bench = Bench::with_connector();
    let letter = bench.letter("connector", json!(1)).await;
    let upcasts = Upcasting::new(&bench.registry, bench.clock.clone());
    let redriver = Redriver {
        letters: bench.store(),
        subscriptions: &bench.registry,
        queues: &bench.queues,
        upcasts: &upcasts,
        clock: &bench.clock,
    };
    let redriven = redriver.redrive(&letter.tenant, letter.id).await.unwrap();
    let own = letter.delivery.unwrap().event_id.into();
    assert_eq!(redriven.trace_id, Some(own));
}

#[tokio::test]
async fn another_tenant_s_letter_is_not_there() {
    let bench = Bench::with_connector();
    let letter = bench.letter("connector", json!(1)).await;
    for (owner, id) in [
        ("other", letter.id),
        ("_bus", letter.id),
        ("demo", DeadLetterId::new(bench.clock.next_id())),
    ] {
        let answer = bench.redrive_by(&bench.queues, &tenant(owner), id).await;
        let error = answer.unwrap_err().error;
        assert!(matches!(error, RedriveError::Missing(_)), "{error}");
    }
    bench.clock.advance(Duration::from_secs(91 * 24 * 60 * 60));
    let expired = bench.redrive(&letter).await.unwrap_err();
    assert!(matches!(expired, RedriveError::Missing(_)), "{expired}");
    assert_eq!(bench.sent().len(), 0);
}

/// A redrive calls the store four times: it reads the letter, takes it, reads its body and closes it.
#[tokio::test]
async fn a_crash_between_any_two_steps_loses_nothing_and_repeats_under_the_same_id() {
    for (calls, sent_before) in [(0, 0), (1, 0), (2, 0), (3, 1)] {
        let bench = Bench::with_connector();
        let letter = bench.letter("connector", json!(1)).await;
        bench.store().fail_after(calls);
        let crashed = bench.redrive(&letter).await.unwrap_err();
        assert!(matches!(crashed, RedriveError::Store(_)), "{crashed}");
        bench.store().recover();
        assert_eq!(bench.sent().len(), sent_before, "after {calls} calls");
        if calls >= 2 {
            assert_eq!(bench.state(&letter).await, StateName::Redriving);
            let early = bench.redrive(&letter).await.unwrap_err();
            assert!(
                matches!(early, RedriveError::NotOpen(StateName::Redriving)),
                "{early}"
            );
            bench.clock.advance(LEASE);
            assert!(bench.redrive(&letter).await.is_err(), "held to the end");
            bench.clock.advance(Duration::from_millis(1));
        }
        assert_eq!(bench.state(&letter).await, StateName::Open);
        let redriven = bench.redrive(&letter).await.unwrap();
        let sent = bench.sent();
        assert_eq!(sent.len(), sent_before + 1);
        let ids = sent.iter().map(|sent| sent.event_id);
        let delivery = letter.delivery.as_ref().unwrap();
        assert!(ids.into_iter().all(|id| id == delivery.event_id));
        // Whichever of the messages fails, its letter is linked to this one.
        let jobs = sent.iter().map(|sent| sent.job.as_ref().unwrap());
        for job in jobs {
            assert!(redriven.redrive_ids.contains(&job.parse().unwrap()));
        }
    }
}

#[tokio::test]
async fn a_letter_that_is_no_delivery_has_no_way_back() {
    let bench = Bench::with_connector();
    let message = QueueMessage {
        id: "m",
        body: "not json",
        attributes: [("origin", "dispatch"), ("tenant", "demo")].into(),
        source_queue: None,
        first_received_at: None,
    };
    let letter = bench.keeper.keep(&message).await.unwrap().letter;
    let error = bench.redrive(&letter).await.unwrap_err();
    assert!(matches!(error, RedriveError::NoDelivery), "{error}");
    assert_eq!(bench.now(&letter).await, letter);
}

#[tokio::test]
async fn a_letter_of_a_subscription_that_is_gone_stays_open() {
    let bench = Bench::with_connector();
    let letter = bench.letter("gone", json!(1)).await;
    let error = bench.redrive(&letter).await.unwrap_err();
    assert!(matches!(error, RedriveError::NoSubscription(_)), "{error}");
    assert_eq!(bench.now(&letter).await, letter);
    let again = subscription(&tenant("demo"), "gone", &["*"]);
    bench.registry.put(again);
    bench.redrive(&letter).await.unwrap();
}

#[tokio::test]
async fn a_letter_of_a_paused_subscription_waits_until_it_is_resumed() {
    let bench = Bench::with_connector();
    let letter = bench.letter("paused", json!(1)).await;
    let mut paused = subscription(&tenant("demo"), "paused", &["*"]);
    paused.state = SubscriptionState::Paused {
        since: UtcDateTime::UNIX_EPOCH,
        reason: None,
    };
    bench.registry.put(paused);
    let error = bench.redrive(&letter).await.unwrap_err();
    assert!(
        matches!(error, RedriveError::Inactive(_, "PAUSED")),
        "{error}"
    );
    assert_eq!(bench.now(&letter).await, letter);
    bench
        .registry
        .put(subscription(&tenant("demo"), "paused", &["*"]));
    bench.redrive(&letter).await.unwrap();
}

#[tokio::test]
async fn a_subscription_of_the_bus_is_found_with_the_bus() {
    let bench = Bench::new([
        subscription(&TenantId::bus(), "_audit", &["*"]),
        subscription(&TenantId::bus(), "_gone", &["*"]),
    ]);
    let letter = bench.letter("_audit", json!(1)).await;
    bench.redrive(&letter).await.unwrap();
    assert_eq!(bench.queues.bodies("_audit").len(), 1);
}

#[tokio::test]
async fn a_registry_that_cannot_be_read_leaves_the_letter_open() {
    let bench = Bench::with_connector();
    let letter = bench.letter("connector", json!(1)).await;
    bench.registry.set_failing(true);
    let error = bench.redrive(&letter).await.unwrap_err();
    assert!(matches!(error, RedriveError::Store(_)), "{error}");
    assert_eq!(bench.now(&letter).await, letter);
}

#[tokio::test]
async fn a_queue_that_refuses_or_does_not_answer_leaves_the_letter_open() {
    let bench = Bench::with_connector();
    let letter = bench.letter("connector", json!(1)).await;
    bench.queues.refuse("connector", "\"data\":1");
    let error = bench.redrive(&letter).await.unwrap_err();
    assert!(
        matches!(&error, RedriveError::Refused(error) if error.refusal == Refusal::Transient),
        "{error}"
    );
    assert_eq!(bench.now(&letter).await, letter);
    bench.queues.recover();
    bench.queues.fall_silent();
    let error = bench.redrive(&letter).await.unwrap_err();
    assert!(matches!(error, RedriveError::Refused(_)), "{error}");
    assert_eq!(bench.now(&letter).await, letter);
    bench.queues.recover();
    bench.redrive(&letter).await.unwrap();
}

/// A lease that cannot be given back is told, and runs out.
#[tokio::test]
async fn a_lease_that_cannot_be_given_back_runs_out() {
    let bench = Bench::with_connector();
    let letter = bench.letter("connector", json!(1)).await;
    bench.queues.refuse("connector", "\"data\":1");
    bench.store().fail_after(3);
    let answer = bench
        .redrive_by(&bench.queues, &letter.tenant, letter.id)
        .await;
    let why = answer.unwrap_err();
    assert!(matches!(why.error, RedriveError::Refused(_)), "{why:?}");
    assert!(why.still_held.is_some());
    bench.store().recover();
    bench.queues.recover();
    bench.clock.advance(LEASE + Duration::from_millis(1));
    bench.redrive(&letter).await.unwrap();
}

/// A queue that takes so long that the lease runs out, and somebody else redrives the letter meanwhile.
struct Slow<'a> {
    bench: &'a Bench,
    letter: Mutex<Option<DeadLetter>>,
}

impl DeliveryQueues for Slow<'_> {
    async fn send(&self, queue: &QueueUrl, messages: &[Message]) -> Vec<Result<(), SendError>> {
        let letter = self.letter.lock().unwrap().take();
        if let Some(letter) = letter {
            self.bench.clock.advance(LEASE + Duration::from_millis(1));
            Box::pin(self.bench.redrive(&letter)).await.unwrap();
        }
        self.bench.queues.send(queue, messages).await
    }
}

#[tokio::test]
async fn one_who_lost_the_lease_cannot_close_the_letter() {
    let bench = Bench::with_connector();
    let letter = bench.letter("connector", json!(1)).await;
    let slow = Slow {
        bench: &bench,
        letter: Mutex::new(Some(letter.clone())),
    };
    let answer = bench.redrive_by(&slow, &letter.tenant, letter.id).await;
    let error = answer.unwrap_err().error;
    assert!(matches!(error, RedriveError::Late), "{error}");
    let redriven = bench.now(&letter).await;
    assert!(matches!(redriven.state, LetterState::Redriven(_)));
    assert_eq!((bench.sent().len(), redriven.redrive_ids.len()), (2, 2));
}

async fn add_version(registry: &MemoryRegistry, version: u64, upcaster: Option<&str>) {
    let schema = Schema {
        event_type: "order.created".parse().unwrap(),
        version: SchemaVersion::new(version).unwrap(),
        document: json!({ "type": "object" }),
        upcaster: upcaster.map(str::to_owned),
    };
    register(registry, &tenant("demo"), &schema).await.unwrap();
}

#[tokio::test]
async fn an_event_is_brought_up_to_the_version_that_is_asked_for_by_now() {
    let mut wanted = subscription(&tenant("demo"), "connector", &["*"]);
    wanted.target_version = Some(SchemaVersion::new(2).unwrap());
    let bench = Bench::new([wanted]);
    add_version(&bench.registry, 1, None).await;
    add_version(
        &bench.registry,
        2,
        Some("if .cents < 0 then error(\"negative\") else .total = .cents / 100 end"),
    )
    .await;
    let letter = bench.letter("connector", json!({ "cents": 1250 })).await;
    bench.redrive(&letter).await.unwrap();
    let sent = bench.sent();
    let data: Value = serde_json::from_slice(sent[0].event.data().unwrap().bytes()).unwrap();
    assert_eq!(data["total"], json!(12.5));

    let bad = bench.letter("connector", json!({ "cents": -1 })).await;
    let error = bench.redrive(&bad).await.unwrap_err();
    assert!(
        matches!(&error, RedriveError::Version(_)) && error.to_string().contains("negative"),
        "{error}"
    );
    assert_eq!(bench.now(&bad).await, bad);
}

#[tokio::test]
async fn letters_of_a_list_are_redriven_each_by_itself() {
    let bench = Bench::with_connector();
    let mut ids = Vec::new();
    for subscription in ["connector", "gone", "connector"] {
        ids.push(bench.letter(subscription, json!(1)).await.id);
    }
    ids.extend((0..20).map(|_| DeadLetterId::new(bench.clock.next_id())));
    let upcasts = Upcasting::new(&bench.registry, bench.clock.clone());
    let redriver = Redriver {
        letters: bench.store(),
        subscriptions: &bench.registry,
        queues: &bench.queues,
        upcasts: &upcasts,
        clock: &bench.clock,
    };
    let answers = redriver.redrive_all(&tenant("demo"), &ids).await;
    let redriven: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    let mut expected = vec![true, false, true];
    expected.resize(23, false);
    assert_eq!(redriven, expected);
    for (id, letter) in ids.iter().zip(answers) {
        assert!(letter.is_err() || letter.unwrap().letter.id == *id);
    }
    assert_eq!(bench.sent().len(), 2);
}

#[tokio::test]
async fn the_largest_event_goes_back_whole() {
    let bench = Bench::with_connector();
    let data = json!("x".repeat(999_000));
    let letter = bench.letter("connector", data.clone()).await;
    bench.redrive(&letter).await.unwrap();
    let sent = bench.sent();
    let sent: Value = serde_json::from_slice(sent[0].event.data().unwrap().bytes()).unwrap();
    assert!(sent == data);
}
