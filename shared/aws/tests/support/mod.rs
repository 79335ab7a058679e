//! AWS, answering as recorded.
#![allow(dead_code, reason = "each test binary uses its own part of this")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_http_client::test_util::{ReplayEvent, StaticReplayClient};
use aws_smithy_types::body::SdkBody;
use serde_json::Value;

/// One answer.
pub fn json_answer(status: u16, answer: &Value) -> ReplayEvent {
    let answered = http::Response::builder()
        .status(status)
        .header("content-type", "application/x-amz-json-1.0")
        .body(SdkBody::from(answer.to_string()));
    ReplayEvent::new(http::Request::new(SdkBody::empty()), answered.unwrap())
}

/// A client that gets these answers, one for each call.
pub fn dynamodb(answers: StaticReplayClient) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("a", "b", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .http_client(answers);
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

/// The calls that were made, by DynamoDB's names.
pub fn calls(aws: &StaticReplayClient) -> Vec<String> {
    let targets = aws
        .actual_requests()
        .map(|call| call.headers().get("x-amz-target").unwrap().to_owned());
    targets
        .map(|target| target.replace("DynamoDB_20120810.", ""))
        .collect()
}
