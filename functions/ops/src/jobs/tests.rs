//! `/v1/replays`, `/v1/redrives` and `/v1/jobs` on jobs in memory.

use std::time::Duration;

use pillarbox_domain::Clock;
use pillarbox_domain::job::{
    ChangeJob, Changed, Counts, FailedEvent, Holder, Job, JobId, JobStore, Plan, SETTLING, Saved,
    Unit, UnitPart,
};
use pillarbox_domain::limits::{MAX_ACTIVE_JOBS, MAX_JOB_LEAD, MAX_JOBS_READ};
use pillarbox_testkit::builders::tenant;
use serde_json::{Value, json};

use super::asked;
use crate::test_ops::{Call, TestOps, answer_to, ops};

const ONE: &str = "/v1/jobs/{job_id}";

/// A call of the tenant `demo`, which may do everything that a tenant may.
struct Caller<'a> {
    owner: &'a str,
    scopes: &'a str,
}

const DEMO: Caller<'static> = Caller {
    owner: "demo",
    scopes: "read operate",
};
const OTHER: Caller<'static> = Caller {
    owner: "other",
    ..DEMO
};

impl Caller<'_> {
    async fn post(&self, ops: &TestOps, route: &str, body: Value) -> (i64, Value) {
        let call = Call::of(route, self.scopes, body);
        answer_to(ops, self.owner, call).await
    }

    async fn of_job(&self, ops: &TestOps, route: &str, id: &str, query: &str) -> (i64, Value) {
        let call = Call {
            route,
            scopes: self.scopes,
            path: json!({ "job_id": id }),
            query,
            body: json!({}),
        };
        answer_to(ops, self.owner, call).await
    }

    async fn replay(&self, ops: &TestOps, body: Value) -> (i64, Value) {
        self.post(ops, "POST /v1/replays", body).await
    }

    async fn redrive(&self, ops: &TestOps, body: Value) -> (i64, Value) {
        self.post(ops, "POST /v1/redrives", body).await
    }

    async fn list(&self, ops: &TestOps, query: &str) -> (i64, Value) {
        self.of_job(ops, "GET /v1/jobs", "", query).await
    }

    async fn show(&self, ops: &TestOps, id: &str) -> (i64, Value) {
        self.of_job(ops, &format!("GET {ONE}"), id, "").await
    }

    async fn failures(&self, ops: &TestOps, id: &str, query: &str) -> (i64, Value) {
        let route = format!("GET {ONE}/failures");
        self.of_job(ops, &route, id, query).await
    }

    async fn step(&self, ops: &TestOps, step: &str, id: &str) -> (i64, Value) {
        let route = format!("POST {ONE}/{step}");
        self.of_job(ops, &route, id, "").await
    }

    async fn started(&self, ops: &TestOps) -> String {
        let (status, job) = self.replay(ops, everything()).await;
        assert_eq!(status, 202, "{job}");
        text(&job["job_id"])
    }
}

