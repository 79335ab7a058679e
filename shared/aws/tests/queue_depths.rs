//! Depths of queues through the real SDK, on answers as SQS gives them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use pillarbox_aws::{BusQueueUrls, SqsQueueDepths};
use pillarbox_domain::StoreError;
use pillarbox_domain::health::{BusQueue, QueueDepth, QueueDepths};
use pillarbox_testkit::RecordedAws;
use serde_json::{Value, json};

fn depths(aws: &RecordedAws) -> SqsQueueDepths {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("a", "b", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(&aws.endpoint_url);
    let url = |name: &str| format!("{}/1/{name}", aws.endpoint_url);
    let urls = BusQueueUrls {
        dead_letters: url("dead-letters"),
        retries: url("retries"),
        jobs: url("jobs"),
        sweep: url("sweep"),
    };
    SqsQueueDepths::new(aws_sdk_sqs::Client::from_conf(config.build()), urls)
}

fn told(visible: &str) -> Value {
    json!({ "Attributes": {
        "ApproximateNumberOfMessages": visible,
        "ApproximateNumberOfMessagesNotVisible": "2",
        "ApproximateNumberOfMessagesDelayed": "30",
    }})
}

#[tokio::test]
async fn each_queue_is_asked_for_its_own_depth() {
    let aws = RecordedAws::answering(|_, body| {
        let url = body["QueueUrl"].as_str().unwrap();
        let visible = if url.ends_with("/1/jobs") { "7" } else { "1" };
        (200, told(visible))
    });
    let depths = depths(&aws);
    for (queue, name, visible) in [
        (BusQueue::DeadLetters, "dead-letters", 1),
        (BusQueue::Retries, "retries", 1),
        (BusQueue::Jobs, "jobs", 7),
        (BusQueue::Sweep, "sweep", 1),
    ] {
        let expected = QueueDepth {
            visible,
            in_flight: 2,
            delayed: 30,
        };
        assert_eq!(depths.depth(queue).await.unwrap(), expected);
        let calls = aws.calls("GetQueueAttributes");
        let url = calls.last().unwrap()["QueueUrl"].as_str().unwrap();
        assert!(url.ends_with(&format!("/1/{name}")), "{url}");
    }
}

#[tokio::test]
async fn an_answer_without_numbers_is_no_depth_of_zero() {
    for answer in [json!({}), told("many")] {
        let aws = RecordedAws::answering(move |_, _| (200, answer.clone()));
        let error = depths(&aws).depth(BusQueue::Sweep).await.unwrap_err();
        assert!(matches!(error, StoreError::Malformed { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_queue_that_is_gone_is_an_error() {
    let gone = json!({ "__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "gone" });
    let aws = RecordedAws::answering(move |_, _| (400, gone.clone()));
    let error = depths(&aws).depth(BusQueue::Sweep).await.unwrap_err();
    assert!(matches!(error, StoreError::Failed { .. }), "{error}");
}
