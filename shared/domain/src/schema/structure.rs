//! How the parts of a JSON Schema hang together: which refer to which, and how often one value is looked at.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// The draft, as `$schema` names it.
pub const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Patterns of one schema, of values and of names.
pub const MAX_PATTERNS: usize = 100;

/// Subschemas that one value may be held against, counted through all references.
pub const MAX_EXPANSION: usize = 1_000;

/// A schema asks for what is not supported here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StructureError {
    /// Another draft.
    #[error("must be of the draft {DRAFT}, at {0}")]
    Draft(String),
    /// A reference that leaves the document, or needs more than the document to be followed.
    #[error("may refer to its own parts only, as in #/$defs/name, at {0}")]
    Reference(String),
    /// A keyword that changes what references mean.
    #[error("may not use {keyword}, at {pointer}")]
    Keyword {
        /// Which.
        keyword: &'static str,
        /// Where.
        pointer: String,
    },
    /// More than [`MAX_PATTERNS`].
    #[error("must have {MAX_PATTERNS} patterns at most, and has {0}")]
    Patterns(usize),
    /// More than [`MAX_EXPANSION`].
    #[error("holds one value against more than {MAX_EXPANSION} subschemas, at {0}")]
    Expansion(String),
    /// Following references never ends.
    #[error("refers to itself without going into the data, at {0}")]
    Endless(String),
}

/// Where a keyword has its subschemas, and what they are held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    One,
    List,
    Named,
}

/// Keywords whose subschemas are held against the same value.
const IN_PLACE: [(&str, Shape); 8] = [
    ("allOf", Shape::List),
    ("anyOf", Shape::List),
    ("oneOf", Shape::List),
    ("not", Shape::One),
    ("if", Shape::One),
    ("then", Shape::One),
    ("else", Shape::One),
    ("dependentSchemas", Shape::Named),
];

/// Keywords whose subschemas are held against parts of the value.
const INSIDE: [(&str, Shape); 9] = [
    ("properties", Shape::Named),
    ("patternProperties", Shape::Named),
    ("additionalProperties", Shape::One),
    ("propertyNames", Shape::One),
    ("items", Shape::One),
    ("prefixItems", Shape::List),
    ("contains", Shape::One),
    ("unevaluatedItems", Shape::One),
    ("unevaluatedProperties", Shape::One),
];

/// Keywords whose subschemas are held against nothing by themselves.
const APART: [(&str, Shape); 2] = [("$defs", Shape::Named), ("definitions", Shape::Named)];

/// Keywords that give references another meaning than their text.
const UNSUPPORTED: [&str; 4] = ["$anchor", "$dynamicAnchor", "$dynamicRef", "$vocabulary"];

/// The part of a document that a reference means.
pub(super) fn resolve<'a>(document: &'a Value, reference: &str) -> Option<&'a Value> {
    let pointer = reference.strip_prefix('#')?;
    let pointer = percent_encoding::percent_decode_str(pointer)
        .decode_utf8()
        .ok()?;
    document.pointer(&pointer)
}

/// Checks all of a document.
pub(super) fn check(document: &Value) -> Result<(), StructureError> {
    let mut walk = Walk {
        document,
        seen: BTreeSet::new(),
        in_place: BTreeMap::new(),
        patterns: 0,
    };
    let mut open = vec!["#".to_owned()];
    while let Some(pointer) = open.pop() {
        if walk.seen.insert(pointer.clone()) {
            open.extend(walk.visit(&pointer)?);
        }
    }
    if walk.patterns > MAX_PATTERNS {
        return Err(StructureError::Patterns(walk.patterns));
    }
    let mut expansions = Expansions {
        in_place: &walk.in_place,
        known: BTreeMap::new(),
        open: BTreeSet::new(),
    };
    let mut all = walk.seen.iter();
    all.try_for_each(|pointer| expansions.of(pointer).map(drop))
}