fn everything() -> Value {
    json!({ "filter": { "from": "2026-11-01T00:00:00Z" }, "target": { "all": true } })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn field(problem: &(i64, Value)) -> (i64, &str) {
    let field = problem.1["errors"][0]["field"].as_str();
    (problem.0, field.unwrap_or_default())
}

fn ids(page: &Value) -> Vec<String> {
    let jobs = page["jobs"].as_array().unwrap().iter();
    jobs.map(|job| text(&job["job_id"])).collect()
}

/// Makes a step of a job's life, as workers do.
async fn change(ops: &TestOps, id: &str, change: ChangeJob) {
    let (demo, id, now) = (tenant("demo"), id.parse().unwrap(), ops.jobs.clock.now());
    let changed = ops.jobs.store.change(&demo, id, &change, now);
    assert!(matches!(changed.await.unwrap(), Changed::Done(_)));
}

/// Plans a job of three units, so that it runs.
async fn plan(ops: &TestOps, id: &str) {
    let (demo, job) = (tenant("demo"), id.parse().unwrap());
    let store = &ops.jobs.store;
    let seen = store.get(&demo, job).await.unwrap().unwrap().plan;
    let plan = Plan {
        rest: None,
        is_whole: true,
        units: 3,
        total: 21,
        ..Plan::default()
    };
    let units = [0, 1, 2].map(|number| Unit {
        number,
        part: UnitPart::Letters(seen.rest.unwrap()),
        total: 7,
        cursor: None,
        done: Counts::default(),
    });
    let is_written = store.extend_plan(&demo, job, &seen, &units, &plan).await;
    assert!(is_written.unwrap());
    change(ops, id, ChangeJob::Planned).await;
}

/// Works off a job that is planned.
async fn complete(ops: &TestOps, id: &str) {
    let (demo, job) = (tenant("demo"), id.parse().unwrap());
    let (store, now) = (&ops.jobs.store, ops.jobs.clock.now());
    let holder = Holder(ops.jobs.clock.next_id());
    while let Some(unit) = store.claim(&demo, job, holder, now).await.unwrap() {
        let finished = store.finish_unit(&demo, job, &unit, holder, now).await;
        assert_eq!(finished.unwrap(), Saved::Yes);
    }
    change(ops, id, ChangeJob::Complete).await;
}

async fn subscribe(ops: &TestOps, owner: &str, id: &str) {
    let body =
        json!({ "id": id, "types": ["*"], "queue_url": "https://sqs.test/1/pillarbox-sub-a" });
    let caller = Caller { owner, ..DEMO };
    let (status, _) = caller.post(ops, "POST /v1/subscriptions", body).await;
    assert_eq!(status, 201);
}

#[tokio::test]
async fn a_replay_is_kept_and_its_first_worker_called() {
    let ops = ops();
    let (status, job) = DEMO.replay(&ops, everything()).await;
    assert_eq!((status, &job["state"]), (202, &json!("PLANNING")));
    assert_eq!(
        job["filter"],
        json!({ "from": "2026-11-01T00:00:00Z", "to": "2026-11-23T12:00:00Z" })
    );
    let id: JobId = text(&job["job_id"]).parse().unwrap();
    assert_eq!(ops.jobs.queue.take(), [(tenant("demo"), id, SETTLING)]);
    assert_eq!(DEMO.show(&ops, &id.to_string()).await, (200, job));
}

#[tokio::test]
async fn a_redrive_is_kept_and_its_first_worker_called() {
    let ops = ops();
    let (status, job) = DEMO.redrive(&ops, json!({ "dry_run": true })).await;
    let told = (&job["kind"], &job["dry_run"], &job["filter"]["state"]);
    assert_eq!(
        (status, told),
        (202, (&json!("REDRIVE"), &json!(true), &json!("OPEN")))
    );
    assert_eq!(ops.jobs.queue.take().len(), 1);
}

#[tokio::test]
async fn a_job_whose_worker_could_not_be_called_is_kept_all_the_same() {
    let ops = ops();
    ops.jobs.queue.set_failing(true);
    let (status, job) = DEMO.replay(&ops, everything()).await;
    assert_eq!(status, 202);
    assert_eq!(DEMO.show(&ops, &text(&job["job_id"])).await.0, 200);
}

#[tokio::test]
async fn the_gap_of_a_resumed_subscription_is_replayed_by_the_body_that_it_gives() {
    let ops = ops();
    subscribe(&ops, "demo", "orders").await;
    let step = |step: &'static str| {
        let route = format!("POST /v1/subscriptions/{{subscription}}/{step}");
        let ops = &ops;
        async move {
            let call = Call {
                path: json!({ "subscription": "orders" }),
                ..Call::of(&route, DEMO.scopes, json!({}))
            };
            answer_to(ops, "demo", call).await
        }
    };
    assert_eq!(step("pause").await.0, 200);
    ops.jobs.clock.advance(Duration::from_secs(3_600));
    let (_, resumed) = step("resume").await;
    let gap = &resumed["gap"];
    let (status, job) = DEMO.replay(&ops, gap["replay"].clone()).await;
    assert_eq!(status, 202, "{job}");
    assert_eq!(job["target"], json!({ "subscription": "orders" }));
    // Events are withheld until dispatch knows of the resume, some seconds from now. They are in the set, and the job
    // waits for them.
    let asked = (&job["filter"]["from"], &job["filter"]["to"]);
    assert_eq!(asked, (&gap["from"], &gap["to"]));
    let (.., delay) = ops.jobs.queue.take()[0];
    assert!(
        delay > SETTLING && delay <= SETTLING + MAX_JOB_LEAD,
        "{delay:?}"
    );
}

