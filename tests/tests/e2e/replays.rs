//! Replays and redrives by filter: what is sent again, what is not, and who may say so.

use std::collections::BTreeSet;

use aws_sdk_sqs::types::Message;
use pillarbox_domain::EventId;
use pillarbox_tests::operating::rfc3339;
use pillarbox_tests::stack::{Queue, Stack, Tenant};
use reqwest::Method;
use serde_json::{Value, json};

use crate::dead_letters::give_up;
use crate::{assert_problem, body, event_ids, typed};

/// Jobs of a tenant that are not over, at most.
const MAX_ACTIVE_JOBS: usize = 10;

async fn published(tenant: &Tenant, types: &[&str]) -> Vec<EventId> {
    let mut ids = Vec::new();
    for (n, event_type) in types.iter().enumerate() {
        ids.push(tenant.accepted(typed(&n.to_string(), event_type)).await);
    }
    ids
}

/// A request for everything since these events.
fn since(ids: &[EventId], target: Value) -> Value {
    json!({ "filter": { "from": rfc3339(ids[0].accepted_at()) }, "target": target })
}

fn with(mut request: Value, name: &str, value: Value) -> Value {
    request[name] = value;
    request
}

fn jobs_of(messages: &[Message]) -> BTreeSet<String> {
    let job = |message| body(message)["pbjob"].as_str().unwrap().to_owned();
    messages.iter().map(job).collect()
}

#[tokio::test]
async fn a_new_subscription_gets_what_was_published_before_it() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let types = [
        "order.created",
        "price.changed",
        "order.paid",
        "order.created",
        "stock.low",
    ];
    let ids = published(&tenant, &types).await;
    for id in &ids {
        stack.handed_over(*id).await;
    }
    let queue = tenant.subscribe("connector", &["order.*", "stock.*"]).await;
    let request = since(&ids, json!({ "subscription": "connector" }));

    let counted = tenant
        .start_replay(&with(request.clone(), "dry_run", json!(true)))
        .await;
    let counted = tenant.job_in(&counted, "COUNTED").await;
    assert_eq!(
        (&counted["total"], &counted["done"]),
        (&json!(5), &json!(0)),
        "{counted}"
    );
    assert!(
        counted["estimate"]["bytes"].as_u64() > Some(300),
        "{counted}"
    );
    assert!(
        counted["estimate"]["cost_usd"].as_f64() > Some(0.0),
        "{counted}"
    );

    let job_id = tenant.start_replay(&request).await;
    let job = tenant.job_in(&job_id, "COMPLETED").await;
    let counts = ["total", "done", "sent", "skipped", "failed"].map(|name| job[name].clone());
    assert_eq!(counts, [5, 5, 4, 1, 0].map(|count| json!(count)), "{job}");
    let messages = queue.take_at_least(4).await;
    assert_eq!(messages.len(), 4);
    assert_eq!(
        event_ids(&messages),
        [ids[0], ids[2], ids[3], ids[4]].into()
    );
    assert_eq!(jobs_of(&messages), [job_id].into());
    let attributes = messages[0].message_attributes.as_ref().unwrap();
    assert_eq!(attributes["subscription"].string_value(), Some("connector"));
}

#[tokio::test]
async fn a_replay_is_of_the_types_source_time_or_operation_that_it_names() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let mut ids = Vec::new();
    for (n, (source, event_type)) in [
        ("/shop", "order.created"),
        ("/till", "order.created"),
        ("/shop", "order.paid"),
        ("/shop", "price.changed"),
    ]
    .into_iter()
    .enumerate()
    {
        let event = json!({
            "specversion": "1.0", "id": n.to_string(), "source": source, "type": event_type,
            "correlationid": format!("operation-{}", n % 2),
        });
        ids.push(tenant.accepted(event).await);
    }
    let from = rfc3339(ids[0].accepted_at());
    for (filter, expected) in [
        (json!({ "from": from, "types": ["order.*"] }), vec![0, 1, 2]),
        (
            json!({ "from": from, "types": ["order.paid", "price.changed"] }),
            vec![2, 3],
        ),
        (
            json!({ "from": from, "types": ["order.*"], "source": "/shop" }),
            vec![0, 2],
        ),
        (json!({ "correlation_id": "operation-1" }), vec![1, 3]),
        (json!({ "from": rfc3339(ids[2].accepted_at()) }), vec![2, 3]),
        (json!({ "from": from, "types": ["nothing.*"] }), vec![]),
    ] {
        let queue = stack.subscriber_queue().await;
        let request = json!({ "filter": filter, "target": { "queue_url": queue.url } });
        let job = tenant.start_replay(&request).await;
        let job = tenant.job_in(&job, "COMPLETED").await;
        assert_eq!(job["sent"], json!(expected.len()), "{filter}: {job}");
        let expected: BTreeSet<EventId> = expected.into_iter().map(|n| ids[n]).collect();
        assert_eq!(event_ids(&queue.take_rest().await), expected, "{filter}");
    }
}

