//! Functions, their folders and what they are told.

use std::collections::BTreeSet;

use pillarbox_tests::template::{Template, members};
use serde_json::{Value, json};

use crate::{FUNCTION, Faults, Folder, check, folders, variables_read};

/// `dead_letter` is `DeadLetter`.
fn camel_case(name: &str) -> String {
    let words = name.split('_');
    words
        .map(|word| word[..1].to_uppercase() + &word[1..])
        .collect()
}

fn variables(template: &Template, folders: &[Folder]) -> Faults {
    let mut faults = Faults::new();
    for Folder { name, config } in folders {
        let function = format!("{}Function", camel_case(name));
        let own = members(template.property(&function, "Environment/Variables"));
        let for_all = members(template.at("/Globals/Function/Environment/Variables"));
        let set: BTreeSet<String> = own
            .chain(for_all)
            .map(|(name, _)| name.to_owned())
            .collect();
        let read = variables_read(config);
        faults.extend(
            read.difference(&set)
                .map(|name| format!("{function} reads {name}, which is not set")),
        );
        faults.extend(
            set.difference(&read)
                .map(|name| format!("{function} is given {name}, which it does not read")),
        );
    }
    faults
}

#[test]
fn every_variable_that_is_read_is_set_and_no_other() {
    let place = "/Resources/DispatchFunction/Properties/Environment/Variables";
    let broken = [
        (
            &*format!("{place}/OUTBOX_TABLE"),
            Value::Null,
            "DispatchFunction reads OUTBOX_TABLE, which is not set",
        ),
        (
            &*format!("{place}/OUTBOX"),
            json!("x"),
            "DispatchFunction is given OUTBOX, which it does not read",
        ),
        (
            "/Globals/Function/Environment/Variables/TABLE",
            json!("x"),
            "IngestFunction is given TABLE, which it does not read",
        ),
    ];
    check(|template| variables(template, &folders()), &broken);
}

#[test]
fn reads_are_found_however_they_are_laid_out() {
    let config = r#"
        let table = env.required("TABLE");
        let limit = env
            .required::<u32>(
                "LIMIT",
            );
        let types = env.optional("TYPES").unwrap_or_default();
        env.finish(|| { "NOT_READ" })
    "#;
    let read: Vec<String> = variables_read(config).into_iter().collect();
    assert_eq!(read, ["LIMIT", "TABLE", "TYPES"]);
}

fn functions(template: &Template, folders: &[Folder]) -> Faults {
    let mut faults = Faults::new();
    let mut left: BTreeSet<&str> = template.resources(FUNCTION).into_iter().collect();
    for Folder { name: folder, .. } in folders {
        let name = camel_case(folder);
        let function = format!("{name}Function");
        if !left.remove(&*function) {
            faults.push(format!("functions/{folder} has no {function}"));
            continue;
        }
        let build = template.at(&format!("/Resources/{function}/Metadata/BuildProperties"));
        let property = |property| template.property(&function, property);
        let logs = format!("{name}Logs");
        let retention = template.property(&logs, "RetentionInDays");
        let is_kept_for_a_while = retention.is_number() || retention["Ref"].is_string();
        let expected = [
            (build["Binary"] == **folder, "builds another binary"),
            (
                *property("Role") == json!({ "Fn::GetAtt": format!("{name}Role.Arn") }),
                "has not its own role",
            ),
            (
                *property("LoggingConfig/LogGroup") == json!({ "Ref": logs }),
                "has not its own log group",
            ),
            (
                template.resources("AWS::Logs::LogGroup").contains(&&*logs),
                "has no log group",
            ),
            (is_kept_for_a_while, "keeps its logs for ever"),
        ];
        let broken = expected.into_iter().filter(|(holds, _)| !holds);
        faults.extend(broken.map(|(_, fault)| format!("{function} {fault}")));
    }
    if *template.at("/Globals/Function/Tracing") != json!({ "Ref": "Tracing" }) {
        faults.push("functions are not traced".to_owned());
    }
    faults.extend(
        left.into_iter()
            .map(|function| format!("{function} has no folder")),
    );
    faults
}

#[test]
fn folders_functions_roles_and_log_groups_have_one_name() {
    let broken = [
        (
            "/Resources/IngestFunction",
            Value::Null,
            "functions/ingest has no IngestFunction",
        ),
        (
            "/Resources/StrayFunction",
            json!({ "Type": FUNCTION }),
            "StrayFunction has no folder",
        ),
        (
            "/Resources/IngestFunction/Metadata/BuildProperties/Binary",
            json!("dispatch"),
            "IngestFunction builds another binary",
        ),
        (
            "/Resources/IngestFunction/Properties/Role",
            json!({ "Fn::GetAtt": "OpsRole.Arn" }),
            "IngestFunction has not its own role",
        ),
        (
            "/Resources/IngestFunction/Properties/LoggingConfig",
            Value::Null,
            "IngestFunction has not its own log group",
        ),
        (
            "/Resources/IngestLogs",
            Value::Null,
            "IngestFunction has no log group",
        ),
        (
            "/Resources/IngestLogs/Properties/RetentionInDays",
            Value::Null,
            "IngestFunction keeps its logs for ever",
        ),
        (
            "/Globals/Function/Tracing",
            json!("PassThrough"),
            "functions are not traced",
        ),
    ];
    check(|template| functions(template, &folders()), &broken);
}
