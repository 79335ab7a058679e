//! The filters that an upcaster may use beside jq's language itself.
//!
//! Only what follows from the input is there: no clock, environment, files, further inputs or output. What is
//! left out is not known to the compiler, so an upcaster that needs it is refused when it is registered.

use data_encoding::BASE64;
use jaq_core::box_iter::box_once;
use jaq_core::load::parse::Def;
use jaq_core::native::{Filter, Fun, bome, run, unary, v};
use jaq_core::{Exn, RunPtr};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Metered;
use super::meter;
use super::value::{Error, Outcome, Value};

/// Definitions of the standard library that stand on something that is left out.
const LEFT_OUT: [&str; 29] = [
    "@html",
    "@htmld",
    "capture",
    "capture_of_match",
    "debug",
    "drem",
    "gamma",
    "gsub",
    "halt",
    "halt_error",
    "logb",
    "match",
    "nexttoward",
    "pow10",
    "scalb",
    "scan",
    "scan_",
    "significand",
    "split",
    "splits",
    "stderr",
    "sub",
    "test",
    "ascii",
    "input_line_number",
    "localtime",
    "now",
    "env",
    "input",
];

/// Characters that `@uri` leaves as they are (RFC 3986, unreserved).
const URI_RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// What jq's standard library defines in jq.
pub(super) fn definitions() -> impl Iterator<Item = Def<&'static str>> {
    let standard =
        jaq_std::defs().filter(|def| !LEFT_OUT.contains(&def.name) || is_plain_split(def));
    jaq_core::defs().chain(standard).chain(jaq_json::defs())
}

/// `split/1` needs no regular expressions.
fn is_plain_split(def: &Def<&'static str>) -> bool {
    def.name == "split" && def.args.len() == 1
}

/// What it defines natively.
pub(super) fn functions() -> impl Iterator<Item = Fun<Metered>> {
    let standard = jaq_std::base_funs().filter(|(name, ..)| *name != "halt");
    jaq_core::funs()
        .chain(standard)
        .chain(own().into_iter().map(run::<Metered>))
}

fn own() -> Vec<Filter<RunPtr<Metered>>> {
    vec![
        ("length", v(0), |cv| bome(length(&cv.1))),
        ("tojson", v(0), |cv| bome(Ok(Value::text(cv.1.to_json())))),
        ("fromjson", v(0), |cv| {
            bome(text_of(&cv.1).and_then(Value::from_json))
        }),
        ("has", v(1), |cv| {
            unary(cv, |value, key| Ok(value.member(&key)?.is_some().into()))
        }),
        ("contains", v(1), |cv| {
            unary(cv, |a, b| Ok(contains(&a, &b).into()))
        }),
        ("indices", v(1), |cv| {
            unary(cv, |value, wanted| indices(&value, &wanted))
        }),
        ("encode_uri", v(0), |cv| {
            bome(
                text_of(&cv.1)
                    .map(|text| utf8_percent_encode(text, URI_RESERVED).to_string().into()),
            )
        }),
        ("decode_uri", v(0), |cv| {
            let decode = |text| {
                percent_decode_str(text)
                    .decode_utf8_lossy()
                    .into_owned()
                    .into()
            };
            bome(text_of(&cv.1).map(decode))
        }),
        ("encode_base64", v(0), |cv| {
            bome(text_of(&cv.1).map(|text| BASE64.encode(text.as_bytes()).into()))
        }),
        ("decode_base64", v(0), |cv| {
            bome(text_of(&cv.1).and_then(decode_base64))
        }),
        ("fromdateiso8601", v(0), |cv| {
            bome(text_of(&cv.1).and_then(from_date))
        }),
        ("todateiso8601", v(0), |cv| {
            box_once(to_date(&cv.1).map_err(Exn::from))
        }),
    ]
}

fn text_of(value: &Value) -> Outcome<&str> {
    match value {
        Value::Str(text) => {
            meter::bytes(text.len());
            Ok(text)
        }
        other => Err(Error::typ(other.clone(), "string")),
    }
}

