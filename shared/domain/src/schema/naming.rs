//! What a schema is for: a type of events and a version of their data.

use std::borrow::Borrow;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use crate::cloud_event::{AttributeValue, CloudEvent};
use crate::limits::MAX_TYPE_BYTES;

/// The context attribute that tells the version of an event's data; without it they are of version 1.
pub const VERSION_ATTRIBUTE: &str = "dataversion";

/// An event type that schemas are registered for. It stands in a path as it is, so it may have fewer
/// characters than a type of events: `A-Z a-z 0-9 . _ ~ -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SchemaType(String);

/// A text is not a type that schemas are registered for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_TYPE_BYTES} of A-Z, a-z, 0-9 and . _ ~ -")]
pub struct InvalidSchemaType;

impl SchemaType {
    /// The type as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SchemaType {
    type Err = InvalidSchemaType;

    fn from_str(text: &str) -> Result<Self, InvalidSchemaType> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._~-".contains(&b);
        // Clients resolve these two in paths, whatever they are meant for.
        let is_step = matches!(text, "." | "..");
        if (1..=MAX_TYPE_BYTES).contains(&text.len()) && text.bytes().all(allowed) && !is_step {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidSchemaType)
        }
    }
}

impl Borrow<str> for SchemaType {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SchemaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The version of an event's data, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SchemaVersion(NonZeroU32);

/// A text is not a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be a whole number from 1 to {}, without sign or leading zeros",
    u32::MAX
)]
pub struct InvalidSchemaVersion;

impl SchemaVersion {
    /// The version of data that do not tell theirs.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// This version.
    pub fn new(number: u64) -> Result<Self, InvalidSchemaVersion> {
        let number = u32::try_from(number).ok().and_then(NonZeroU32::new);
        number.map(Self).ok_or(InvalidSchemaVersion)
    }

    /// The number.
    pub fn number(self) -> u32 {
        self.0.get()
    }

    /// The version before; there is none before the first.
    pub fn previous(self) -> Option<Self> {
        NonZeroU32::new(self.number() - 1).map(Self)
    }

    /// The version after.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The version of an event's data.
    pub fn of(event: &CloudEvent) -> Result<Self, InvalidSchemaVersion> {
        match event.context().get(VERSION_ATTRIBUTE) {
            None => Ok(Self::FIRST),
            Some(AttributeValue::String(text)) => text.parse(),
            Some(AttributeValue::Integer(number)) => {
                Self::new(u64::try_from(*number).map_err(|_| InvalidSchemaVersion)?)
            }
            Some(AttributeValue::Boolean(_)) => Err(InvalidSchemaVersion),
        }
    }
}

impl FromStr for SchemaVersion {
    type Err = InvalidSchemaVersion;

    fn from_str(text: &str) -> Result<Self, InvalidSchemaVersion> {
        let canonical = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        let number = text.parse().map_err(|_| InvalidSchemaVersion)?;
        if canonical {
            Self::new(number)
        } else {
            Err(InvalidSchemaVersion)
        }
    }
}

impl fmt::Display for SchemaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_stands_in_a_path_as_it_is() {
        for good in [
            "a",
            "com.example.Order_created~1-x",
            &"x".repeat(MAX_TYPE_BYTES),
        ] {
            assert_eq!(good.parse::<SchemaType>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "a/b",
            "a b",
            "ä",
            "a*",
            "a%20",
            ".",
            "..",
            &"x".repeat(MAX_TYPE_BYTES + 1),
        ] {
            assert_eq!(bad.parse::<SchemaType>(), Err(InvalidSchemaType), "{bad}");
        }
    }

    #[test]
    fn a_version_is_a_whole_number_from_one() {
        for (text, number) in [("1", 1), ("50", 50), ("4294967295", u32::MAX)] {
            assert_eq!(text.parse::<SchemaVersion>().unwrap().number(), number);
        }
        for bad in [
            "",
            "0",
            "01",
            "+1",
            "-1",
            "1.0",
            " 1",
            "v1",
            "4294967296",
            "99999999999999999999",
        ] {
            assert_eq!(
                bad.parse::<SchemaVersion>(),
                Err(InvalidSchemaVersion),
                "{bad}"
            );
        }
        assert_eq!(SchemaVersion::FIRST.previous(), None);
        assert_eq!(
            SchemaVersion::FIRST.next().previous(),
            Some(SchemaVersion::FIRST)
        );
    }
}
