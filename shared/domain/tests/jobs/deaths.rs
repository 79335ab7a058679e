//! Workers that die at any time: what they held is taken over, and nothing is lost.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use pillarbox_domain::dispatch::Refusal;
use pillarbox_domain::job::{
    Job, JobState, JobStore, LEASE, MAX_PAGE_EVENTS, Ran, ReplayFilter, Target, Work,
};
use pillarbox_domain::letters::LetterFilter;
use pillarbox_domain::{Clock, StoreError};
use pillarbox_testkit::builders::subscription;
use pillarbox_testkit::job_bus::work;
use pillarbox_testkit::{MemoryCaller, MemoryJobBus};
use serde_json::json;
use time::UtcDateTime;

use crate::mortal::{Fate, Holds};
use crate::support::{SECOND, counts, deliveries, demo, ids};

/// Numbers that look random, and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

type Running<'a> = Pin<Box<dyn Future<Output = Result<Ran, StoreError>> + 'a>>;

/// What one call of a worker came to when it was polled.
enum Step {
    Goes,
    Dead,
    Ended(Ran),
}

fn step(worker: &mut Running<'_>) -> Step {
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    match worker.as_mut().poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(ran) => Step::Ended(ran.unwrap()),
        Poll::Pending if woken.0.load(Ordering::Relaxed) => Step::Goes,
        Poll::Pending => Step::Dead,
    }
}

async fn call<'a>(
    bus: &'a MemoryJobBus,
    job: &'a Job,
    fate: &'a Fate<'a>,
) -> Result<Ran, StoreError> {
    let parts = bus.hooked(fate);
    let caller = MemoryCaller::default();
    work(&parts, &job.tenant, job.id, 45 * SECOND, &caller).await
}

/// A message that calls workers, as its queue has it.
enum Message<'a> {
    /// It can be received from this time on.
    Waiting(UtcDateTime),
    /// A worker works for it.
    Taken(Running<'a>),
}

/// Works a job off with four workers, one after the other or interleaved as the dice fall, of which so many die.
/// Returns how many did.
async fn work_off_mortally(bus: &MemoryJobBus, job: &Job, seed: u64, deaths: usize) -> usize {
    let mut dice = Dice(seed);
    let holds = Holds::default();
    let fates: Vec<Fate<'_>> = (0..10_000)
        .map(|number| {
            let points = (number < deaths).then(|| 10 + usize::try_from(dice.below(400)).unwrap());
            Fate::after(points, &holds)
        })
        .collect();
    let mut fates = fates.iter();
    let mut died = 0;
    let mut messages: Vec<Message<'_>> =
        (0..4).map(|_| Message::Waiting(bus.clock.now())).collect();
    while !messages.is_empty() {
        let place = usize::try_from(dice.below(messages.len().try_into().unwrap())).unwrap();
        bus.clock.advance(Duration::from_micros(50));
        let now = bus.clock.now();
        match &mut messages[place] {
            Message::Waiting(until) if *until <= now => {
                let worker = call(bus, job, fates.next().unwrap());
                messages[place] = Message::Taken(Box::pin(worker));
            }
            Message::Waiting(_) => {
                // Where everybody waits time passes.
                let earliest = messages.iter().map(|message| match message {
                    Message::Waiting(until) => *until,
                    Message::Taken(_) => now,
                });
                let wait = earliest.min().unwrap() - now;
                bus.clock
                    .advance(Duration::try_from(wait).unwrap_or_default());
            }
            Message::Taken(worker) => match step(worker) {
                Step::Goes => {}
                Step::Dead => {
                    died += 1;
                    // Its message comes again once nobody keeps it any more.
                    messages[place] = Message::Waiting(now + LEASE);
                }
                Step::Ended(Ran::Again { after }) => {
                    messages[place] = Message::Waiting(now + after);
                }
                Step::Ended(Ran::Finished) => {
                    messages.swap_remove(place);
                }
            },
        }
    }
    died
}

async fn many(bus: &MemoryJobBus, count: u32) -> Vec<pillarbox_domain::LoggedEvent> {
    let mut events = vec![];
    for number in 0..count {
        let at = bus.clock.now() - (count - number) * SECOND;
        events.push(
            bus.logged(&demo(), at, json!({ "id": number.to_string() }))
                .await,
        );
    }
    events
}

#[tokio::test]
async fn twenty_thousand_events_are_delivered_whoever_dies_and_each_death_repeats_a_page() {
    const EVENTS: u32 = 20_000;
    for seed in [0x9E37_79B9_7F4A_7C15, 0xD1B5_4A32_D192_ED03] {
        let bus = MemoryJobBus::new(2, [subscription(&demo(), "orders", &["*"])]);
        let events = many(&bus, EVENTS).await;
        let bad = events[4_321].event_id;
        let refused = "InvalidMessageContents";
        let queues = &bus.parts.queues;
        queues.refuse_with("orders", &bad.to_string(), refused, Refusal::Message);
        let spec = bus.replay(ReplayFilter::default(), Target::All);
        let job = bus.job(&demo(), spec).await;
        let died = work_off_mortally(&bus, &job, seed, 25).await;
        assert!(died >= 20, "{died}");

        let over = bus.now(&job).await;
        assert_eq!(over.state, JobState::Completed);
        // What is counted is counted once, whatever was repeated.
        assert_eq!(over.plan.total, u64::from(EVENTS));
        assert_eq!(counts(&over), [20_000, 19_999, 0, 1]);
        let found = deliveries(&bus, "orders");
        let mut expected = ids(&events);
        expected.retain(|id| *id != bad);
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), expected);
        let repeats = found.values().sum::<usize>() - found.len();
        assert!(repeats <= died * MAX_PAGE_EVENTS, "{repeats} repeats");
        let listed = bus
            .parts
            .jobs
            .failures(&demo(), job.id, None, 10)
            .await
            .unwrap();
        assert_eq!(listed.len(), 1);
    }
}

#[tokio::test]
async fn letters_are_redriven_whoever_dies_and_each_is_counted_once() {
    for seed in [3, 5, 7] {
        let bus = MemoryJobBus::new(1, [subscription(&demo(), "orders", &["*"])]);
        let mut expected = BTreeMap::new();
        for _ in 0..1_500 {
            let letter = crate::redrives::letter(&bus, "orders", "Timeout").await;
            expected.insert(letter.delivery.unwrap().event_id, 0);
        }
        let filter = LetterFilter::default();
        let job = bus.job(&demo(), bus.spec(Work::Redrive { filter })).await;
        let died = work_off_mortally(&bus, &job, seed, 12).await;
        let over = bus.now(&job).await;
        assert_eq!(
            (over.state, counts(&over)),
            (JobState::Completed, [1_500, 1_500, 0, 0])
        );
        let found = deliveries(&bus, "orders");
        assert!(found.keys().eq(expected.keys()));
        // Only what was between its queue and its letter is sent again.
        let repeats = found.values().sum::<usize>() - found.len();
        assert!(repeats <= died * 32, "{repeats} repeats");
    }
}
