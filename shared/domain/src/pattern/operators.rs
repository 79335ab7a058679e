//! Reading the tests of a field.

use super::InvalidPattern;
use super::address_range::AddressRange;
use super::decimal::Decimal;
use super::json::{Json, Members};
use super::letter_case::AnyCase;
use super::parse::refuse;
use super::value_test::{Bound, NumericRange, ValueTest};
use super::wildcard::Wildcard;
use crate::limits::MAX_NUMERIC_BOUND;

/// Reads one test; `None` is the one that is met by absence.
pub(super) fn test(place: &str, json: &Json<'_>) -> Result<Option<ValueTest>, InvalidPattern> {
    let test = match json {
        Json::Null => ValueTest::Null,
        Json::Boolean(value) => ValueTest::Boolean(*value),
        Json::Number(number) => ValueTest::Number(Decimal::of(number)),
        Json::Text(text) => ValueTest::Text(text.to_string()),
        Json::Object(members) => return operator(place, members),
        Json::Array(_) => {
            return Err(refuse(
                place,
                "must be a string, number, true, false, null or an operator, not an array",
            ));
        }
    };
    Ok(Some(test))
}

fn operator(place: &str, members: &Members<'_>) -> Result<Option<ValueTest>, InvalidPattern> {
    let (name, value) = only(place, members)?;
    let place = format!("{place}.{name}");
    let test = match name {
        "prefix" => match in_any_case(&place, value)? {
            Some(prefix) => ValueTest::PrefixInAnyCase(prefix),
            None => ValueTest::Prefix(text(&place, value)?),
        },
        "suffix" => match in_any_case(&place, value)? {
            Some(suffix) => ValueTest::SuffixInAnyCase(suffix),
            None => ValueTest::Suffix(text(&place, value)?),
        },
        "equals-ignore-case" => ValueTest::TextInAnyCase(AnyCase::of(&text(&place, value)?)),
        "wildcard" => ValueTest::Wildcard(wildcard(&place, &text(&place, value)?)?),
        "anything-but" => ValueTest::AnythingBut(excluded(&place, value)?),
        "numeric" => numeric(&place, value)?,
        "cidr" => ValueTest::AddressIn(address_range(&place, value)?),
        "exists" => match value {
            Json::Boolean(true) => ValueTest::Exists,
            Json::Boolean(false) => return Ok(None),
            _ => return Err(refuse(place, "must be true or false")),
        },
        _ => return Err(refuse(place, "is no operator")),
    };
    Ok(Some(test))
}

/// The only member of an operator's object.
fn only<'a, 'b>(
    place: &str,
    members: &'b Members<'a>,
) -> Result<(&'b str, &'b Json<'a>), InvalidPattern> {
    let mut all = members.iter();
    match (all.next(), all.next()) {
        (Some(member), None) => Ok(member),
        _ => Err(refuse(place, "must have one operator")),
    }
}

fn text(place: &str, value: &Json<'_>) -> Result<String, InvalidPattern> {
    match value {
        Json::Text(text) => Ok(text.to_string()),
        _ => Err(refuse(place, "must be a string")),
    }
}

/// What is in `{"equals-ignore-case": …}`, if the value is such an object.
fn in_any_case(place: &str, value: &Json<'_>) -> Result<Option<AnyCase>, InvalidPattern> {
    let Json::Object(members) = value else {
        return Ok(None);
    };
    let (name, value) = only(place, members)?;
    let place = format!("{place}.{name}");
    if name != "equals-ignore-case" {
        return Err(refuse(place, "is not allowed here; equals-ignore-case is"));
    }
    Ok(Some(AnyCase::of(&text(&place, value)?)))
}

fn wildcard(place: &str, text: &str) -> Result<Wildcard, InvalidPattern> {
    Wildcard::parse(text).map_err(|reason| refuse(place, reason))
}

fn address_range(place: &str, value: &Json<'_>) -> Result<AddressRange, InvalidPattern> {
    AddressRange::parse(&text(place, value)?).ok_or_else(|| {
        let reason = "must be a range of IP addresses, as 10.0.0.0/24 or 2001:db8::/32";
        refuse(place, reason)
    })
}

