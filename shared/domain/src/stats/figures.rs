//! What is counted of the events of one type.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use super::latencies::Latencies;

/// What receipts tell of some events of one type.
///
/// Every event is one of three: handed over, withheld or unrouted. Each of its deliveries, the pairs of it and a
/// subscription that asked for it, is made or withheld.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypeFigures {
    /// Events that nobody had subscribed to.
    pub unrouted: u64,
    /// Events that only paused or suspended subscriptions asked for.
    pub withheld: u64,
    /// Deliveries to active subscriptions: with their queues, or in rows of deliveries in trouble.
    pub deliveries: u64,
    /// Deliveries that paused or suspended subscriptions do not have.
    pub deliveries_withheld: u64,
    /// From accepted to handed over, of each event that is handed over.
    pub latencies: Latencies,
}

/// The same, by type.
pub type Figures = BTreeMap<String, TypeFigures>;

impl TypeFigures {
    /// Events that an active subscription asked for.
    pub fn handed_over(&self) -> u64 {
        self.latencies.count()
    }

    /// All of them.
    pub fn events(&self) -> u64 {
        let others = self.unrouted.saturating_add(self.withheld);
        self.handed_over().saturating_add(others)
    }
}

impl AddAssign<&Self> for TypeFigures {
    fn add_assign(&mut self, more: &Self) {
        let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
        add(&mut self.unrouted, more.unrouted);
        add(&mut self.withheld, more.withheld);
        add(&mut self.deliveries, more.deliveries);
        add(&mut self.deliveries_withheld, more.deliveries_withheld);
        self.latencies += &more.latencies;
    }
}
