//! `infra/subscriber.yaml`, held against the template of the bus and against the function that registers.

use std::collections::BTreeSet;
use std::fs::read_to_string;

use pillarbox_tests::cloudwatch::made;
use pillarbox_tests::template::{Template, elements, in_workspace, members};
use serde_json::{Value, json};

use crate::{FUNCTION, Faults, QUEUE, check, check_in, statements, unless};

const QUEUE_POLICY: &str = "AWS::SQS::QueuePolicy";
const REGISTRATION: &str = "Custom::PillarboxSubscription";

/// What the bus's stack calls itself, and what a subscriber's stack calls it.
const BUS: [&str; 2] = ["${AWS::StackName}", "${BusStack}"];

fn stack() -> Template {
    Template::parse(&read_to_string(in_workspace("infra/subscriber.yaml")).unwrap())
}

fn check_stack(faults: impl Fn(&Template) -> Faults, breakages: &[(&str, Value, &str)]) {
    check_in(&stack(), faults, breakages);
}

/// What another stack reads from the bus's: the names after the bus's own.
fn imports(value: &Value) -> BTreeSet<String> {
    if let Some(name) = value["Fn::ImportValue"]["Fn::Sub"].as_str() {
        return [name.replacen(BUS[1], "", 1)].into();
    }
    let inner = members(value).map(|(_, inner)| inner);
    let inner = inner.chain(value.as_array().into_iter().flatten());
    inner.flat_map(imports).collect()
}

fn unexported(bus: &Template) -> Faults {
    let outputs = members(bus.at("/Outputs"));
    let exported: BTreeSet<String> = outputs
        .filter_map(|(_, output)| output["Export"]["Name"]["Fn::Sub"].as_str())
        .map(|name| name.replacen(BUS[0], "", 1))
        .collect();
    let readers = [stack(), made::template()].into_iter();
    let imported: BTreeSet<String> = readers
        .flat_map(|stack| imports(stack.at("/Resources")))
        .collect();
    assert!(imported.len() >= 12, "{imported:?}");
    let missing = imported.difference(&exported);
    missing
        .map(|name| format!("the bus does not export {name}"))
        .collect()
}

#[test]
fn what_another_stack_reads_is_what_the_bus_exports() {
    let broken = [
        (
            "/Outputs/DispatchRoleArn",
            Value::Null,
            "does not export -DispatchRoleArn",
        ),
        (
            "/Outputs/DeadLetterQueueArn/Export",
            Value::Null,
            "does not export -DeadLetterQueueArn",
        ),
        (
            "/Outputs/RegistrationFunctionArn/Export/Name",
            json!({ "Fn::Sub": "${AWS::StackName}-Registration" }),
            "does not export -RegistrationFunctionArn",
        ),
        (
            "/Outputs/ApiId/Export",
            Value::Null,
            "does not export -ApiId",
        ),
    ];
    check(unexported, &broken);
}

/// Roles of the bus that may send to subscribers' queues, and that no subscriber's queue lets in.
fn shut_out(bus: &Template) -> Faults {
    let let_in = imports(stack().property("QueuePolicy", "PolicyDocument"));
    let sends = |statement: &Value| {
        let resources = elements(&statement["Resource"]).iter();
        elements(&statement["Action"]).contains(&json!("sqs:SendMessage"))
            && resources
                .filter_map(|resource| resource["Fn::Sub"].as_str())
                .any(|arn| arn.contains("-sub-"))
    };
    let senders = statements(bus).into_iter();
    let senders: BTreeSet<&str> = senders
        .filter(|(_, statement)| sends(statement))
        .map(|(role, _)| role)
        .collect();
    assert!(senders.len() >= 2, "{senders:?}");
    let shut_out = senders
        .into_iter()
        .filter(|role| !let_in.contains(&format!("-{role}Arn")));
    shut_out
        .map(|role| format!("{role} sends, and is not let in"))
        .collect()
}

#[test]
fn every_role_that_sends_is_let_in_by_a_subscriber_s_queue() {
    let statement = "/Resources/RegistrationRole/Properties/Policies/0/PolicyDocument/Statement/1";
    let sends = json!({
        "Effect": "Allow", "Action": "sqs:SendMessage",
        "Resource": { "Fn::Sub": "arn:aws:sqs:${AWS::Region}:*:${AWS::StackName}-sub-*" },
    });
    let words = "RegistrationRole sends, and is not let in";
    check(shut_out, &[(statement, sends, words)]);
}

