//! JSON Schemas (draft 2020-12), compiled.
//!
//! `format` is checked, which the draft leaves open: who writes it means it. Patterns are run by an engine without
//! backtracking. What cannot be checked in time that grows with the data alone is mostly refused at registration
//! (see [`super::structure`]); what remains is a schema that refers to itself in several alternatives, whose
//! cost can double with each level of the data.

use std::fmt;

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

use super::structure::{self, StructureError};

/// Violations that are told of one event; of more, the number is told.
pub const MAX_VIOLATIONS: usize = 20;

/// Characters of what is told of one violation.
const MAX_DETAIL_CHARS: usize = 200;

/// Bytes of one compiled pattern; [`structure::MAX_PATTERNS`] bounds their number.
const MAX_PATTERN_BYTES: usize = 256 * 1024;

/// A schema that data can be held against.
pub struct CompiledSchema(Validator);

/// A JSON document is not a schema that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDocument {
    /// It asks for what is not supported.
    #[error(transparent)]
    Structure(#[from] StructureError),
    /// It is no schema.
    #[error("is not a JSON Schema: at {pointer}: {detail}")]
    Malformed {
        /// The place in the document.
        pointer: String,
        /// What is wrong.
        detail: String,
    },
}

/// Data, or a part of them, do not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataViolation {
    /// Where: a JSON pointer that begins with `data`, as in `data/lines/0/sku`.
    pub field: String,
    /// What is wrong. It quotes the schema and names of properties, never values.
    pub detail: String,
}

/// Everything that does not fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataViolations {
    /// The first [`MAX_VIOLATIONS`].
    pub told: Vec<DataViolation>,
    /// How many more there are.
    pub more: usize,
}

impl DataViolations {
    /// Whether the data fit.
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// One violation of the data as a whole.
    pub fn of_whole(detail: impl Into<String>) -> Self {
        let told = vec![DataViolation {
            field: "data".to_owned(),
            detail: detail.into(),
        }];
        Self { told, more: 0 }
    }
}

impl fmt::Display for DataViolations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, violation) in self.told.iter().enumerate() {
            let separator = if index > 0 { "; " } else { "" };
            write!(f, "{separator}{}: {}", violation.field, violation.detail)?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl CompiledSchema {
    /// Compiles a document, or tells where it is wrong.
    pub fn compile(document: &Value) -> Result<Self, InvalidDocument> {
        structure::check(document)?;
        let patterns = PatternOptions::regex()
            .size_limit(MAX_PATTERN_BYTES)
            .dfa_size_limit(MAX_PATTERN_BYTES);
        let options = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_pattern_options(patterns)
            .should_validate_formats(true)
            .offline();
        let validator = options.build(document);
        let validator = validator.map_err(|error| InvalidDocument::Malformed {
            pointer: format!("#{}", error.instance_path()),
            detail: shortened(&error.to_string()),
        })?;
        Ok(Self(validator))
    }

    /// What does not fit.
    pub fn violations(&self, data: &Value) -> DataViolations {
        if self.0.is_valid(data) {
            return DataViolations::default();
        }
        let mut errors = self.0.iter_errors(data);
        let told = errors.by_ref().take(MAX_VIOLATIONS);
        let told = told.map(|error| DataViolation {
            field: shortened(&format!("data{}", error.instance_path())),
            detail: shortened(&error.masked_with("this value").to_string()),
        });
        let told = told.collect();
        DataViolations {
            told,
            more: errors.count(),
        }
    }
}

pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_DETAIL_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn order() -> Value {
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "required": ["lines"],
            "properties": { "lines": { "type": "array", "items": { "$ref": "#/$defs/line" } }, "at": { "format": "date-time" } },
            "$defs": { "line": { "type": "object", "required": ["sku"], "properties": { "sku": { "type": "string", "maxLength": 5 } } } },
        })
    }

    fn fields(schema: &Value, data: &Value) -> Vec<String> {
        let found = CompiledSchema::compile(schema).unwrap().violations(data);
        found
            .told
            .into_iter()
            .map(|violation| violation.field)
            .collect()
    }

    #[test]
    fn what_does_not_fit_is_told_by_its_pointer() {
        let fitting = json!({ "lines": [{ "sku": "a" }], "at": "2026-01-01T00:00:00Z" });
        assert!(fields(&order(), &fitting).is_empty());
        let broken = json!({ "lines": [{ "sku": 1 }, {}, { "sku": "too long" }], "at": "now" });
        let mut found = fields(&order(), &broken);
        found.sort();
        assert_eq!(
            found,
            [
                "data/at",
                "data/lines/0/sku",
                "data/lines/1",
                "data/lines/2/sku"
            ]
        );
        assert_eq!(fields(&order(), &json!(7)), ["data"]);
    }

    #[test]
    fn data_are_not_repeated_and_violations_are_limited_in_number_and_length() {
        let secret = "s".repeat(10_000);
        let lines: Vec<Value> = (0..100).map(|_| json!({ "sku": secret })).collect();
        let compiled = CompiledSchema::compile(&order()).unwrap();
        let found = compiled.violations(&json!({ "lines": lines }));
        assert_eq!((found.told.len(), found.more), (MAX_VIOLATIONS, 80));
        let text = found.to_string();
        assert!(
            !text.contains("ssss") && text.ends_with("; and 80 more"),
            "{text}"
        );
        let names: Value = (0..10)
            .map(|n| (format!("{n}{secret}"), json!(1)))
            .collect::<serde_json::Map<_, _>>()
            .into();
        let closed = CompiledSchema::compile(&json!({ "additionalProperties": false })).unwrap();
        assert!(closed.violations(&names).to_string().len() < 600);
    }

    #[test]
    fn what_is_no_schema_of_this_draft_is_refused() {
        for (document, words) in [
            (json!({ "type": "strnig" }), "#/type"),
            (json!({ "required": "a" }), "#/required"),
            (
                json!({ "properties": { "a": { "minimum": "1" } } }),
                "#/properties/a/minimum",
            ),
            (json!({ "pattern": "(" }), "pattern"),
            (json!({ "pattern": "(?=a)b" }), "pattern"),
            (json!({ "pattern": "(a)\\1" }), "pattern"),
            (json!({ "pattern": "((a{1000}){1000}){1000}" }), "pattern"),
            (
                json!({ "patternProperties": { "(": {} } }),
                "patternProperties",
            ),
            (json!({ "$ref": "#/$defs/missing" }), "missing"),
            (json!([]), ""),
            (json!("object"), ""),
            (json!(null), ""),
        ] {
            let refused = CompiledSchema::compile(&document).err();
            let told = refused
                .unwrap_or_else(|| panic!("{document} compiles"))
                .to_string();
            assert!(told.contains(words), "{document}: {told}");
        }
        assert!(CompiledSchema::compile(&json!(true)).is_ok());
        assert!(CompiledSchema::compile(&json!({ "unknown": 1 })).is_ok());
    }

    #[test]
    fn a_pattern_that_other_engines_hang_on_is_answered() {
        let schema = CompiledSchema::compile(&json!({ "pattern": "^(a+)+$" })).unwrap();
        let data = json!(format!("{}!", "a".repeat(100_000)));
        assert!(!schema.violations(&data).is_empty());
    }
}
