//! Schedules on EventBridge Scheduler, which no engine here is as strict as: through the real SDK, on answers as AWS gives
//! them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::sync::Mutex;

use aws_sdk_scheduler::config::retry::RetryConfig;
use aws_sdk_scheduler::config::{BehaviorVersion, Credentials, Region};
use pillarbox_aws::{ScheduleTarget, SchedulerSchedules};
use pillarbox_domain::schedule::{ScheduleError, Scheduled, Schedules};
use pillarbox_domain::{ErrorChain, StoreError};
use pillarbox_testkit::RecordedAws;
use pillarbox_testkit::builders::tenant;
use pillarbox_testkit::schedules::{conformance, schedule};
use serde_json::{Value, json};

const PAGE: usize = 2;
const CREATE: &str = "POST /schedules/demo.nightly";
const GET: &str = "GET /schedules/demo.nightly?groupName=pillarbox";

fn schedules(aws: &RecordedAws) -> SchedulerSchedules {
    let config = aws_sdk_scheduler::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("a", "b", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(&aws.endpoint_url);
    let target = ScheduleTarget {
        group: "pillarbox".to_owned(),
        function_arn: "arn:aws:lambda:eu-west-1:1:function:pillarbox-replay".to_owned(),
        role_arn: "arn:aws:iam::1:role/pillarbox-schedules".to_owned(),
    };
    SchedulerSchedules::new(aws_sdk_scheduler::Client::from_conf(config.build()), target)
}

fn refusal(status: u16, code: &str, message: &str) -> (u16, Value) {
    (status, json!({ "__type": code, "Message": message }))
}

fn made(input: &Value) -> Value {
    json!({
        "Name": "demo.nightly",
        "GroupName": "pillarbox",
        "ScheduleExpression": "cron(0 3 * * ? *)",
        "ScheduleExpressionTimezone": "UTC",
        "State": "ENABLED",
        "CreationDate": 1_795_507_200.123_456,
        "Target": { "Arn": "a", "RoleArn": "r", "Input": input.to_string() },
    })
}

fn nightly() -> Value {
    made(&json!({ "schedule": {
        "tenant": "demo",
        "name": "nightly",
        "timezone": "UTC",
        "scheduled_at": "<aws.scheduler.scheduled-time>",
        "replay": { "filter": { "range": "yesterday" }, "target": { "all": true } },
    }}))
}

/// EventBridge Scheduler, as far as the adapter asks it: it keeps what it is given, and lists by pages.
#[derive(Default)]
struct Scheduler(Mutex<BTreeMap<String, Value>>);

impl Scheduler {
    fn answer(&self, call: &str, body: &Value) -> (u16, Value) {
        let (method, path) = call.split_once(' ').unwrap();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        match (method, path.strip_prefix("/schedules/")) {
            ("POST", Some(name)) => self.create(name, body),
            ("GET", Some(name)) => match self.0.lock().unwrap().get(name) {
                Some(found) => (200, found.clone()),
                None => refusal(404, "ResourceNotFoundException", "it does not exist"),
            },
            ("DELETE", Some(name)) => match self.0.lock().unwrap().remove(name) {
                Some(_) => (200, json!({})),
                None => refusal(404, "ResourceNotFoundException", "it does not exist"),
            },
            _ => self.list(query),
        }
    }

    fn create(&self, name: &str, body: &Value) -> (u16, Value) {
        let mut kept = self.0.lock().unwrap();
        if kept.contains_key(name) {
            return refusal(409, "ConflictException", "it already exists");
        }
        let mut made = body.clone();
        made["Name"] = name.into();
        made["State"] = "ENABLED".into();
        made["CreationDate"] = json!(1_795_507_200.5);
        kept.insert(name.to_owned(), made);
        (200, json!({ "ScheduleArn": "arn" }))
    }

    fn list(&self, query: &str) -> (u16, Value) {
        let parameters: BTreeMap<_, _> =
            query.split('&').filter_map(|p| p.split_once('=')).collect();
        assert_eq!(parameters["ScheduleGroup"], "pillarbox");
        let prefix = parameters["NamePrefix"];
        let start: usize = parameters
            .get("NextToken")
            .map_or(0, |at| at.parse().unwrap());
        let kept = self.0.lock().unwrap();
        let names: Vec<_> = kept
            .keys()
            .filter(|name| name.starts_with(prefix))
            .collect();
        let page = names.iter().rev().skip(start).take(PAGE);
        let page: Vec<_> = page.map(|name| json!({ "Name": name })).collect();
        let next = (start + PAGE < names.len()).then(|| (start + PAGE).to_string());
        (200, json!({ "Schedules": page, "NextToken": next }))
    }
}

#[tokio::test]
async fn schedules_on_the_scheduler_conform() {
    let scheduler = Scheduler::default();
    let aws = RecordedAws::answering(move |call, body| scheduler.answer(call, body));
    conformance(&schedules(&aws)).await;
}

#[tokio::test]
async fn a_schedule_is_made_with_all_that_its_calls_need() {
    let scheduler = Scheduler::default();
    let aws = RecordedAws::answering(move |call, body| scheduler.answer(call, body));
    let wanted = schedule("nightly", json!({ "timezone": "Europe/Vienna" }));
    schedules(&aws)
        .add(&tenant("demo"), &wanted, 20)
        .await
        .unwrap();
    let [call] = &aws.calls(CREATE)[..] else {
        panic!("one call makes it");
    };
    let input = r#"{"schedule":{"tenant":"demo","name":"nightly","timezone":"Europe/Vienna","scheduled_at":"<aws.scheduler.scheduled-time>","replay":{"filter":{"range":"yesterday"},"target":{"all":true}}}}"#;
    let mut call = call.clone();
    call.as_object_mut().unwrap().remove("ClientToken").unwrap();
    let expected = json!({
        "GroupName": "pillarbox",
        "ScheduleExpression": "cron(0 3 * * ? *)",
        "ScheduleExpressionTimezone": "Europe/Vienna",
        "FlexibleTimeWindow": { "Mode": "OFF" },
        "Target": {
            "Arn": "arn:aws:lambda:eu-west-1:1:function:pillarbox-replay",
            "RoleArn": "arn:aws:iam::1:role/pillarbox-schedules",
            "Input": input,
            "RetryPolicy": { "MaximumRetryAttempts": 10, "MaximumEventAgeInSeconds": 3_600 },
        },
    });
    assert_eq!(call, expected);
}

/// AWS with no schedule that answers the making of one with this.
fn refusing(status: u16, code: &'static str, message: &'static str) -> RecordedAws {
    RecordedAws::answering(move |call, _| match call {
        CREATE => refusal(status, code, message),
        _ => (200, json!({ "Schedules": [] })),
    })
}

async fn refused(aws: &RecordedAws) -> ScheduleError {
    let wanted = schedule("nightly", json!({}));
    let added = schedules(aws).add(&tenant("demo"), &wanted, 20).await;
    added.unwrap_err()
}

#[tokio::test]
async fn what_aws_does_not_take_is_told_by_the_field_that_it_speaks_of() {
    for (message, field) in [
        (
            "Invalid Schedule Expression cron(0 3 31 2 ? *).",
            "expression",
        ),
        (
            "Invalid ScheduleExpressionTimezone Europe/Atlantis.",
            "timezone",
        ),
        ("Something that nobody has seen before.", "expression"),
    ] {
        let error = refused(&refusing(400, "ValidationException", message)).await;
        let ScheduleError::Refused(fault) = error else {
            panic!("{error:?}");
        };
        assert_eq!(fault.field, field);
        assert!(fault.detail.contains(message), "{}", fault.detail);
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_stack_is_no_callers_fault() {
    for (status, code, message) in [
        (
            400,
            "ValidationException",
            "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.",
        ),
        (
            404,
            "ResourceNotFoundException",
            "Schedule group pillarbox does not exist.",
        ),
        (
            403,
            "AccessDeniedException",
            "not authorized to perform: iam:PassRole",
        ),
        (402, "ServiceQuotaExceededException", "too many schedules"),
        (500, "InternalServerException", "as recorded"),
    ] {
        let error = refused(&refusing(status, code, message)).await;
        let ScheduleError::Store(StoreError::Failed { .. }) = &error else {
            panic!("{error:?}");
        };
        let chain = ErrorChain(&error).to_string();
        assert!(chain.contains(code), "{chain}");
    }
}

#[tokio::test]
async fn throttling_asks_for_patience_whatever_is_called() {
    let aws = RecordedAws::answering(|_, _| refusal(429, "ThrottlingException", "slow down"));
    let (store, owner) = (schedules(&aws), tenant("demo"));
    let name = "nightly".parse().unwrap();
    let throttled = [
        store.get(&owner, &name).await.unwrap_err(),
        store.list(&owner).await.unwrap_err(),
        store.remove(&owner, &name).await.unwrap_err(),
    ];
    let operations = throttled.map(|error| match error {
        StoreError::Throttled { operation } => operation,
        other => panic!("{other:?}"),
    });
    assert_eq!(
        operations,
        ["GetSchedule", "ListSchedules", "DeleteSchedule"]
    );
    let error = refused(&refusing(429, "ThrottlingException", "slow down")).await;
    let is_throttled = matches!(error, ScheduleError::Store(StoreError::Throttled { .. }));
    assert!(is_throttled, "{error:?}");
}

/// It was taken away between two calls, or cannot be read yet: the same request tells, when it comes again.
#[tokio::test]
async fn a_schedule_that_is_taken_and_not_there_asks_for_patience() {
    let aws = RecordedAws::answering(|call, _| match call {
        CREATE => refusal(409, "ConflictException", "it already exists"),
        GET => refusal(404, "ResourceNotFoundException", "it does not exist"),
        _ => (200, json!({ "Schedules": [] })),
    });
    let error = refused(&aws).await;
    let is_throttled = matches!(error, ScheduleError::Store(StoreError::Throttled { .. }));
    assert!(is_throttled, "{error:?}");
}

#[tokio::test]
async fn a_schedule_that_was_switched_off_says_so() {
    let aws = RecordedAws::answering(|_, _| {
        let mut found = nightly();
        found["State"] = "DISABLED".into();
        (200, found)
    });
    let (owner, name) = (tenant("demo"), "nightly".parse().unwrap());
    let found = schedules(&aws).get(&owner, &name).await.unwrap().unwrap();
    assert_eq!(found.schedule, schedule("nightly", json!({})));
    assert!(!found.is_enabled);
    assert_eq!(found.created_at.nanosecond(), 123_000_000);
    assert_eq!(aws.calls(GET).len(), 1);
}

/// Made by hand in the same group, or by a tenant whose digest is the same.
#[tokio::test]
async fn what_calls_for_another_tenant_is_never_shown() {
    let other = nightly();
    let text = other["Target"]["Input"].as_str().unwrap();
    for (from, to) in [
        ("\"demo\"", "\"other\""),
        ("nightly", "hourly"),
        ("yesterday", "today"),
    ] {
        let mut found = other.clone();
        found["Target"]["Input"] = text.replace(from, to).into();
        let aws = RecordedAws::answering(move |call, _| match call {
            GET => (200, found.clone()),
            _ => (
                200,
                json!({ "Schedules": [{ "Name": "demo.nightly" }, { "Name": "demo.A" }] }),
            ),
        });
        let store = schedules(&aws);
        let error = store
            .get(&tenant("demo"), &"nightly".parse().unwrap())
            .await;
        assert!(
            matches!(error, Err(StoreError::Malformed { .. })),
            "{error:?}"
        );
        assert_eq!(store.list(&tenant("demo")).await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_schedule_that_is_there_is_held_against_what_is_wanted() {
    let aws = RecordedAws::answering(|call, _| match call {
        CREATE => refusal(409, "ConflictException", "it already exists"),
        GET => (200, nightly()),
        call if call.starts_with("DELETE ") => (200, json!({})),
        _ => (200, json!({ "Schedules": [{ "Name": "demo.nightly" }] })),
    });
    let (store, owner) = (schedules(&aws), tenant("demo"));
    let same = store
        .add(&owner, &schedule("nightly", json!({})), 1)
        .await
        .unwrap();
    assert!(matches!(same, Scheduled::Unchanged(_)), "{same:?}");
    let other = schedule("nightly", json!({ "expression": "rate(1 day)" }));
    let other = store.add(&owner, &other, 1).await.unwrap();
    assert!(matches!(other, Scheduled::Differs(_)), "{other:?}");
    let beyond = store
        .add(&owner, &schedule("another", json!({})), 1)
        .await
        .unwrap();
    assert_eq!(beyond, Scheduled::TooMany);
    assert!(
        store
            .remove(&owner, &"nightly".parse().unwrap())
            .await
            .unwrap()
    );
}
