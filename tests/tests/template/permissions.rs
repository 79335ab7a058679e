//! What a role may do: all that it needs, and nothing that it does not name.

use pillarbox_tests::template::{Template, elements, referenced};
use serde_json::{Value, json};

use crate::{FUNCTION, Faults, ROLE, check, sources, statements, unless};

/// Whether a resource is named at least by the beginning of its name: `arn:…:orders-*` is, `arn:…:*` is not.
/// All that is in a named resource, `${Bucket.Arn}/*` or `${Group}/*`, is named by it.
fn is_named(resource: &Value) -> bool {
    let text = resource["Fn::Sub"].as_str().or(resource.as_str());
    let text = text.map(|text| text.strip_suffix("}/*").unwrap_or(text));
    !text.is_some_and(|text| text == "*" || text.ends_with(":*") || text.ends_with("/*"))
}

/// Actions that know no resource narrower than all, with no other in their statements
/// (<https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridgescheduler.html>,
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html>).
const OF_NO_RESOURCE: [&str; 3] = [
    "scheduler:ListSchedules",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
];

fn open_permissions(template: &Template) -> Faults {
    let mut faults = Faults::new();
    for (role, statement) in statements(template) {
        let actions = elements(&statement["Action"]);
        let of_no_resource = |action: &Value| OF_NO_RESOURCE.iter().any(|known| action == known);
        if !actions.is_empty() && actions.iter().all(of_no_resource) {
            continue;
        }
        let resources = elements(&statement["Resource"]);
        let open_action = actions
            .iter()
            .any(|action| action.as_str().is_none_or(|action| action.contains('*')));
        let inverted =
            ["NotAction", "NotResource"].map(|member| !statement[member].is_null()) != [false; 2];
        let expected = [
            (
                !actions.is_empty() && !open_action,
                "allows actions that it does not name",
            ),
            (
                !resources.is_empty() && resources.iter().all(is_named),
                "allows resources that it does not name",
            ),
            (!inverted, "allows all but what it names"),
        ];
        let broken = expected.into_iter().filter(|(holds, _)| !holds);
        faults.extend(broken.map(|(_, fault)| format!("{role} {fault}: {statement}")));
    }
    let managed = |role: &&str| !template.property(role, "ManagedPolicyArns").is_null();
    let roles = template.resources(ROLE).into_iter().filter(managed);
    faults.extend(roles.map(|role| format!("{role} has a managed policy")));
    let own = |function: &&str| !template.property(function, "Policies").is_null();
    let functions = template.resources(FUNCTION).into_iter().filter(own);
    faults.extend(functions.map(|function| format!("{function} has policies beside its role's")));
    faults
}

#[test]
fn every_permission_names_its_actions_and_resources() {
    let role = "/Resources/IngestRole/Properties";
    let statement = format!("{role}/Policies/0/PolicyDocument/Statement/1");
    let broken = [
        (&*format!("{statement}/Resource"), json!("*")),
        (
            &*format!("{statement}/Resource"),
            json!({ "Fn::Sub": "arn:aws:dynamodb:${AWS::Region}:1:table/*" }),
        ),
        (
            &*format!("{statement}/Resource"),
            json!([{ "Fn::GetAtt": "EventLogTable.Arn" }, "*"]),
        ),
        (&*format!("{statement}/Resource"), Value::Null),
    ];
    for (place, value) in broken {
        check(
            open_permissions,
            &[(place, value, "IngestRole allows resources")],
        );
    }
    let broken = [
        (
            &*format!("{statement}/Action"),
            json!("dynamodb:*"),
            "IngestRole allows actions",
        ),
        (
            &*format!("{statement}/Action"),
            json!(["dynamodb:Put*"]),
            "IngestRole allows actions",
        ),
        (
            &*format!("{role}/Policies/0/PolicyDocument/Statement/5/Action/1"),
            json!("dynamodb:GetItem"),
            "IngestRole allows resources",
        ),
        (
            &*format!("{statement}/NotAction"),
            json!("iam:*"),
            "IngestRole allows all but",
        ),
        (
            &*format!("{role}/ManagedPolicyArns"),
            json!(["arn:aws:iam::aws:policy/ReadOnlyAccess"]),
            "IngestRole has a managed policy",
        ),
        (
            "/Resources/IngestFunction/Properties/Policies",
            json!(["AmazonDynamoDBFullAccess"]),
            "IngestFunction has policies beside its role's",
        ),
    ];
    check(open_permissions, &broken);
}

