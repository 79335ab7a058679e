//! Numbers by value, with all their digits.

use std::cmp::Ordering;

/// The value of a JSON number, exactly: `1`, `1.0` and `10e-1` are equal, and an integer of twenty digits differs
/// from its neighbour. Only exponents that 64 bits do not hold are taken for the largest that they do.
///
/// It is ±0.`digits` × 10^`exponent`; the digits neither begin nor end with a zero, and zero has none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Decimal {
    negative: bool,
    exponent: i64,
    digits: String,
}

impl Decimal {
    /// Reads a number in the spelling of JSON.
    pub(super) fn of(number: &str) -> Self {
        let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
        let unsigned = mantissa.strip_prefix('-').unwrap_or(mantissa);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let all_digits = [whole, fraction].concat();
        let digits = all_digits.trim_start_matches('0');
        let before_point =
            places(whole.len()).saturating_sub(places(all_digits.len() - digits.len()));
        let digits = digits.trim_end_matches('0');
        if digits.is_empty() {
            return Self::zero();
        }
        Self {
            negative: mantissa.starts_with('-'),
            exponent: before_point.saturating_add(power(exponent)),
            digits: digits.to_owned(),
        }
    }

    fn zero() -> Self {
        Self {
            negative: false,
            exponent: 0,
            digits: String::new(),
        }
    }

    /// Whether it is at most `bound` away from zero.
    pub(super) fn is_within(&self, bound: u64) -> bool {
        self.cmp_magnitude(&Self::of(&bound.to_string())).is_le()
    }

    fn cmp_magnitude(&self, other: &Self) -> Ordering {
        // Zero has an exponent without meaning.
        let size = |number: &Self| (!number.digits.is_empty()).then_some(number.exponent);
        size(self)
            .cmp(&size(other))
            .then_with(|| self.digits.cmp(&other.digits))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, false) => self.cmp_magnitude(other),
            (true, true) => other.cmp_magnitude(self),
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn places(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn power(exponent: &str) -> i64 {
    let farthest = if exponent.starts_with('-') {
        i64::MIN
    } else {
        i64::MAX
    };
    exponent.parse().unwrap_or(farthest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_equal_by_value_however_they_are_spelled() {
        for same in [
            &["1", "1.0", "1e0", "10e-1", "0.1E+1", "100.000e-02"][..],
            &["0", "-0", "0.000", "0e99", "-0.0e-7"],
            &["-12.5", "-1.25e1", "-1250E-2"],
            &[
                "18446744073709551617",
                "18446744073709551617.0",
                "1.8446744073709551617e19",
            ],
        ] {
            for number in same {
                assert_eq!(Decimal::of(number), Decimal::of(same[0]), "{number}");
            }
        }
    }

    #[test]
    fn numbers_are_in_their_order() {
        let ordered = [
            "-1e400",
            "-18446744073709551617",
            "-18446744073709551616",
            "-10",
            "-9.99",
            "-0.1",
            "-1e-400",
            "0",
            "1e-400",
            "0.0999",
            "0.1",
            "1",
            "1.0000000000000000000001",
            "9",
            "10",
            "10.5",
            "99",
            "9007199254740992",
            "9007199254740993",
            "18446744073709551616",
            "18446744073709551617",
            "1e400",
        ];
        for (place, number) in ordered.iter().enumerate() {
            for (other_place, other) in ordered.iter().enumerate() {
                let found = Decimal::of(number).cmp(&Decimal::of(other));
                assert_eq!(found, place.cmp(&other_place), "{number} and {other}");
            }
        }
    }

    #[test]
    fn an_exponent_may_be_of_any_length() {
        let far = format!("1e{}", "9".repeat(400));
        assert!(Decimal::of(&far) > Decimal::of("1e400"));
        assert!(Decimal::of(&format!("-{far}")) < Decimal::of("-1e400"));
        assert!(Decimal::of(&format!("1e-{}", "9".repeat(400))) > Decimal::of("0"));
    }

    #[test]
    fn a_bound_is_within_itself() {
        assert!(Decimal::of("-5e9").is_within(5_000_000_000));
        assert!(!Decimal::of("5000000000.000000001").is_within(5_000_000_000));
        assert!(Decimal::of("0").is_within(0));
    }
}