#[tokio::test]
async fn a_subscription_that_is_not_there_for_the_caller_is_told_by_its_member() {
    let ops = ops();
    subscribe(&ops, "other", "theirs").await;
    subscribe(&ops, "_bus", "_audit").await;
    let replay = |id: &str| {
        let mut body = everything();
        body["target"] = json!({ "subscription": id });
        body
    };
    for id in ["nobody", "theirs", "_audit"] {
        let refused = DEMO.replay(&ops, replay(id)).await;
        assert_eq!(field(&refused), (400, "target.subscription"), "{id}");
    }
    for id in ["nobody", "theirs"] {
        let body = json!({ "filter": { "subscription": id } });
        let refused = DEMO.redrive(&ops, body).await;
        assert_eq!(field(&refused), (400, "filter.subscription"), "{id}");
    }
    // A tenant's letters may be those of a subscription of the bus.
    let body = json!({ "filter": { "subscription": "_audit" } });
    assert_eq!(DEMO.redrive(&ops, body).await.0, 202);
    let bus = Caller {
        owner: "_bus",
        ..DEMO
    };
    assert_eq!(bus.replay(&ops, replay("_audit")).await.0, 202);
}

#[tokio::test]
async fn what_is_no_job_is_refused_and_nothing_is_kept() {
    let ops = ops();
    let mut elsewhere = everything();
    elsewhere["target"] = json!({ "queue_url": "https://sqs.test/1/orders" });
    let refused = DEMO.replay(&ops, elsewhere).await;
    assert_eq!(field(&refused), (400, "target.queue_url"));
    let refused = DEMO.redrive(&ops, everything()).await;
    assert_eq!(field(&refused), (400, "target"));
    for body in [json!([]), json!("x"), Value::Null] {
        assert_eq!(DEMO.replay(&ops, body.clone()).await.0, 400, "{body}");
        assert_eq!(DEMO.redrive(&ops, body.clone()).await.0, 400, "{body}");
    }
    assert_eq!(DEMO.list(&ops, "").await.1["jobs"], json!([]));
    assert!(ops.jobs.queue.take().is_empty());
}

#[tokio::test]
async fn a_tenant_has_so_many_jobs_that_are_not_over_and_no_more() {
    let ops = ops();
    let mut started = vec![];
    for _ in 0..MAX_ACTIVE_JOBS {
        started.push(DEMO.started(&ops).await);
    }
    let (status, problem) = DEMO.replay(&ops, everything()).await;
    assert_eq!(
        (status, &problem["type"]),
        (429, &json!("urn:pillarbox:too-many"))
    );
    assert!(text(&problem["detail"]).contains("10 jobs"), "{problem}");
    assert_eq!(DEMO.redrive(&ops, json!({})).await.0, 429);
    assert_eq!(ops.jobs.queue.take().len(), MAX_ACTIVE_JOBS);
    assert_eq!(OTHER.redrive(&ops, json!({})).await.0, 202);
    assert_eq!(DEMO.step(&ops, "cancel", &started[3]).await.0, 200);
    assert_eq!(DEMO.replay(&ops, everything()).await.0, 202);
}

