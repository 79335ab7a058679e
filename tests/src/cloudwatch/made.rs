//! `infra/observability.yaml` as CloudFormation makes it: loops are written out, parameters have their defaults.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::template::{Template, in_workspace, members};

/// What the bus's stack is called where nothing else is said.
pub const BUS: &str = "pillarbox";

/// What CloudFormation takes as the text of a template; above, it has to be an object in S3
/// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html>).
pub const MAX_TEMPLATE_BYTES: usize = 51_200;

/// The template as it is written.
pub fn template() -> Template {
    let file = in_workspace("infra/observability.yaml");
    Template::parse(&std::fs::read_to_string(file).unwrap())
}

/// The stack that a template makes.
pub struct Made {
    resources: Vec<(String, Value)>,
}

impl Made {
    /// With these values of parameters instead of their defaults. No condition holds but what is true of an empty
    /// parameter: `!If` gives its second value.
    pub fn of(template: &Template, given: &[(&str, Value)]) -> Self {
        let names = names(template, given);
        let written = members(template.at("/Resources"));
        let resources = written.flat_map(|(name, resource)| unrolled(name, resource));
        let resources = resources.map(|(name, resource)| (name, resolved(&resource, &names)));
        Self {
            resources: resources.collect(),
        }
    }

    /// The properties of all resources of a type, with the resource's name.
    pub fn resources(&self, kind: &str) -> impl Iterator<Item = (&str, &Value)> {
        let all = self.resources.iter();
        all.filter(move |(_, resource)| resource["Type"] == kind)
            .map(|(name, resource)| (name.as_str(), &resource["Properties"]))
    }
}

type Names = BTreeMap<String, Value>;

/// What `!Ref` and `${}` stand for.
fn names(template: &Template, given: &[(&str, Value)]) -> Names {
    let parameters = members(template.at("/Parameters"));
    let defaults = parameters.map(|(name, about)| (name.to_owned(), about["Default"].clone()));
    let pseudo = [
        ("AWS::AccountId", "111111111111"),
        ("AWS::Partition", "aws"),
        ("AWS::Region", "eu-west-1"),
    ];
    let pseudo = pseudo.map(|(name, value)| (name.to_owned(), json!(value)));
    let given = given.iter();
    let given = given.map(|(name, value)| ((*name).to_owned(), value.clone()));
    defaults.chain(pseudo).chain(given).collect()
}

/// One resource, or those that a loop makes.
fn unrolled(name: &str, resource: &Value) -> Vec<(String, Value)> {
    if !name.starts_with("Fn::ForEach::") {
        return vec![(name.to_owned(), resource.clone())];
    }
    let variable = resource[0].as_str().expect("a loop's variable");
    let items = resource[1].as_array().expect("what a loop is over");
    let items = items.iter().map(|item| item.as_str().expect("a text"));
    items
        .flat_map(|item| {
            let made = members(&resource[2]);
            made.map(move |(name, body)| {
                (
                    put_in(name, variable, item),
                    everywhere(body, variable, item),
                )
            })
        })
        .collect()
}

/// `${Variable}` is the item, `&{Variable}` the letters and digits of it.
fn put_in(text: &str, variable: &str, item: &str) -> String {
    let plain: String = item.chars().filter(char::is_ascii_alphanumeric).collect();
    text.replace(&format!("${{{variable}}}"), item)
        .replace(&format!("&{{{variable}}}"), &plain)
}

fn everywhere(value: &Value, variable: &str, item: &str) -> Value {
    mapped(value, &|text| json!(put_in(text, variable, item)))
}

/// The same with other texts.
fn mapped(value: &Value, text: &impl Fn(&str) -> Value) -> Value {
    match value {
        Value::String(old) => text(old),
        Value::Array(items) => items.iter().map(|item| mapped(item, text)).collect(),
        Value::Object(members) => {
            let members = members.iter();
            let members = members.map(|(name, value)| (name.clone(), mapped(value, text)));
            Value::Object(members.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

fn resolved(value: &Value, names: &Names) -> Value {
    if let Some(name) = value["Ref"].as_str() {
        return names.get(name).cloned().unwrap_or_else(|| json!(name));
    }
    if !value["Fn::Sub"].is_null() {
        return json!(substituted(&value["Fn::Sub"], names));
    }
    if !value["Fn::ImportValue"].is_null() {
        return resolved(&value["Fn::ImportValue"], names);
    }
    if let Some(cases) = value["Fn::If"].as_array() {
        return resolved(&cases[2], names);
    }
    match value {
        Value::Array(items) => items.iter().map(|item| resolved(item, names)).collect(),
        Value::Object(members) => {
            let members = members.iter();
            let members = members.map(|(name, value)| (name.clone(), resolved(value, names)));
            Value::Object(members.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

/// A text with its `${…}` put in; `${!…}` stands for itself. What is unknown stays as it is.
fn substituted(sub: &Value, names: &Names) -> String {
    let (text, own) = match sub {
        Value::Array(parts) => (&parts[0], &parts[1]),
        text => (text, &Value::Null),
    };
    let own = members(own).map(|(name, value)| (name.to_owned(), resolved(value, names)));
    let own: Names = own.collect();
    let mut rest = text.as_str().expect("a text");
    let mut done = String::new();
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').expect("an end of ${");
        done += before;
        done += &match (name.strip_prefix('!'), own.get(name).or(names.get(name))) {
            (Some(literal), _) => format!("${{{literal}}}"),
            (None, Some(Value::String(value))) => value.clone(),
            (None, Some(value)) => value.to_string(),
            (None, None) => format!("${{{name}}}"),
        };
        rest = after;
    }
    done + rest
}
