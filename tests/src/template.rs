//! `template.yaml` as JSON, in which CloudFormation's short forms are written out: `!Ref X` is
//! `{"Ref": "X"}`, `!GetAtt X.Arn` is `{"Fn::GetAtt": "X.Arn"}`.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use serde_yaml_ng::Value as Yaml;

/// A folder or file of the workspace.
pub fn in_workspace(path: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    root.join(path)
}

/// A parsed template.
#[derive(Clone, Debug)]
pub struct Template(Value);

impl Template {
    /// The one of this workspace.
    pub fn of_workspace() -> Self {
        Self::parse(&std::fs::read_to_string(in_workspace("template.yaml")).unwrap())
    }

    /// The template of this text.
    pub fn parse(yaml: &str) -> Self {
        Self(written_out(serde_yaml_ng::from_str(yaml).unwrap()))
    }

    /// What is at this place, as in `/Resources/Api/Type`; null when nothing is.
    pub fn at(&self, place: &str) -> &Value {
        self.0.pointer(place).unwrap_or(&Value::Null)
    }

    /// A property of a resource, as in `("IngestFunction", "Environment/Variables")`.
    pub fn property(&self, resource: &str, name: &str) -> &Value {
        self.at(&format!("/Resources/{resource}/Properties/{name}"))
    }

    /// The names of all resources of a type, as in `AWS::SQS::Queue`.
    pub fn resources(&self, kind: &str) -> Vec<&str> {
        let all = members(self.at("/Resources"));
        all.filter(|(_, resource)| resource["Type"] == kind)
            .map(|(name, _)| name)
            .collect()
    }

    /// The same with another value at a place; null takes away what is there.
    pub fn with(&self, place: &str, value: Value) -> Self {
        let (parent, last) = place.rsplit_once('/').unwrap();
        let mut changed = self.0.clone();
        match (
            changed.pointer_mut(parent).expect("the place is there"),
            value,
        ) {
            (Value::Object(members), Value::Null) => {
                let there = members.remove(last);
                assert!(there.is_some(), "nothing is at {place}");
            }
            (Value::Object(members), value) => {
                members.insert(last.to_owned(), value);
            }
            (Value::Array(items), Value::Null) => {
                items.remove(last.parse().unwrap());
            }
            (Value::Array(items), value) => items[last.parse::<usize>().unwrap()] = value,
            (other, _) => panic!("nothing can be at {place}: {other}"),
        }
        Self(changed)
    }
}

/// The members of an object, none when it is something else.
pub fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let members = value.as_object().into_iter().flatten();
    members.map(|(name, value)| (name.as_str(), value))
}

/// The elements of a list; anything else but null counts as a list of itself, as in IAM and CloudFormation.
pub fn elements(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        Value::Null => &[],
        one => std::slice::from_ref(one),
    }
}

/// The name of the resource that a `!Ref` or `!GetAtt` is of.
pub fn referenced(value: &Value) -> Option<&str> {
    let att = value["Fn::GetAtt"]
        .as_str()
        .map(|att| att.split('.').next().unwrap());
    att.or(value["Ref"].as_str())
}

fn written_out(yaml: Yaml) -> Value {
    match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => json!(value),
        Yaml::Number(number) => serde_json::to_value(number).unwrap(),
        Yaml::String(text) => json!(text),
        Yaml::Sequence(items) => items.into_iter().map(written_out).collect(),
        Yaml::Mapping(members) => {
            let members = members.into_iter().map(|(name, value)| {
                let name = written_out(name);
                let name = name
                    .as_str()
                    .map_or_else(|| name.to_string(), str::to_owned);
                (name, written_out(value))
            });
            Value::Object(members.collect::<Map<_, _>>())
        }
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let function = match tag.trim_start_matches('!') {
                short @ ("Ref" | "Condition") => short.to_owned(),
                short => format!("Fn::{short}"),
            };
            json!({ function: written_out(tagged.value) })
        }
    }
}