struct Walk<'a> {
    document: &'a Value,
    seen: BTreeSet<String>,
    /// For each subschema those that are held against the same value.
    in_place: BTreeMap<String, Vec<String>>,
    patterns: usize,
}

impl Walk<'_> {
    /// Looks at one subschema; answers with those that it leads to.
    fn visit(&mut self, pointer: &str) -> Result<Vec<String>, StructureError> {
        let Some(Value::Object(schema)) = resolve(self.document, pointer) else {
            return Ok(vec![]);
        };
        check_keywords(schema, pointer)?;
        let names = schema.get("patternProperties").and_then(Value::as_object);
        self.patterns += names.map_or(0, Map::len) + usize::from(schema.contains_key("pattern"));
        let mut in_place = subschemas(schema, pointer, &IN_PLACE);
        if let Some(reference) = schema.get("$ref") {
            let local = reference.as_str().filter(|reference| is_local(reference));
            let local =
                local.ok_or_else(|| StructureError::Reference(format!("{pointer}/$ref")))?;
            in_place.push(local.to_owned());
        }
        let mut next = subschemas(schema, pointer, &INSIDE);
        next.extend(subschemas(schema, pointer, &APART));
        next.extend(in_place.iter().cloned());
        self.in_place.insert(pointer.to_owned(), in_place);
        Ok(next)
    }
}

fn is_local(reference: &str) -> bool {
    reference == "#" || reference.starts_with("#/")
}

fn check_keywords(schema: &Map<String, Value>, pointer: &str) -> Result<(), StructureError> {
    let draft = schema.get("$schema");
    if draft.is_some_and(|draft| draft.as_str().map(|it| it.trim_end_matches('#')) != Some(DRAFT)) {
        return Err(StructureError::Draft(format!("{pointer}/$schema")));
    }
    let nested_id = (pointer != "#").then_some("$id");
    let unsupported = UNSUPPORTED.into_iter().chain(nested_id);
    match unsupported
        .into_iter()
        .find(|keyword| schema.contains_key(*keyword))
    {
        Some(keyword) => Err(StructureError::Keyword {
            keyword,
            pointer: pointer.to_owned(),
        }),
        None => Ok(()),
    }
}

fn subschemas(
    schema: &Map<String, Value>,
    pointer: &str,
    keywords: &[(&str, Shape)],
) -> Vec<String> {
    let mut found = Vec::new();
    for (keyword, shape) in keywords {
        match (schema.get(*keyword), shape) {
            (Some(Value::Object(_) | Value::Bool(_)), Shape::One) => {
                found.push(format!("{pointer}/{keyword}"));
            }
            (Some(Value::Array(items)), Shape::List) => {
                found.extend((0..items.len()).map(|index| format!("{pointer}/{keyword}/{index}")));
            }
            (Some(Value::Object(named)), Shape::Named) => {
                let escaped = named.keys().map(|name| escape(name));
                found.extend(escaped.map(|name| format!("{pointer}/{keyword}/{name}")));
            }
            _ => {}
        }
    }
    found
}

/// A name as a step of a JSON pointer (RFC 6901) in a URI's fragment.
pub(super) fn escape(name: &str) -> String {
    name.replace('%', "%25")
        .replace('~', "~0")
        .replace('/', "~1")
}

/// How many subschemas one value is held against.
struct Expansions<'a> {
    in_place: &'a BTreeMap<String, Vec<String>>,
    known: BTreeMap<String, usize>,
    open: BTreeSet<String>,
}

