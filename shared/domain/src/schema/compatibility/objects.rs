//! The parts of objects and lists.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::keywords::list;
use super::{Comparison, Conditions, Side, below};

type Schema = Map<String, Value>;

impl<'a> Comparison<'a> {
    /// Properties that are named, that match a pattern, and all others.
    pub(super) fn check_properties(&mut self, old: &[&'a Schema], new: &'a Schema, at: &str) {
        let named = members(new, "properties");
        for (name, schema) in named.clone() {
            let conditions = self.property(old, name);
            self.narrows_part(
                &conditions,
                schema,
                &below(&below(at, "properties"), name),
                "property",
            );
        }
        for (pattern, schema) in members(new, "patternProperties") {
            let there = below(&below(at, "patternProperties"), pattern);
            let mut same = old
                .iter()
                .filter_map(|old| old.get("patternProperties")?.get(pattern));
            let conditions = same
                .next()
                .and_then(|old| self.conditions(Side::Old, [old]));
            match conditions {
                Some(conditions) => self.narrows(&Some(conditions), schema, &there),
                None if is_open(schema) => {}
                None => self.breach(there, "is new: which properties match it cannot be judged"),
            }
        }
        let Some(rest) = new
            .get("additionalProperties")
            .filter(|rest| !is_open(rest))
        else {
            return;
        };
        let there = below(at, "additionalProperties");
        let known: BTreeSet<&String> = named.map(|(name, _)| name).collect();
        let before = old.iter().flat_map(|old| members(old, "properties"));
        let unnamed: BTreeSet<&String> = before
            .map(|(name, _)| name)
            .filter(|name| !known.contains(name))
            .collect();
        for name in unnamed {
            let conditions = self.property(old, name);
            if conditions.is_some() && *rest == false {
                self.breach(&there, format!("property {name:?} is not valid any more"));
            } else {
                self.narrows(&conditions, rest, &there);
            }
        }
        self.check_other_properties(old, new, rest, &there);
    }

    /// Properties that no version names.
    fn check_other_properties(
        &mut self,
        old: &[&'a Schema],
        new: &Schema,
        rest: &'a Value,
        at: &str,
    ) {
        let conditions = self.others(old);
        if conditions.is_some() && *rest == false {
            self.breach(at, "further properties were valid before");
        } else {
            self.narrows_part(&conditions, rest, at, "further property");
        }
        let matched = new.get("patternProperties");
        for (pattern, schema) in old.iter().flat_map(|old| members(old, "patternProperties")) {
            let is_kept = matched.is_some_and(|matched| matched.get(pattern).is_some());
            let conditions = self.conditions(Side::Old, [schema]);
            if !is_kept && conditions.is_some() {
                let detail = format!("properties that match {pattern:?} were valid before");
                if *rest == false {
                    self.breach(at, detail);
                } else {
                    self.narrows(&conditions, rest, at);
                }
            }
        }
    }

    /// What held for a property. Patterns that it may match are left out: that is on the safe side.
    fn property(&self, old: &[&'a Schema], name: &str) -> Conditions<'a> {
        let schemas = old.iter().filter_map(|old| {
            let named = old.get("properties").and_then(|named| named.get(name));
            named.or_else(|| rest_of(old))
        });
        self.conditions(Side::Old, schemas.collect::<Vec<_>>())
    }

    /// What held for a property that is not named.
    fn others(&self, old: &[&'a Schema]) -> Conditions<'a> {
        let schemas = old.iter().filter_map(|old| old.get("additionalProperties"));
        self.conditions(Side::Old, schemas.collect::<Vec<_>>())
    }

    /// Items at their places, and all others.
    pub(super) fn check_items(&mut self, old: &[&'a Schema], new: &'a Schema, at: &str) {
        let first = list(new.get("prefixItems"));
        for (place, schema) in first.iter().enumerate() {
            let conditions = self.item(old, place);
            let there = below(&below(at, "prefixItems"), &place.to_string());
            self.narrows_part(&conditions, schema, &there, "item");
        }
        let Some(rest) = new.get("items").filter(|rest| !is_open(rest)) else {
            return;
        };
        let there = below(at, "items");
        let places = old
            .iter()
            .map(|old| list(old.get("prefixItems")).len())
            .max();
        // The place after the last that any version knows stands for all that follow.
        for place in first.len()..=places.unwrap_or_default().max(first.len()) {
            let conditions = self.item(old, place);
            self.narrows_part(&conditions, rest, &there, "item");
        }
    }

    fn item(&self, old: &[&'a Schema], place: usize) -> Conditions<'a> {
        let schemas = old.iter().filter_map(|old| {
            let first = list(old.get("prefixItems")).get(place);
            first.or_else(|| old.get("items"))
        });
        self.conditions(Side::Old, schemas.collect::<Vec<_>>())
    }

    /// As [`Comparison::narrows`], with its own words for what was not limited at all.
    fn narrows_part(&mut self, old: &Conditions<'a>, new: &'a Value, at: &str, what: &str) {
        let was_open = old.as_ref().is_some_and(Vec::is_empty);
        if was_open && !self.is_safe(old, new, at) {
            let detail = format!(
                "this {what} could be anything before, if only because further ones were not forbidden"
            );
            self.breach(at, detail);
        } else {
            self.narrows(old, new, at);
        }
    }
}

/// `additionalProperties`, where no pattern can take its place.
fn rest_of(schema: &Schema) -> Option<&Value> {
    let rest = schema.get("additionalProperties");
    rest.filter(|_| !schema.contains_key("patternProperties"))
}

fn members<'s>(
    schema: &'s Schema,
    keyword: &str,
) -> impl Iterator<Item = (&'s String, &'s Value)> + Clone {
    schema
        .get(keyword)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
}

/// Whether everything fits.
fn is_open(schema: &Value) -> bool {
    *schema == true || schema.as_object().is_some_and(Map::is_empty)
}