#[tokio::test]
async fn a_job_is_paused_resumed_and_cancelled_as_often_as_somebody_says() {
    let ops = ops();
    let id = DEMO.started(&ops).await;
    for (step, state) in [
        ("pause", "PAUSED"),
        ("pause", "PAUSED"),
        ("resume", "PLANNING"),
        ("resume", "PLANNING"),
        ("cancel", "CANCELLED"),
        ("cancel", "CANCELLED"),
    ] {
        let (status, job) = DEMO.step(&ops, step, &id).await;
        assert_eq!((status, &job["state"]), (200, &json!(state)), "{step}");
    }
    // One for the start, and one for the resume; who says it twice does not double the workers.
    let called = ops.jobs.queue.take();
    assert_eq!((called.len(), called[1].2), (2, Duration::ZERO));
}

#[tokio::test]
async fn a_step_that_the_state_does_not_allow_is_refused_and_changes_nothing() {
    let ops = ops();
    let cancelled = DEMO.started(&ops).await;
    DEMO.step(&ops, "cancel", &cancelled).await;
    let completed = DEMO.started(&ops).await;
    plan(&ops, &completed).await;
    complete(&ops, &completed).await;
    let refused = [
        (&cancelled, "CANCELLED", &["pause", "resume"][..]),
        (&completed, "COMPLETED", &["pause", "resume", "cancel"]),
    ];
    for (id, state, steps) in refused {
        for step in steps {
            let (status, problem) = DEMO.step(&ops, step, id).await;
            let detail = text(&problem["detail"]);
            assert_eq!(status, 409, "{step} {state}");
            assert!(detail.contains(&format!("is {state}")), "{detail}");
        }
        assert_eq!(DEMO.show(&ops, id).await.1["state"], *state);
    }
}

#[tokio::test]
async fn a_resumed_job_goes_on_where_it_was() {
    let ops = ops();
    let id = DEMO.started(&ops).await;
    plan(&ops, &id).await;
    let (_, running) = DEMO.show(&ops, &id).await;
    assert_eq!(
        (&running["state"], &running["total"]),
        (&json!("RUNNING"), &json!(21))
    );
    DEMO.step(&ops, "pause", &id).await;
    ops.jobs.queue.take();
    let (_, resumed) = DEMO.step(&ops, "resume", &id).await;
    assert_eq!(resumed["state"], "RUNNING");
    // A worker for each unit.
    assert_eq!(ops.jobs.queue.take().len(), 3);
}

#[tokio::test]
async fn no_route_shows_or_changes_another_tenants_job() {
    let ops = ops();
    let id = DEMO.started(&ops).await;
    let missing = "01a20846-fe00-7000-8000-00000000ffff";
    ops.jobs.queue.take();
    for route in [
        "GET",
        "GET /failures",
        "POST /pause",
        "POST /resume",
        "POST /cancel",
    ] {
        let (method, action) = route.split_once(' ').unwrap_or((route, ""));
        let route = format!("{method} {ONE}{action}");
        let (status, theirs) = OTHER.of_job(&ops, &route, &id, "").await;
        assert_eq!(status, 404, "{route}");
        // In the same words as for a job that is not there at all.
        let (_, nobodys) = OTHER.of_job(&ops, &route, missing, "").await;
        let told = text(&nobodys["detail"]).replace(missing, &id);
        assert_eq!(theirs["detail"], told, "{route}");
        let malformed = DEMO.of_job(&ops, &route, "1", "").await;
        assert_eq!(field(&malformed), (400, "job_id"), "{route}");
    }
    assert_eq!(OTHER.list(&ops, "").await.1["jobs"], json!([]));
    assert_eq!(DEMO.show(&ops, &id).await.1["state"], "PLANNING");
    assert!(ops.jobs.queue.take().is_empty());
    let bus = Caller {
        owner: "_bus",
        scopes: "admin read operate",
    };
    assert_eq!(bus.show(&ops, &id).await.0, 404);
}

