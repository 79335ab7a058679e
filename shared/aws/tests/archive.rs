//! The archive bucket on answers as S3 gives them: there is no engine of Amazon's own to ask.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_http_client::test_util::{ReplayEvent, StaticReplayClient};
use aws_smithy_types::body::SdkBody;
use data_encoding::BASE64;
use pillarbox_aws::S3Archive;
use pillarbox_domain::StoreError;
use pillarbox_domain::archive::{ArchiveReader, ArchiveWriter, Stored, sha256_digest};
use pillarbox_domain::log_hour::LogHour;
use pillarbox_testkit::builders::tenant;
use time::macros::utc_datetime;

const KEY: &str = "events/tenant=demo/dt=2026-11-23/hh=12/0000-00000.jsonl.zst";

fn answer(status: u16, body: &str) -> ReplayEvent {
    let answered = http::Response::builder()
        .status(status)
        .body(SdkBody::from(body));
    ReplayEvent::new(http::Request::new(SdkBody::empty()), answered.unwrap())
}

fn refusal(status: u16, code: &str) -> ReplayEvent {
    let body = format!("<Error><Code>{code}</Code><Message>as recorded</Message></Error>");
    answer(status, &body)
}

fn aws(answers: impl IntoIterator<Item = ReplayEvent>) -> StaticReplayClient {
    StaticReplayClient::new(answers.into_iter().collect())
}

fn archive(aws: &StaticReplayClient) -> S3Archive {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("a", "b", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .http_client(aws.clone());
    let client = aws_sdk_s3::Client::from_conf(config.build());
    S3Archive::new(client, "archive".to_owned())
}

/// Method, path with query, and what is set of these headers.
fn asked(aws: &StaticReplayClient, headers: &[&str]) -> Vec<(String, String, Vec<String>)> {
    let calls = aws.actual_requests();
    let told = calls.map(|call| {
        let set = headers.iter().filter_map(|name| call.headers().get(*name));
        let (_, path) = call.uri().split_once(".com/").unwrap();
        let set = set.map(str::to_owned).collect();
        (call.method().to_owned(), path.to_owned(), set)
    });
    told.collect()
}

#[tokio::test]
async fn s3_is_asked_to_refuse_a_torn_object_and_one_that_is_there() {
    let aws = aws([answer(200, "")]);
    let stored = archive(&aws).put(KEY, b"bytes").await.unwrap();
    assert_eq!(stored, Stored::New);
    let headers = ["x-amz-checksum-sha256", "if-none-match", "content-type"];
    let calls = asked(&aws, &headers);
    let sha256 = BASE64.encode(&sha256_digest(b"bytes"));
    let set = [sha256, "*".to_owned(), "application/zstd".to_owned()];
    let [(method, path, found)] = &calls[..] else {
        panic!("{calls:?}");
    };
    assert_eq!(method, "PUT");
    assert!(path.starts_with("events/tenant%3Ddemo/"), "{path}");
    assert_eq!(found[..], set);
}

#[tokio::test]
async fn what_is_there_is_read_and_compared() {
    for (there, stored) in [("bytes", Stored::Same), ("other", Stored::Other)] {
        let aws = aws([refusal(412, "PreconditionFailed"), answer(200, there)]);
        assert_eq!(archive(&aws).put(KEY, b"bytes").await.unwrap(), stored);
    }
    // It is gone again by now: a version was deleted. Nothing of ours is there.
    let aws = aws([
        refusal(412, "PreconditionFailed"),
        refusal(404, "NoSuchKey"),
    ]);
    let stored = archive(&aws).put(KEY, b"bytes").await.unwrap();
    assert_eq!(stored, Stored::Other);
}

#[tokio::test]
async fn a_write_at_the_same_time_a_torn_body_and_a_slow_down_are_errors() {
    for (status, code) in [
        (409, "ConditionalRequestConflict"),
        (400, "BadDigest"),
        (403, "AccessDenied"),
    ] {
        let refusing = archive(&aws([refusal(status, code)]));
        let error = refusing.put(KEY, b"bytes").await.unwrap_err();
        let failed = matches!(
            error,
            StoreError::Failed {
                operation: "PutObject",
                ..
            }
        );
        assert!(failed, "{code}: {error:?}");
    }
    let slow = archive(&aws([refusal(503, "SlowDown")]));
    let error = slow.put(KEY, b"bytes").await.unwrap_err();
    assert!(matches!(error, StoreError::Throttled { .. }), "{error:?}");
}

#[tokio::test]
async fn an_object_that_may_not_be_read_is_not_one_that_is_gone() {
    let gone = archive(&aws([refusal(404, "NoSuchKey")]));
    assert_eq!(gone.object(KEY).await.unwrap(), None);
    let denied = archive(&aws([refusal(403, "AccessDenied")]));
    let error = denied.object(KEY).await.unwrap_err();
    assert!(matches!(error, StoreError::Failed { .. }), "{error:?}");
}

const MANIFEST: &str = r#"{"format":1,"tenant":"demo","hour":"2026-11-23T12:00:00Z","revision":REVISION,"events":0,
    "bytes":0,"types":{},"objects":[],"receipts":[]}"#;

