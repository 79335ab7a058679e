//! The keywords that need no look at a value's parts, and the way to those that do.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Comparison, below};

type Schema = Map<String, Value>;

/// Keywords that say nothing about what is valid, or only together with another that is looked at.
const SILENT: [&str; 24] = [
    "$anchor",
    "$comment",
    "$defs",
    "$id",
    "$ref",
    "$schema",
    "allOf",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "default",
    "definitions",
    "deprecated",
    "description",
    "else",
    "examples",
    "maxContains",
    "minContains",
    "patternProperties",
    "prefixItems",
    "properties",
    "readOnly",
    "then",
    "title",
];

/// Keywords and the type of values that they are about.
const ABOUT: [(&str, &str); 22] = [
    ("maxLength", "string"),
    ("minLength", "string"),
    ("pattern", "string"),
    ("format", "string"),
    ("exclusiveMaximum", "number"),
    ("exclusiveMinimum", "number"),
    ("maximum", "number"),
    ("minimum", "number"),
    ("multipleOf", "number"),
    ("contains", "array"),
    ("items", "array"),
    ("maxItems", "array"),
    ("minItems", "array"),
    ("unevaluatedItems", "array"),
    ("uniqueItems", "array"),
    ("additionalProperties", "object"),
    ("dependentRequired", "object"),
    ("maxProperties", "object"),
    ("minProperties", "object"),
    ("propertyNames", "object"),
    ("required", "object"),
    ("unevaluatedProperties", "object"),
];

/// What the type keyword can name; `number` stands for those that are not integers.
const TYPES: [&str; 7] = [
    "array", "boolean", "integer", "null", "number", "object", "string",
];

