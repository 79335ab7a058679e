//! Two tenants: with every id and every cursor of the one in hand, the other finds nothing and changes nothing.

use pillarbox_domain::EventId;
use pillarbox_tests::eventually;
use pillarbox_tests::stack::{Answer, Queue, Stack, Tenant};
use reqwest::Method;
use serde_json::{Value, json};

use crate::dead_letters::give_up;
use crate::{assert_problem, event};

const SUBSCRIPTION: &str = "orders";

/// A tenant with whatever could be stolen: two subscriptions, two events and their letters.
struct Owner {
    tenant: Tenant,
    queue: Queue,
    events: Vec<EventId>,
    letters: Vec<Value>,
}

impl Owner {
    async fn new(stack: &Stack) -> Self {
        let tenant = stack.tenant().await;
        let queue = tenant.subscribe(SUBSCRIPTION, &["order.*"]).await;
        tenant.subscribe("prices", &["price.*"]).await;
        let mut events = Vec::new();
        let mut letters = Vec::new();
        for id in ["1", "2"] {
            let event_id = tenant.accepted(event(id)).await;
            give_up(stack, &queue.take_at_least(1).await).await;
            letters.extend(tenant.letters_of(event_id, 1).await);
            events.push(event_id);
        }
        Self {
            tenant,
            queue,
            events,
            letters,
        }
    }

    fn letter_ids(&self) -> Vec<&str> {
        let ids = self
            .letters
            .iter()
            .map(|letter| letter["dead_letter_id"].as_str());
        ids.map(Option::unwrap).collect()
    }
}

/// Everything that is done with one thing of a tenant.
fn requests_about(owner: &Owner) -> Vec<(Method, String, Value)> {
    let (get, post, nothing) = (Method::GET, Method::POST, Value::Null);
    let subscription = format!("/v1/subscriptions/{SUBSCRIPTION}");
    let letter = format!("/v1/dead-letters/{}", owner.letter_ids()[0]);
    let event = format!("/v1/events/{}", owner.events[0]);
    vec![
        (get.clone(), event.clone(), nothing.clone()),
        (get.clone(), format!("{event}/journey"), nothing.clone()),
        (get.clone(), subscription.clone(), nothing.clone()),
        (
            Method::PATCH,
            subscription.clone(),
            json!({ "version": 1, "types": ["*"] }),
        ),
        (post.clone(), format!("{subscription}/pause"), json!({})),
        (post.clone(), format!("{subscription}/resume"), json!({})),
        (
            post.clone(),
            format!("{subscription}/test"),
            json!({ "last": 10 }),
        ),
        (Method::DELETE, subscription, nothing.clone()),
        (get, letter.clone(), nothing),
        (post.clone(), format!("{letter}/redrive"), json!({})),
        (
            post,
            format!("{letter}/discard"),
            json!({ "reason": "a stranger's" }),
        ),
    ]
}

#[tokio::test]
async fn nothing_of_a_tenant_is_there_for_another_however_well_it_is_named() {
    let stack = Stack::of_process();
    let owner = Owner::new(&stack).await;
    let stranger = stack.tenant().await;
    let before = what_is_there(&owner).await;
    for (method, path, body) in requests_about(&owner) {
        let answer = stranger.call(method.clone(), &path, &body).await;
        assert_eq!(answer.status, 404, "{method} {path}: {answer:?}");
        assert_says_nothing(&owner, &answer);
    }
    let ids = json!({ "dead_letter_ids": owner.letter_ids() });
    let redriven = stranger
        .ask(Method::POST, "/v1/dead-letters/redrive", &ids)
        .await;
    let counts = (&redriven["redriven"], &redriven["refused"]);
    assert_eq!(counts, (&json!(0), &json!(2)), "{redriven}");
    for result in redriven["results"].as_array().unwrap() {
        assert_eq!(result["status"], 404, "{redriven}");
    }
    assert_eq!(what_is_there(&owner).await, before);
    assert!(owner.queue.take_rest().await.is_empty());
}

