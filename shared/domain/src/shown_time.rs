//! A time as readers of the API see it.

use serde::ser::{Error, Serialize, Serializer};
use time::UtcDateTime;
use time::format_description::well_known::Rfc3339;

/// A time in RFC 3339.
pub(crate) struct ShownTime(pub(crate) UtcDateTime);

impl Serialize for ShownTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.0.format(&Rfc3339).map_err(S::Error::custom)?;
        serializer.serialize_str(&text)
    }
}
