//! Whether two parts of two documents say the same.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::structure::resolve;
use super::Comparison;

impl Comparison<'_> {
    /// Whether both are written alike, and whatever they refer to is, too.
    pub(super) fn is_same(&self, old: &Value, new: &Value) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = vec![(old, new)];
        while let Some((old, new)) = open.pop() {
            if old != new {
                return false;
            }
            for reference in references(new) {
                if seen.insert(reference) {
                    match (resolve(self.old, reference), resolve(self.new, reference)) {
                        (Some(old), Some(new)) => open.push((old, new)),
                        _ => return false,
                    }
                }
            }
        }
        true
    }
}

/// Every `$ref` in a value; one that is a property's name does no harm.
fn references(value: &Value) -> Vec<&str> {
    let mut found = Vec::new();
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                open.extend(members.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    found
}
