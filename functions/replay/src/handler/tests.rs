//! Calls as Lambda hands them over, on jobs in memory.

use pillarbox_domain::job::{JobState, ReplayFilter, Target};
use pillarbox_testkit::builders::{subscription, tenant};
use pillarbox_testkit::job_bus::{ARCHIVED_AFTER, MemoryJobBus, MemoryParts};
use pillarbox_testkit::metrics::told;
use pillarbox_testkit::{ManualClock, MemoryMetrics, MemoryVisibility};
use serde_json::{Value, json};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

struct Bench {
    clock: ManualClock,
    replay: Replay<MemoryParts, MemoryVisibility>,
    metrics: MemoryMetrics,
}

/// A job of so many events, a second apart, that can be planned.
async fn bench(events: u32) -> (Bench, JobId) {
    let bus = MemoryJobBus::new(1, [subscription(&tenant("demo"), "orders", &["*"])]);
    for number in 0..events {
        let at = bus.clock.now() - (events - number) * SECOND;
        let members = json!({ "id": number.to_string() });
        bus.logged(&tenant("demo"), at, members).await;
    }
    let spec = bus.replay(ReplayFilter::default(), Target::All);
    let job = bus.job(&tenant("demo"), spec).await;
    let metrics = MemoryMetrics::of("replay");
    let bench = Bench {
        clock: bus.clock,
        replay: Replay {
            parts: bus.parts,
            visibility: MemoryVisibility::default(),
            archived_after: ARCHIVED_AFTER,
            budget: BUDGET,
            metrics: metrics.metrics.clone(),
        },
        metrics,
    };
    (bench, job.id)
}

impl Bench {
    async fn handle(&self, input: Value) -> Result<BatchAnswer, InvocationError> {
        let input = RawValue::from_string(input.to_string()).unwrap();
        self.replay.handle(&input).await
    }

    /// A batch of messages `m0`, `m1` and so on, received so often.
    async fn batch(&self, bodies: &[String], receives: u32) -> BatchAnswer {
        let records: Vec<Value> = bodies
            .iter()
            .enumerate()
            .map(|(n, body)| {
                json!({
                    "messageId": format!("m{n}"), "receiptHandle": format!("r{n}"), "body": body,
                    "attributes": { "ApproximateReceiveCount": receives.to_string() },
                    "messageAttributes": {},
                })
            })
            .collect();
        self.handle(json!({ "Records": records })).await.unwrap()
    }

    async fn state(&self, id: JobId) -> JobState {
        let job = self.replay.parts.jobs.get(&tenant("demo"), id).await;
        job.unwrap().unwrap().state
    }

    fn sent(&self) -> usize {
        self.replay.parts.queues.bodies("orders").len()
    }
}

fn call(owner: &str, id: JobId) -> String {
    json!({ "tenant": owner, "job_id": id }).to_string()
}