#[tokio::test]
async fn jobs_are_listed_the_latest_first_page_by_page() {
    let ops = ops();
    let mut started = vec![];
    for n in 0..5 {
        ops.jobs.clock.advance(Duration::from_secs(1));
        let (_, job) = match n % 2 {
            0 => DEMO.replay(&ops, everything()).await,
            _ => DEMO.redrive(&ops, json!({})).await,
        };
        started.insert(0, text(&job["job_id"]));
    }
    OTHER.started(&ops).await;
    let (status, first) = DEMO.list(&ops, "limit=2").await;
    assert_eq!((status, ids(&first)), (200, started[..2].to_vec()));
    let cursor = text(&first["next_cursor"]);
    let (_, rest) = DEMO.list(&ops, &format!("cursor={cursor}")).await;
    assert_eq!(ids(&rest), started[2..]);
    assert_eq!(rest["next_cursor"], Value::Null);
    // The last page is known to be the last, though it is full.
    let (_, whole) = DEMO.list(&ops, "limit=5").await;
    assert_eq!(
        (ids(&whole).len(), &whole["next_cursor"]),
        (5, &Value::Null)
    );

    let (_, replays) = DEMO.list(&ops, "kind=REPLAY&limit=2").await;
    assert_eq!(ids(&replays), [started[0].clone(), started[2].clone()]);
    let cursor = text(&replays["next_cursor"]);
    let (_, more) = DEMO
        .list(&ops, &format!("kind=REPLAY&cursor={cursor}"))
        .await;
    assert_eq!(ids(&more), [started[4].clone()]);
    DEMO.step(&ops, "cancel", &started[1]).await;
    let (_, cancelled) = DEMO.list(&ops, "state=CANCELLED").await;
    assert_eq!(ids(&cancelled), [started[1].clone()]);
    assert_eq!(cancelled["next_cursor"], Value::Null);

    for query in [
        format!("cursor={cursor}"),
        format!("kind=REDRIVE&cursor={cursor}"),
    ] {
        let refused = DEMO.list(&ops, &query).await;
        assert_eq!(field(&refused), (400, "cursor"), "{query}");
    }
    let theirs = OTHER
        .list(&ops, &format!("kind=REPLAY&cursor={cursor}"))
        .await;
    assert_eq!(field(&theirs), (400, "cursor"));
}

#[tokio::test]
async fn a_page_for_which_very_many_jobs_were_looked_at_is_short_and_goes_on() {
    let ops = ops();
    let wanted = DEMO.started(&ops).await;
    let (demo, clock, store) = (tenant("demo"), &ops.jobs.clock, &ops.jobs.store);
    for _ in 0..=MAX_JOBS_READ {
        let spec = asked::redrive(&json!({}), clock.now()).unwrap();
        let id = JobId::new(clock.next_id());
        let job = Job::asked_for(demo.clone(), id, spec, clock.now());
        store.create(&job, usize::MAX).await.unwrap();
    }
    let (_, first) = DEMO.list(&ops, "kind=REPLAY").await;
    assert!(ids(&first).is_empty());
    let cursor = text(&first["next_cursor"]);
    let query = format!("kind=REPLAY&cursor={cursor}");
    let (_, second) = DEMO.list(&ops, &query).await;
    assert_eq!(
        (ids(&second), &second["next_cursor"]),
        (vec![wanted], &Value::Null)
    );
}