/// A tenant's name is no secret, and what a stranger sent is told back; nothing else is.
fn assert_says_nothing(owner: &Owner, answer: &Answer) {
    let said = answer.body.to_string();
    for secret in [owner.queue.url.as_str(), owner.tenant.id.as_str()] {
        assert!(!said.contains(secret), "{answer:?}");
    }
}

async fn what_is_there(owner: &Owner) -> Value {
    let tenant = &owner.tenant;
    let path = "/v1/dead-letters?state=OPEN&order=oldest";
    json!([
        tenant.subscription(SUBSCRIPTION).await,
        tenant.ask(Method::GET, path, &Value::Null).await,
    ])
}

#[tokio::test]
async fn lists_show_a_tenant_its_own_and_take_no_other_s_cursor() {
    let stack = Stack::of_process();
    let owner = Owner::new(&stack).await;
    let stranger = Owner::new(&stack).await;
    let lists = [
        ("/v1/events?order=oldest", "events"),
        ("/v1/subscriptions?", "subscriptions"),
        ("/v1/dead-letters?order=oldest", "dead_letters"),
    ];
    for (path, name) in lists {
        let first = format!("{path}&limit=1");
        let page = first_of_two(&stranger.tenant, &first).await;
        assert_eq!(page[name].as_array().unwrap().len(), 1, "{page}");
        let told = page.to_string();
        assert!(!told.contains(&owner.queue.url), "{told}");
        assert!(
            owner
                .events
                .iter()
                .all(|id| !told.contains(&id.to_string())),
            "{told}"
        );
        let page = first_of_two(&owner.tenant, &first).await;
        let cursor = page["next_cursor"].as_str().unwrap();
        let next = format!("{first}&cursor={cursor}");
        let own = owner.tenant.call(Method::GET, &next, &Value::Null).await;
        assert_eq!(own.status, 200, "{own:?}");
        let forged = stranger.tenant.call(Method::GET, &next, &Value::Null).await;
        assert_problem(&forged, 400, "cursor");
        assert_says_nothing(&owner, &forged);
    }
    let about = format!("/v1/dead-letters?event_id={}", owner.events[0]);
    let found = stranger.tenant.ask(Method::GET, &about, &Value::Null).await;
    assert_eq!(
        (&found["dead_letters"], &found["total"]),
        (&json!([]), &json!(0))
    );
}

/// The first page, as soon as there is another behind it.
async fn first_of_two(tenant: &Tenant, path: &str) -> Value {
    eventually(&format!("two pages of {path}"), async || {
        let page = tenant.ask(Method::GET, path, &Value::Null).await;
        page["next_cursor"].is_string().then_some(page)
    })
    .await
}

/// The tenant comes from the key: one that is sent along is refused, and does nothing.
#[tokio::test]
async fn a_tenant_that_is_named_in_a_request_counts_for_nothing() {
    let stack = Stack::of_process();
    let owner = Owner::new(&stack).await;
    let stranger = stack.tenant().await;
    let named = owner.tenant.id.as_str();
    let sneaked = json!({
        "id": "sneaked", "types": ["*"], "queue_url": owner.queue.url, "tenant": named,
    });
    let answer = stranger
        .call(Method::POST, "/v1/subscriptions", &sneaked)
        .await;
    assert_problem(&answer, 400, "tenant");
    for path in ["/v1/dead-letters", "/v1/events", "/v1/subscriptions"] {
        let path = format!("{path}?tenant={named}");
        let answer = stranger.call(Method::GET, &path, &Value::Null).await;
        assert_problem(&answer, 400, "tenant");
    }
    let path = format!("/v1/tenants/{named}");
    let answer = stranger.call(Method::GET, &path, &Value::Null).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    for path in ["/v1/dispatch/pause", "/v1/dispatch/resume"] {
        let answer = owner.tenant.call(Method::POST, path, &json!({})).await;
        assert_eq!(answer.status, 403, "{path}: {answer:?}");
    }
}