const READ_STREAM: [&str; 4] = [
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
];
const READ_QUEUE: [&str; 3] = [
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
];
const WRITE_LOGS: [&str; 2] = ["logs:CreateLogStream", "logs:PutLogEvents"];
const WRITE_TRACES: [&str; 2] = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"];

/// The actions that a role does not have on exactly this resource.
fn denied<'a>(
    template: &Template,
    role: &str,
    actions: &[&'a str],
    resource: &Value,
) -> Vec<&'a str> {
    let allows = |action: &str| {
        statements(template)
            .into_iter()
            .filter(|(owner, statement)| *owner == role && statement["Effect"] == "Allow")
            .any(|(_, statement)| {
                elements(&statement["Action"]).contains(&json!(action))
                    && elements(&statement["Resource"]).contains(resource)
            })
    };
    let actions = actions.iter().copied();
    actions.filter(|action| !allows(action)).collect()
}

fn missing_permissions(template: &Template) -> Faults {
    let mut needed: Vec<(&str, &[&str], Value)> = Vec::new();
    for function in template.resources(FUNCTION) {
        let logs = referenced(template.property(function, "LoggingConfig/LogGroup"));
        let logs = format!("{}.Arn", logs.unwrap_or_default());
        needed.push((function, &WRITE_LOGS, json!({ "Fn::GetAtt": logs })));
        needed.push((function, &WRITE_TRACES, json!("*")));
    }
    for (function, _, event) in sources(template, "DynamoDB") {
        needed.push((function, &READ_STREAM, event["Stream"].clone()));
        let given_up = &event["DestinationConfig"]["OnFailure"]["Destination"];
        needed.push((function, &["sqs:SendMessage"], given_up.clone()));
    }
    for (function, _, event) in sources(template, "SQS") {
        needed.push((function, &READ_QUEUE, event["Queue"].clone()));
    }
    let mut faults = Faults::new();
    for (function, actions, resource) in needed {
        let role = referenced(template.property(function, "Role")).unwrap_or_default();
        let denied = denied(template, role, actions, &resource);
        faults.extend(unless(
            denied.is_empty(),
            format!("{role} lacks {denied:?} on {resource}"),
        ));
    }
    faults
}

#[test]
fn every_role_may_read_its_sources_and_write_its_log_and_traces() {
    let statement = |role: &str, index: u8| {
        format!("/Resources/{role}/Properties/Policies/0/PolicyDocument/Statement/{index}")
    };
    let stream = statement("DispatchRole", 1);
    let queue = statement("SubscriberExampleRole", 1);
    let broken = [
        (
            format!("{stream}/Action/0"),
            r#"lacks ["dynamodb:DescribeStream"]"#,
        ),
        (
            format!("{stream}/Action/1"),
            r#"lacks ["dynamodb:GetRecords"]"#,
        ),
        (
            format!("{stream}/Action/2"),
            r#"lacks ["dynamodb:GetShardIterator"]"#,
        ),
        (
            format!("{stream}/Action/3"),
            r#"lacks ["dynamodb:ListStreams"]"#,
        ),
        (
            format!("{}/Resource/2", statement("DispatchRole", 6)),
            r#"lacks ["sqs:SendMessage"]"#,
        ),
        (
            format!("{queue}/Action/0"),
            r#"lacks ["sqs:ReceiveMessage"]"#,
        ),
        (
            format!("{queue}/Action/1"),
            r#"lacks ["sqs:DeleteMessage"]"#,
        ),
        (
            format!("{queue}/Action/2"),
            r#"lacks ["sqs:GetQueueAttributes"]"#,
        ),
        (
            statement("OpsRole", 0),
            r#"lacks ["logs:CreateLogStream", "logs:PutLogEvents"]"#,
        ),
        (
            statement("AuthorizerRole", 2),
            r#"lacks ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]"#,
        ),
    ];
    for (place, words) in broken {
        check(missing_permissions, &[(&place, Value::Null, words)]);
    }
    let elsewhere = json!({ "Fn::GetAtt": "EventLogTable.Arn" });
    check(
        missing_permissions,
        &[(&format!("{stream}/Resource"), elsewhere, "DispatchRole")],
    );
}

