//! Reading a pattern: its fields and its `$or`.

use std::sync::Arc;

use serde::de::IgnoredAny;

use super::InvalidPattern;
use super::fields::{AskedTwice, Field, Fields, Tests};
use super::json::{Json, Members};
use super::operators;
use crate::limits::{MAX_PATTERN_COMBINATIONS, MAX_PATTERN_LEVELS};

/// The member that is not a field but a choice of alternatives.
const OR: &str = "$or";

/// Names that an alternative's field cannot have. EventBridge refuses them for what is meant as a test of the field
/// around the `$or` and would be met by nothing.
const RESERVED_IN_ALTERNATIVES: [&str; 24] = [
    "exactly",
    "equals-ignore-case",
    "prefix",
    "suffix",
    "anything-but",
    "exists",
    "wildcard",
    "numeric",
    "cidr",
    "=",
    "<",
    "<=",
    ">",
    ">=",
    "regex",
    "not-wildcard",
    "not-equals-ignore-case",
    "date-after",
    "date-on-or-after",
    "date-before",
    "date-on-or-before",
    "in-date-range",
    "ip-address-in-range",
    "ip-address-not-in-range",
];

/// Reads a pattern of any length: its fields, ready to be evaluated, and its canonical text.
pub(super) fn read(text: &str) -> Result<(Fields, String), InvalidPattern> {
    serde_json::from_str::<IgnoredAny>(text)
        .map_err(|error| refuse("pattern", format!("is not JSON: {error}")))?;
    let json = Json::read(text).ok_or_else(|| {
        let reason = format!("has half a character, or more than {MAX_PATTERN_LEVELS} levels");
        refuse("pattern", reason)
    })?;
    let Json::Object(members) = &json else {
        return Err(refuse("pattern", "must be an object"));
    };
    let fields = Level::default().fields(members)?;
    let combinations = fields.combinations();
    if combinations > MAX_PATTERN_COMBINATIONS {
        let reason = format!(
            "results in {combinations} combinations of alternatives; {MAX_PATTERN_COMBINATIONS} is the most"
        );
        return Err(refuse(OR, reason));
    }
    let fields = fields.untangled().map_err(|AskedTwice(path)| {
        refuse(
            path,
            "is asked for twice in one combination of alternatives",
        )
    })?;
    Ok((fields, json.to_string()))
}

pub(super) fn refuse(place: impl Into<String>, reason: impl Into<String>) -> InvalidPattern {
    InvalidPattern {
        place: place.into(),
        reason: reason.into(),
    }
}

/// An object of the pattern: where it is, and whether an `$or` is around it.
#[derive(Default)]
struct Level {
    place: String,
    in_alternative: bool,
}

impl Level {
    fn fields(&self, members: &Members<'_>) -> Result<Fields, InvalidPattern> {
        if members.len() == 0 {
            return Err(refuse(self.name(), "must name a field"));
        }
        if let Some(name) = members.repeated() {
            return Err(refuse(self.below(name), "is there twice"));
        }
        let mut all = Fields::default();
        for (name, value) in members.iter() {
            if name == OR {
                all.choices.push(self.alternatives(value)?);
            } else {
                all.fields.push((Arc::from(name), self.field(name, value)?));
            }
        }
        Ok(all)
    }

    fn field(&self, name: &str, value: &Json<'_>) -> Result<Field, InvalidPattern> {
        let place = self.below(name);
        if self.in_alternative && RESERVED_IN_ALTERNATIVES.contains(&name) {
            return Err(refuse(
                place,
                "is a test, not a field, and tests are in an array: an alternative must name a field",
            ));
        }
        match value {
            Json::Array(items) => Ok(Field::Tests(Arc::new(tests(&place, value, items)?))),
            Json::Object(members) => {
                let inner = Self {
                    place,
                    in_alternative: self.in_alternative,
                };
                inner.fields(members).map(Field::Object)
            }
            _ => Err(refuse(place, "must be an array of tests, or an object")),
        }
    }

    fn alternatives(&self, value: &Json<'_>) -> Result<Vec<Fields>, InvalidPattern> {
        let place = self.below(OR);
        let Json::Array(items) = value else {
            return Err(refuse(place, "must be an array of objects"));
        };
        if items.len() < 2 {
            return Err(refuse(place, "must have at least two alternatives"));
        }
        let alternatives = items.iter().enumerate().map(|(number, item)| {
            let inner = Self {
                place: format!("{place}[{number}]"),
                in_alternative: true,
            };
            match item {
                Json::Object(members) => inner.fields(members),
                _ => Err(refuse(inner.place, "must be an object")),
            }
        });
        alternatives.collect()
    }

    fn below(&self, name: &str) -> String {
        if self.place.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.place)
        }
    }

    fn name(&self) -> &str {
        if self.place.is_empty() {
            "pattern"
        } else {
            &self.place
        }
    }
}

fn tests(place: &str, value: &Json<'_>, items: &[Json<'_>]) -> Result<Tests, InvalidPattern> {
    if items.is_empty() {
        return Err(refuse(place, "must have a test"));
    }
    let mut read = Tests {
        tests: Vec::new(),
        met_by_absence: false,
        json: value.to_string(),
    };
    for (number, item) in items.iter().enumerate() {
        // `exists: false` is no test of a value: it is met when there is none.
        match operators::test(&format!("{place}[{number}]"), item)? {
            Some(test) => read.tests.push(test),
            None => read.met_by_absence = true,
        }
    }
    Ok(read)
}
