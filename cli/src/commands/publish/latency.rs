//! Percentiles over every latency of a run, exact.

use std::time::Duration;

use serde::Serialize;

/// Microseconds in `u32`: 4 bytes an event, so ten million events take 40 MB. What does not fit, 71
/// minutes and more, counts as the longest that does.
#[derive(Default)]
pub struct Latencies {
    micros: Vec<u32>,
}

/// In milliseconds, with one decimal.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Percentiles {
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    pub max: f64,
}

impl Latencies {
    pub fn record(&mut self, latency: Duration) {
        let micros = u32::try_from(latency.as_micros()).unwrap_or(u32::MAX);
        self.micros.push(micros);
    }

    /// `None` when there was nothing to measure.
    pub fn percentiles(mut self) -> Option<Percentiles> {
        self.micros.sort_unstable();
        let max = *self.micros.last()?;
        Some(Percentiles {
            p50: millis(self.nearest_rank(50)?),
            p95: millis(self.nearest_rank(95)?),
            p99: millis(self.nearest_rank(99)?),
            max: millis(max),
        })
    }

    /// The smallest value that at least `percent` of all values do not exceed; needs sorted values.
    fn nearest_rank(&self, percent: usize) -> Option<u32> {
        let rank = (self.micros.len() * percent).div_ceil(100);
        self.micros.get(rank.saturating_sub(1)).copied()
    }
}

fn millis(micros: u32) -> f64 {
    (f64::from(micros) / 100.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percentiles_of(millis: impl IntoIterator<Item = u64>) -> Option<Percentiles> {
        let mut latencies = Latencies::default();
        for millis in millis {
            latencies.record(Duration::from_millis(millis));
        }
        latencies.percentiles()
    }

    #[test]
    fn nearest_rank_needs_no_order() {
        let expected = Percentiles {
            p50: 50.0,
            p95: 95.0,
            p99: 99.0,
            max: 100.0,
        };
        assert_eq!(percentiles_of((1..=100).rev()), Some(expected));
    }

    #[test]
    fn few_values_give_values_that_were_measured() {
        let one = Percentiles {
            p50: 7.0,
            p95: 7.0,
            p99: 7.0,
            max: 7.0,
        };
        assert_eq!(percentiles_of([7]), Some(one));
        let two = Percentiles {
            p50: 1.0,
            p95: 9.0,
            p99: 9.0,
            max: 9.0,
        };
        assert_eq!(percentiles_of([9, 1]), Some(two));
    }

    #[test]
    fn nothing_measured_is_no_zero() {
        assert_eq!(percentiles_of([]), None);
    }

    #[test]
    fn millis_have_one_decimal() {
        assert_eq!(millis(12_340), 12.3);
        assert_eq!(millis(49), 0.0);
        assert_eq!(millis(50), 0.1);
    }
}
