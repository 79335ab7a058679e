//! Event patterns: which events a subscription wants.
//!
//! They are the event patterns of Amazon EventBridge
//! (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html> and
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>), over the structured
//! form of a CloudEvent: its attributes at the top, `data` as JSON, and anything else as `data_base64`. Where that
//! documentation leaves a question open, this is the answer:
//!
//! - Numbers are compared by value, with all their digits; strings as they are, also those that look like addresses.
//! - Only strings, numbers, booleans and null are values. An array stands for those in it, at any depth; an object,
//!   or an array without values, is as good as absent to the tests of a field.
//! - All that is asked below an array must be met by one of its elements. Absence is asked of the element that the
//!   other fields there are met by, or, when there is no other, of all.
//! - `anything-but` is met by values of any type that it does not name; not by absence.
//! - Names are whole: `"a.b"` is a member of that name.
//! - `$or` is always a choice, never a field.
//! - Data that cannot be read meet nothing: to a pattern they are absent.
//!
//! Stricter than EventBridge are two refusals: of a member that is there twice, and of a field that one combination
//! of alternatives asks for twice. EventBridge takes the last of them, and what the other asked for is lost.

mod address_range;
mod decimal;
mod document;
mod evaluate;
mod explain;
mod fields;
mod index;
mod index_keys;
mod json;
mod letter_case;
mod operators;
mod parse;
mod prefixes;
mod value_test;
mod wildcard;

pub use document::EventDocument;
pub use explain::{Decision, Verdict};
pub use index::PatternIndex;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::limits::MAX_PATTERN_BYTES;
use crate::subscription::TypePattern;
use evaluate::Place;
use fields::{Field, Fields, Tests};
use json::{Json, Members};
use value_test::ValueTest;

/// An event pattern. A clone shares all it holds.
#[derive(Clone, PartialEq, Eq)]
pub struct Pattern {
    json: Arc<str>,
    fields: Arc<Fields>,
}

/// A text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct InvalidPattern {
    /// Where it is wrong, as `data.total[0].numeric`; `pattern` when that is nowhere in particular.
    pub place: String,
    /// What is wrong there; it follows the place as the rest of a sentence.
    pub reason: String,
}

impl Pattern {
    /// Reads a pattern as a subscriber gives it.
    ///
    /// # Errors
    /// When it has more than [`MAX_PATTERN_BYTES`], is not JSON, or is not a pattern in every part; with the place
    /// and the reason.
    pub fn parse(json: &str) -> Result<Self, InvalidPattern> {
        if json.len() > MAX_PATTERN_BYTES {
            let reason = format!("has {} bytes; {MAX_PATTERN_BYTES} is the most", json.len());
            return Err(parse::refuse("pattern", reason));
        }
        Self::from_stored(json)
    }

    /// Reads what [`Pattern::as_json`] gave, however many bytes it has: those of many types may have more than a
    /// subscriber's.
    ///
    /// # Errors
    /// As [`Pattern::parse`].
    pub fn from_stored(json: &str) -> Result<Self, InvalidPattern> {
        let (mut fields, json) = parse::read(json)?;
        // What is beside the data may decide before they have to be read.
        fields.put_last("data");
        Ok(Self {
            json: json.into(),
            fields: Arc::new(fields),
        })
    }

    /// The pattern that is met by events of any of these types. Without a type, no event meets it.
    pub fn of_types(types: &[TypePattern]) -> Self {
        let json = types.iter().map(type_json).collect();
        let json = Json::Array(json);
        let tests = Tests {
            tests: types.iter().map(type_test).collect(),
            met_by_absence: false,
            json: json.to_string(),
        };
        let fields = Fields {
            fields: vec![("type".into(), Field::Tests(Arc::new(tests)))],
            ..Fields::default()
        };
        let json = Json::Object(Members::of(vec![("type".into(), json)]));
        Self {
            json: json.to_string().into(),
            fields: Arc::new(fields),
        }
    }

    /// The pattern as compact JSON, with members in the order and numbers in the spelling that they were given in.
    pub fn as_json(&self) -> &str {
        &self.json
    }

    /// Whether the event meets it.
    pub fn matches(&self, event: &EventDocument<'_>) -> bool {
        self.fields.are_met(Place::Event(event))
    }

    /// Whether the event meets it, and if not, which field decided. This takes longer than [`Pattern::matches`].
    pub fn explain(&self, event: &EventDocument<'_>) -> Verdict {
        let decision = self.fields.decision(Place::Event(event));
        decision.map_or(Verdict::Matched, Verdict::Missed)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.json).finish()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.json)
    }
}

fn type_test(wanted: &TypePattern) -> ValueTest {
    match wanted.as_str().strip_suffix('*') {
        Some(prefix) => ValueTest::Prefix(prefix.to_owned()),
        None => ValueTest::Text(wanted.as_str().to_owned()),
    }
}

fn type_json(wanted: &TypePattern) -> Json<'_> {
    let text = |text| Json::Text(Cow::Borrowed(text));
    match wanted.as_str().strip_suffix('*') {
        Some(prefix) => Json::Object(Members::of(vec![("prefix".into(), text(prefix))])),
        None => text(wanted.as_str()),
    }
}
