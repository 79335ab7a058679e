//! Reading and measuring items.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use pillarbox_domain::StoreError;
use time::UtcDateTime;

/// An item as the SDK has it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// A text attribute's value.
pub(crate) fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// A number attribute's value.
pub(crate) fn n(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// Milliseconds since 1970.
pub(crate) fn unix_millis(at: UtcDateTime) -> i64 {
    // Milliseconds of the year 9999 are far below 2^63.
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

/// The value of a time, in whole milliseconds since 1970.
pub(crate) fn millis(time: UtcDateTime) -> AttributeValue {
    AttributeValue::N((time.unix_timestamp_nanos() / 1_000_000).to_string())
}

/// Reads the attributes of one item, and names it when one is missing or of another type.
pub(crate) struct Reader<'a> {
    pub(crate) what: &'static str,
    pub(crate) item: &'a Item,
}

impl<'a> Reader<'a> {
    pub(crate) fn text(&self, name: &str) -> Result<&'a str, StoreError> {
        self.optional_text(name)?
            .ok_or_else(|| self.malformed(name, "is missing"))
    }

    pub(crate) fn optional_text(&self, name: &str) -> Result<Option<&'a str>, StoreError> {
        match self.item.get(name) {
            None => Ok(None),
            Some(AttributeValue::S(text)) => Ok(Some(text)),
            Some(_) => Err(self.malformed(name, "is not a string")),
        }
    }

    pub(crate) fn bytes(&self, name: &str) -> Result<&'a [u8], StoreError> {
        match self.item.get(name) {
            Some(AttributeValue::B(bytes)) => Ok(bytes.as_ref()),
            Some(_) => Err(self.malformed(name, "is not binary")),
            None => Err(self.malformed(name, "is missing")),
        }
    }

    pub(crate) fn number(&self, name: &str) -> Result<i64, StoreError> {
        match self.item.get(name) {
            Some(AttributeValue::N(number)) => number
                .parse()
                .map_err(|_| self.malformed(name, "is not an integer")),
            Some(_) => Err(self.malformed(name, "is not a number")),
            None => Err(self.malformed(name, "is missing")),
        }
    }

    pub(crate) fn unsigned(&self, name: &str) -> Result<u64, StoreError> {
        let number = u64::try_from(self.number(name)?);
        number.map_err(|error| self.malformed(name, error))
    }

    /// A time in milliseconds since 1970.
    pub(crate) fn time(&self, name: &str) -> Result<UtcDateTime, StoreError> {
        let nanos = i128::from(self.number(name)?) * 1_000_000;
        let time = UtcDateTime::from_unix_timestamp_nanos(nanos);
        time.map_err(|error| self.malformed(name, error))
    }

    /// A number that need not be there, made into what it means.
    pub(crate) fn optional_number<T, E: std::fmt::Display>(
        &self,
        name: &str,
        read: impl Fn(u64) -> Result<T, E>,
    ) -> Result<Option<T>, StoreError> {
        if !self.item.contains_key(name) {
            return Ok(None);
        }
        let number = self.unsigned(name)?;
        let meant = read(number).map_err(|error| self.malformed(name, error))?;
        Ok(Some(meant))
    }

    pub(crate) fn parsed<T>(&self, name: &str) -> Result<T, StoreError>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
    {
        self.text(name)?
            .parse()
            .map_err(|error: T::Err| self.malformed(name, error))
    }

    /// A text that need not be there, made into what it means.
    pub(crate) fn optional_parsed<T>(&self, name: &str) -> Result<Option<T>, StoreError>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
    {
        let text = self.optional_text(name)?;
        let parsed = text.map(str::parse).transpose();
        parsed.map_err(|error: T::Err| self.malformed(name, error))
    }

    /// A time in whole milliseconds since 1970.
    pub(crate) fn millis(&self, name: &str) -> Result<UtcDateTime, StoreError> {
        let nanos = i128::from(self.number(name)?) * 1_000_000;
        UtcDateTime::from_unix_timestamp_nanos(nanos).map_err(|error| self.malformed(name, error))
    }

    /// The same, where there need not be one.
    pub(crate) fn optional_millis(&self, name: &str) -> Result<Option<UtcDateTime>, StoreError> {
        let is_there = self.item.contains_key(name);
        is_there.then(|| self.millis(name)).transpose()
    }

    /// A time in seconds since 1970.
    pub(crate) fn seconds(&self, name: &str) -> Result<UtcDateTime, StoreError> {
        UtcDateTime::from_unix_timestamp(self.number(name)?)
            .map_err(|error| self.malformed(name, error))
    }

    pub(crate) fn malformed(&self, name: &str, detail: impl std::fmt::Display) -> StoreError {
        StoreError::Malformed {
            what: self.what,
            detail: format!("{name} {detail}"),
        }
    }
}

/// Bytes of an item as DynamoDB counts them
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>):
/// names and values in UTF-8, a number as half its digits and one, a list or map with three more and
/// one for each element.
pub(crate) fn item_bytes(item: &Item) -> usize {
    item.iter()
        .map(|(name, value)| name.len() + value_bytes(value))
        .sum()
}

fn value_bytes(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(number) => number.len().div_ceil(2) + 1,
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::L(values) => {
            3 + values
                .iter()
                .map(|value| 1 + value_bytes(value))
                .sum::<usize>()
        }
        AttributeValue::M(values) => {
            3 + values
                .iter()
                .map(|(name, value)| 1 + name.len() + value_bytes(value))
                .sum::<usize>()
        }
        AttributeValue::Ss(texts) => texts.iter().map(String::len).sum(),
        _ => 1,
    }
}
