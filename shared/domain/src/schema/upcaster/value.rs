//! The values that an upcaster works on: JSON and nothing else, every operation on them paid for.
//!
//! jaq's own value type is a superset of JSON (bytes, objects with any keys) whose operations cannot be
//! bounded: `"x" * 1e12` is one of them. Its numbers are taken as they are.

mod access;
mod conversions;
mod operators;

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use jaq_json::{Map, Num, Val};

use super::meter::{self, Stopped};

/// Levels of lists and objects in a value, as in any event's data.
pub(super) const MAX_NESTING: u16 = 127;

/// Digits of an integer. Data come with no more than a double can hold, which is 309.
const MAX_DIGITS: usize = 1_000;

/// A JSON value.
#[derive(Clone, Debug, Default)]
pub(super) enum Value {
    #[default]
    Null,
    Bool(bool),
    Num(Num),
    Str(Arc<String>),
    List(Arc<List>),
    Object(Arc<Object>),
}

/// A list, and how deep it is nested at most: 1 when it holds no other.
#[derive(Clone, Debug, Default)]
pub(super) struct List {
    items: Vec<Value>,
    nesting: u16,
}

/// An object in the order of its members, and how deep it is nested at most.
#[derive(Clone, Debug, Default)]
pub(super) struct Object {
    members: Map<Arc<String>, Value>,
    nesting: u16,
}

/// A failure as the filter itself can catch it.
pub(super) type Error = jaq_core::Error<Value>;

/// What most operations end in.
pub(super) type Outcome<T = Value> = Result<T, Error>;

impl List {
    pub(super) fn items(&self) -> &[Value] {
        &self.items
    }
}

impl Object {
    pub(super) fn members(&self) -> &Map<Arc<String>, Value> {
        &self.members
    }
}

impl Value {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Str(Arc::new(text.into()))
    }

    pub(super) fn list(items: Vec<Self>) -> Self {
        let inner = items.iter().map(Self::nesting).max().unwrap_or_default();
        let nesting = deeper(inner);
        Self::List(Arc::new(List { items, nesting }))
    }

    fn object(members: Map<Arc<String>, Self>) -> Self {
        let inner = members.values().map(Self::nesting).max();
        let nesting = deeper(inner.unwrap_or_default());
        Self::Object(Arc::new(Object { members, nesting }))
    }

    /// Items or members.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::List(list) => list.items.len(),
            Self::Object(object) => object.members.len(),
            _ => 0,
        }
    }

    /// How deep it is nested, at most: a scalar 0.
    fn nesting(&self) -> u16 {
        match self {
            Self::List(list) => list.nesting,
            Self::Object(object) => object.nesting,
            _ => 0,
        }
    }

    /// Pays for a walk over all of it.
    pub(super) fn pay_whole(&self) {
        match self {
            Self::Str(text) => meter::bytes(text.len()),
            Self::List(list) => {
                meter::values(list.items.len());
                list.items.iter().for_each(Self::pay_whole);
            }
            Self::Object(object) => {
                meter::values(object.members.len());
                object.members.values().for_each(Self::pay_whole);
            }
            Self::Null | Self::Bool(_) | Self::Num(_) => {}
        }
    }

    /// Reads JSON text.
    pub(super) fn from_json(text: &str) -> Outcome {
        meter::bytes(text.len());
        // serde_json knows what JSON is, and how deep; jaq's reader keeps every digit of a number.
        let checked: Result<serde::de::IgnoredAny, _> = serde_json::from_str(text);
        checked.map_err(Error::str)?;
        if nesting_of(text) > MAX_NESTING {
            meter::stop(Stopped::Nesting);
        }
        if longest_number(text) > MAX_DIGITS {
            meter::stop(Stopped::Digits);
        }
        let read = jaq_json::read::parse_single(text.as_bytes()).map_err(Error::str)?;
        Ok(Self::from_val(read))
    }

    fn from_val(val: Val) -> Self {
        match val {
            Val::Null => Self::Null,
            Val::Bool(value) => Self::Bool(value),
            Val::Num(number) => Self::Num(number),
            Val::TStr(bytes) | Val::BStr(bytes) => Self::text(String::from_utf8_lossy(&bytes)),
            Val::Arr(items) => {
                meter::values(items.len());
                Self::list(items.iter().cloned().map(Self::from_val).collect())
            }
            Val::Obj(members) => {
                meter::values(members.len());
                let members = members.iter().map(|(name, value)| {
                    let name = match Self::from_val(name.clone()) {
                        Self::Str(name) => name,
                        other => Arc::new(other.to_json()),
                    };
                    (name, Self::from_val(value.clone()))
                });
                Self::object(members.collect())
            }
        }
    }

    /// JSON text, but for numbers that JSON does not have: `NaN`, `Infinity`.
    pub(super) fn to_json(&self) -> String {
        self.pay_whole();
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }

    fn write_json(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Num(number) => write_number(number, out),
            Self::Str(text) => write_text(text, out),
            Self::List(list) => {
                out.push('[');
                for (index, item) in list.items.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    item.write_json(out);
                }
                out.push(']');
            }
            Self::Object(object) => {
                out.push('{');
                for (index, (name, value)) in object.members.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    write_text(name, out);
                    out.push(':');
                    value.write_json(out);
                }
                out.push('}');
            }
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}

fn write_number(number: &Num, out: &mut String) {
    // Writing to a String cannot fail; the trait's Result says otherwise.
    write!(out, "{number}").ok();
}

fn write_text(text: &str, out: &mut String) {
    // Nor can a string fail to be written as JSON.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

/// One level above values that are nested so deep.
fn deeper(inner: u16) -> u16 {
    if inner >= MAX_NESTING {
        meter::stop(Stopped::Nesting);
    }
    inner + 1
}

/// What has to be copied before a shared value can be changed.
fn copied<T>(shared: &Arc<T>, size: usize) -> usize {
    if Arc::strong_count(shared) > 1 {
        size
    } else {
        0
    }
}

/// The number, unless it has more digits than any number needs.
fn bounded(number: Num) -> Num {
    const BITS_PER_DIGIT: u64 = 4;
    meter::values(0);
    if let Num::BigInt(integer) = &number {
        meter::bytes(usize::try_from(integer.bits() / 8).unwrap_or(usize::MAX));
        if integer.bits() > MAX_DIGITS as u64 * BITS_PER_DIGIT {
            meter::stop(Stopped::Digits);
        }
    }
    number
}

/// How deep JSON text is nested.
fn nesting_of(text: &str) -> u16 {
    let (mut deepest, mut level, mut in_string, mut escaped) = (0_u16, 0_u16, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => level = level.saturating_add(1),
            b']' | b'}' if !in_string => level = level.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(level);
    }
    deepest
}

/// Digits of the longest number of JSON text; one inside a string counts as well.
fn longest_number(text: &str) -> usize {
    let numbers = text.split(|c: char| !c.is_ascii_digit());
    numbers.map(str::len).max().unwrap_or_default()
}