fn queues(stack: &Template) -> Faults {
    let bus = Template::of_workspace();
    let prefix = bus.property(
        "RegistrationFunction",
        "Environment/Variables/SUBSCRIBER_QUEUE_PREFIX",
    );
    let prefix = prefix["Fn::Sub"].as_str().unwrap().replace(BUS[0], BUS[1]);
    let mut faults = Faults::new();
    for queue in stack.resources(QUEUE) {
        let name = stack.property(queue, "QueueName")["Fn::Sub"].as_str();
        let expected = [
            (
                name.is_some_and(|name| name.starts_with(&prefix)),
                "has a name that is not registered",
            ),
            (
                stack.property(queue, "SqsManagedSseEnabled") == true,
                "is not encrypted",
            ),
            (
                policies_of(stack, queue)
                    .iter()
                    .any(|statement| denies_plain(statement, queue)),
                "may be reached without TLS",
            ),
        ];
        let broken = expected.into_iter().filter(|(holds, _)| !holds);
        faults.extend(broken.map(|(_, fault)| format!("{queue} {fault}")));
    }
    faults.extend(ways_to_dead_letters(stack));
    faults
}

/// In one account the bus's dead letters, in another the stack's own.
fn ways_to_dead_letters(stack: &Template) -> Faults {
    let redrive = stack.property("Queue", "RedrivePolicy");
    let dead_letters = json!({ "Fn::If": [
        "OtherAccount", { "Fn::GetAtt": "DeadLetters.Arn" },
        { "Fn::ImportValue": { "Fn::Sub": "${BusStack}-DeadLetterQueueArn" } },
    ] });
    let retention = |queue| stack.property(queue, "MessageRetentionPeriod").as_u64();
    let faults = [
        unless(
            redrive["deadLetterTargetArn"] == dead_letters,
            "Queue has no way to the dead letters".to_owned(),
        ),
        unless(
            retention("Queue") < retention("DeadLetters"),
            "a dead letter may be gone as soon as it is one".to_owned(),
        ),
    ];
    faults.into_iter().flatten().collect()
}

/// The statements of the policies that are put on this queue.
fn policies_of<'a>(stack: &'a Template, queue: &str) -> Vec<&'a Value> {
    let policies = stack.resources(QUEUE_POLICY).into_iter();
    let own =
        policies.filter(|policy| *stack.property(policy, "Queues") == json!([{ "Ref": queue }]));
    own.flat_map(|policy| elements(stack.property(policy, "PolicyDocument/Statement")))
        .collect()
}

fn denies_plain(statement: &Value, queue: &str) -> bool {
    let expected = [
        ("Effect", json!("Deny")),
        ("Principal", json!("*")),
        ("Action", json!("sqs:*")),
        ("Resource", json!({ "Fn::GetAtt": format!("{queue}.Arn") })),
        (
            "Condition",
            json!({ "Bool": { "aws:SecureTransport": "false" } }),
        ),
    ];
    expected
        .iter()
        .all(|(member, value)| statement[member] == *value)
}

#[test]
fn a_subscriber_s_queues_are_registrable_encrypted_reached_by_tls_and_end_in_dead_letters() {
    let queue = "/Resources/Queue/Properties";
    let tls = "/Resources/QueuePolicy/Properties/PolicyDocument/Statement/0";
    let broken = [
        (
            &*format!("{queue}/QueueName"),
            json!({ "Fn::Sub": "${BusStack}-${SubscriptionId}" }),
            "Queue has a name that is not registered",
        ),
        (
            &*format!("{queue}/SqsManagedSseEnabled"),
            Value::Null,
            "Queue is not encrypted",
        ),
        (tls, Value::Null, "Queue may be reached without TLS"),
        (
            &*format!("{tls}/Condition/Bool"),
            json!({ "aws:SecureTransport": "true" }),
            "Queue may be reached without TLS",
        ),
        (
            "/Resources/DeadLettersPolicy/Properties/Queues",
            json!([{ "Ref": "Queue" }]),
            "DeadLetters may be reached without TLS",
        ),
        (
            &*format!("{queue}/RedrivePolicy"),
            Value::Null,
            "Queue has no way to the dead letters",
        ),
        (
            &*format!("{queue}/RedrivePolicy/deadLetterTargetArn"),
            json!({ "Fn::GetAtt": "DeadLetters.Arn" }),
            "Queue has no way to the dead letters",
        ),
        (
            &*format!("{queue}/MessageRetentionPeriod"),
            json!(1_209_600),
            "a dead letter may be gone",
        ),
    ];
    check_stack(queues, &broken);
}

