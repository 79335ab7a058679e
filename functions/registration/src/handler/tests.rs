//! CloudFormation's requests, on a registry in memory; and what CloudFormation is answered.

mod faulty;
mod lines;

use pillarbox_domain::Subscription;
use pillarbox_domain::credential::{ApiKey, SECRET_BYTES, Scope, StoredKey};
use pillarbox_domain::registry::Registry;
use pillarbox_domain::subscription::SubscriptionState;
use pillarbox_testkit::builders::tenant;
use pillarbox_testkit::{ManualClock, MemoryAnswers, MemoryRegistry};
use serde_json::{Map, Value, json};

use super::Registration;
use faulty::{Fault, Faulty};

const URL: &str = "https://cloudformation.test/answer?X-Amz-Signature=s3cr3t";
const STACK: &str = "arn:aws:cloudformation:eu-west-1:1:stack/orders/1";

fn key(owner: &str, secret: u8) -> ApiKey {
    ApiKey::new(owner.parse().unwrap(), &[secret; SECRET_BYTES])
}

fn admin_key() -> ApiKey {
    key("_bus", 9)
}

/// A bus with two tenants. The second key of the first may not operate.
async fn bus() -> Registration<Faulty, MemoryAnswers, ManualClock> {
    let registry = MemoryRegistry::default();
    let keys = [
        (key("demo", 1), Scope::Operate),
        (key("demo", 2), Scope::Publish),
        (key("other", 3), Scope::Operate),
    ];
    for (key, scope) in keys {
        let stored = StoredKey {
            tenant: key.tenant().clone(),
            digest: key.digest(),
            scopes: [scope].into(),
            name: None,
        };
        registry.add_key(&stored).await.unwrap();
    }
    Registration {
        registry: Faulty::over(registry),
        administrator: admin_key().digest(),
        queue_prefix: "pb-sub-".to_owned(),
        answers: MemoryAnswers::default(),
        clock: ManualClock::default(),
    }
}

type Bus = Registration<Faulty, MemoryAnswers, ManualClock>;

impl Bus {
    /// What CloudFormation is answered.
    async fn asked(&self, event: Value) -> Value {
        let before = self.answers.taken().len();
        self.handle(event).await.unwrap();
        let answers = self.answers.taken();
        assert_eq!(answers.len(), before + 1, "one answer to one request");
        let (url, answer) = answers.last().unwrap().clone();
        assert_eq!(url, URL);
        answer
    }

    fn subscription(&self, owner: &str, id: &str) -> Option<Subscription> {
        let there = self.registry.registry.registered(&tenant(owner), id)?;
        Some(there.subscription)
    }

    fn pattern(&self, owner: &str, id: &str) -> Option<String> {
        let there = self.subscription(owner, id)?;
        Some(there.pattern.as_json().to_owned())
    }
}

fn properties(key: &ApiKey, changes: Value) -> Value {
    let mut properties = json!({
        "ServiceToken": "arn:aws:lambda:eu-west-1:1:function:pb-registration", "ApiKey": key.expose(),
        "SubscriptionId": "orders", "QueueUrl": "https://sqs.test/1/pb-sub-orders", "Types": ["order.*"],
    });
    for (name, value) in changes.as_object().unwrap_or(&Map::new()) {
        properties[name] = value.clone();
    }
    properties
}

fn request(kind: &str, physical_id: Option<&str>, properties: Value) -> Value {
    let mut request = json!({
        "RequestType": kind, "ResponseURL": URL, "StackId": STACK, "RequestId": "r-1",
        "LogicalResourceId": "Subscription", "ResourceType": "Custom::PillarboxSubscription",
        "ResourceProperties": properties,
    });
    if let Some(id) = physical_id {
        request["PhysicalResourceId"] = json!(id);
    }
    request
}

fn create(changes: Value) -> Value {
    request("Create", None, properties(&key("demo", 1), changes))
}

fn update(changes: Value) -> Value {
    request(
        "Update",
        Some("demo/orders"),
        properties(&key("demo", 1), changes),
    )
}

fn delete(physical_id: &str, key: &ApiKey) -> Value {
    request("Delete", Some(physical_id), properties(key, json!({})))
}

fn assert_success(answer: &Value, physical_id: &str) {
    assert_eq!(answer["Status"], "SUCCESS", "{answer}");
    assert_eq!(answer["PhysicalResourceId"], physical_id, "{answer}");
    // A reason that is null would be refused.
    assert_eq!(answer.get("Reason"), None, "{answer}");
}

