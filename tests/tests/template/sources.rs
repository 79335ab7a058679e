//! What starts a function, and what becomes of a record that it cannot handle.

use std::fs::read_to_string;

use pillarbox_domain::stats::{REMEMBERED_FOR, STALE_SETTLE};
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

/// The end of every way. What it cannot hand on stays in it until it expires, after 14 days of being tried: a
/// queue behind it would only hide that from whoever watches this one.
const LAST_QUEUE: &str = "DeadLetterQueue";

fn queue_sources(template: &Template) -> Faults {
    let mut faults = Faults::new();
    for (function, name, event) in sources(template, "SQS") {
        let queue = referenced(&event["Queue"]).unwrap_or_default();
        let visibility = template.property(queue, "VisibilityTimeout").as_u64();
        let redrive = template.property(queue, "RedrivePolicy");
        let dead_letters = referenced(&redrive["deadLetterTargetArn"]);
        let receives = redrive["maxReceiveCount"].as_u64().unwrap_or_default();
        let is_last = queue == LAST_QUEUE;
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
                is_last || dead_letters == Some(LAST_QUEUE),
                "has no way to the dead letters",
            ),
            (
                is_last || (5..=1_000).contains(&receives),
                "gives up after fewer than the five receives that Lambda asks for",
            ),
            (
                !is_last || redrive.is_null(),
                "is the last queue, and gives up",
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
        (
            "/Resources/DeadLetterQueue/Properties/VisibilityTimeout",
            json!(30),
            "DeadLetterFunction.DeadLetters is visible again before",
        ),
        (
            "/Resources/DeadLetterQueue/Properties/RedrivePolicy",
            json!({ "maxReceiveCount": 6 }),
            "is the last queue, and gives up",
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

fn example_receives(template: &Template) -> Faults {
    let variables = "Environment/Variables";
    let told = template.property(
        "SubscriberExampleFunction",
        &format!("{variables}/MAX_RECEIVES"),
    );
    let redrive = template.property("SubscriberExampleQueue", "RedrivePolicy");
    let queue_url = template.property(
        "SubscriberExampleFunction",
        &format!("{variables}/QUEUE_URL"),
    );
    let expected = [
        (
            told.as_str() == Some(&redrive["maxReceiveCount"].to_string()),
            "is not told how often its queue lets a message be received",
        ),
        (
            referenced(queue_url) == Some("SubscriberExampleQueue"),
            "hides messages of another queue",
        ),
    ];
    let broken = expected.into_iter().filter(|(holds, _)| !holds);
    broken.map(|(_, fault)| fault.to_owned()).collect()
}

#[test]
fn the_example_knows_its_queue_and_its_last_receive() {
    let variables = "/Resources/SubscriberExampleFunction/Properties/Environment/Variables";
    let broken = [
        (
            &*format!("{variables}/MAX_RECEIVES"),
            json!("5"),
            "is not told how often",
        ),
        (
            "/Resources/SubscriberExampleQueue/Properties/RedrivePolicy/maxReceiveCount",
            json!(7),
            "is not told how often",
        ),
        (
            &*format!("{variables}/QUEUE_URL"),
            json!({ "Ref": "DeadLetterQueue" }),
            "hides messages of another queue",
        ),
    ];
    check(example_receives, &broken);
}

/// Functions that write receipts.
const WRITE_RECEIPTS: [&str; 2] = ["DispatchFunction", "SweepFunction"];

/// Who notes that a minute is stale writes the receipt before the minute is rolled up again.
fn late_receipts(template: &Template) -> Faults {
    let longest = (STALE_SETTLE - REMEMBERED_FOR).as_secs();
    let functions = WRITE_RECEIPTS.into_iter();
    functions
        .filter(|function| timeout(template, function) > longest)
        .map(|function| format!("{function} may write a receipt after its minute was rolled up"))
        .collect()
}

#[test]
fn no_receipt_is_written_later_than_its_minute_is_rolled_up_again() {
    let broken = [
        (
            "/Resources/SweepFunction/Properties/Timeout",
            json!(331),
            "SweepFunction may write",
        ),
        (
            "/Resources/DispatchFunction/Properties/Timeout",
            json!(900),
            "DispatchFunction may write",
        ),
    ];
    check(late_receipts, &broken);
}
