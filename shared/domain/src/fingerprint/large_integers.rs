//! The integers of JSON data that a double may confuse with their neighbours.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// The largest integer that a double still tells from its neighbours.
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// Digits of that one. No shorter number needs a look.
const SAFE_DIGITS: usize = 16;

/// Appends each integer beyond ±(2^53 − 1), behind a line feed, with all its digits and however many there are,
/// in the order of the canonical form.
///
/// # Errors
/// When the data is nested too deep to be read.
pub(super) fn append_large_integers(
    json: &RawValue,
    out: &mut Vec<u8>,
) -> Result<(), serde_json::Error> {
    // Strings may have as many digits in a row: then the look is for nothing, and does no harm.
    if !has_digits_in_a_row(json.get(), SAFE_DIGITS) {
        return Ok(());
    }
    match json.get().as_bytes().first() {
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(json.get())?;
            let mut items = items.into_iter();
            items.try_for_each(|item| append_large_integers(item, out))
        }
        Some(b'{') => {
            // As everywhere, the last of members with the same name counts.
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(json.get())?;
            let mut members: Vec<_> = members.into_iter().collect();
            members.sort_by_cached_key(|(name, _)| name.encode_utf16().collect::<Vec<_>>());
            let mut members = members.into_iter();
            members.try_for_each(|(_, value)| append_large_integers(value, out))
        }
        Some(b'-' | b'0'..=b'9') => {
            if is_large_integer(json.get()) {
                out.push(b'\n');
                out.extend_from_slice(json.get().as_bytes());
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn has_digits_in_a_row(text: &str, count: usize) -> bool {
    let mut runs = text.as_bytes().split(|byte| !byte.is_ascii_digit());
    runs.any(|run| run.len() >= count)
}

/// JSON writes an integer in one way only, unless it is zero.
fn is_large_integer(number: &str) -> bool {
    let digits = number.trim_start_matches('-');
    let is_integer = digits.bytes().all(|byte| byte.is_ascii_digit());
    // More digits than 64 bits hold are large all the more.
    is_integer
        && digits
            .parse()
            .map_or(true, |magnitude: u64| magnitude > MAX_SAFE_INTEGER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn appended(json: &str) -> String {
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        let mut out = vec![];
        append_large_integers(raw, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_integers_that_a_double_confuses_are_kept() {
        let cases = [
            ("9007199254740991", ""),
            ("9007199254740992", "\n9007199254740992"),
            ("-9007199254740991", ""),
            ("-9007199254740992", "\n-9007199254740992"),
            (
                "123456789012345678901234567890",
                "\n123456789012345678901234567890",
            ),
            ("9007199254740993.0", ""),
            ("9007199254740993e0", ""),
            ("\"9007199254740993\"", ""),
        ];
        for (json, expected) in cases {
            assert_eq!(appended(json), expected, "{json}");
        }
    }

    #[test]
    fn they_follow_in_the_order_of_the_canonical_form() {
        // U+1F600 is before U+FB33 in UTF-16, as RFC 8785 sorts, and behind it in UTF-8.
        let json = r#"{ "\ufb33": 90000000000000003, "b": [1, 90000000000000002], "a": {"x": 90000000000000001},
            "\ud83d\ude00": -90000000000000004 }"#;
        assert_eq!(
            appended(json),
            "\n90000000000000001\n90000000000000002\n-90000000000000004\n90000000000000003"
        );
    }
}