/// Sends three events a second, so that there is time to look at it.
fn slowly(request: Value) -> Value {
    with(request, "max_events_per_second", json!(3))
}

#[tokio::test]
async fn a_job_waits_goes_on_and_is_given_up_as_it_is_told_and_its_set_does_not_grow() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let ids = published(&tenant, &["order.created"; 30]).await;
    let queue = stack.subscriber_queue().await;
    let request = slowly(since(&ids, json!({ "queue_url": queue.url })));
    let job = tenant.start_replay(&request).await;
    tenant
        .job_when(&job, "it has begun", |job| job["done"].as_u64() > Some(0))
        .await;
    let later = tenant.accepted(typed("later", "order.created")).await;

    let paused = tenant.operate_job(&job, "pause").await;
    assert_eq!(
        (paused.status, &paused.body["state"]),
        (200, &json!("PAUSED")),
        "{paused:?}"
    );
    assert_problem(&tenant.operate_job(&job, "nonsense").await, 404, "nonsense");
    let resumed = tenant.operate_job(&job, "resume").await;
    assert_eq!(
        (resumed.status, &resumed.body["state"]),
        (200, &json!("RUNNING")),
        "{resumed:?}"
    );
    let whole = tenant.job_in(&job, "COMPLETED").await;
    assert_eq!(
        (&whole["total"], &whole["done"]),
        (&json!(30), &json!(30)),
        "{whole}"
    );
    assert!(whole["events_per_second"].as_f64() < Some(6.0), "{whole}");
    let delivered = event_ids(&queue.take_at_least(30).await);
    assert_eq!(delivered, ids.iter().copied().collect());
    assert!(!delivered.contains(&later));
    assert_problem(&tenant.operate_job(&job, "resume").await, 409, "COMPLETED");

    let job = tenant.start_replay(&request).await;
    let cancelled = tenant.operate_job(&job, "cancel").await;
    assert_eq!(cancelled.body["state"], "CANCELLED", "{cancelled:?}");
    assert_eq!(tenant.operate_job(&job, "cancel").await.status, 200);
    let listed = tenant
        .ask(Method::GET, "/v1/jobs?limit=1", &Value::Null)
        .await;
    assert_eq!(listed["jobs"][0]["job_id"], json!(job), "{listed}");
    assert!(listed["next_cursor"].is_string(), "{listed}");
}

async fn delete(stack: &Stack, queue: &Queue) {
    stack
        .sqs
        .delete_queue()
        .queue_url(&queue.url)
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn a_queue_that_is_gone_pauses_the_job_with_the_reason_until_it_is_mended() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let ids = published(&tenant, &["order.created"; 5]).await;
    let queue = stack.subscriber_queue().await;
    delete(&stack, &queue).await;
    let job = tenant
        .start_replay(&since(&ids, json!({ "queue_url": queue.url })))
        .await;
    let paused = tenant.job_in(&job, "PAUSED").await;
    let reason = paused["reason"].as_str().unwrap();
    assert!(reason.contains(&queue.url), "{reason}");
    assert_eq!(paused["done"], json!(0), "{paused}");

    let (_, name) = queue.url.rsplit_once('/').unwrap();
    stack
        .sqs
        .create_queue()
        .queue_name(name)
        .send()
        .await
        .unwrap();
    assert_eq!(tenant.operate_job(&job, "resume").await.status, 200);
    let whole = tenant.job_in(&job, "COMPLETED").await;
    assert_eq!(
        (&whole["sent"], &whole["reason"]),
        (&json!(5), &Value::Null),
        "{whole}"
    );
    assert_eq!(queue.take_at_least(5).await.len(), 5);
}

