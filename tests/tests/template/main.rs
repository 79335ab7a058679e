//! The template held against the code, and against what the local engine does not notice: it accepts a
//! queue without encryption, a role that cannot read its own event source, a route that nobody guards.
//!
//! Each check is a function from a template to its faults. Its test shows that the real template has
//! none, and that each way to break it is told.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod alarms;
mod api;
mod functions;
mod observability;
mod permissions;
mod schedules;
mod sources;
mod subscriber;
mod tables;

use std::collections::BTreeSet;
use std::fs::read_to_string;
use std::path::Path;

use pillarbox_tests::template::{Template, elements, in_workspace, members};
use serde_json::{Value, json};

const FUNCTION: &str = "AWS::Serverless::Function";
const QUEUE: &str = "AWS::SQS::Queue";
const ROLE: &str = "AWS::IAM::Role";
const ROUTE: &str = "AWS::ApiGatewayV2::Route";
const TABLE: &str = "AWS::DynamoDB::Table";

/// What stands in for a team's own stack; it holds nothing of the bus.
const EXAMPLE: &str = "SubscriberExample";

/// What a check finds wrong.
type Faults = Vec<String>;

/// The real template passes. Changed at a place (null takes away what is there), it is told by these words.
fn check(faults: impl Fn(&Template) -> Faults, breakages: &[(&str, Value, &str)]) {
    check_in(&Template::of_workspace(), faults, breakages);
}

/// The same of any template.
fn check_in(
    template: &Template,
    faults: impl Fn(&Template) -> Faults,
    breakages: &[(&str, Value, &str)],
) {
    assert_eq!(faults(template), Faults::new());
    for (place, value, words) in breakages {
        let found = faults(&template.with(place, value.clone()));
        assert!(
            found.iter().any(|fault| fault.contains(words)),
            "{place} = {value} should be told by '{words}', and what is told is {found:?}"
        );
    }
}

/// The fault, unless it holds.
fn unless(holds: bool, fault: String) -> Option<String> {
    (!holds).then_some(fault)
}

/// A folder of `functions/`.
struct Folder {
    name: String,
    config: String,
}

fn folders() -> Vec<Folder> {
    let entries = std::fs::read_dir(in_workspace("functions")).unwrap();
    let folders = entries.map(|entry| entry.unwrap());
    folders
        .filter(|entry| entry.path().join("Cargo.toml").exists())
        .map(|entry| Folder {
            name: entry.file_name().into_string().unwrap(),
            config: read_config(&entry.path().join("src/config.rs")),
        })
        .collect()
}

/// A function's configuration, with that of every process where it has that, too.
fn read_config(file: &Path) -> String {
    let own = read_to_string(file).unwrap();
    if !own.contains("Process::read(&mut env)") {
        return own;
    }
    let process = in_workspace("shared/runtime/src/process.rs");
    own + &read_to_string(process).unwrap()
}

/// What a function reads: each `env.required("NAME")` and `env.optional("NAME")`, however it is laid out.
fn variables_read(config: &str) -> BTreeSet<String> {
    let code: String = config
        .chars()
        .filter(|character| !character.is_whitespace())
        .collect();
    let calls = code.split("env.").skip(1);
    calls
        .filter_map(|call| {
            let (method, arguments) = call.split_once("(\"")?;
            let is_one_call = !method.contains(['(', ')', ';']);
            let (name, _) = arguments.split_once('"')?;
            is_one_call.then(|| name.to_owned())
        })
        .collect()
}

/// A function and one of its sources: the event's name and what it says.
fn sources<'a>(template: &'a Template, kind: &str) -> Vec<(&'a str, &'a str, &'a Value)> {
    let functions = template.resources(FUNCTION).into_iter();
    let events = functions.flat_map(|function| {
        members(template.property(function, "Events"))
            .map(move |(name, event)| (function, name, event))
    });
    events
        .filter(|(_, _, event)| event["Type"] == kind)
        .map(|(function, name, event)| (function, name, &event["Properties"]))
        .collect()
}

/// A role and one of its statements.
fn statements(template: &Template) -> Vec<(&str, &Value)> {
    let roles = template.resources(ROLE).into_iter();
    roles
        .flat_map(|role| {
            let policies = elements(template.property(role, "Policies"));
            let statements = policies
                .iter()
                .flat_map(|policy| elements(&policy["PolicyDocument"]["Statement"]));
            statements.map(move |statement| (role, statement))
        })
        .collect()
}

/// A check that looks at nothing finds nothing wrong; here is what each looks at.
#[test]
fn there_is_something_to_check() {
    let template = Template::of_workspace();
    let counts = [
        template.resources(FUNCTION).len(),
        template.resources(ROLE).len(),
        template.resources(TABLE).len(),
        template.resources(QUEUE).len(),
        template.resources(ROUTE).len(),
        sources(&template, "DynamoDB").len(),
        sources(&template, "SQS").len(),
    ];
    let at_least = [5, 5, 4, 2, 6, 1, 1];
    let enough = counts
        .iter()
        .zip(at_least)
        .all(|(count, least)| *count >= least);
    assert!(
        enough,
        "{counts:?}, and at least {at_least:?} were expected"
    );
    assert!(statements(&template).len() >= 10);
    assert!(
        folders()
            .iter()
            .all(|folder| !variables_read(&folder.config).is_empty())
    );
}

#[test]
fn short_forms_are_written_out() {
    let template = Template::parse(
        "A: !Ref B\nC: !GetAtt D.Arn\nE: !If [F, !Sub '${G}', 1]\nH: &anchor [x]\nI: *anchor",
    );
    assert_eq!(
        *template.at(""),
        json!({
            "A": { "Ref": "B" },
            "C": { "Fn::GetAtt": "D.Arn" },
            "E": { "Fn::If": ["F", { "Fn::Sub": "${G}" }, 1] },
            "H": ["x"],
            "I": ["x"],
        })
    );
}
