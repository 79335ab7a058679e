//! What writes use, counted from answers as they were recorded.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use aws_sdk_dynamodb::types::{AttributeValue, BatchStatementRequest};
use pillarbox_aws::{AwsEnvironment, Clients};
use pillarbox_testkit::RecordedAws;
use serde_json::{Value, json};

fn clients(aws: &RecordedAws) -> Clients {
    Clients::new(AwsEnvironment {
        region: "us-east-1".to_owned(),
        access_key_id: "test".to_owned(),
        secret_access_key: "test".to_owned(),
        session_token: None,
        endpoint_url: Some(aws.endpoint_url.clone()),
    })
}

/// DynamoDB with an index on its table; Amazon's local engine tells nothing of statements.
fn dynamodb(operation: &str, _: &Value) -> (u16, Value) {
    let used = |units: f64| json!({ "TableName": "t", "CapacityUnits": units });
    match operation {
        "PutItem" => (200, json!({ "ConsumedCapacity": used(2.0) })),
        "TransactWriteItems" => (200, json!({ "ConsumedCapacity": [used(4.0), used(0.5)] })),
        "BatchExecuteStatement" => (200, json!({ "Responses": [] })),
        "UpdateItem" => (400, json!({ "__type": "ConditionalCheckFailedException" })),
        _ => (200, json!({})),
    }
}

#[tokio::test]
async fn every_write_asks_what_it_uses_and_what_it_is_told_is_added_up() {
    let aws = RecordedAws::answering(dynamodb);
    let clients = clients(&aws);
    let (client, units) = (clients.dynamodb(), clients.write_units());
    let key = || AttributeValue::S("k".to_owned());
    for _ in 0..2 {
        let put = client.put_item().table_name("t").item("pk", key());
        put.send().await.unwrap();
    }
    assert!((units.take() - 4.0).abs() < f64::EPSILON);
    assert!(
        units.take().abs() < f64::EPSILON,
        "what was told is told once"
    );

    client.transact_write_items().send().await.unwrap();
    let statement = BatchStatementRequest::builder().statement("INSERT …");
    let batch = client.batch_execute_statement();
    let batch = batch.statements(statement.build().unwrap());
    batch.send().await.unwrap();
    let update = client.update_item().table_name("t").key("pk", key());
    update.send().await.unwrap_err();
    let delete = client.delete_item().table_name("t").key("pk", key());
    delete.send().await.unwrap();
    client
        .get_item()
        .table_name("t")
        .key("pk", key())
        .send()
        .await
        .unwrap();
    assert!((units.take() - 4.5).abs() < f64::EPSILON);

    for write in [
        "PutItem",
        "UpdateItem",
        "DeleteItem",
        "TransactWriteItems",
        "BatchExecuteStatement",
    ] {
        assert_eq!(
            aws.calls(write)[0]["ReturnConsumedCapacity"],
            "TOTAL",
            "{write}"
        );
    }
    assert_eq!(
        aws.calls("GetItem")[0]["ReturnConsumedCapacity"],
        Value::Null
    );
}
