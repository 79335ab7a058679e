//! The metrics that functions emit, as dashboards and alarms may use them.

use std::collections::BTreeSet;

use super::Statistic;

/// A metric that some function emits.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// What it is called.
    pub name: &'static str,
    /// In what it is measured.
    pub unit: &'static str,
    /// Under which sets of dimensions.
    pub dimension_sets: &'static [&'static [&'static str]],
    /// Whether it says how much there is, and not how much has happened.
    pub is_level: bool,
}

impl Known {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.into_iter()
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|known| known.name == name)
    }

    /// Whether it is emitted under just these dimensions.
    pub fn has(&self, dimensions: &BTreeSet<&str>) -> bool {
        let mut sets = self.dimension_sets.iter();
        sets.any(|set| set.iter().copied().collect::<BTreeSet<_>>() == *dimensions)
    }

    /// Whether this statistic says something: a sum of levels or of latencies does not, nor a percentile of ones.
    pub fn fits(&self, statistic: Statistic) -> bool {
        use Statistic::{Average, Maximum, Percentile, Sum};
        match (self.name, self.unit, self.is_level) {
            ("BatchSize", ..) => matches!(statistic, Average | Maximum),
            (_, "Milliseconds", _) => matches!(statistic, Average | Maximum | Percentile(_)),
            (_, _, true) | (_, "Seconds", _) => statistic == Maximum,
            _ => statistic == Sum,
        }
    }
}

const BUS: &[&[&str]] = &[&[]];
const TYPE: &[&[&str]] = &[&["TypeFamily"], &[]];
const SUBSCRIPTION: &[&[&str]] = &[&["Subscription"], &[]];
const FUNCTION: &[&[&str]] = &[&["Function"]];

const TABLE: [Known; 25] = [
    counted("EventsAccepted", TYPE),
    counted("EventsDuplicate", TYPE),
    counted("EventsConflict", TYPE),
    counted("EventsRejected", TYPE),
    counted("EventsDispatched", TYPE),
    counted("EventsUnrouted", TYPE),
    counted("DeliveriesSent", TYPE),
    timed("DispatchLatency", TYPE),
    counted("DeliveryRetries", SUBSCRIPTION),
    counted("DeliveriesDeadLettered", SUBSCRIPTION),
    timed("EndToEndLatency", SUBSCRIPTION),
    counted("BatchSize", FUNCTION),
    counted("ColdStart", FUNCTION),
    counted("WriteUnits", FUNCTION),
    counted("JobEvents", &[&["Kind"], &[]]),
    counted("SweepFound", BUS),
    level("SealLag", "Seconds", BUS),
    counted("SubscriptionsSuspended", BUS),
    level("OutboxPending", "Count", BUS),
    level("DeliveriesRetrying", "Count", BUS),
    level("DeadLettersOpen", "Count", BUS),
    level("SuspendedSubscriptions", "Count", BUS),
    level("OldestPendingAge", "Seconds", BUS),
    level("OldestDeadLetterAge", "Seconds", BUS),
    level("QueueAge", "Seconds", &[&["Subscription"]]),
];

const fn counted(name: &'static str, dimension_sets: &'static [&'static [&'static str]]) -> Known {
    Known {
        name,
        unit: "Count",
        dimension_sets,
        is_level: false,
    }
}

const fn timed(name: &'static str, dimension_sets: &'static [&'static [&'static str]]) -> Known {
    Known {
        name,
        unit: "Milliseconds",
        dimension_sets,
        is_level: false,
    }
}

const fn level(
    name: &'static str,
    unit: &'static str,
    dimension_sets: &'static [&'static [&'static str]],
) -> Known {
    Known {
        name,
        unit,
        dimension_sets,
        is_level: true,
    }
}