#[tokio::test]
async fn what_is_no_query_is_told_by_its_parameter() {
    let ops = ops();
    for (query, name) in [
        ("kind=replay", "kind"),
        ("state=OPEN", "state"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("cursor=x", "cursor"),
        ("tenant=other", "tenant"),
    ] {
        let refused = DEMO.list(&ops, query).await;
        assert_eq!(field(&refused), (400, name), "{query}");
    }
    let id = DEMO.started(&ops).await;
    for (query, name) in [
        ("limit=0", "limit"),
        ("cursor=x", "cursor"),
        ("kind=REPLAY", "kind"),
    ] {
        let refused = DEMO.failures(&ops, &id, query).await;
        assert_eq!(field(&refused), (400, name), "{query}");
    }
}

#[tokio::test]
async fn a_job_that_expired_is_not_there_though_the_store_has_it() {
    let ops = ops();
    let id = DEMO.started(&ops).await;
    DEMO.step(&ops, "cancel", &id).await;
    let (_, job) = DEMO.show(&ops, &id).await;
    assert!(job["expires_at"].is_string(), "{job}");
    ops.jobs
        .clock
        .advance(Duration::from_secs(10 * 365 * 24 * 60 * 60));
    assert_eq!(DEMO.show(&ops, &id).await.0, 404);
    assert_eq!(DEMO.step(&ops, "cancel", &id).await.0, 404);
    assert_eq!(DEMO.list(&ops, "").await.1["jobs"], json!([]));
}

/// Lists a failure of an event at each of these subscriptions.
async fn fail(ops: &TestOps, job: &str, event: u8, subscriptions: &[&str]) {
    let event_id = format!("01a20846-fe00-7000-8000-0000000000{event:02}");
    for id in subscriptions {
        let failed = FailedEvent {
            event_id: event_id.parse().unwrap(),
            subscription: Some(id.parse().unwrap()),
            error_class: "AccessDenied".to_owned(),
            error_message: "the queue's policy says no".to_owned(),
        };
        let store = &ops.jobs.store;
        let job = job.parse().unwrap();
        store
            .add_failure(&tenant("demo"), job, &failed)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn failures_are_listed_page_by_page_and_none_is_left_out_between_pages() {
    let ops = ops();
    let id = DEMO.started(&ops).await;
    fail(&ops, &id, 1, &["a"]).await;
    fail(&ops, &id, 2, &["a", "b", "c"]).await;
    fail(&ops, &id, 3, &["a", "b"]).await;
    for limit in 1..=7 {
        let (mut found, mut cursor) = (vec![], String::new());
        loop {
            let query = format!("limit={limit}{cursor}");
            let (status, page) = DEMO.failures(&ops, &id, &query).await;
            assert_eq!(status, 200, "{page}");
            found.extend(page["failures"].as_array().unwrap().clone());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let told = |failure: &Value| {
            let event = text(&failure["event_id"]);
            format!("{}{}", &event[35..], text(&failure["subscription"]))
        };
        let found: Vec<String> = found.iter().map(told).collect();
        assert_eq!(found, ["1a", "2a", "2b", "2c", "3a", "3b"], "{limit}");
    }
    let (_, page) = DEMO.failures(&ops, &id, "limit=1").await;
    let error = json!({ "class": "AccessDenied", "message": "the queue's policy says no" });
    assert_eq!(page["failures"][0]["error"], error);
    // A cursor is of one job.
    let another = DEMO.started(&ops).await;
    let query = format!("cursor={}", text(&page["next_cursor"]));
    let refused = DEMO.failures(&ops, &another, &query).await;
    assert_eq!(field(&refused), (400, "cursor"));
}

#[tokio::test]
async fn to_read_and_to_operate_are_scopes_of_their_own() {
    let ops = ops();
    let id = DEMO.started(&ops).await;
    let reader = Caller {
        scopes: "publish read",
        ..DEMO
    };
    let operator = Caller {
        scopes: "publish operate",
        ..DEMO
    };
    assert_eq!(reader.replay(&ops, everything()).await.0, 403);
    assert_eq!(reader.redrive(&ops, json!({})).await.0, 403);
    for step in ["pause", "resume", "cancel"] {
        assert_eq!(reader.step(&ops, step, &id).await.0, 403);
    }
    assert_eq!(operator.list(&ops, "").await.0, 403);
    assert_eq!(operator.show(&ops, &id).await.0, 403);
    assert_eq!(operator.failures(&ops, &id, "").await.0, 403);
    assert_eq!(reader.show(&ops, &id).await.0, 200);
    assert_eq!(operator.step(&ops, "pause", &id).await.0, 200);
}

#[tokio::test]
async fn steps_have_no_parameters() {
    let ops = ops();
    let id = DEMO.started(&ops).await;
    let call = Call {
        path: json!({ "job_id": id }),
        ..Call::of(
            "POST /v1/jobs/{job_id}/pause",
            DEMO.scopes,
            json!({ "reason": "x" }),
        )
    };
    assert_eq!(answer_to(&ops, "demo", call).await.0, 400);
    assert_eq!(DEMO.show(&ops, &id).await.1["state"], "PLANNING");
}
