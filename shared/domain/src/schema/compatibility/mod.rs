//! Whether whatever was valid under one schema is valid under another, as far as their structure tells.
//!
//! The answer is on the safe side: what is not seen to be safe is a [`Breach`], and one that says so when it
//! cannot be judged. `jsonschema`'s own algebra (`canonical`) was looked at: it is exact where it applies, but
//! experimental, gives up on a whole document at the first keyword that it does not model, names no place, and
//! nothing bounds its cost.
//!
//! A schema is taken as the list of what has to hold at once: itself, what it refers to, and the members of
//! its `allOf`. Each keyword of the new list has to follow from the old list.

mod keywords;
mod objects;
mod same;

use serde_json::{Map, Value};

use super::structure::{escape, resolve};

/// Breaches that are told; of more, the number is told.
pub const MAX_BREACHES: usize = 20;

/// Pairs of subschemas that are compared before a change counts as too large to be judged.
const MAX_COMPARISONS: usize = 5_000;

/// Levels of subschemas that are compared.
const MAX_DEPTH: usize = 64;

/// Alternatives of an old schema that are looked at one by one.
const MAX_ALTERNATIVES: usize = 16;

/// Something that was valid may not be valid any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The place in the new schema, as in `#/properties/total/maximum`.
    pub pointer: String,
    /// What changed.
    pub detail: String,
}

/// All breaches of a new version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Breaches {
    /// The first [`MAX_BREACHES`].
    pub told: Vec<Breach>,
    /// How many more there are.
    pub more: usize,
}

/// Compares two versions of a schema. No breach: whatever was valid is valid.
pub fn breaches(old: &Value, new: &Value) -> Breaches {
    let mut comparison = Comparison {
        old,
        new,
        open: Vec::new(),
        left: MAX_COMPARISONS,
        found: Vec::new(),
    };
    let conditions = comparison.conditions(Side::Old, [old]);
    comparison.narrows(&conditions, new, "#");
    let mut told: Vec<Breach> = Vec::new();
    for breach in comparison.found {
        if !told.contains(&breach) {
            told.push(breach);
        }
    }
    let more = told.len().saturating_sub(MAX_BREACHES);
    told.truncate(MAX_BREACHES);
    Breaches { told, more }
}

#[derive(Clone, Copy)]
enum Side {
    Old,
    New,
}

/// What has to hold at once. `None`: nothing can.
type Conditions<'a> = Option<Vec<&'a Map<String, Value>>>;

struct Comparison<'a> {
    old: &'a Value,
    new: &'a Value,
    /// Pairs that are being compared, by address. Where one leads to itself it is as safe as all else of it.
    open: Vec<(Vec<usize>, usize)>,
    left: usize,
    found: Vec<Breach>,
}

impl<'a> Comparison<'a> {
    /// All that has to hold where these schemas hold.
    fn conditions(
        &self,
        side: Side,
        schemas: impl IntoIterator<Item = &'a Value>,
    ) -> Conditions<'a> {
        let document = match side {
            Side::Old => self.old,
            Side::New => self.new,
        };
        let mut open: Vec<&Value> = schemas.into_iter().collect();
        let mut conditions: Vec<&Map<String, Value>> = Vec::new();
        while let Some(schema) = open.pop() {
            match schema {
                Value::Bool(false) => return None,
                Value::Object(schema) => {
                    if conditions.iter().any(|known| std::ptr::eq(*known, schema)) {
                        continue;
                    }
                    conditions.push(schema);
                    let referred = schema.get("$ref").and_then(Value::as_str);
                    open.extend(referred.and_then(|reference| resolve(document, reference)));
                    let all = schema.get("allOf").and_then(Value::as_array);
                    open.extend(all.into_iter().flatten());
                }
                _ => {}
            }
        }
        Some(conditions)
    }

    /// Finds whatever holds under the old conditions and does not under the new schema.
    fn narrows(&mut self, old: &Conditions<'a>, new: &'a Value, at: &str) {
        let Some(old) = old else {
            return;
        };
        let addresses = old
            .iter()
            .map(|condition| std::ptr::from_ref(*condition).addr());
        let pair = (addresses.collect(), std::ptr::from_ref(new).addr());
        let next = self.left.checked_sub(1);
        let Some(left) = next.filter(|_| self.open.len() < MAX_DEPTH) else {
            return self.breach(at, "the change is too large to be judged");
        };
        self.left = left;
        if self.open.contains(&pair) {
            return;
        }
        self.open.push(pair);
        self.narrows_somehow(old, new, at);
        self.open.pop();
    }

    fn narrows_somehow(&mut self, old: &[&'a Map<String, Value>], new: &'a Value, at: &str) {
        let before = self.found.len();
        self.narrows_at_once(old, new, at);
        if self.found.len() > before && self.each_alternative_is_safe(old, new, at) {
            self.found.truncate(before);
        }
    }

    fn narrows_at_once(&mut self, old: &[&'a Map<String, Value>], new: &'a Value, at: &str) {
        match self.conditions(Side::New, [new]) {
            None if self.is_impossible(old) => {}
            None => self.breach(at, "nothing is valid any more"),
            Some(conditions) => {
                for condition in conditions {
                    self.check_keywords(old, condition, at);
                }
            }
        }
    }

    /// Whether the old conditions allow no type at all.
    fn is_impossible(&self, old: &[&'a Map<String, Value>]) -> bool {
        keywords::types(old).is_empty()
    }

    /// Whether the new schema holds under every alternative of one of the old conditions.
    fn each_alternative_is_safe(
        &mut self,
        old: &[&'a Map<String, Value>],
        new: &'a Value,
        at: &str,
    ) -> bool {
        let alternatives = old.iter().find_map(|condition| {
            let alternatives = condition.get("anyOf").or(condition.get("oneOf"))?;
            Some((*condition, alternatives.as_array()?))
        });
        let Some((owner, alternatives)) = alternatives else {
            return false;
        };
        if alternatives.len() > MAX_ALTERNATIVES {
            return false;
        }
        let rest: Vec<_> = old
            .iter()
            .copied()
            .filter(|it| !std::ptr::eq(*it, owner))
            .collect();
        // What stands beside the alternatives holds as well, but would lead here again; most have nothing.
        alternatives.iter().all(|alternative| {
            let conditions = self
                .conditions(Side::Old, [alternative])
                .map(|mut conditions| {
                    conditions.extend(&rest);
                    conditions
                });
            self.is_safe(&conditions, new, at)
        })
    }

    /// Whether nothing is found, which is then not told.
    fn is_safe(&mut self, old: &Conditions<'a>, new: &'a Value, at: &str) -> bool {
        let before = self.found.len();
        self.narrows(old, new, at);
        let safe = self.found.len() == before;
        self.found.truncate(before);
        safe
    }

    fn breach(&mut self, at: impl Into<String>, detail: impl Into<String>) {
        self.found.push(Breach {
            pointer: at.into(),
            detail: super::validator::shortened(&detail.into()),
        });
    }
}

/// A place below another.
fn below(at: &str, step: &str) -> String {
    format!("{at}/{}", escape(step))
}

#[cfg(test)]
mod tests;