/// What `anything-but` leaves out: a value or values, or strings that one operator is about.
fn excluded(place: &str, value: &Json<'_>) -> Result<Vec<ValueTest>, InvalidPattern> {
    let Json::Object(members) = value else {
        return excluded_values(place, value);
    };
    let (name, value) = only(place, members)?;
    let place = format!("{place}.{name}");
    let read: fn(&str, String) -> Result<ValueTest, InvalidPattern> = match name {
        "prefix" => |place, text| not_empty(place, text).map(ValueTest::Prefix),
        "suffix" => |place, text| not_empty(place, text).map(ValueTest::Suffix),
        "equals-ignore-case" => |_, text| Ok(ValueTest::TextInAnyCase(AnyCase::of(&text))),
        "wildcard" => |place, text| wildcard(place, &text).map(ValueTest::Wildcard),
        _ => {
            let reason = "is no operator of anything-but; prefix, suffix, equals-ignore-case and wildcard are";
            return Err(refuse(place, reason));
        }
    };
    each(&place, value, |place, value| {
        read(place, text(place, value)?)
    })
}

/// EventBridge refuses what would leave out every string.
fn not_empty(place: &str, text: String) -> Result<String, InvalidPattern> {
    if text.is_empty() {
        return Err(refuse(place, "must not be empty"));
    }
    Ok(text)
}

fn excluded_values(place: &str, value: &Json<'_>) -> Result<Vec<ValueTest>, InvalidPattern> {
    let values = each(place, value, |place, value| match value {
        Json::Text(text) => Ok(ValueTest::Text(text.to_string())),
        Json::Number(number) => Ok(ValueTest::Number(Decimal::of(number))),
        _ => Err(refuse(place, "must be a string or a number")),
    })?;
    let is_text = |test: &ValueTest| matches!(test, ValueTest::Text(_));
    if values.iter().any(is_text) && !values.iter().all(is_text) {
        return Err(refuse(place, "must not mix strings and numbers"));
    }
    Ok(values)
}

/// Reads a value, or each of a list that is not empty.
fn each(
    place: &str,
    value: &Json<'_>,
    read: impl Fn(&str, &Json<'_>) -> Result<ValueTest, InvalidPattern>,
) -> Result<Vec<ValueTest>, InvalidPattern> {
    match value {
        Json::Array(items) if items.is_empty() => Err(refuse(place, "must not be empty")),
        Json::Array(items) => {
            let items = items.iter().enumerate();
            items
                .map(|(number, item)| read(&format!("{place}[{number}]"), item))
                .collect()
        }
        value => Ok(vec![read(place, value)?]),
    }
}

fn numeric(place: &str, value: &Json<'_>) -> Result<ValueTest, InvalidPattern> {
    let Json::Array(items) = value else {
        return Err(refuse(place, "must be an array, as [\">\", 0, \"<=\", 5]"));
    };
    if !matches!(items.len(), 2 | 4) {
        return Err(refuse(
            place,
            "must have one or two bounds, each an operator and a number",
        ));
    }
    let mut range = NumericRange::default();
    for (number, pair) in items.chunks_exact(2).enumerate() {
        let (operator, bound) = (text(place, &pair[0])?, bound(place, &pair[1])?);
        let is_included = operator.ends_with('=');
        let end = Some(Bound {
            number: bound,
            is_included,
        });
        match operator.as_str() {
            "=" if items.len() == 2 => (range.lower, range.upper) = (end.clone(), end),
            ">" | ">=" if number == 0 => range.lower = end,
            "<" | "<=" if number + 1 == items.len() / 2 => range.upper = end,
            _ => {
                let reason =
                    "must be =, or > or >= for the lower bound and < or <= behind it for the upper";
                return Err(refuse(place, reason));
            }
        }
    }
    if let (4, Some(lower), Some(upper)) = (items.len(), &range.lower, &range.upper)
        && lower.number >= upper.number
    {
        return Err(refuse(place, "must have a lower bound below the upper"));
    }
    Ok(ValueTest::Between(range))
}

fn bound(place: &str, value: &Json<'_>) -> Result<Decimal, InvalidPattern> {
    let Json::Number(number) = value else {
        return Err(refuse(place, "must have a number behind each operator"));
    };
    let number = Decimal::of(number);
    if number.is_within(MAX_NUMERIC_BOUND) {
        Ok(number)
    } else {
        let reason =
            format!("must be about numbers from -{MAX_NUMERIC_BOUND} to {MAX_NUMERIC_BOUND}");
        Err(refuse(place, reason))
    }
}