fn failed(ids: &[&str]) -> BatchAnswer {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[tokio::test]
async fn a_call_works_until_the_job_is_done_and_keeps_its_message_hidden() {
    let (bench, id) = bench(1_000).await;
    let answer = bench.batch(&[call("demo", id)], 1).await;
    assert_eq!(answer, failed(&[]));
    assert_eq!(
        (bench.state(id).await, bench.sent()),
        (JobState::Completed, 1_000)
    );
    // A worker that is killed is missed within its lease.
    assert_eq!(bench.replay.visibility.of("r0"), Some(LEASE));
    assert_eq!(bench.replay.visibility.calls(), 1, "not at each page");
    let expected = told([
        ("ColdStart", "replay", &[1.0]),
        ("BatchSize", "replay", &[1.0]),
        ("JobEvents", "REPLAY", &[1_000.0]),
    ]);
    assert_eq!(bench.metrics.values(), expected);
}

#[tokio::test]
async fn a_call_that_is_too_early_comes_again_when_it_is_time() {
    let (bench, id) = bench(10).await;
    let late = bench.clock.now() + 20 * SECOND;
    let bus_now = bench.clock.now();
    let mut job = bench
        .replay
        .parts
        .jobs
        .get(&tenant("demo"), id)
        .await
        .unwrap()
        .unwrap();
    job.id = JobId::new(bench.clock.next_id());
    job.created_at = bus_now;
    job.spec.range = pillarbox_domain::log_hour::IdRange::of_times(None, Some(late)).unwrap();
    job.plan.rest = Some(job.spec.range);
    bench.replay.parts.jobs.create(&job, 10).await.unwrap();
    let answer = bench.batch(&[call("demo", job.id)], 1).await;
    assert_eq!(answer, failed(&["m0"]));
    assert_eq!(bench.replay.visibility.of("r0"), Some(22 * SECOND));
}

#[tokio::test]
async fn calls_are_answered_each_by_itself() {
    let (bench, id) = bench(10).await;
    let bodies = [
        "nonsense".to_owned(),
        call("NO", id),
        json!({ "tenant": "demo", "job_id": "x" }).to_string(),
        call("other", id),
        call("demo", JobId::new(bench.clock.next_id())),
        call("demo", id),
    ];
    assert_eq!(bench.batch(&bodies, 1).await, failed(&[]));
    assert_eq!(bench.state(id).await, JobState::Completed);
    // What calls for no job is kept where a person finds it; another tenant's job is none.
    let taken = bench.replay.parts.dead_letters.taken();
    let kept: Vec<&str> = taken.iter().map(|it| it.message.body.as_str()).collect();
    assert_eq!(kept, [&bodies[0], &bodies[1], &bodies[2]]);
    assert!(taken.iter().all(|it| it.origin == Origin::Replay));
}

#[tokio::test]
async fn a_message_that_cannot_be_kept_comes_again() {
    let (bench, _) = bench(0).await;
    bench.replay.parts.dead_letters.set_failing(true);
    assert_eq!(
        bench.batch(&["nonsense".to_owned()], 1).await,
        failed(&["m0"])
    );
}

#[tokio::test]
async fn a_call_whose_store_fails_comes_again_once_its_holds_have_run_out() {
    let (bench, id) = bench(10).await;
    bench.replay.parts.jobs.set_failing(true);
    assert_eq!(bench.batch(&[call("demo", id)], 1).await, failed(&["m0"]));
    assert!(bench.replay.visibility.of("r0").unwrap() > LEASE);
    bench.replay.parts.jobs.set_failing(false);
    assert_eq!(bench.batch(&[call("demo", id)], 2).await, failed(&[]));
    assert_eq!(bench.sent(), 10);
}

#[tokio::test]
async fn a_message_that_came_very_often_is_replaced() {
    let (mut bench, id) = bench(10).await;
    bench.replay.budget = Duration::ZERO;
    assert_eq!(
        bench.batch(&[call("demo", id)], MAX_RECEIVES - 1).await,
        failed(&["m0"])
    );
    assert!(bench.replay.parts.calls.take().is_empty());
    assert_eq!(
        bench.batch(&[call("demo", id)], MAX_RECEIVES).await,
        failed(&[])
    );
    assert_eq!(bench.replay.parts.calls.take().len(), 1);
    // Where that fails, the old one is better than none.
    bench.replay.parts.calls.set_failing(true);
    assert_eq!(
        bench.batch(&[call("demo", id)], MAX_RECEIVES).await,
        failed(&["m0"])
    );
}

#[tokio::test]
async fn a_message_that_cannot_be_hidden_does_not_keep_its_worker_from_working() {
    let (bench, id) = bench(10).await;
    bench.replay.visibility.set_failing(true);
    assert_eq!(bench.batch(&[call("demo", id)], 1).await, failed(&[]));
    assert_eq!(bench.sent(), 10);
}

#[tokio::test]
async fn a_pass_calls_a_worker_for_each_job_that_nobody_works_for() {
    let (bench, id) = bench(10).await;
    assert_eq!(bench.handle(json!({})).await.unwrap(), failed(&[]));
    assert!(bench.replay.parts.calls.take().is_empty());
    bench.clock.advance(IDLE + SECOND);
    bench.handle(json!({})).await.unwrap();
    let called = bench.replay.parts.calls.take();
    assert_eq!(called, [(tenant("demo"), id, Duration::ZERO)]);
    bench.handle(json!({})).await.unwrap();
    assert!(bench.replay.parts.calls.take().is_empty(), "once is enough");
}

#[tokio::test]
async fn a_schedule_s_call_makes_its_job_once() {
    let (bench, _) = bench(10).await;
    let input = json!({ "schedule": {
        "tenant": "demo", "name": "nightly", "timezone": "UTC",
        "scheduled_at": "2026-11-23T11:59:00Z",
        "replay": { "filter": { "range": "last 24h" }, "target": { "all": true } },
    }});
    for _ in 0..2 {
        bench.handle(input.clone()).await.unwrap();
    }
    let jobs = bench
        .replay
        .parts
        .jobs
        .list(&tenant("demo"), None, 10)
        .await
        .unwrap()
        .jobs;
    let scheduled = jobs
        .iter()
        .filter(|job| job.spec.schedule.as_deref() == Some("nightly"));
    assert_eq!((scheduled.count(), jobs.len()), (1, 2));
    // What can never be a job is done with.
    bench
        .handle(json!({ "schedule": { "tenant": "NO" } }))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_batch_that_lambda_malformed_fails_as_a_whole() {
    let (bench, _) = bench(0).await;
    let batch = json!({ "Records": [{ "body": "{}" }] });
    assert!(bench.handle(batch).await.is_err());
}
