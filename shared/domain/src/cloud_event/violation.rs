//! What is wrong with an event, named so that its producer can mend it.

use std::fmt;

/// One attribute that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The member of the event, as the producer wrote it.
    pub field: String,
    /// The rule.
    pub fault: Fault,
}

/// The rules that an event can break.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A required attribute is not there.
    #[error("is required")]
    Missing,
    /// An attribute that must say something says nothing.
    #[error("must not be empty")]
    Empty,
    /// It is not what it has to be, as in `timestamp (RFC 3339)`.
    #[error("must be a {0}")]
    NotA(&'static str),
    /// Another specification version than the one spoken here.
    #[error("must be \"{}\"", super::SPEC_VERSION)]
    WrongVersion,
    /// Too many bytes.
    #[error("must be {limit} bytes at most, and has {actual}")]
    TooLong {
        /// Bytes allowed.
        limit: usize,
        /// Bytes found.
        actual: usize,
    },
    /// A character that CloudEvents keeps out of attribute values.
    #[error("must not hold the character U+{:04X}", u32::from(*.0))]
    NotAllowed(char),
    /// An attribute's name is not one.
    #[error(
        "is not an attribute name: only a-z and 0-9, at most {} bytes",
        crate::limits::MAX_ATTRIBUTE_NAME_BYTES
    )]
    BadName,
    /// The bus sets this attribute itself.
    #[error("is set by the bus and cannot be published")]
    Reserved,
    /// The same member twice in one object.
    #[error("is given twice")]
    Twice,
    /// `data` beside `data_base64`.
    #[error("cannot be given together with data")]
    DataTwice,
    /// JSON data that no JSON number or nesting limit can hold.
    #[error("cannot be read: {0}")]
    Unreadable(String),
}

impl Violation {
    /// A violation of this field.
    pub fn new(field: impl Into<String>, fault: Fault) -> Self {
        Self {
            field: field.into(),
            fault,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.fault)
    }
}