fn length(value: &Value) -> Outcome {
    match value {
        Value::Null => Ok(0_usize.into()),
        Value::Bool(_) => Err(Error::str(format_args!("{value} has no length"))),
        Value::Num(_) if *value < Value::from(0_usize) => -value.clone(),
        Value::Num(_) => Ok(value.clone()),
        Value::Str(text) => {
            meter::bytes(text.len());
            Ok(text.chars().count().into())
        }
        Value::List(_) | Value::Object(_) => Ok(value.size().into()),
    }
}

/// Strings within strings, items and members within items and members; otherwise equality.
fn contains(a: &Value, b: &Value) -> bool {
    meter::values(a.size().saturating_mul(b.size()));
    match (a, b) {
        (Value::Str(a), Value::Str(b)) => {
            meter::bytes(a.len() + b.len());
            a.contains(b.as_str())
        }
        (Value::List(a), Value::List(b)) => {
            let (a, b) = (a.items(), b.items());
            b.iter().all(|b| a.iter().any(|a| contains(a, b)))
        }
        (Value::Object(a), Value::Object(b)) => b
            .members()
            .iter()
            .all(|(name, b)| a.members().get(name).is_some_and(|a| contains(a, b))),
        (a, b) => a == b,
    }
}

/// Where a text is in a text, by characters; where a value or a run of values is in a list.
fn indices(value: &Value, wanted: &Value) -> Outcome {
    match (value, wanted) {
        (Value::Null, _) => Ok(Value::Null),
        (Value::Str(text), Value::Str(wanted)) => {
            meter::bytes(text.len().saturating_mul(wanted.len()));
            let starts = text.char_indices().enumerate();
            let found = starts.filter(|(_, (at, _))| {
                !wanted.is_empty() && text[*at..].starts_with(wanted.as_str())
            });
            Ok(found.map(|(index, _)| Value::from(index)).collect())
        }
        (Value::List(list), Value::List(wanted)) => {
            let (items, wanted) = (list.items(), wanted.items());
            meter::values(items.len().saturating_mul(wanted.len()));
            if wanted.is_empty() {
                return Ok(Value::list(Vec::new()));
            }
            let runs = items.windows(wanted.len()).enumerate();
            let found = runs.filter(|(_, run)| *run == wanted);
            Ok(found.map(|(index, _)| Value::from(index)).collect())
        }
        (Value::List(list), wanted) => {
            let items = list.items().iter().enumerate();
            let found = items.filter(|(_, item)| *item == wanted);
            Ok(found.map(|(index, _)| Value::from(index)).collect())
        }
        _ => Err(Error::index(value.clone(), wanted.clone())),
    }
}

fn decode_base64(text: &str) -> Outcome {
    let bytes = BASE64.decode(text.as_bytes()).map_err(Error::str)?;
    let text =
        String::from_utf8(bytes).map_err(|_| Error::str("the base64 text is of no UTF-8"))?;
    Ok(text.into())
}

/// Seconds since 1970 of a time as RFC 3339 writes it.
fn from_date(text: &str) -> Outcome {
    let at = OffsetDateTime::parse(text, &Rfc3339).map_err(Error::str)?;
    let seconds = isize::try_from(at.unix_timestamp()).map_err(Error::str)?;
    match at.nanosecond() {
        0 => Ok(seconds.into()),
        nanos => Ok((seconds as f64 + f64::from(nanos) / 1e9).into()),
    }
}

/// The way back from [`from_date`], to the second.
fn to_date(seconds: &Value) -> Outcome {
    use jaq_std::ValT as _;
    let not_one = || Error::typ(seconds.clone(), "number");
    let whole = seconds.as_f64().ok_or_else(not_one)?.floor() as i64;
    let at = OffsetDateTime::from_unix_timestamp(whole).map_err(Error::str)?;
    let text = at.format(&Rfc3339).map_err(Error::str)?;
    Ok(text.into())
}
