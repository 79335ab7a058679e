//! One test of one value.

use super::address_range::AddressRange;
use super::decimal::Decimal;
use super::json::Json;
use super::letter_case::AnyCase;
use super::wildcard::Wildcard;

/// What a value has to be. A value is a string, number, boolean or null; a test of strings is not met by any other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ValueTest {
    Null,
    Boolean(bool),
    Number(Decimal),
    Text(String),
    Prefix(String),
    Suffix(String),
    PrefixInAnyCase(AnyCase),
    SuffixInAnyCase(AnyCase),
    TextInAnyCase(AnyCase),
    Wildcard(Wildcard),
    Between(NumericRange),
    AddressIn(AddressRange),
    /// A value of whatever type that meets none of these.
    AnythingBut(Vec<ValueTest>),
    /// Any value; also null.
    Exists,
}

impl ValueTest {
    /// Whether this value, which is neither an array nor an object, meets the test.
    pub(super) fn is_met_by(&self, value: &Json<'_>) -> bool {
        match (self, value) {
            (Self::Exists, _) | (Self::Null, Json::Null) => true,
            (Self::AnythingBut(tests), value) => !tests.iter().any(|test| test.is_met_by(value)),
            (Self::Boolean(wanted), Json::Boolean(value)) => wanted == value,
            (_, Json::Number(number)) => self.is_met_by_number(number),
            (_, Json::Text(text)) => self.is_met_by_text(text),
            _ => false,
        }
    }

    fn is_met_by_number(&self, number: &str) -> bool {
        match self {
            Self::Number(wanted) => *wanted == Decimal::of(number),
            Self::Between(range) => range.contains(&Decimal::of(number)),
            _ => false,
        }
    }

    fn is_met_by_text(&self, text: &str) -> bool {
        match self {
            Self::Text(wanted) => wanted == text,
            Self::Prefix(prefix) => text.starts_with(prefix.as_str()),
            Self::Suffix(suffix) => text.ends_with(suffix.as_str()),
            Self::PrefixInAnyCase(prefix) => prefix.is_prefix_of(text),
            Self::SuffixInAnyCase(suffix) => suffix.is_suffix_of(text),
            Self::TextInAnyCase(wanted) => wanted.equals(text),
            Self::Wildcard(wildcard) => wildcard.matches(text),
            Self::AddressIn(range) => range.contains(text),
            _ => false,
        }
    }
}

/// The numbers between one or two bounds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NumericRange {
    pub(super) lower: Option<Bound>,
    pub(super) upper: Option<Bound>,
}

/// An end of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) number: Decimal,
    pub(super) is_included: bool,
}

impl NumericRange {
    fn contains(&self, number: &Decimal) -> bool {
        let outside = |bound: &Option<Bound>, beyond: fn(&Decimal, &Decimal) -> bool| {
            bound.as_ref().is_some_and(|bound| {
                beyond(number, &bound.number) || (!bound.is_included && *number == bound.number)
            })
        };
        !outside(&self.lower, |number, bound| number < bound)
            && !outside(&self.upper, |number, bound| number > bound)
    }
}
