//! What is done with data that do not fit, by type of events.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::naming::{SchemaType, SchemaVersion};

/// What is done with data that do not fit their schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SchemaMode {
    /// Nothing: they are not looked at.
    Off,
    /// They are stored, and a warning is logged.
    Warn,
    /// They are refused.
    #[default]
    Enforce,
}

/// A text is not a mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be off, warn or enforce")]
pub struct InvalidSchemaMode;

impl SchemaMode {
    /// The mode as text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Warn => "warn",
            Self::Enforce => "enforce",
        }
    }
}

impl FromStr for SchemaMode {
    type Err = InvalidSchemaMode;

    fn from_str(text: &str) -> Result<Self, InvalidSchemaMode> {
        let modes = [Self::Off, Self::Warn, Self::Enforce];
        let named = modes.into_iter().find(|mode| mode.as_str() == text);
        named.ok_or(InvalidSchemaMode)
    }
}

impl fmt::Display for SchemaMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The schemas of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeSchemas {
    /// What they are for.
    pub mode: SchemaMode,
    /// The last version; all before it are there, too.
    pub latest: SchemaVersion,
}

/// All types of one tenant that have schemas. It is read with every publish and changed as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemaModes {
    /// By type.
    pub types: BTreeMap<SchemaType, TypeSchemas>,
    /// How often it was changed; 0 before the first time. Two changes of one revision cannot both be made.
    pub revision: u64,
}

impl SchemaModes {
    /// The schemas of a type, if it has any.
    pub fn of(&self, event_type: &str) -> Option<TypeSchemas> {
        self.types.get(event_type).copied()
    }
}
