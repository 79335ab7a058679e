//! The metrics that functions emit, as dashboards and alarms may use them.

use std::collections::BTreeSet;

use pillarbox_runtime::metrics::catalogue::{CATALOGUE, Definition, Unit, definition};

use super::Statistic;

/// A metric that some function emits.
#[derive(Clone, Copy, Debug)]
pub struct Known(&'static Definition);

impl Known {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        CATALOGUE.into_iter().map(Self)
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        definition(name).map(Self)
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// In what it is measured, as CloudWatch says it.
    pub fn unit(self) -> &'static str {
        self.0.unit.name()
    }

    /// The functions that emit it.
    pub fn functions(self) -> &'static [&'static str] {
        self.0.functions
    }

    /// The sets of dimensions that it is emitted under.
    pub fn dimension_sets(self) -> &'static [&'static [&'static str]] {
        self.0.scope.dimension_sets()
    }

    /// Whether it is emitted under just these dimensions.
    pub fn has(self, dimensions: &BTreeSet<&str>) -> bool {
        let mut sets = self.dimension_sets().iter();
        sets.any(|set| set.iter().copied().collect::<BTreeSet<_>>() == *dimensions)
    }

    /// Whether this statistic says something: a sum of levels or of latencies does not, nor a percentile of ones.
    pub fn fits(self, statistic: Statistic) -> bool {
        use Statistic::{Average, Maximum, Percentile, Sum};
        // What `metrics` tells is how much there is, and not how much has happened.
        let is_level = self.0.functions == ["metrics"] || self.0.unit == Unit::Seconds;
        match (self.0.name, self.0.unit) {
            ("BatchSize", _) => matches!(statistic, Average | Maximum),
            (_, Unit::Milliseconds) => matches!(statistic, Average | Maximum | Percentile(_)),
            _ if is_level => statistic == Maximum,
            _ => statistic == Sum,
        }
    }
}
