//! Arithmetic and order of values, as jq has them.

use std::cmp::Ordering;
use std::ops::{Add, Div, Mul, Neg, Rem, Sub};
use std::sync::Arc;

use jaq_core::ops::Math;
use jaq_json::Num;

use super::super::meter;
use super::{Error, List, Object, Outcome, Value, bounded, copied, deeper};

impl Add for Value {
    type Output = Outcome;

    fn add(self, other: Self) -> Outcome {
        match (self, other) {
            (Self::Null, value) | (value, Self::Null) => Ok(value),
            (Self::Num(a), Self::Num(b)) => Ok(Self::Num(bounded(a + b))),
            (Self::Str(mut a), Self::Str(b)) => {
                meter::bytes(b.len() + copied(&a, a.len()));
                Arc::make_mut(&mut a).push_str(&b);
                Ok(Self::Str(a))
            }
            (Self::List(mut a), Self::List(b)) => {
                meter::values(b.items.len() + copied(&a, a.items.len()));
                let list = Arc::make_mut(&mut a);
                list.items.extend(b.items.iter().cloned());
                list.nesting = list.nesting.max(b.nesting);
                Ok(Self::List(a))
            }
            (Self::Object(mut a), Self::Object(b)) => {
                meter::values(b.members.len() + copied(&a, a.members.len()));
                let object = Arc::make_mut(&mut a);
                let added = b.members.iter();
                let added = added.map(|(name, value)| (Arc::clone(name), value.clone()));
                object.members.extend(added);
                object.nesting = object.nesting.max(b.nesting);
                Ok(Self::Object(a))
            }
            (a, b) => Err(Error::math(a, Math::Add, b)),
        }
    }
}

impl Sub for Value {
    type Output = Outcome;

    fn sub(self, other: Self) -> Outcome {
        match (self, other) {
            (Self::Num(a), Self::Num(b)) => Ok(Self::Num(bounded(a - b))),
            (Self::List(mut a), Self::List(b)) => {
                meter::values(copied(&a, a.items.len()));
                let kept = |item: &Self| {
                    meter::values(b.items.len());
                    !b.items.contains(item)
                };
                Arc::make_mut(&mut a).items.retain(kept);
                Ok(Self::List(a))
            }
            (a, b) => Err(Error::math(a, Math::Sub, b)),
        }
    }
}

impl Mul for Value {
    type Output = Outcome;

    fn mul(self, other: Self) -> Outcome {
        match (self, other) {
            (Self::Num(a), Self::Num(b)) => Ok(Self::Num(bounded(a * b))),
            (Self::Str(text), Self::Num(times)) | (Self::Num(times), Self::Str(text)) => {
                repeated(&text, &times)
            }
            (Self::Object(a), Self::Object(b)) => Ok(Self::Object(merged(a, &b))),
            (a, b) => Err(Error::math(a, Math::Mul, b)),
        }
    }
}

fn repeated(text: &str, times: &Num) -> Outcome {
    let Num::Int(times) = times else {
        return Err(Error::str("a string is repeated a whole number of times"));
    };
    match usize::try_from(*times) {
        Ok(0) | Err(_) => Ok(Value::Null),
        Ok(times) => {
            meter::bytes(text.len().saturating_mul(times));
            Ok(Value::text(text.repeat(times)))
        }
    }
}

/// Members of `b` over those of `a`, objects within objects alike.
fn merged(mut a: Arc<Object>, b: &Object) -> Arc<Object> {
    meter::values(b.members.len() + copied(&a, a.members.len()));
    let object = Arc::make_mut(&mut a);
    for (name, value) in &b.members {
        let value = match (object.members.get_mut(name).map(std::mem::take), value) {
            (Some(Value::Object(old)), Value::Object(new)) => Value::Object(merged(old, new)),
            (_, value) => value.clone(),
        };
        object.nesting = object.nesting.max(deeper(value.nesting()));
        object.members.insert(Arc::clone(name), value);
    }
    a
}

impl Div for Value {
    type Output = Outcome;

    fn div(self, other: Self) -> Outcome {
        match (self, other) {
            (Self::Num(a), Self::Num(b)) => Ok(Self::Num(a / b)),
            (Self::Str(text), Self::Str(separator)) => Ok(split(&text, &separator)),
            (a, b) => Err(Error::math(a, Math::Div, b)),
        }
    }
}

fn split(text: &str, separator: &str) -> Value {
    meter::bytes(text.len());
    let paid = |part: &str| {
        meter::values(0);
        Value::text(part)
    };
    if text.is_empty() {
        return Value::list(Vec::new());
    }
    if separator.is_empty() {
        let characters = text.char_indices();
        let parts = characters.map(|(at, c)| paid(&text[at..at + c.len_utf8()]));
        return Value::list(parts.collect());
    }
    Value::list(text.split(separator).map(paid).collect())
}

impl Rem for Value {
    type Output = Outcome;

    fn rem(self, other: Self) -> Outcome {
        let by_zero = matches!(&other, Self::Num(Num::Int(0)));
        match (self, other) {
            (Self::Num(a), Self::Num(b)) if !by_zero => Ok(Self::Num(a % b)),
            (a, b) => Err(Error::math(a, Math::Rem, b)),
        }
    }
}

impl Neg for Value {
    type Output = Outcome;

    fn neg(self) -> Outcome {
        match self {
            Self::Num(number) => Ok(Self::Num(-number)),
            other => Err(Error::typ(other, "number")),
        }
    }
}

impl Value {
    /// null, booleans, numbers, strings, lists, objects.
    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Num(_) => 2,
            Self::Str(_) => 3,
            Self::List(_) => 4,
            Self::Object(_) => 5,
        }
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Num(a), Self::Num(b)) => a.cmp(b),
            (Self::Str(a), Self::Str(b)) => compare_texts(a, b),
            (Self::List(a), Self::List(b)) => compare_lists(a, b),
            (Self::Object(a), Self::Object(b)) => compare_objects(a, b),
            (a, b) => a.rank().cmp(&b.rank()),
        }
    }
}

fn compare_texts(a: &str, b: &str) -> Ordering {
    meter::bytes(a.len().min(b.len()));
    a.cmp(b)
}

fn compare_lists(a: &List, b: &List) -> Ordering {
    meter::values(a.items.len().min(b.items.len()));
    a.items.cmp(&b.items)
}

/// The sorted names first, then the values in the order of their names.
fn compare_objects(a: &Object, b: &Object) -> Ordering {
    meter::values(a.members.len() + b.members.len());
    let (a, b) = (sorted(a), sorted(b));
    let names = |members: &[(&Arc<String>, &Value)]| -> Vec<Arc<String>> {
        members.iter().map(|(name, _)| Arc::clone(name)).collect()
    };
    let by_names = names(&a).cmp(&names(&b));
    let values = |members: Vec<(&Arc<String>, &Value)>| -> Vec<Value> {
        members
            .into_iter()
            .map(|(_, value)| value.clone())
            .collect()
    };
    by_names.then_with(|| values(a).cmp(&values(b)))
}

fn sorted(object: &Object) -> Vec<(&Arc<String>, &Value)> {
    let mut members: Vec<_> = object.members.iter().collect();
    members.sort_by(|(a, _), (b, _)| compare_texts(a, b));
    members
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}