impl<'a> Comparison<'a> {
    /// Every keyword of one condition of the new schema.
    pub(super) fn check_keywords(&mut self, old: &[&'a Schema], new: &'a Schema, at: &str) {
        let types = types(old);
        self.check_types(&types, new, at);
        if types.contains("object") {
            self.check_properties(old, new, at);
        }
        if types.contains("array") {
            self.check_items(old, new, at);
        }
        for (keyword, value) in new {
            let about = ABOUT
                .iter()
                .find(|(name, _)| name == keyword)
                .map(|(_, about)| *about);
            let is_about =
                |about| types.contains(about) || about == "number" && types.contains("integer");
            if !SILENT.contains(&&**keyword) && about.is_none_or(is_about) {
                self.check_keyword(old, new, keyword, value, at);
            }
        }
    }

    fn check_types(&mut self, old: &BTreeSet<&str>, new: &Schema, at: &str) {
        let new = types(&[new]);
        let lost: Vec<&str> = old.difference(&new).copied().collect();
        if !lost.is_empty() {
            let detail = format!("values of type {} are not valid any more", lost.join(", "));
            self.breach(below(at, "type"), detail);
        }
    }

    fn check_keyword(
        &mut self,
        old: &[&'a Schema],
        new: &'a Schema,
        keyword: &str,
        value: &'a Value,
        at: &str,
    ) {
        let there = below(at, keyword);
        match keyword {
            "enum" | "const" => self.check_values(old, keyword, value, &there),
            "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum" => {
                self.check_bound(old, keyword, value, &there);
            }
            "minLength" | "minItems" | "minProperties" => {
                self.check_least(old, keyword, value, &there)
            }
            "maxLength" | "maxItems" | "maxProperties" => {
                self.check_most(old, keyword, value, &there)
            }
            "multipleOf" => self.check_multiple(old, value, &there),
            "required" => self.check_required(old, value, &there),
            "dependentRequired" => self.check_dependent_required(old, value, &there),
            "uniqueItems" if *value == false => {}
            "anyOf" => self.check_any_of(old, value, &there),
            "contains" => self.check_together(
                old,
                new,
                &["contains", "minContains", "maxContains"],
                &there,
            ),
            "if" => self.check_together(old, new, &["if", "then", "else"], &there),
            // Both depend on everything beside them.
            "unevaluatedItems" | "unevaluatedProperties" => {
                let whole = Value::Object(new.clone());
                let same = |old: &&Schema| self.is_same(&Value::Object((*old).clone()), &whole);
                if *value != true && !old.iter().any(same) {
                    self.breach(
                        there,
                        "is there and something beside it changed: cannot be judged",
                    );
                }
            }
            // Looked at with the parts of the value.
            "additionalProperties" | "items" => {}
            "pattern" | "format" | "uniqueItems" | "not" | "oneOf" | "dependentSchemas"
            | "propertyNames" => {
                self.check_same(old, keyword, value, &there);
            }
            // The validator does not know any other keyword.
            _ => {}
        }
    }

    fn check_same(&mut self, old: &[&Schema], keyword: &str, value: &Value, at: &str) {
        let mut there = old.iter().filter_map(|old| old.get(keyword));
        if there.clone().next().is_none() {
            self.breach(at, "is new: what was valid may not fit it");
        } else if !there.any(|old| self.is_same(old, value)) {
            self.breach(at, "changed in a way that cannot be judged");
        }
    }

    fn check_together(&mut self, old: &[&Schema], new: &Schema, keywords: &[&str], at: &str) {
        let same = |old: &&Schema| {
            keywords
                .iter()
                .all(|keyword| match (old.get(*keyword), new.get(*keyword)) {
                    (Some(old), Some(new)) => self.is_same(old, new),
                    (old, new) => old.is_none() && new.is_none(),
                })
        };
        if !old.iter().any(same) {
            let all = keywords.join(", ");
            self.breach(
                at,
                format!("is new, or one of {all} changed in a way that cannot be judged"),
            );
        }
    }

    fn check_values(&mut self, old: &[&Schema], keyword: &str, value: &Value, at: &str) {
        let new = values(keyword, value);
        let lists = old.iter().flat_map(|old| {
            let lists = ["const", "enum"].into_iter();
            lists.filter_map(|keyword| Some(values(keyword, old.get(keyword)?)))
        });
        let lists: Vec<Vec<&Value>> = lists.collect();
        let covered = |list: &Vec<&Value>| list.iter().all(|value| new.contains(value));
        let narrow = types(old).iter().all(|name| match *name {
            "null" => new.contains(&&Value::Null),
            "boolean" => [true, false]
                .into_iter()
                .all(|it| new.contains(&&Value::Bool(it))),
            _ => false,
        });
        if lists.iter().any(covered) || narrow {
            return;
        }
        match lists.first() {
            None => self.breach(at, "is new: other values were valid"),
            Some(list) => {
                let lost = list.iter().filter(|value| !new.contains(value)).count();
                self.breach(at, format!("lacks {lost} value(s) that were valid"));
            }
        }
    }

    fn check_bound(&mut self, old: &[&Schema], keyword: &str, value: &Value, at: &str) {
        let (is_lower, inclusive) = (
            keyword.ends_with("inimum"),
            !keyword.starts_with("exclusive"),
        );
        let bounds = if is_lower {
            ["minimum", "exclusiveMinimum"]
        } else {
            ["maximum", "exclusiveMaximum"]
        };
        let Some(new) = value.as_f64() else { return };
        let holds = old.iter().any(|old| {
            bounds.iter().any(|name| {
                let Some(bound) = old.get(*name) else {
                    return false;
                };
                if bound == value {
                    return inclusive || *name == keyword;
                }
                // Doubles that look equal may stand for integers that are not.
                let tighter = |bound: f64| if is_lower { bound > new } else { bound < new };
                bound.as_f64().is_some_and(tighter)
            })
        });
        if !holds {
            self.breach(at, format!("{value} is tighter than before"));
        }
    }

    fn check_least(&mut self, old: &[&Schema], keyword: &str, value: &Value, at: &str) {
        let new = count(value);
        let mut before = old.iter().filter_map(|old| Some(count(old.get(keyword)?)));
        if new > 0.0 && !before.any(|old| old >= new) {
            self.breach(at, format!("{value} is more than before"));
        }
    }

    fn check_most(&mut self, old: &[&Schema], keyword: &str, value: &Value, at: &str) {
        let new = count(value);
        let mut before = old.iter().filter_map(|old| Some(count(old.get(keyword)?)));
        if !before.any(|old| old <= new) {
            self.breach(at, format!("{value} is less than before"));
        }
    }

    fn check_multiple(&mut self, old: &[&Schema], value: &Value, at: &str) {
        let of_integers = value.as_f64() == Some(1.0) && !types(old).contains("number");
        let divides = |old: &&Schema| match old.get("multipleOf") {
            Some(old) if old == value => true,
            Some(old) => match (old.as_u64(), value.as_u64()) {
                (Some(old), Some(new)) => new > 0 && old.is_multiple_of(new),
                _ => false,
            },
            None => false,
        };
        if !of_integers && !old.iter().any(divides) {
            self.breach(
                at,
                format!("not every valid number is a multiple of {value}"),
            );
        }
    }

    fn check_required(&mut self, old: &[&Schema], value: &Value, at: &str) {
        let before: Vec<&Value> = old
            .iter()
            .flat_map(|old| list(old.get("required")))
            .collect();
        for name in list(Some(value)) {
            if !before.contains(&name) {
                self.breach(at, format!("{name} was not required before"));
            }
        }
    }

    fn check_dependent_required(&mut self, old: &[&Schema], value: &Value, at: &str) {
        for (name, required) in value.as_object().into_iter().flatten() {
            let before = old.iter().flat_map(|old| {
                let dependent = old.get("dependentRequired").and_then(|it| it.get(name));
                list(old.get("required")).iter().chain(list(dependent))
            });
            let before: Vec<&Value> = before.collect();
            let added = list(Some(required))
                .iter()
                .filter(|it| !before.contains(it));
            for added in added.collect::<Vec<_>>() {
                self.breach(below(at, name), format!("{added} was not required before"));
            }
        }
    }

    /// Safe when all that was valid fits one alternative, or each old alternative does.
    fn check_any_of(&mut self, old: &[&'a Schema], value: &'a Value, at: &str) {
        let alternatives = list(Some(value));
        let conditions = Some(old.to_vec());
        let one_for = |this: &mut Self, conditions: &super::Conditions<'a>| {
            let mut alternatives = alternatives.iter();
            alternatives.any(|new| this.is_safe(conditions, new, at))
        };
        if one_for(self, &conditions) {
            return;
        }
        let split = old
            .iter()
            .find_map(|old| old.get("anyOf").or(old.get("oneOf")));
        let all_fit = split.is_some_and(|split| {
            list(Some(split)).iter().all(|alternative| {
                let conditions = self.conditions(super::Side::Old, [alternative]);
                one_for(self, &conditions)
            })
        });
        if !all_fit {
            self.breach(
                at,
                "is new or lacks an alternative that was valid, as far as can be judged",
            );
        }
    }
}

/// Types that are allowed under all of these conditions.
pub(super) fn types<'s>(conditions: &[&Schema]) -> BTreeSet<&'s str> {
    let mut allowed: BTreeSet<&str> = TYPES.into();
    for condition in conditions {
        if let Some(named) = condition.get("type") {
            let named: Vec<&str> = match named {
                Value::String(name) => vec![name],
                named => list(Some(named)).iter().filter_map(Value::as_str).collect(),
            };
            let integer = |name| name == "integer" && named.contains(&"number");
            allowed.retain(|name| named.contains(name) || integer(*name));
        }
        for keyword in ["const", "enum"] {
            if let Some(value) = condition.get(keyword) {
                let of_values: Vec<&str> =
                    values(keyword, value).into_iter().map(type_of).collect();
                allowed.retain(|name| of_values.contains(name));
            }
        }
    }
    allowed
}

/// 1.0 is an integer as well.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.as_f64().is_some_and(|it| it.fract() == 0.0) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn values<'s>(keyword: &str, value: &'s Value) -> Vec<&'s Value> {
    match keyword {
        "const" => vec![value],
        _ => list(Some(value)).iter().collect(),
    }
}

/// The items of a list, none when it is something else.
pub(super) fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn count(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}
