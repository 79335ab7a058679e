//! What starts a function, and what becomes of a record that it cannot handle.

use std::fs::read_to_string;

use pillarbox_tests::template::{Template, elements, in_workspace, referenced};
use serde_json::{Value, json};

use crate::{Faults, check, sources};

fn reports_failures_by_record(event: &Value) -> bool {
    elements(&event["FunctionResponseTypes"]).contains(&json!("ReportBatchItemFailures"))
}

/// Seconds that a function may run.
fn timeout(template: &Template, function: &str) -> u64 {
    let own = template.property(function, "Timeout").as_u64();
    own.or(template.at("/Globals/Function/Timeout").as_u64())
        .unwrap()
}

fn queue_sources(template: &Template) -> Faults {
    let mut faults = Faults::new();
    for (function, name, event) in sources(template, "SQS") {
        let queue = referenced(&event["Queue"]).unwrap_or_default();
        let visibility = template.property(queue, "VisibilityTimeout").as_u64();
        let redrive = template.property(queue, "RedrivePolicy");
        let dead_letters = referenced(&redrive["deadLetterTargetArn"]);
        let receives = redrive["maxReceiveCount"].as_u64().unwrap_or_default();
        let expected = [
            (
                reports_failures_by_record(event),
                "does not report failures by record",
            ),
            (
                visibility.unwrap_or(30) >= 6 * timeout(template, function),
                "is visible again before six time-outs are over",
            ),
            (
                dead_letters == Some("DeadLetterQueue"),
                "has no way to the dead letters",
            ),
            (
                (5..=1_000).contains(&receives),
                "gives up after fewer than the five receives that Lambda asks for",
            ),
        ];
        let broken = expected.into_iter().filter(|(holds, _)| !holds);
        faults.extend(broken.map(|(_, fault)| format!("{function}.{name} {fault}")));
    }
    faults
}

#[test]
fn a_queue_source_fails_by_record_waits_long_enough_and_ends_in_a_dead_letter() {
    let event = "/Resources/SubscriberExampleFunction/Properties/Events/Deliveries/Properties";
    let queue = "/Resources/SubscriberExampleQueue/Properties";
    let broken = [
        (
            &*format!("{event}/FunctionResponseTypes"),
            Value::Null,
            "does not report failures by record",
        ),
        (
            &*format!("{queue}/VisibilityTimeout"),
            json!(179),
            "is visible again before",
        ),
        (
            &*format!("{queue}/VisibilityTimeout"),
            Value::Null,
            "is visible again before",
        ),
        (
            "/Resources/SubscriberExampleFunction/Properties/Timeout",
            json!(31),
            "is visible again before",
        ),
        (
            &*format!("{queue}/RedrivePolicy"),
            Value::Null,
            "has no way to the dead letters",
        ),
        (
            &*format!("{queue}/RedrivePolicy/maxReceiveCount"),
            json!(1),
            "gives up after fewer",
        ),
    ];
    check(queue_sources, &broken);
}

fn stream_sources(template: &Template) -> Faults {
    let mut faults = Faults::new();
    for (function, name, event) in sources(template, "DynamoDB") {
        let retries = event["MaximumRetryAttempts"].as_i64().unwrap_or(-1);
        let given_up = &event["DestinationConfig"]["OnFailure"]["Destination"];
        let expected = [
            (
                reports_failures_by_record(event),
                "does not report failures by record",
            ),
            (
                event["BisectBatchOnFunctionError"] == true,
                "does not bisect a failing batch",
            ),
            (retries >= 0, "repeats a failing batch for ever"),
            (
                referenced(given_up) == Some("DeadLetterQueue"),
                "drops what it gives up on",
            ),
            (
                event["StartingPosition"] == "TRIM_HORIZON",
                "leaves out what was written before it began",
            ),
        ];
        let broken = expected.into_iter().filter(|(holds, _)| !holds);
        faults.extend(broken.map(|(_, fault)| format!("{function}.{name} {fault}")));
    }
    faults
}

#[test]
fn a_stream_source_fails_by_record_bisects_is_bounded_and_ends_in_a_dead_letter() {
    let event = "/Resources/DispatchFunction/Properties/Events/EventLog/Properties";
    let broken = [
        (
            "FunctionResponseTypes",
            Value::Null,
            "does not report failures by record",
        ),
        (
            "BisectBatchOnFunctionError",
            Value::Null,
            "does not bisect a failing batch",
        ),
        (
            "MaximumRetryAttempts",
            Value::Null,
            "repeats a failing batch for ever",
        ),
        (
            "MaximumRetryAttempts",
            json!(-1),
            "repeats a failing batch for ever",
        ),
        (
            "DestinationConfig",
            Value::Null,
            "drops what it gives up on",
        ),
        (
            "StartingPosition",
            json!("LATEST"),
            "leaves out what was written",
        ),
    ];
    for (property, value, words) in broken {
        check(
            stream_sources,
            &[(&format!("{event}/{property}"), value, words)],
        );
    }
}

#[test]
fn the_example_holds_a_claim_for_as_long_as_it_may_run() {
    let main = read_to_string(in_workspace("functions/subscriber_example/src/main.rs")).unwrap();
    let (_, rest) = main
        .split_once("const HOLD: Duration = Duration::from_secs(")
        .unwrap();
    let (seconds, _) = rest.split_once(')').unwrap();
    let may_run = timeout(&Template::of_workspace(), "SubscriberExampleFunction");
    assert_eq!(seconds.parse(), Ok(may_run));
}
