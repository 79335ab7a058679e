//! CloudWatch as far as `infra/observability.yaml` needs it: the stack as CloudFormation makes it, what a line of embedded
//! metrics comes to, and when an alarm fires.

pub mod alarm;
pub mod catalogue;
pub mod dashboard;
pub mod embedded;
pub mod engine;
pub mod made;
pub mod trials;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Which metric: one series of numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MetricId {
    /// Whose it is, as `AWS/Lambda` or the bus's stack.
    pub namespace: String,
    /// What is measured.
    pub name: String,
    /// Of what in particular.
    pub dimensions: BTreeMap<String, String>,
}

impl MetricId {
    /// A metric with these dimensions.
    pub fn new(namespace: &str, name: &str, dimensions: &[(&str, &str)]) -> Self {
        let dimensions = dimensions.iter();
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            dimensions: dimensions
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        }
    }
}

/// A number that was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Datapoint {
    /// Of which metric.
    pub metric: MetricId,
    /// In what it is measured, as `Count`.
    pub unit: String,
    /// When, in seconds since 1970.
    pub at: i64,
    /// What.
    pub value: f64,
    /// How often.
    pub count: f64,
}

/// What a period's numbers are made one number by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statistic {
    /// How many there are.
    SampleCount,
    /// All together.
    Sum,
    /// All together by how many there are.
    Average,
    /// The smallest.
    Minimum,
    /// The greatest.
    Maximum,
    /// What so many of a hundred stay within.
    Percentile(f64),
}

impl FromStr for Statistic {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let percentile = text.strip_prefix('p').and_then(|rank| rank.parse().ok());
        match text {
            "SampleCount" => Ok(Self::SampleCount),
            "Sum" => Ok(Self::Sum),
            "Average" => Ok(Self::Average),
            "Minimum" => Ok(Self::Minimum),
            "Maximum" => Ok(Self::Maximum),
            _ => match percentile {
                Some(rank) if (0.0..=100.0).contains(&rank) => Ok(Self::Percentile(rank)),
                _ => Err(format!("{text} is no statistic")),
            },
        }
    }
}

impl Statistic {
    /// Of these numbers, each with how often it was measured; nothing when there is none.
    pub fn of(self, numbers: &[(f64, f64)]) -> Option<f64> {
        let count: f64 = numbers.iter().map(|(_, count)| count).sum();
        let sum: f64 = numbers.iter().map(|(value, count)| value * count).sum();
        let values = || numbers.iter().map(|(value, _)| *value);
        if count <= 0.0 {
            return None;
        }
        match self {
            Self::SampleCount => Some(count),
            Self::Sum => Some(sum),
            Self::Average => Some(sum / count),
            Self::Minimum => values().reduce(f64::min),
            Self::Maximum => values().reduce(f64::max),
            Self::Percentile(rank) => Some(percentile(numbers, count, rank)),
        }
    }
}

/// Between the two nearest ranks, in proportion.
fn percentile(numbers: &[(f64, f64)], count: f64, rank: f64) -> f64 {
    let mut ordered = numbers.to_vec();
    ordered.sort_by(|one, other| one.0.total_cmp(&other.0));
    let place = rank / 100.0 * (count - 1.0).max(0.0);
    let at = |index: f64| {
        let mut seen = 0.0;
        let reached = ordered.iter().find(|(_, count)| {
            seen += count;
            index < seen
        });
        reached.or(ordered.last()).map_or(0.0, |(value, _)| *value)
    };
    let low = at(place.floor());
    low + place.fract() * (at(place.floor() + 1.0) - low)
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percentile(rank) => write!(f, "p{rank}"),
            other => write!(f, "{other:?}"),
        }
    }
}
