//! Schedules of a tenant's own, and what becomes of their calls.

use std::time::Duration;

use aws_sdk_scheduler::operation::get_schedule::GetScheduleOutput;
use pillarbox_aws::{ScheduleTarget, SchedulerSchedules, keys};
use pillarbox_domain::Clock;
use pillarbox_runtime::clock::SystemClock;
use pillarbox_testkit::schedules::conformance;
use pillarbox_tests::functions::Function;
use pillarbox_tests::operating::rfc3339;
use pillarbox_tests::stack::{Stack, Tenant};
use pillarbox_tests::{eventually, fresh};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{assert_problem, event, event_ids};

const REPLAY: Function = Function("replay");

fn nightly(subscription: &str) -> Value {
    json!({
        "name": "nightly",
        "expression": "cron(0 3 * * ? *)",
        "timezone": "Europe/Vienna",
        "replay": {
            "filter": { "types": ["order.*"], "range": "last 24h" },
            "target": { "subscription": subscription },
        },
    })
}

async fn schedules(tenant: &Tenant) -> Value {
    tenant.ask(Method::GET, "/v1/schedules", &Value::Null).await
}

#[tokio::test]
async fn a_schedule_is_kept_once_shown_and_taken_away_by_its_own_tenant() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    tenant.subscribe("orders", &["order.*"]).await;
    let asked = nightly("orders");
    let path = "/v1/schedules";
    let added = tenant.call(Method::POST, path, &asked).await;
    assert_eq!(added.status, 201, "{added:?}");
    for member in ["name", "expression", "timezone", "replay"] {
        assert_eq!(added.body[member], asked[member], "{added:?}");
    }
    assert_eq!(tenant.call(Method::POST, path, &asked).await.status, 200);
    let mut other = asked.clone();
    other["expression"] = json!("rate(1 day)");
    assert_problem(
        &tenant.call(Method::POST, path, &other).await,
        409,
        "nightly",
    );
    other["expression"] = json!("every night");
    assert_eq!(tenant.call(Method::POST, path, &other).await.status, 400);

    let stranger = stack.tenant().await;
    assert_eq!(schedules(&stranger).await["schedules"], json!([]));
    let own = format!("{path}/nightly");
    for method in [Method::GET, Method::DELETE] {
        let answer = stranger.call(method, &own, &Value::Null).await;
        assert_problem(&answer, 404, "nightly");
    }
    assert_eq!(schedules(&tenant).await["schedules"][0]["name"], "nightly");
    assert_eq!(
        tenant.call(Method::DELETE, &own, &Value::Null).await.status,
        204
    );
    assert_problem(
        &tenant.call(Method::GET, &own, &Value::Null).await,
        404,
        "nightly",
    );
}

#[tokio::test]
async fn a_scheduled_time_makes_one_job_however_often_its_call_comes() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let early = tenant.accepted(event("1")).await;
    stack.handed_over(early).await;
    let queue = tenant.subscribe("orders", &["order.*"]).await;
    let scheduled_at = rfc3339(SystemClock::default().now());
    let call = json!({ "schedule": {
        "tenant": tenant.id.as_str(), "name": "nightly", "scheduled_at": scheduled_at,
        "replay": nightly("orders")["replay"],
    }});
    for _ in 0..3 {
        stack.invoke(REPLAY, &call).await;
    }
    let jobs = tenant.ask(Method::GET, "/v1/jobs", &Value::Null).await;
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 1, "{jobs}");
    let job = &jobs["jobs"][0];
    assert_eq!(job["schedule"], "nightly", "{job}");
    let job = tenant
        .job_in(job["job_id"].as_str().unwrap(), "COMPLETED")
        .await;
    assert_eq!(job["sent"], json!(1), "{job}");
    assert_eq!(event_ids(&queue.take_at_least(1).await), [early].into());
}

#[tokio::test]
async fn a_call_that_can_never_be_followed_is_not_repeated() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let call = json!({ "schedule": {
        "tenant": tenant.id.as_str(), "name": "nightly", "scheduled_at": "2026-11-24T03:00:00Z",
        "replay": nightly("nobody")["replay"],
    }});
    stack.invoke(REPLAY, &call).await;
    let jobs = tenant.ask(Method::GET, "/v1/jobs", &Value::Null).await;
    assert_eq!(jobs["jobs"], json!([]));
}

/// The scheduler's own view of a tenant's schedule.
async fn in_the_scheduler(stack: &Stack, tenant: &Tenant) -> GetScheduleOutput {
    let name = keys::schedule(&tenant.id, &"nightly".parse().unwrap());
    let get = stack.scheduler.get_schedule().name(name);
    get.group_name(format!("{}-jobs", stack.name))
        .send()
        .await
        .unwrap()
}

/// Nobody waits for the night: the same call is made by a schedule that is due once, in a moment.
#[tokio::test]
async fn a_schedule_that_is_due_makes_a_job_of_the_time_that_it_was_due() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let early = tenant.accepted(event("1")).await;
    stack.handed_over(early).await;
    let queue = tenant.subscribe("orders", &["order.*"]).await;
    tenant
        .ask(Method::POST, "/v1/schedules", &nightly("orders"))
        .await;

    let kept = in_the_scheduler(&stack, &tenant).await;
    assert_eq!(kept.schedule_expression_timezone(), Some("Europe/Vienna"));
    let due = rfc3339(SystemClock::default().now() + Duration::from_secs(5));
    let (due, _) = due.split_once(['.', 'Z']).unwrap();
    let twin = stack.scheduler.create_schedule();
    let twin = twin
        .name(format!("{}-once", kept.name().unwrap()))
        .set_group_name(kept.group_name)
        .schedule_expression(format!("at({due})"))
        .set_flexible_time_window(kept.flexible_time_window)
        .set_target(kept.target);
    twin.send().await.unwrap();

    let id = eventually("the schedule's job", async || {
        let jobs = tenant.ask(Method::GET, "/v1/jobs", &Value::Null).await;
        let id = jobs["jobs"][0]["job_id"].as_str();
        id.map(str::to_owned)
    })
    .await;
    let job = tenant.job_in(&id, "COMPLETED").await;
    assert_eq!(job["schedule"], "nightly", "{job}");
    let to = job["filter"]["to"].as_str().unwrap();
    assert!(to.starts_with(due), "{due} is not in {to}");
    assert_eq!(event_ids(&queue.take_at_least(1).await), [early].into());
}

/// The suite of the fake, in a group of its own.
#[tokio::test]
async fn the_scheduler_keeps_schedules_as_the_fake_does() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    tenant.subscribe("orders", &["order.*"]).await;
    let wanted = nightly("orders");
    tenant.ask(Method::POST, "/v1/schedules", &wanted).await;
    let target = in_the_scheduler(&stack, &tenant).await.target.unwrap();

    let group = fresh("conformance");
    let made = stack.scheduler.create_schedule_group().name(&group);
    made.send().await.unwrap();
    let schedules = SchedulerSchedules::new(
        stack.scheduler.clone(),
        ScheduleTarget {
            group: group.clone(),
            function_arn: target.arn,
            role_arn: target.role_arn,
        },
    );
    conformance(&schedules).await;
    let removed = stack.scheduler.delete_schedule_group().name(group);
    removed.send().await.unwrap();
}
