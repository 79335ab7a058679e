//! Hours that something came late to, in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;

use pillarbox_domain::log_hour::LogHour;
use pillarbox_domain::seal::{Reopening, Reopenings};
use pillarbox_domain::{StoreError, TenantId};
use time::UtcDateTime;

/// Remembers when an hour was noted last, or refuses all of it.
#[derive(Default)]
pub struct MemoryReopenings {
    noted: Mutex<BTreeMap<(LogHour, TenantId), UtcDateTime>>,
    failing: Mutex<bool>,
}

impl MemoryReopenings {
    /// From now on every note is throttled, or not any more.
    pub fn set_failing(&self, failing: bool) {
        *self.failing.lock().unwrap() = failing;
    }

    /// What was noted, by hour.
    pub fn noted(&self) -> Vec<Reopening> {
        let noted = self.noted.lock().unwrap();
        let each = noted.iter().map(|((hour, tenant), noted_at)| Reopening {
            tenant: tenant.clone(),
            hour: *hour,
            noted_at: *noted_at,
        });
        each.collect()
    }
}

impl Reopenings for MemoryReopenings {
    async fn reopen(&self, reopening: &Reopening) -> Result<(), StoreError> {
        if *self.failing.lock().unwrap() {
            return Err(StoreError::Throttled {
                operation: "PutItem",
            });
        }
        let place = (reopening.hour, reopening.tenant.clone());
        let mut noted = self.noted.lock().unwrap();
        noted.insert(place, reopening.noted_at);
        Ok(())
    }
}
