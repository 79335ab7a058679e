//! Events that come after their hour was closed: it is noted, so that the hour is archived and sealed again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::join_all;
use time::UtcDateTime;

use crate::active_hours::unmarked;
use crate::log_hour::LogHour;
use crate::logged_event::LoggedEvent;
use crate::seal::{Reopening, Reopenings};
use crate::store_error::StoreError;
use crate::tenant::TenantId;

/// Hours of which it could not be noted that something came late, and why.
pub(super) type Unnoted = BTreeMap<(TenantId, LogHour), Arc<StoreError>>;

/// Notes the hours that may be sealed by now; each time, since one that was noted before may have been sealed again
/// in between.
pub(super) async fn note<O: Reopenings>(
    reopenings: &O,
    events: &[LoggedEvent],
    now: UtcDateTime,
) -> Unnoted {
    let late: Vec<Reopening> = late_hours(events, now)
        .into_iter()
        .map(|(tenant, hour)| Reopening {
            tenant: tenant.clone(),
            hour,
            noted_at: now,
        })
        .collect();
    let noted = join_all(late.iter().map(|hour| reopenings.reopen(hour))).await;
    let failed = late.iter().zip(noted).filter_map(|(reopening, noted)| {
        let error = noted.err()?;
        let place = (reopening.tenant.clone(), reopening.hour);
        Some((place, Arc::new(error)))
    });
    failed.collect()
}

fn late_hours(events: &[LoggedEvent], now: UtcDateTime) -> BTreeSet<(&TenantId, LogHour)> {
    let first = unmarked(now).first;
    let hours = events
        .iter()
        .map(|event| (&event.tenant, LogHour::of(event.event_id)));
    hours.filter(|(_, hour)| *hour < first).collect()
}
