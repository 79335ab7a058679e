//! Names and values of context attributes.

use std::borrow::Borrow;
use std::fmt;

use super::violation::Fault;
use crate::limits::MAX_ATTRIBUTE_NAME_BYTES;

/// The name of an optional attribute or an extension: `a-z 0-9`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttributeName(String);

impl AttributeName {
    /// What delivery and the archive add, and the one name that is a key of the stored item. A producer cannot set them.
    const RESERVED: [&'static str; 6] = [
        "pbattempt",
        "pbeventid",
        "pbjob",
        "pboutbox",
        "pbsubscription",
        "pk",
    ];

    /// Members of an event that are not optional attributes.
    const NOT_OPTIONAL: [&'static str; 5] = ["data", "id", "source", "specversion", "type"];

    /// Names that CloudEvents or its documented extensions define as text.
    const TEXT: [&'static str; 8] = [
        "causationid",
        "correlationid",
        "datacontenttype",
        "dataschema",
        "partitionkey",
        "subject",
        "time",
        "traceparent",
    ];

    /// Takes a name that a producer may set.
    pub fn new(name: &str) -> Result<Self, Fault> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let well_formed =
            (1..=MAX_ATTRIBUTE_NAME_BYTES).contains(&name.len()) && name.bytes().all(allowed);
        if !well_formed || Self::NOT_OPTIONAL.contains(&name) {
            return Err(Fault::BadName);
        }
        if Self::RESERVED.contains(&name) {
            return Err(Fault::Reserved);
        }
        Ok(Self(name.to_owned()))
    }

    /// `dataversion`
    pub(super) fn data_version() -> Self {
        Self(crate::schema::naming::VERSION_ATTRIBUTE.to_owned())
    }

    /// `traceparent`
    pub(super) fn trace_parent() -> Self {
        Self(crate::trace::TRACEPARENT.to_owned())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the value has to be a string.
    pub(super) fn is_text_by_definition(&self) -> bool {
        Self::TEXT.contains(&self.as_str())
    }
}

impl Borrow<str> for AttributeName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AttributeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A value, in the three shapes that JSON can tell apart; URIs and times are strings here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeValue {
    /// CloudEvents' `Boolean`.
    Boolean(bool),
    /// CloudEvents' `Integer`: 32 bits, signed.
    Integer(i32),
    /// CloudEvents' `String`, `URI`, `URI-reference`, `Timestamp`, and `Binary` as base64.
    String(String),
}

impl AttributeValue {
    /// Bytes of the value when it is written as text.
    pub fn byte_len(&self) -> usize {
        match self {
            Self::Boolean(_) => 5,
            Self::Integer(_) => 11,
            Self::String(text) => text.len(),
        }
    }
}