/// Nothing may be sent by anybody but the bus.
fn open_queues(stack: &Template) -> Faults {
    let mut faults = Faults::new();
    for policy in stack.resources(QUEUE_POLICY) {
        for statement in elements(stack.property(policy, "PolicyDocument/Statement")) {
            let principal = &statement["Principal"]["AWS"];
            let is_named = !principal.is_null() && principal != "*";
            let actions = elements(&statement["Action"]);
            let is_exact = !actions.contains(&json!("sqs:*"));
            faults.extend(unless(
                statement["Effect"] == "Deny" || is_named && is_exact,
                format!("{policy} lets in anybody, or to anything"),
            ));
        }
    }
    faults
}

#[test]
fn a_subscriber_s_queues_let_in_nobody_but_the_bus() {
    let statement = "/Resources/QueuePolicy/Properties/PolicyDocument/Statement/1";
    let words = "QueuePolicy lets in anybody, or to anything";
    let broken = [
        (&*format!("{statement}/Principal"), json!("*"), words),
        (&*format!("{statement}/Principal/AWS"), json!("*"), words),
        (&*format!("{statement}/Action"), json!("sqs:*"), words),
    ];
    check_stack(open_queues, &broken);
}

fn registrations(stack: &Template) -> Faults {
    let known = read_to_string(in_workspace("functions/registration/src/properties.rs")).unwrap();
    let (known, _) = known.split_once("#[cfg(test)]").unwrap();
    let mut faults = Faults::new();
    for name in stack.resources(REGISTRATION) {
        let place = format!("/Resources/{name}");
        let properties = members(stack.at(&format!("{place}/Properties")));
        let unknown =
            properties.filter(|(property, _)| !known.contains(&format!("\"{property}\"")));
        faults.extend(unknown.map(|(property, _)| format!("{property} is not a property")));
        faults.extend(unless(
            *stack.at(&format!("{place}/DependsOn")) == json!("QueuePolicy"),
            "events may come before the queue takes them".to_owned(),
        ));
        faults.extend(unless(
            *stack.at("/Parameters/ApiKey/NoEcho") == json!(true),
            "the key is shown to whoever may look at the stack".to_owned(),
        ));
    }
    faults
}

#[test]
fn a_registration_says_what_the_function_knows_once_the_queue_takes_events() {
    let registration = "/Resources/Subscription";
    let broken = [
        (
            &*format!("{registration}/Properties/Queue"),
            json!("x"),
            "Queue is not a property",
        ),
        (
            &*format!("{registration}/DependsOn"),
            Value::Null,
            "events may come before",
        ),
        ("/Parameters/ApiKey/NoEcho", Value::Null, "the key is shown"),
    ];
    check_stack(registrations, &broken);
}

/// Seconds that a source says a constant has.
fn seconds(file: &str, constant: &str) -> u64 {
    let source = read_to_string(in_workspace(file)).unwrap();
    let declared = format!("const {constant}: Duration = Duration::from_secs(");
    let (_, rest) = source.split_once(&declared).unwrap();
    rest.split_once(')').unwrap().0.parse().unwrap()
}

fn too_slow(bus: &Template) -> Faults {
    let work = seconds("functions/registration/src/handler.rs", "WORK_LIMIT");
    let answer = 3 * seconds("shared/aws/src/answers.rs", "TRY_TIMEOUT") + 1;
    let timeout = bus.property("RegistrationFunction", "Timeout").as_u64();
    let is_enough = timeout.is_some_and(|timeout| timeout > work + answer);
    let fault = "Lambda may end a registration before it is answered".to_owned();
    unless(is_enough, fault).into_iter().collect()
}

#[test]
fn a_registration_is_answered_before_lambda_ends_it() {
    let timeout = "/Resources/RegistrationFunction/Properties/Timeout";
    let broken = [
        (timeout, json!(25), "Lambda may end a registration"),
        (timeout, Value::Null, "Lambda may end a registration"),
    ];
    check(too_slow, &broken);
}

#[test]
fn there_is_something_to_check_of_a_subscriber_s_stack() {
    let stack = stack();
    let counts = [QUEUE, QUEUE_POLICY, REGISTRATION].map(|kind| stack.resources(kind).len());
    assert_eq!(counts, [2, 2, 1]);
    assert!(
        Template::of_workspace()
            .resources(FUNCTION)
            .contains(&"RegistrationFunction")
    );
}
