//! How filters reach into values and change them.

use std::sync::Arc;

use jaq_core::box_iter::{BoxIter, box_once};
use jaq_core::path::Opt;
use jaq_core::val::Range;
use jaq_core::{Exn, ValX};
use jaq_json::Num;

use super::super::meter;
use super::{Error, Object, Outcome, Value, copied, deeper};

/// What can be iterated.
const ITERABLE: &str = "iterable (array or object)";

impl jaq_core::ValT for Value {
    fn from_num(text: &str) -> Outcome {
        Ok(Self::number_of_program(text))
    }

    fn from_map<I: IntoIterator<Item = (Self, Self)>>(members: I) -> Outcome {
        let mut object = jaq_json::Map::default();
        for (name, value) in members {
            meter::values(1);
            match name {
                Self::Str(name) => object.insert(name, value),
                other => return Err(Error::typ(other, "string")),
            };
        }
        Ok(Self::object(object))
    }

    fn key_values(self) -> BoxIter<'static, Outcome<(Self, Self)>> {
        match self {
            Self::List(list) => {
                meter::values(list.items.len());
                let items = list.items.clone().into_iter().enumerate();
                Box::new(items.map(|(index, item)| Ok((Self::from(index), item))))
            }
            Self::Object(object) => {
                meter::values(object.members.len());
                let members = object.members.clone().into_iter();
                Box::new(members.map(|(name, value)| Ok((Self::Str(name), value))))
            }
            other => box_once(Err(Error::typ(other, ITERABLE))),
        }
    }

    fn values(self) -> Box<dyn Iterator<Item = Outcome>> {
        match self {
            Self::List(list) => {
                meter::values(list.items.len());
                Box::new(list.items.clone().into_iter().map(Ok))
            }
            Self::Object(object) => {
                meter::values(object.members.len());
                Box::new(object.members.clone().into_values().map(Ok))
            }
            other => box_once(Err(Error::typ(other, ITERABLE))),
        }
    }

    fn index(self, index: &Self) -> Outcome {
        Ok(self.member(index)?.unwrap_or(Self::Null))
    }

    fn range(self, range: Range<&Self>) -> Outcome {
        match self {
            Self::List(list) => {
                let (from, to) = bounds(&range, list.items.len())?;
                meter::values(to - from);
                Ok(Self::list(list.items[from..to].to_vec()))
            }
            Self::Str(text) => {
                meter::bytes(text.len());
                let (from, to) = bounds(&range, text.chars().count())?;
                let part: String = text.chars().skip(from).take(to - from).collect();
                Ok(Self::text(part))
            }
            Self::Null => Ok(Self::Null),
            other => Err(Error::typ(other, "rangeable (array or string)")),
        }
    }

    fn map_values<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        match self {
            Self::List(list) => {
                meter::values(list.items.len());
                list.items.clone().into_iter().flat_map(f).collect()
            }
            Self::Object(object) => {
                meter::values(object.members.len());
                let members = object.members.clone().into_iter();
                let changed = members.filter_map(|(name, value)| {
                    let changed = f(value).next()?;
                    Some(changed.map(|value| (name, value)))
                });
                Ok(Self::object(changed.collect::<Result<_, _>>()?))
            }
            other => opt.fail(other, |other| Exn::from(Error::typ(other, ITERABLE))),
        }
    }

    fn map_index<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        index: &Self,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        match (self, index) {
            (Self::Object(object), Self::Str(name)) => change_member(object, name, f),
            // As in jq, what is not there yet becomes what it is asked for.
            (Self::Null, Self::Str(name)) => change_member(Arc::default(), name, f),
            (Self::List(list), Self::Num(_)) => match place(index, list.items.len()) {
                Ok(place) => change_item(list, place, f),
                Err(error) => opt.fail(Self::List(list), |_| Exn::from(error)),
            },
            (value, index) => {
                let error = Error::index(value.clone(), index.clone());
                opt.fail(value, |_| Exn::from(error))
            }
        }
    }

    fn map_range<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        range: Range<&Self>,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        let Self::List(list) = self else {
            return opt.fail(self, |other| Exn::from(Error::typ(other, "array")));
        };
        let (from, to) = match bounds(&range, list.items.len()) {
            Ok(bounds) => bounds,
            Err(error) => return opt.fail(Self::List(list), |_| Exn::from(error)),
        };
        meter::values(list.items.len());
        let mut items = list.items.clone();
        let part = Self::list(items[from..to].to_vec());
        let replacement = match f(part).next().transpose()? {
            None => Vec::new(),
            Some(Self::List(list)) => list.items.clone(),
            Some(other) => return Err(Exn::from(Error::typ(other, "array"))),
        };
        meter::values(replacement.len());
        items.splice(from..to, replacement);
        Ok(Self::list(items))
    }

    fn as_bool(&self) -> bool {
        !matches!(self, Self::Null | Self::Bool(false))
    }

    fn into_string(self) -> Self {
        match self {
            Self::Str(_) => self,
            other => Self::text(other.to_json()),
        }
    }
}

