//! Latencies, each of them: how many events took how many milliseconds.

use std::collections::BTreeMap;
use std::ops::AddAssign;

/// An exact histogram: milliseconds, and how many took so long. Nothing is rounded into classes, so percentiles of
/// any number of them together are those of the single values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latencies(BTreeMap<u64, u64>);

/// What latencies come to, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Percentiles {
    /// Half of them took so long or less.
    pub p50: u64,
    /// 95 of 100.
    pub p95: u64,
    /// 99 of 100.
    pub p99: u64,
    /// All of them.
    pub max: u64,
}

impl Latencies {
    /// Adds some that took equally long.
    pub fn add(&mut self, millis: u64, count: u64) {
        if count > 0 {
            let known = self.0.entry(millis).or_default();
            *known = known.saturating_add(count);
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0
            .values()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Milliseconds and how many took so long, the fastest first.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter().map(|(millis, count)| (*millis, *count))
    }

    /// How long the slowest took.
    pub fn max(&self) -> Option<u64> {
        self.0.last_key_value().map(|(millis, _)| *millis)
    }

    /// The percentiles by nearest rank: the `p`th of `n` values is the one at place `p / 100 · n` in their order,
    /// rounded up. It is always one of them. None when there are none.
    pub fn percentiles(&self) -> Option<Percentiles> {
        let count = self.count();
        Some(Percentiles {
            p50: self.at_rank(rank(count, 50))?,
            p95: self.at_rank(rank(count, 95))?,
            p99: self.at_rank(rank(count, 99))?,
            max: self.max()?,
        })
    }

    /// The value at a place in their order, from 1.
    fn at_rank(&self, rank: u64) -> Option<u64> {
        let mut passed = 0_u64;
        let reaches = |(_, count): &(u64, u64)| {
            passed = passed.saturating_add(*count);
            passed >= rank
        };
        self.iter().find(reaches).map(|(millis, _)| millis)
    }
}

/// The place of a percentile, from 1.
fn rank(count: u64, percent: u64) -> u64 {
    let rank = (u128::from(count) * u128::from(percent)).div_ceil(100);
    u64::try_from(rank).unwrap_or(u64::MAX).max(1)
}

impl AddAssign<&Self> for Latencies {
    fn add_assign(&mut self, more: &Self) {
        for (millis, count) in more.iter() {
            self.add(millis, count);
        }
    }
}

impl FromIterator<(u64, u64)> for Latencies {
    fn from_iter<I: IntoIterator<Item = (u64, u64)>>(pairs: I) -> Self {
        let mut latencies = Self::default();
        for (millis, count) in pairs {
            latencies.add(millis, count);
        }
        latencies
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = u64>) -> Latencies {
        values.into_iter().map(|millis| (millis, 1)).collect()
    }

    #[test]
    fn percentiles_are_values_by_nearest_rank() {
        let told = |values: Vec<u64>| {
            let found = of(values).percentiles().unwrap();
            [found.p50, found.p95, found.p99, found.max]
        };
        assert_eq!(told((1..=100).collect()), [50, 95, 99, 100]);
        assert_eq!(told((1..=10).collect()), [5, 10, 10, 10]);
        assert_eq!(told(vec![7]), [7, 7, 7, 7]);
        assert_eq!(told(vec![15, 20, 35, 40, 50]), [35, 50, 50, 50]);
        assert_eq!(Latencies::default().percentiles(), None);
    }

    #[test]
    fn equal_ones_are_counted_and_none_is_lost_when_two_are_added() {
        let mut one = of([5, 5, 9]);
        one += &of([9, 1]);
        assert_eq!(one.iter().collect::<Vec<_>>(), [(1, 1), (5, 2), (9, 2)]);
        assert_eq!((one.count(), one.max()), (5, Some(9)));
    }
}