impl Expansions<'_> {
    fn of(&mut self, pointer: &str) -> Result<usize, StructureError> {
        if let Some(known) = self.known.get(pointer) {
            return Ok(*known);
        }
        // The way in is as long as a chain of references can be, and no longer than the limit.
        if !self.open.insert(pointer.to_owned()) {
            return Err(StructureError::Endless(pointer.to_owned()));
        }
        if self.open.len() > MAX_EXPANSION {
            return Err(StructureError::Expansion(pointer.to_owned()));
        }
        let mut total = 1_usize;
        for next in self.in_place.get(pointer).into_iter().flatten() {
            total = total.saturating_add(self.of(next)?);
        }
        if total > MAX_EXPANSION {
            return Err(StructureError::Expansion(pointer.to_owned()));
        }
        self.open.remove(pointer);
        self.known.insert(pointer.to_owned(), total);
        Ok(total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(document: Value) -> String {
        check(&document).map_or_else(|error| error.to_string(), |()| "fine".to_owned())
    }

    #[test]
    fn a_schema_may_refer_to_itself_as_data_may_be_nested() {
        let tree = json!({
            "$id": "https://example.com/tree",
            "$ref": "#/$defs/node",
            "$defs": { "node": { "properties": { "a/b": { "$ref": "#/$defs/node" }, "all": { "items": { "$ref": "#" } } } } },
        });
        assert_eq!(told(tree), "fine");
        assert_eq!(
            told(json!({ "properties": { "$ref": { "type": "string" }, "$schema": {} } })),
            "fine"
        );
        assert_eq!(
            told(json!({ "const": { "$ref": "https://example.com" }, "enum": [{ "$id": "x" }] })),
            "fine"
        );
    }

    #[test]
    fn another_draft_and_whatever_leaves_the_document_are_refused() {
        for (document, words) in [
            (
                json!({ "$schema": "http://json-schema.org/draft-07/schema#" }),
                "draft",
            ),
            (json!({ "$schema": 7 }), "#/$schema"),
            (
                json!({ "items": { "$schema": "https://example.com" } }),
                "#/items/$schema",
            ),
            (json!({ "$ref": "https://example.com/s.json" }), "#/$ref"),
            (
                json!({ "properties": { "a": { "$ref": "other.json#/a" } } }),
                "#/properties/a/$ref",
            ),
            (json!({ "$ref": "file:///etc/passwd" }), "own parts only"),
            (json!({ "$ref": "#anchor" }), "own parts only"),
            (json!({ "$ref": 1 }), "own parts only"),
            (
                json!({ "$defs": { "a": { "$id": "https://example.com" } } }),
                "$id",
            ),
            (json!({ "$dynamicRef": "#a" }), "$dynamicRef"),
            (
                json!({ "definitions": { "x": { "$anchor": "a" } } }),
                "$anchor",
            ),
        ] {
            let told = told(document.clone());
            assert!(told.contains(words), "{document}: {told}");
        }
    }

    #[test]
    fn what_would_not_end_or_grow_without_bound_is_refused() {
        assert!(told(json!({ "$ref": "#" })).contains("refers to itself"));
        let ring = json!({ "$ref": "#/$defs/a", "$defs": { "a": { "allOf": [{ "$ref": "#/$defs/b" }] }, "b": { "$ref": "#/$defs/a" } } });
        assert!(told(ring).contains("refers to itself"));
        let mut bomb = json!({ "$ref": "#/$defs/0", "$defs": {} });
        for n in 0..60 {
            let next = json!({ "$ref": format!("#/$defs/{}", n + 1) });
            bomb["$defs"][n.to_string()] = json!({ "allOf": [next, next] });
        }
        assert!(told(bomb).contains("more than 1000 subschemas"));
        let all = |count: usize| json!({ "allOf": vec![json!({}); count] });
        assert_eq!(told(all(MAX_EXPANSION - 1)), "fine");
        assert!(told(all(MAX_EXPANSION)).contains("subschemas"));
        let patterns = |count: usize| json!({ "anyOf": vec![json!({ "pattern": "a" }); count] });
        assert_eq!(told(patterns(MAX_PATTERNS)), "fine");
        assert!(told(patterns(MAX_PATTERNS + 1)).contains("has 101"));
    }
}
