//! Marks of hours in memory.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use pillarbox_domain::active_hours::{HourMarks, Marked, MarkedHours};
use pillarbox_domain::log_hour::{HourRange, LogDay, LogHour, Order};
use pillarbox_domain::{StoreError, TenantId};

/// Days that one look brings: few, so that what reads them has to go on.
const DAYS_A_LOOK: usize = 3;

/// Passes [`crate::conformance::queries::active_hours`].
#[derive(Default)]
pub struct MemoryActiveHours {
    marked: Mutex<BTreeSet<(TenantId, LogHour)>>,
    failing: Mutex<bool>,
    looks: AtomicUsize,
    calls: AtomicUsize,
}

impl MemoryActiveHours {
    /// From now on every mark is throttled, or not any more.
    pub fn set_failing(&self, failing: bool) {
        *self.failing.lock().unwrap() = failing;
    }

    /// How often marks were set.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// How often marks were looked at.
    pub fn looks(&self) -> usize {
        self.looks.load(Ordering::Relaxed)
    }
}

impl HourMarks for &MemoryActiveHours {
    async fn mark(&self, tenant: &TenantId, hours: &BTreeSet<LogHour>) -> Result<(), StoreError> {
        (**self).mark(tenant, hours).await
    }
}

impl HourMarks for MemoryActiveHours {
    async fn mark(&self, tenant: &TenantId, hours: &BTreeSet<LogHour>) -> Result<(), StoreError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if *self.failing.lock().unwrap() {
            return Err(StoreError::Throttled {
                operation: "UpdateItem",
            });
        }
        let marks = hours.iter().map(|hour| (tenant.clone(), *hour));
        self.marked.lock().unwrap().extend(marks);
        Ok(())
    }
}

impl MarkedHours for MemoryActiveHours {
    async fn marked(
        &self,
        tenant: &TenantId,
        range: HourRange,
        order: Order,
    ) -> Result<Marked, StoreError> {
        self.looks.fetch_add(1, Ordering::Relaxed);
        let marked = self.marked.lock().unwrap();
        let of_tenant = marked.iter().filter(|(owner, _)| owner == tenant);
        let mut hours: Vec<LogHour> = of_tenant
            .map(|(_, hour)| *hour)
            .filter(|hour| range.contains(*hour))
            .collect();
        if order == Order::Newest {
            hours.reverse();
        }
        let mut days: Vec<LogDay> = hours.iter().map(|hour| hour.day()).collect();
        days.dedup();
        let rest = match days.get(DAYS_A_LOOK - 1) {
            Some(last) => range.beyond(*last, order),
            None => None,
        };
        days.truncate(DAYS_A_LOOK);
        hours.retain(|hour| days.contains(&hour.day()));
        Ok(Marked { hours, rest })
    }
}