fn manifest(revision: u32) -> String {
    MANIFEST.replace("REVISION", &revision.to_string())
}

fn listing(keys: &[&str], next: Option<&str>) -> ReplayEvent {
    let keys = keys.iter();
    let contents: String = keys
        .map(|key| format!("<Contents><Key>{key}</Key></Contents>"))
        .collect();
    let next = next.map_or(String::new(), |token| {
        format!(
            "<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>"
        )
    });
    answer(
        200,
        &format!("<ListBucketResult>{next}{contents}</ListBucketResult>"),
    )
}

#[tokio::test]
async fn an_hour_without_a_manifest_costs_one_read() {
    let aws = aws([refusal(404, "NoSuchKey")]);
    let hour = LogHour::at(utc_datetime!(2026-11-23 12:00));
    let found = archive(&aws).manifest(&tenant("demo"), hour).await.unwrap();
    assert_eq!(found, None);
    assert_eq!(asked(&aws, &[]).len(), 1);
}

#[tokio::test]
async fn the_last_of_all_listed_manifests_is_the_latest_also_on_another_page() {
    let hour = LogHour::at(utc_datetime!(2026-11-23 12:00));
    let (first, second) = (manifest(0), manifest(2));
    let prefix = "manifests/tenant=demo/dt=2026-11-23/hh=12/";
    let (one, two) = (format!("{prefix}0001.json"), format!("{prefix}0002.json"));
    let aws = aws([
        answer(200, &first),
        listing(&[&one], Some("more")),
        listing(&[&two], None),
        answer(200, &second),
    ]);
    let found = archive(&aws).manifest(&tenant("demo"), hour).await.unwrap();
    assert_eq!(found.unwrap().revision, 2);
    let calls = asked(&aws, &[]);
    let listed = &calls[1].1;
    let encoded = "manifests%2Ftenant%3Ddemo%2Fdt%3D2026-11-23%2Fhh%3D12%2F";
    assert!(listed.contains(&format!("prefix={encoded}")), "{listed}");
    assert!(
        listed.contains(&format!("start-after={encoded}0000.json")),
        "{listed}"
    );
    assert!(
        calls[3].1.ends_with("0002.json?x-id=GetObject"),
        "{calls:?}"
    );
}

#[tokio::test]
async fn a_manifest_that_cannot_be_read_is_malformed_not_missing() {
    let hour = LogHour::at(utc_datetime!(2026-11-23 12:00));
    let broken = archive(&aws([answer(200, "{"), listing(&[], None)]));
    let error = broken.manifest(&tenant("demo"), hour).await.unwrap_err();
    assert!(matches!(error, StoreError::Malformed { .. }), "{error:?}");
}
