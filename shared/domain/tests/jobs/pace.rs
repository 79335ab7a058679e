//! How fast jobs are, in time that passes only where somebody waits.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use pillarbox_domain::delivery::Message;
use pillarbox_domain::dispatch::{DeliveryQueues, SendError};
use pillarbox_domain::job::{JobState, Parts, Ran, ReplayFilter, Sleeper, Target};
use pillarbox_domain::subscription::QueueUrl;
use pillarbox_domain::{Clock, EventId};
use pillarbox_testkit::builders::subscription;
use pillarbox_testkit::job_bus::work;
use pillarbox_testkit::{ManualClock, MemoryCaller, MemoryJobBus};
use serde_json::json;
use time::UtcDateTime;
use tokio::time::Instant;

use crate::support::{SECOND, demo};

/// The time of tokio, which is stopped and goes on where everybody waits.
#[derive(Clone)]
struct StoppedTime {
    start: Instant,
    manual: ManualClock,
}

impl Clock for StoppedTime {
    fn now(&self) -> UtcDateTime {
        self.manual.now() + (Instant::now() - self.start)
    }

    fn next_id(&self) -> EventId {
        self.manual.next_id()
    }
}

impl Sleeper for StoppedTime {
    async fn sleep(&self, lasting: Duration) {
        tokio::time::sleep(lasting).await;
    }
}

/// Remembers when it took how many, and takes its time.
#[derive(Clone, Default)]
struct TimedQueues(Arc<Mutex<Vec<(Duration, usize)>>>);

impl DeliveryQueues for TimedQueues {
    async fn send(&self, _: &QueueUrl, messages: &[Message]) -> Vec<Result<(), SendError>> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let mut sent = self.0.lock().unwrap();
        sent.push((START.with(|start| Instant::now() - *start), messages.len()));
        vec![Ok(()); messages.len()]
    }
}

thread_local! {
    static START: Instant = Instant::now();
}

/// Sends `count` events by four workers, and returns when how many were sent.
async fn timed(count: u32, speed: u32, ramp: Option<Duration>) -> Vec<(Duration, usize)> {
    let bus = MemoryJobBus::new(8, [subscription(&demo(), "orders", &["*"])]);
    for number in 0..count {
        let at = bus.clock.now() - (number % 10_000) * SECOND - SECOND;
        bus.logged(&demo(), at, json!({ "id": number.to_string() }))
            .await;
    }
    let mut spec = bus.replay(ReplayFilter::default(), Target::All);
    (spec.max_events_per_second, spec.ramp) = (Some(speed), ramp);
    let job = bus.job(&demo(), spec).await;
    let MemoryJobBus { clock, parts } = bus;
    let time = StoppedTime {
        start: START.with(|start| *start),
        manual: clock,
    };
    let queues = TimedQueues::default();
    let parts = Parts {
        jobs: parts.jobs,
        calls: parts.calls,
        settings: parts.settings,
        marks: parts.marks,
        log: parts.log,
        archive: parts.archive,
        letters: parts.letters,
        registry: parts.registry,
        subscriptions: parts.subscriptions,
        upcasts: parts.upcasts,
        queues: queues.clone(),
        dead_letters: parts.dead_letters,
        clock: time.clone(),
        sleeper: time,
    };
    let (owner, caller) = (demo(), MemoryCaller::default());
    let workers = (0..4).map(|_| async {
        loop {
            let ran = work(&parts, &owner, job.id, Duration::from_secs(45), &caller);
            match ran.await.unwrap() {
                Ran::Finished => return,
                Ran::Again { after } => tokio::time::sleep(after).await,
            }
        }
    });
    join_all(workers).await;
    use pillarbox_domain::job::JobStore;
    let over = parts.jobs.get(&owner, job.id).await.unwrap().unwrap();
    assert_eq!(
        (over.state, over.done.sent),
        (JobState::Completed, count.into())
    );
    let mut sent = queues.0.lock().unwrap().clone();
    sent.sort();
    sent
}

/// No span of time may have more than the speed allows in it, and one page.
fn assert_held(sent: &[(Duration, usize)], speed: f64, page: usize) {
    for (place, (from, _)) in sent.iter().enumerate() {
        let mut within = 0;
        for (at, count) in &sent[place..] {
            within += count;
            // The queues' own time may move two pages together.
            let span = (*at - *from).as_secs_f64() + 0.02;
            let allowed = span * speed + (page as f64);
            assert!(within as f64 <= allowed + 1.0, "{within} in {span} s");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn four_workers_keep_one_speed() {
    let sent = timed(6_000, 200, None).await;
    assert_held(&sent, 200.0, 200);
    let took = (sent[sent.len() - 1].0 - sent[0].0).as_secs_f64();
    // 6,000 at 200 a second are 30 s, of which the first page takes none.
    assert!((28.0..36.0).contains(&took), "{took}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_job_goes_in_small_steps() {
    let sent = timed(60, 2, None).await;
    assert_held(&sent, 2.0, 2);
    assert!(sent.iter().all(|(_, count)| *count <= 2));
    let took = (sent[sent.len() - 1].0 - sent[0].0).as_secs_f64();
    assert!((28.0..40.0).contains(&took), "{took}");
}

#[tokio::test(start_paused = true)]
async fn a_ramp_comes_up_evenly_from_a_tenth() {
    let sent = timed(4_000, 200, Some(Duration::from_secs(20))).await;
    let first = sent[0].0;
    let within = |from: u64, to: u64| -> usize {
        let seconds = from as f64..to as f64;
        let in_time = sent
            .iter()
            .filter(|(at, _)| seconds.contains(&(*at - first).as_secs_f64()));
        in_time.map(|(_, count)| count).sum()
    };
    // Evenly from 20 to 200 a second over 20 s: about 325 in the first 5 s, 1,000 in the last 5 of the ramp.
    let (early, late, after) = (within(0, 5), within(15, 20), within(21, 26));
    assert!((60..=400).contains(&early), "{early}");
    assert!((600..=1_050).contains(&late), "{late}");
    assert!((850..=1_200).contains(&after), "{after}");
}
