//! By what the events that meet a pattern can be told from others.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::decimal::Decimal;
use super::fields::{Field, Fields, Tests};
use super::value_test::ValueTest;

/// The names on the way to a value.
pub(super) type Path = Vec<Arc<str>>;

/// What the value is, or begins with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Text(String),
    Prefix(String),
    Number(Decimal),
}

/// Attributes that every event has as a string, if it has them.
pub(super) const TEXT_ATTRIBUTES: [&str; 3] = ["type", "source", "subject"];

/// Paths under which every event that meets the pattern has a value with one of the keys. Without a key, no event
/// meets it.
pub(super) fn keys_by_path(fields: &Fields) -> BTreeMap<Path, Vec<Key>> {
    let mut found = BTreeMap::new();
    add_keys(fields, &Path::new(), &mut found);
    found
}

fn add_keys(fields: &Fields, path: &Path, found: &mut BTreeMap<Path, Vec<Key>>) {
    for (name, field) in &fields.fields {
        let mut path = path.clone();
        path.push(name.clone());
        match field {
            Field::Object(fields) => add_keys(fields, &path, found),
            Field::Tests(tests) => {
                let keys = keys_of(tests, is_text_attribute(&path));
                found.extend(keys.map(|keys| (path, keys)));
            }
        }
    }
    for alternatives in &fields.choices {
        found.extend(keys_of_any(alternatives, path));
    }
}

/// The paths that every alternative has keys for, with those of all.
fn keys_of_any(alternatives: &[Fields], path: &Path) -> BTreeMap<Path, Vec<Key>> {
    let each = alternatives.iter().map(|alternative| {
        let mut found = BTreeMap::new();
        add_keys(alternative, path, &mut found);
        found
    });
    let shared = each.reduce(|mut shared, mut other| {
        shared.retain(|path, keys| match other.remove(path) {
            Some(more) => {
                keys.extend(more);
                true
            }
            None => false,
        });
        shared
    });
    shared.unwrap_or_default()
}

fn is_text_attribute(path: &Path) -> bool {
    matches!(&path[..], [name] if TEXT_ATTRIBUTES.contains(&name.as_ref()))
}

/// `None` when a value may meet the tests whatever it begins with, or its absence may.
fn keys_of(tests: &Tests, of_text: bool) -> Option<Vec<Key>> {
    if tests.met_by_absence {
        return None;
    }
    let mut keys = Vec::new();
    for test in &tests.tests {
        match test {
            ValueTest::Text(text) => keys.push(Key::Text(text.clone())),
            ValueTest::Prefix(prefix) if !prefix.is_empty() => {
                keys.push(Key::Prefix(prefix.clone()));
            }
            ValueTest::Wildcard(wildcard) if !wildcard.prefix().is_empty() => {
                keys.push(Key::Prefix(wildcard.prefix().to_owned()));
            }
            ValueTest::Null | ValueTest::Boolean(_) | ValueTest::Between(_) if of_text => {}
            ValueTest::Number(_) if of_text => {}
            ValueTest::Number(number) => keys.push(Key::Number(number.clone())),
            _ => return None,
        }
    }
    Some(keys)
}
