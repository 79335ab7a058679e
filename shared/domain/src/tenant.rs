//! Whose event it is.

use std::fmt;
use std::str::FromStr;

use crate::limits::MAX_NAME_CHARS;

/// A tenant: 1–63 of `a-z 0-9 -`, beginning with a letter or digit; or [`TenantId::bus`].
///
/// It only ever comes from a credential or from a key that the bus wrote itself, and every key in every
/// table begins with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(String);

/// Why a text is not a tenant id, or not a subscription id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_NAME_CHARS} of a-z, 0-9 and -, beginning with a letter or digit")]
pub struct InvalidName;

impl TenantId {
    const BUS: &'static str = "_bus";

    /// The bus itself: its administrators, and what belongs to no tenant.
    ///
    /// `_` begins no tenant's name, so that none can be taken for it.
    pub fn bus() -> Self {
        Self(Self::BUS.to_owned())
    }

    /// Whether this is [`TenantId::bus`].
    pub fn is_bus(&self) -> bool {
        self.0 == Self::BUS
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TenantId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text == Self::BUS || is_name(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName)
        }
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The one rule for the names that people give to tenants and subscriptions.
pub(crate) fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=MAX_NAME_CHARS).contains(&text.len())
        && !text.starts_with('-')
        && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_lower_case_and_begins_with_a_letter_or_digit() {
        for good in ["a", "7", "shop-42", &"x".repeat(63)] {
            assert_eq!(good.parse::<TenantId>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "-a",
            "A",
            "a_b",
            "_x",
            "ä",
            "a b",
            "a#b",
            &"x".repeat(64),
        ] {
            assert_eq!(bad.parse::<TenantId>(), Err(InvalidName), "{bad}");
        }
    }

    #[test]
    fn only_the_bus_may_begin_with_an_underscore() {
        assert!("_bus".parse::<TenantId>().unwrap().is_bus());
        assert!(!"bus".parse::<TenantId>().unwrap().is_bus());
    }
}
