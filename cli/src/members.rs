//! JSON objects as they came: the members in their order, each value in its own spelling.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use crate::error::Error;

/// An object whose `12.50` stays what it is.
pub struct Members(Vec<(String, Box<RawValue>)>);

impl Members {
    /// With one more member.
    ///
    /// # Errors
    /// When the value is nothing that JSON can hold.
    pub fn with<T: Serialize>(mut self, name: &str, value: &T) -> Result<Self, Error> {
        let value = to_raw_value(value).map_err(|error| Error::Output(error.into()))?;
        self.0.push((name.to_owned(), value));
        Ok(self)
    }

    /// A member a line.
    ///
    /// # Errors
    /// Never, for what was read as JSON; the serializer says otherwise.
    pub fn pretty(&self) -> Result<String, Error> {
        serde_json::to_string_pretty(self).map_err(|error| Error::Output(error.into()))
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visit)
    }
}

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}