/// `ops` registers queues by the beginning of their names; it and `dispatch` may send to just those.
fn subscriber_queues(template: &Template) -> Faults {
    let prefix = template.property(
        "OpsFunction",
        "Environment/Variables/SUBSCRIBER_QUEUE_PREFIX",
    );
    let prefix = prefix["Fn::Sub"].as_str().unwrap_or_default();
    // A queue may be another account's, if its own policy lets these roles send.
    let arn = format!("arn:${{AWS::Partition}}:sqs:${{AWS::Region}}:*:{prefix}*");
    let queues = json!({ "Fn::Sub": arn });
    let may_send = |role| denied(template, role, &["sqs:SendMessage"], &queues).is_empty();
    let example = template.property("SubscriberExampleQueue", "QueueName");
    let example = example["Fn::Sub"].as_str().unwrap_or_default();
    let expected = [
        (
            !prefix.is_empty() && may_send("DispatchRole"),
            "dispatch may not send to what ops registers",
        ),
        (
            may_send("RetryRole"),
            "retry may not send where dispatch may",
        ),
        (
            may_send("OpsRole"),
            "ops may not redrive to what it registers",
        ),
        (
            may_send("ReplayRole"),
            "replay may not send to what ops registers",
        ),
        (
            may_send("SweepRole"),
            "sweep may not send where dispatch may",
        ),
        (
            example.starts_with(prefix),
            "ops would not register the example's queue",
        ),
    ];
    let broken = expected.into_iter().filter(|(holds, _)| !holds);
    broken.map(|(_, fault)| fault.to_owned()).collect()
}

#[test]
fn whatever_delivers_may_send_to_the_queues_that_ops_registers() {
    let variables = "/Resources/OpsFunction/Properties/Environment/Variables";
    let broken = [
        (
            &*format!("{variables}/SUBSCRIBER_QUEUE_PREFIX"),
            json!({ "Fn::Sub": "team-" }),
            "dispatch may not send to what ops registers",
        ),
        (
            &*format!("{variables}/SUBSCRIBER_QUEUE_PREFIX"),
            json!({ "Fn::Sub": "team-" }),
            "retry may not send where dispatch may",
        ),
        (
            &*format!("{variables}/SUBSCRIBER_QUEUE_PREFIX"),
            json!({ "Fn::Sub": "team-" }),
            "ops may not redrive to what it registers",
        ),
        (
            &*format!("{variables}/SUBSCRIBER_QUEUE_PREFIX"),
            json!({ "Fn::Sub": "team-" }),
            "replay may not send to what ops registers",
        ),
        (
            &*format!("{variables}/SUBSCRIBER_QUEUE_PREFIX"),
            json!({ "Fn::Sub": "team-" }),
            "sweep may not send where dispatch may",
        ),
        (
            "/Resources/SubscriberExampleQueue/Properties/QueueName",
            json!("example"),
            "ops would not register the example's queue",
        ),
    ];
    check(subscriber_queues, &broken);
}