impl Value {
    /// What is at a name or an index, if anything is.
    pub(in super::super) fn member(&self, index: &Self) -> Outcome<Option<Self>> {
        match (self, index) {
            (Self::Null, Self::Str(_) | Self::Num(_)) => Ok(None),
            (Self::Object(object), Self::Str(name)) => {
                meter::bytes(name.len());
                Ok(object.members.get(name).cloned())
            }
            (Self::List(list), Self::Num(_)) => {
                let place = place(index, list.items.len()).ok();
                Ok(place.map(|place| list.items[place].clone()))
            }
            _ => Err(Error::index(self.clone(), index.clone())),
        }
    }
}

fn change_member<'a, I: Iterator<Item = ValX<'a, Value>>>(
    mut object: Arc<Object>,
    name: &Arc<String>,
    f: impl Fn(Value) -> I,
) -> ValX<'a, Value> {
    meter::values(copied(&object, object.members.len()));
    let changed = Arc::make_mut(&mut object);
    let there = changed.members.get_mut(name).map(std::mem::take);
    match f(there.unwrap_or_default()).next().transpose()? {
        Some(value) => {
            changed.nesting = changed.nesting.max(deeper(value.nesting()));
            changed.members.insert(Arc::clone(name), value);
        }
        None => {
            meter::values(changed.members.len());
            changed.members.shift_remove(name);
        }
    }
    Ok(Value::Object(object))
}

fn change_item<'a, I: Iterator<Item = ValX<'a, Value>>>(
    mut list: Arc<super::List>,
    place: usize,
    f: impl Fn(Value) -> I,
) -> ValX<'a, Value> {
    meter::values(copied(&list, list.items.len()));
    let changed = Arc::make_mut(&mut list);
    let there = std::mem::take(&mut changed.items[place]);
    match f(there).next().transpose()? {
        Some(value) => {
            changed.nesting = changed.nesting.max(deeper(value.nesting()));
            changed.items[place] = value;
        }
        None => {
            meter::values(changed.items.len());
            changed.items.remove(place);
        }
    }
    Ok(Value::List(list))
}

/// The place that an index means, counted from the end when it is negative.
fn place(index: &Value, len: usize) -> Outcome<usize> {
    let place = usize::try_from(position(index, len)?).ok();
    let inside = place.filter(|place| *place < len);
    inside.ok_or_else(|| Error::str(format_args!("index {index} out of bounds")))
}

fn position(index: &Value, len: usize) -> Outcome<isize> {
    use jaq_std::ValT as _;
    let len = isize::try_from(len).unwrap_or(isize::MAX);
    let index = index
        .as_isize()
        .ok_or_else(|| Error::typ(index.clone(), "integer"))?;
    Ok(if index < 0 {
        index.saturating_add(len)
    } else {
        index
    })
}

/// Where a range begins and ends, clipped to what there is.
fn bounds(range: &Range<&Value>, len: usize) -> Outcome<(usize, usize)> {
    let clip = |bound: Option<&Value>, open: usize| match bound {
        None | Some(Value::Null) => Ok(open),
        Some(bound) => {
            let place = usize::try_from(position(bound, len)?).unwrap_or_default();
            Ok(place.min(len))
        }
    };
    let from = clip(range.start, 0)?;
    Ok((from, clip(range.end, len)?.max(from)))
}

impl jaq_std::ValT for Value {
    fn into_seq<S: FromIterator<Self>>(self) -> Result<S, Self> {
        match self {
            Self::List(list) => {
                meter::values(list.items.len());
                Ok(list.items.iter().cloned().collect())
            }
            other => Err(other),
        }
    }

    fn is_int(&self) -> bool {
        matches!(self, Self::Num(Num::Int(_) | Num::BigInt(_)))
    }

    fn as_isize(&self) -> Option<isize> {
        match self {
            Self::Num(number) => number.as_isize(),
            _ => None,
        }
    }

    fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Num(Num::Float(float)) => Some(*float),
            Self::Num(number) => number.to_string().parse().ok(),
            _ => None,
        }
    }

    fn is_utf8_str(&self) -> bool {
        matches!(self, Self::Str(_))
    }

    fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Str(text) => {
                meter::bytes(text.len());
                Some(text.as_bytes())
            }
            _ => None,
        }
    }

    fn as_sub_str(&self, part: &[u8]) -> Self {
        Self::from_utf8_bytes(part.to_vec())
    }

    fn from_utf8_bytes(bytes: impl AsRef<[u8]> + Send + 'static) -> Self {
        meter::bytes(bytes.as_ref().len());
        Self::text(String::from_utf8_lossy(bytes.as_ref()))
    }
}