#[tokio::test]
async fn dead_letters_are_redriven_by_filter_and_those_of_others_stay() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let orders = tenant.subscribe("orders", &["order.*"]).await;
    let prices = tenant.subscribe("prices", &["price.*"]).await;
    let failed = published(&tenant, &["order.created", "price.changed", "order.paid"]).await;
    let (order_messages, price_messages) =
        (orders.take_at_least(2).await, prices.take_at_least(1).await);
    give_up(&stack, &order_messages).await;
    give_up(&stack, &price_messages).await;
    for id in &failed {
        tenant.letters_of(*id, 1).await;
    }

    let job_id = tenant
        .start_redrive(&json!({ "filter": { "subscription": "orders" } }))
        .await;
    let job = tenant.job_in(&job_id, "COMPLETED").await;
    assert_eq!(
        (&job["total"], &job["sent"]),
        (&json!(2), &json!(2)),
        "{job}"
    );
    let again = orders.take_at_least(2).await;
    assert_eq!(again.len(), 2);
    assert_eq!(event_ids(&again), [failed[0], failed[2]].into());
    assert_eq!(jobs_of(&again), [job_id].into());
    assert_eq!(prices.take_rest().await.len(), 0);
    let open = tenant.dead_letters("?state=OPEN").await;
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!(open[0]["event_id"], json!(failed[1]), "{open:?}");
}

#[tokio::test]
async fn what_cannot_be_a_job_is_refused_by_the_names_of_its_members() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let queue = stack.subscriber_queue().await;
    let target = json!({ "queue_url": queue.url });
    let from = "2026-11-01T00:00:00Z";
    let whole = json!({ "filter": { "from": from }, "target": target });
    let filter = |filter: Value| with(whole.clone(), "filter", filter);
    for (request, named) in [
        (filter(json!({ "from": from, "to": from })), "filter"),
        (
            filter(json!({ "from": from, "to": "2026-10-01T00:00:00Z" })),
            "filter",
        ),
        (filter(json!({ "from": "yesterday" })), "filter.from"),
        (
            filter(json!({ "from": "2999-01-01T00:00:00Z" })),
            "filter.from",
        ),
        (filter(json!({})), "filter"),
        (filter(json!({ "from": from, "types": [] })), "filter.types"),
        (
            filter(json!({ "from": from, "types": ["a*b"] })),
            "filter.types",
        ),
        (
            filter(json!({ "from": from, "tenant": "other" })),
            "filter.tenant",
        ),
        (
            with(whole.clone(), "target", json!({ "subscription": "nobody" })),
            "target.subscription",
        ),
        (
            with(
                whole.clone(),
                "target",
                json!({ "queue_url": "https://elsewhere/1/q" }),
            ),
            "target.queue_url",
        ),
        (with(whole.clone(), "target", json!({})), "target"),
        (
            with(whole.clone(), "max_events_per_second", json!(0)),
            "max_events_per_second",
        ),
        (with(whole.clone(), "speed", json!(1)), "speed"),
    ] {
        let answer = tenant.call(Method::POST, "/v1/replays", &request).await;
        assert_eq!(answer.status, 400, "{request}: {answer:?}");
        let words = answer.body.to_string();
        assert!(words.contains(named), "{named}: {words}");
    }
    let redrive = json!({ "filter": { "state": "DISCARDED" } });
    let answer = tenant.call(Method::POST, "/v1/redrives", &redrive).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(
        answer.body.to_string().contains("filter.state"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_tenant_has_so_many_jobs_at_a_time_and_sees_no_other_s() {
    let stack = Stack::of_process();
    let tenant = stack.tenant().await;
    let ids = published(&tenant, &["order.created"; 40]).await;
    let queue = stack.subscriber_queue().await;
    let request = with(
        since(&ids, json!({ "queue_url": queue.url })),
        "max_events_per_second",
        json!(1),
    );
    let mut jobs = Vec::new();
    for _ in 0..MAX_ACTIVE_JOBS {
        jobs.push(tenant.start_replay(&request).await);
    }
    let refused = tenant.call(Method::POST, "/v1/replays", &request).await;
    assert_problem(&refused, 429, "10");

    let stranger = stack.tenant().await;
    for (method, path) in [
        (Method::GET, ""),
        (Method::GET, "/failures"),
        (Method::POST, "/pause"),
        (Method::POST, "/resume"),
        (Method::POST, "/cancel"),
    ] {
        let path = format!("/v1/jobs/{}{path}", jobs[0]);
        let answer = stranger.call(method, &path, &Value::Null).await;
        assert_problem(&answer, 404, &jobs[0]);
    }
    let listed = stranger.ask(Method::GET, "/v1/jobs", &Value::Null).await;
    assert_eq!(listed["jobs"], json!([]));

    for job in &jobs {
        assert_eq!(tenant.operate_job(job, "cancel").await.status, 200);
    }
    let job = tenant.start_replay(&request).await;
    assert_eq!(tenant.operate_job(&job, "cancel").await.status, 200);
}
