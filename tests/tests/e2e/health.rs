//! Whether the stack is well, as its operators are told.

use pillarbox_tests::functions::Function;
use pillarbox_tests::stack::Stack;
use reqwest::Method;
use serde_json::{Value, json};

use crate::assert_problem;

#[tokio::test]
async fn administrators_are_told_of_every_part_and_nobody_else_is() {
    let stack = Stack::of_process();
    let health = stack.seen_by_admin("/v1/health/deep").await;
    assert_eq!(health.status, 200, "{health:?}");
    let checks = health.body["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 18, "{health:?}");
    for check in checks {
        let message = check["message"].as_str().unwrap();
        assert!(!message.contains("could not be looked at"), "{check}");
    }
    let tenant = stack.tenant().await;
    let refused = tenant
        .call(Method::GET, "/v1/health/deep", &json!({}))
        .await;
    assert_problem(&refused, 403, "admin");
}

#[tokio::test]
async fn the_figures_of_each_minute_are_read_on_the_stack_as_it_is() {
    let stack = Stack::of_process();
    let told = stack.invoke(Function("metrics"), &json!({})).await;
    for figure in [
        "outbox_pending",
        "oldest_pending_age_seconds",
        "deliveries_retrying",
        "dead_letters_open",
        "oldest_dead_letter_age_seconds",
        "suspended_subscriptions",
    ] {
        assert!(told[figure].is_u64(), "{figure}: {told}");
    }
    assert_ne!(told["minutes_rolled"], Value::Null);
}
