//! Making values out of what jaq computes with.

use std::sync::Arc;

use jaq_core::val::Range;
use jaq_json::Num;

use super::super::meter::{self, Stopped};
use super::{MAX_DIGITS, Value};

impl Value {
    /// A number of the filter's own text.
    pub(super) fn number_of_program(text: &str) -> Self {
        const DECIMAL: u32 = 10;
        if text.len() > MAX_DIGITS {
            meter::stop(Stopped::Digits);
        }
        let integer = Num::from_str_radix(text, DECIMAL);
        Self::Num(integer.unwrap_or_else(|| Num::from_dec_str(text)))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<isize> for Value {
    fn from(value: isize) -> Self {
        Self::Num(Num::Int(value))
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Num(Num::from_integral(value))
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Num(Num::Float(value))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        meter::bytes(text.len());
        Self::text(text)
    }
}

impl FromIterator<Self> for Value {
    fn from_iter<T: IntoIterator<Item = Self>>(items: T) -> Self {
        let paid = items.into_iter().inspect(|_| meter::values(0));
        Self::list(paid.collect())
    }
}

impl From<Range<Self>> for Value {
    fn from(range: Range<Self>) -> Self {
        let bounds = [("start", range.start), ("end", range.end)];
        let bounds = bounds
            .into_iter()
            .filter_map(|(name, bound)| Some((Arc::new(name.to_owned()), bound?)));
        Self::object(bounds.collect())
    }
}