fn assert_failed(answer: &Value, physical_id: &str, reason: &str) {
    assert_eq!(answer["Status"], "FAILED", "{answer}");
    assert_eq!(answer["PhysicalResourceId"], physical_id, "{answer}");
    let told = answer["Reason"].as_str().unwrap();
    assert!(told.contains(reason), "'{reason}' is not in '{told}'");
}

#[tokio::test]
async fn a_new_stack_s_subscription_is_registered_for_the_tenant_of_its_key() {
    let bus = bus().await;
    let answer = bus.asked(create(json!({ "Retries": "7" }))).await;
    let expected = json!({
        "Status": "SUCCESS", "PhysicalResourceId": "demo/orders", "StackId": STACK, "RequestId": "r-1",
        "LogicalResourceId": "Subscription", "Data": { "Tenant": "demo", "SubscriptionId": "orders" },
    });
    assert_eq!(answer, expected);
    let there = bus.subscription("demo", "orders").unwrap();
    assert_eq!(there.queue_url.as_str(), "https://sqs.test/1/pb-sub-orders");
    assert_eq!(there.pattern.as_json(), r#"{"type":[{"prefix":"order."}]}"#);
    assert_eq!(there.retry.retries(), 7);
    assert_eq!(there.state, SubscriptionState::Active);
}

/// Lambda repeats an invocation that it does not know the end of.
#[tokio::test]
async fn the_same_request_twice_is_answered_alike() {
    let bus = bus().await;
    let first = bus.asked(create(json!({}))).await;
    assert_eq!(bus.asked(create(json!({}))).await, first);
    let first = bus.asked(update(json!({ "Types": ["price.*"] }))).await;
    assert_eq!(
        bus.asked(update(json!({ "Types": ["price.*"] }))).await,
        first
    );
    let first = bus.asked(delete("demo/orders", &key("demo", 1))).await;
    assert_success(&first, "demo/orders");
    assert_eq!(
        bus.asked(delete("demo/orders", &key("demo", 1))).await,
        first
    );
}

#[tokio::test]
async fn a_stack_neither_takes_nor_removes_what_others_registered_with_other_settings() {
    let bus = bus().await;
    bus.asked(create(json!({}))).await;
    let there = bus.subscription("demo", "orders");
    let refused = bus.asked(create(json!({ "Types": ["*"] }))).await;
    assert_failed(
        &refused,
        "failed-r-1",
        "exists, with other settings, in version 1",
    );
    // CloudFormation removes whatever it failed to create.
    let removed = bus.asked(delete("failed-r-1", &key("demo", 1))).await;
    assert_success(&removed, "failed-r-1");
    assert_eq!(bus.subscription("demo", "orders"), there);
}

#[tokio::test]
async fn an_update_changes_all_that_the_template_says_and_resets_what_it_leaves_out() {
    let bus = bus().await;
    bus.asked(create(json!({ "Retries": "7" }))).await;
    let pattern = r#"{"data":{"total":[{"numeric":[">",12.50]}]}}"#;
    let answer = bus
        .asked(update(json!({ "Types": [""], "Pattern": pattern })))
        .await;
    assert_success(&answer, "demo/orders");
    assert_eq!(bus.pattern("demo", "orders").as_deref(), Some(pattern));
    let there = bus.subscription("demo", "orders").unwrap();
    assert_eq!(there.retry.retries(), 5);
}

#[tokio::test]
async fn another_name_is_a_replacement_whose_old_one_is_removed_afterwards() {
    let bus = bus().await;
    bus.asked(create(json!({}))).await;
    let other_name = json!({ "SubscriptionId": "sales" });
    assert_success(&bus.asked(update(other_name)).await, "demo/sales");
    assert!(bus.subscription("demo", "orders").is_some());
    assert_success(
        &bus.asked(delete("demo/orders", &key("demo", 1))).await,
        "demo/orders",
    );
    assert_eq!(bus.subscription("demo", "orders"), None);
    assert!(bus.subscription("demo", "sales").is_some());
}

#[tokio::test]
async fn another_tenant_s_key_is_a_replacement_too() {
    let bus = bus().await;
    bus.asked(create(json!({}))).await;
    let moved = properties(&key("other", 3), json!({}));
    let moved = bus
        .asked(request("Update", Some("demo/orders"), moved))
        .await;
    assert_success(&moved, "other/orders");
    assert_success(
        &bus.asked(delete("demo/orders", &key("demo", 1))).await,
        "demo/orders",
    );
    assert_eq!(bus.subscription("demo", "orders"), None);
    assert!(bus.subscription("other", "orders").is_some());
}

#[tokio::test]
async fn a_replacement_that_would_take_what_is_another_s_changes_nothing() {
    let bus = bus().await;
    bus.asked(create(json!({}))).await;
    bus.asked(create(json!({ "SubscriptionId": "sales", "Types": ["*"] })))
        .await;
    let refused = bus
        .asked(update(json!({ "SubscriptionId": "sales" })))
        .await;
    // Another id here would make CloudFormation remove the old one.
    assert_failed(&refused, "demo/orders", "subscription 'sales' exists");
    assert_eq!(
        bus.pattern("demo", "sales").as_deref(),
        Some(r#"{"type":[{"prefix":""}]}"#)
    );
}

#[tokio::test]
async fn every_property_at_fault_is_told_and_nothing_is_changed() {
    let bus = bus().await;
    let wrong = json!({ "QueueUrl": "https://sqs.test/1/orders", "Types": ["a*b"], "Factor": "x" });
    let refused = bus.asked(create(wrong.clone())).await;
    for field in ["QueueUrl must", "Types[0] must", "Factor must"] {
        assert_failed(&refused, "failed-r-1", field);
    }
    assert_eq!(bus.subscription("demo", "orders"), None);
    bus.asked(create(json!({}))).await;
    let there = bus.subscription("demo", "orders");
    assert_failed(
        &bus.asked(update(wrong)).await,
        "demo/orders",
        "Factor must",
    );
    assert_eq!(bus.subscription("demo", "orders"), there);
}

#[tokio::test]
async fn without_a_key_that_may_operate_nothing_is_done_nor_said_of_the_rest() {
    let bus = bus().await;
    bus.asked(create(json!({}))).await;
    let there = bus.subscription("demo", "orders");
    let unknown = "ApiKey is not a key of this bus";
    let refused = [
        (json!(key("demo", 7).expose()), unknown),
        // The right secret of another tenant.
        (json!(key("other", 1).expose()), unknown),
        (json!(key("_bus", 1).expose()), unknown),
        (json!(""), unknown),
        (json!(7), unknown),
        (json!(["x"]), unknown),
        (Value::Null, unknown),
        (
            json!(key("demo", 2).expose()),
            "ApiKey does not have the scope operate",
        ),
        (
            json!("{{resolve:secretsmanager:key}}"),
            "ApiKey is a dynamic reference",
        ),
    ];
    for (api_key, reason) in refused {
        let wrong = json!({ "ApiKey": api_key, "Types": ["a*b"] });
        let answers = [
            bus.asked(create(wrong.clone())).await,
            bus.asked(update(wrong.clone())).await,
            bus.asked(request("Delete", Some("demo/orders"), wrong))
                .await,
        ];
        for answer in answers {
            let kept = answer["PhysicalResourceId"].as_str().unwrap();
            assert_failed(&answer, kept, reason);
            assert!(!answer.to_string().contains("Types"), "{answer}");
            assert!(!answer.to_string().contains("pbk_"), "{answer}");
        }
    }
    assert_eq!(bus.subscription("demo", "orders"), there);
}

#[tokio::test]
async fn another_tenant_s_key_removes_nothing() {
    let bus = bus().await;
    bus.asked(create(json!({}))).await;
    for key in [key("other", 3), admin_key()] {
        let refused = bus.asked(delete("demo/orders", &key)).await;
        assert_failed(&refused, "demo/orders", "ApiKey is not one of the tenant");
    }
    assert!(bus.subscription("demo", "orders").is_some());
}

/// Else a stack that failed for its key could not be rolled back.
#[tokio::test]
async fn what_never_came_to_be_is_removed_without_a_key() {
    let bus = bus().await;
    for physical_id in ["failed-r-1", "orders-Subscription-1A2B", "demo/", "a/b/c"] {
        let answer = bus.asked(delete(physical_id, &key("demo", 7))).await;
        assert_success(&answer, physical_id);
    }
}

#[tokio::test]
async fn administrators_declare_subscriptions_of_the_bus() {
    let bus = bus().await;
    let of_bus = |id: &str| properties(&admin_key(), json!({ "SubscriptionId": id }));
    let answer = bus.asked(request("Create", None, of_bus("_orders"))).await;
    assert_success(&answer, "_bus/_orders");
    let answer = bus.asked(request("Create", None, of_bus("orders"))).await;
    assert_failed(&answer, "failed-r-1", "SubscriptionId must begin with _");
    let answer = bus
        .asked(create(json!({ "SubscriptionId": "_orders" })))
        .await;
    assert_failed(&answer, "failed-r-1", "SubscriptionId must begin with _");
}

#[tokio::test]
async fn a_request_that_cannot_be_read_is_answered_where_it_can_be() {
    let bus = bus().await;
    let unreadable = [
        (json!({ "RequestType": "Create" }), "ApiKey is not a key"),
        (
            json!({ "RequestType": "Create", "ResourceProperties": "x" }),
            "ApiKey is not a key",
        ),
        (
            json!({ "RequestType": "Read", "ResourceProperties": {} }),
            "RequestType must be",
        ),
        (
            json!({ "RequestType": 1, "StackId": [] }),
            "RequestType must be",
        ),
        (json!({}), "RequestType must be"),
    ];
    for (mut event, reason) in unreadable {
        event["ResponseURL"] = json!(URL);
        assert_failed(&bus.asked(event).await, "failed-", reason);
    }
    for event in [
        json!({}),
        json!([]),
        json!(null),
        json!({ "ResponseURL": "s3://x/y" }),
    ] {
        let unanswered = bus.handle(event).await;
        assert!(unanswered.is_err());
    }
}

#[tokio::test]
async fn a_registry_that_fails_or_panics_is_answered_without_its_inside() {
    let bus = bus().await;
    bus.asked(create(json!({}))).await;
    for fault in [Fault::Fails, Fault::Panics] {
        bus.registry.set(fault);
        let answers = [
            bus.asked(create(json!({ "SubscriptionId": "sales" })))
                .await,
            bus.asked(update(json!({ "Types": ["*"] }))).await,
            bus.asked(delete("demo/orders", &key("demo", 1))).await,
        ];
        for answer in answers {
            let kept = answer["PhysicalResourceId"].as_str().unwrap();
            assert_failed(&answer, kept, "The bus failed; it has been logged.");
            assert!(
                !answer.to_string().contains("as the test wants it"),
                "{answer}"
            );
        }
    }
    bus.registry.set(Fault::None);
    assert!(bus.subscription("demo", "orders").is_some());
}

/// On a clock that goes on by itself when nothing else is to be done.
#[tokio::test(start_paused = true)]
async fn a_registry_that_hangs_is_not_waited_for_until_lambda_gives_up() {
    let bus = bus().await;
    bus.registry.set(Fault::Hangs);
    let before = tokio::time::Instant::now();
    let answer = bus.asked(create(json!({}))).await;
    assert_failed(&answer, "failed-r-1", "The bus failed; it has been logged.");
    assert!(before.elapsed().as_secs() <= 15, "{:?}", before.elapsed());
}

#[tokio::test]
async fn an_answer_that_cannot_be_left_makes_lambda_repeat_the_request() {
    let bus = bus().await;
    bus.answers.set_failing(true);
    bus.handle(create(json!({}))).await.unwrap_err();
    bus.answers.set_failing(false);
    assert_success(&bus.asked(create(json!({}))).await, "demo/orders");
}

/// "The total size of the response body can't exceed 4096 bytes."
#[tokio::test]
async fn an_answer_is_never_larger_than_cloudformation_takes() {
    let bus = bus().await;
    let long = "\u{1}\"ä\\".repeat(400);
    let types: Vec<String> = (0..50).map(|number| format!("*{number}\"")).collect();
    let wrong = [
        json!({ "Types": types }),
        json!({ "Types": [], "Pattern": format!("{{\"{long}\": 1}}") }),
        Value::Object([(long.clone(), json!("x"))].into_iter().collect()),
    ];
    for changes in wrong {
        let answer = bus.asked(create(changes)).await;
        assert_eq!(answer["Status"], "FAILED");
        assert!(
            answer.to_string().len() <= 4_096,
            "{}",
            answer.to_string().len()
        );
    }
}
