//! `pillarbox outbox check`, the binary itself.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use serde_json::{Value, json};
use support::*;

/// The items of docs/examples/outbox/vectors.json.
fn vectors() -> Vec<Value> {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../docs/examples/outbox/vectors.json"
    );
    let file: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    vectors
        .iter()
        .map(|vector| vector["item"].clone())
        .collect()
}

async fn check(arguments: &[&str], input: &Value) -> Ran {
    let words = [&["outbox", "check"], arguments].concat();
    run(pillarbox(&words), input.to_string().as_bytes()).await
}

#[tokio::test]
async fn items_without_faults_are_counted_and_need_no_bus() {
    let ran = check(&[], &json!({ "Items": vectors() })).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
    assert_eq!(
        ran.stdout,
        format!("checked {}, no faults\n", vectors().len())
    );
}

#[tokio::test]
async fn every_fault_is_told_with_its_item_and_attribute() {
    let mut items = vectors();
    items.truncate(2);
    items[1]["log_pk"] = json!({ "S": "T#other#2026112312#0" });
    items[1]["data_json"] = json!({ "S": "{}" });
    let ran = check(&[], &json!(items)).await;
    assert_eq!(ran.code, 1);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[0], "item 2, T#demo#K#/shop#1");
    assert!(
        lines[1].starts_with("  log_pk: must be T#demo#2026112312#0"),
        "{lines:?}"
    );
    assert!(
        lines[2].starts_with("  content_sha256: must be "),
        "{lines:?}"
    );
    assert_eq!(lines.len(), 3);
    assert!(
        ran.stderr.contains("1 of 2 items have faults"),
        "{}",
        ran.stderr
    );

    let ran = check(&["-", "--json"], &json!(items)).await;
    let report = ran.json();
    assert_eq!((ran.code, &report["checked"]), (1, &json!(2)));
    assert_eq!(report["items"][0]["number"], 2);
    assert_eq!(report["items"][0]["faults"][0]["attribute"], "log_pk");
}

#[tokio::test]
async fn what_is_not_an_item_is_told() {
    let ran = check(&[], &json!(["text"])).await;
    assert_eq!(ran.code, 1);
    assert!(
        ran.stdout.contains("item: must be an object"),
        "{}",
        ran.stdout
    );

    let ran = check(&[], &json!({ "Items": [], "Count": 0 })).await;
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("no item in standard input"),
        "{}",
        ran.stderr
    );

    let ran = run(pillarbox(&["outbox", "check"]), b"{").await;
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("is not JSON"), "{}", ran.stderr);

    let ran = run(pillarbox(&["outbox", "check", "no-such-file"]), b"").await;
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("cannot open no-such-file"),
        "{}",
        ran.stderr
    );
}
