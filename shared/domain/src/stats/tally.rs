//! Receipts, counted: each event once, although several receipts may tell of it.

use std::collections::{BTreeMap, BTreeSet};

use time::UtcDateTime;

use super::figures::{Figures, TypeFigures};
use crate::event_id::EventId;
use crate::receipt::{Group, Receipt};
use crate::subscription::SubscriptionId;
use crate::tenant::TenantId;

/// What one receipt tells of one event.
struct Told<'a> {
    tenant: &'a TenantId,
    event_id: EventId,
    at: UtcDateTime,
    group: &'a Group,
}

/// An event as all its receipts tell of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tallied<'a> {
    pub(super) tenant: &'a TenantId,
    pub(super) event_id: EventId,
    pub(super) event_type: &'a str,
    /// When it was handed over first. None when no active subscription asked for it.
    pub(super) handed_over_at: Option<UtcDateTime>,
    /// Active subscriptions that asked for it, in order.
    pub(super) subscriptions: Vec<&'a SubscriptionId>,
    /// Subscriptions that asked for it and never were active when it came.
    pub(super) withheld: usize,
}

/// Events of receipts in the order of tenants and ids, each once. Those that `is_wanted` refuses are left out.
pub(super) struct Tally<'a>(Vec<Told<'a>>);

impl<'a> Tally<'a> {
    pub(super) fn of(
        receipts: &'a [Receipt],
        is_wanted: impl Fn(&TenantId, EventId) -> bool,
    ) -> Self {
        let mut told = Vec::new();
        for receipt in receipts {
            for group in &receipt.groups {
                let ids = group.event_ids.iter().copied();
                let wanted = ids.filter(|id| is_wanted(&group.tenant, *id));
                told.extend(wanted.map(|event_id| Told {
                    tenant: &group.tenant,
                    event_id,
                    at: receipt.handed_over_at,
                    group,
                }));
            }
        }
        told.sort_by_key(|told| (told.tenant, told.event_id, told.at));
        Self(told)
    }

    pub(super) fn events(&self) -> impl DoubleEndedIterator<Item = Tallied<'a>> {
        let is_same = |one: &Told<'_>, other: &Told<'_>| {
            one.tenant == other.tenant && one.event_id == other.event_id
        };
        self.0.chunk_by(is_same).filter_map(tallied)
    }

    /// The figures of each tenant.
    pub(super) fn figures(&self) -> BTreeMap<&'a TenantId, Figures> {
        let mut figures: BTreeMap<&TenantId, BTreeMap<&str, TypeFigures>> = BTreeMap::new();
        for event in self.events() {
            let of_tenant = figures.entry(event.tenant).or_default();
            of_tenant.entry(event.event_type).or_default().count(&event);
        }
        let owned = |of_tenant: BTreeMap<&str, TypeFigures>| {
            let types = of_tenant.into_iter();
            types.map(|(name, it)| (name.to_owned(), it)).collect()
        };
        let figures = figures.into_iter();
        figures.map(|(tenant, it)| (tenant, owned(it))).collect()
    }
}

impl Tallied<'_> {
    /// From accepted to handed over. A clock that hands over may be behind the one that accepts; then it is none.
    pub(super) fn latency_ms(&self) -> Option<u64> {
        let latency = self.handed_over_at? - self.event_id.accepted_at();
        Some(u64::try_from(latency.whole_milliseconds()).unwrap_or_default())
    }
}

impl TypeFigures {
    fn count(&mut self, event: &Tallied<'_>) {
        let deliveries = u64::try_from(event.subscriptions.len()).unwrap_or(u64::MAX);
        let withheld = u64::try_from(event.withheld).unwrap_or(u64::MAX);
        self.deliveries += deliveries;
        self.deliveries_withheld += withheld;
        match event.latency_ms() {
            Some(latency) => self.latencies.add(latency, 1),
            None if event.withheld > 0 => self.withheld += 1,
            None => self.unrouted += 1,
        }
    }
}

/// One event's receipts are in the order of their hand-overs. The first that has a subscription tells when it was
/// handed over, and what was withheld at first and handed over later was handed over.
fn tallied<'a>(told: &[Told<'a>]) -> Option<Tallied<'a>> {
    let first = told.first()?;
    let handed_over = told
        .iter()
        .find(|told| !told.group.subscriptions.is_empty());
    let subscriptions: Vec<&SubscriptionId> = match told {
        [only] => only.group.subscriptions.iter().collect(),
        all => distinct(all.iter().flat_map(|told| &told.group.subscriptions)),
    };
    let withheld = match told {
        [only] => only.group.withheld.len(),
        all => {
            let withheld = distinct(all.iter().flat_map(|told| &told.group.withheld));
            let is_made = |id: &&&SubscriptionId| !subscriptions.contains(*id);
            withheld.iter().filter(is_made).count()
        }
    };
    Some(Tallied {
        tenant: first.tenant,
        event_id: first.event_id,
        event_type: &first.group.event_type,
        handed_over_at: handed_over.map(|told| told.at),
        subscriptions,
        withheld,
    })
}

fn distinct<'a>(ids: impl Iterator<Item = &'a SubscriptionId>) -> Vec<&'a SubscriptionId> {
    let ids: BTreeSet<&SubscriptionId> = ids.collect();
    ids.into_iter().collect()
}
