//! In which hours a tenant has events, so that reading its log costs nothing where there are none.
//!
//! Dispatch marks the hour of every event that it sees. It may see an event up to a day late, as long as the
//! log's stream holds it; until then an hour without a mark may have events all the same, and is read.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::UtcDateTime;

use crate::log_hour::{HourRange, LogHour, Order};
use crate::store_error::StoreError;
use crate::tenant::TenantId;

/// For how long after its end an hour is read although nothing has marked it: the 24 hours that a DynamoDB
/// stream holds what dispatch has not seen yet, and one more.
pub const UNMARKED_FOR: Duration = Duration::from_secs(25 * 60 * 60);

/// Marks that one environment remembers, so that it need not set them again. An environment sees far fewer
/// within an hour; above it, it begins anew.
const MAX_REMEMBERED: usize = 10_000;

/// Where hours are marked.
pub trait HourMarks {
    /// Marks hours of a tenant as having events. To mark one again changes nothing.
    fn mark(
        &self,
        tenant: &TenantId,
        hours: &BTreeSet<LogHour>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Where marks are read.
pub trait MarkedHours {
    /// Marked hours of a tenant within `range`, those of the first days in this order.
    fn marked(
        &self,
        tenant: &TenantId,
        range: HourRange,
        order: Order,
    ) -> impl Future<Output = Result<Marked, StoreError>> + Send;
}

/// What one look at the marks brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked {
    /// The marked hours, in any order.
    pub hours: Vec<LogHour>,
    /// What was not looked at. It comes after all that was, in the order asked for.
    pub rest: Option<HourRange>,
}

/// The hours that are read whether or not they are marked.
pub fn unmarked(now: UtcDateTime) -> HourRange {
    HourRange {
        first: LogHour::at(
            now.saturating_sub(time::Duration::try_from(UNMARKED_FOR).unwrap_or_default()),
        ),
        last: LogHour::at(now),
    }
}

/// The hours of `range` that have to be read, in order: those that are marked, and the recent ones.
pub fn to_read(
    range: HourRange,
    marked: impl IntoIterator<Item = LogHour>,
    now: UtcDateTime,
    order: Order,
) -> Vec<LogHour> {
    let marked = marked.into_iter().filter(|hour| range.contains(*hour));
    let recent = range.intersection(unmarked(now)).into_iter();
    let hours: BTreeSet<LogHour> = marked.chain(recent.flat_map(HourRange::iter)).collect();
    match order {
        Order::Oldest => hours.into_iter().collect(),
        Order::Newest => hours.into_iter().rev().collect(),
    }
}

/// Whether every hour of `range` is read whatever the marks say, so that they need not be looked at.
pub fn is_recent(range: HourRange, now: UtcDateTime) -> bool {
    range.intersection(unmarked(now)) == Some(range)
}

/// Remembers what it has marked, so that the many events of one hour cost one call.
pub struct RememberedMarks<M> {
    marks: M,
    set: Mutex<BTreeSet<(TenantId, LogHour)>>,
}

impl<M: HourMarks> RememberedMarks<M> {
    /// Nothing is remembered yet.
    pub fn new(marks: M) -> Self {
        Self {
            marks,
            set: Mutex::default(),
        }
    }

    fn set(&self) -> MutexGuard<'_, BTreeSet<(TenantId, LogHour)>> {
        // No code that can panic runs under the lock; a poisoned one still holds whole entries.
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, tenant: &TenantId, hours: BTreeSet<LogHour>) {
        let mut set = self.set();
        if set.len() + hours.len() > MAX_REMEMBERED {
            set.clear();
        }
        set.extend(hours.into_iter().map(|hour| (tenant.clone(), hour)));
    }
}

impl<M: HourMarks + Sync> HourMarks for RememberedMarks<M> {
    async fn mark(&self, tenant: &TenantId, hours: &BTreeSet<LogHour>) -> Result<(), StoreError> {
        let new: BTreeSet<LogHour> = {
            let set = self.set();
            let is_new = |hour: &LogHour| !set.contains(&(tenant.clone(), *hour));
            hours.iter().copied().filter(is_new).collect()
        };
        if new.is_empty() {
            return Ok(());
        }
        self.marks.mark(tenant, &new).await?;
        self.remember(tenant, new);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::utc_datetime;

    const NOW: UtcDateTime = utc_datetime!(2026-11-23 12:30);

    fn hour(days_ago: i64, of_day: u8) -> LogHour {
        let day = LogHour::at(NOW - time::Duration::days(days_ago)).day();
        day.hour(of_day).unwrap()
    }

    fn range(first: LogHour, last: LogHour) -> HourRange {
        HourRange { first, last }
    }

    #[test]
    fn an_unmarked_hour_is_read_until_nothing_can_mark_it_any_more() {
        let unmarked = unmarked(NOW);
        assert_eq!((unmarked.first, unmarked.last), (hour(1, 11), hour(0, 12)));
        // 25 hours and a begun one on either side.
        assert_eq!(unmarked.iter().count(), 26);
    }

    #[test]
    fn marked_and_recent_hours_are_read_in_order_and_no_others() {
        let marked = [hour(3, 5), hour(0, 12), hour(0, 14), hour(9, 0)];
        let wanted = range(hour(3, 0), hour(0, 23));
        let newest = to_read(wanted, marked, NOW, Order::Newest);
        assert_eq!(newest.len(), 1 + 26 + 1);
        assert_eq!(newest[..2], [hour(0, 14), hour(0, 12)]);
        assert_eq!(newest[27], hour(3, 5));
        let mut oldest = to_read(wanted, marked, NOW, Order::Oldest);
        oldest.reverse();
        assert_eq!(oldest, newest);
        let past = range(hour(8, 0), hour(4, 23));
        assert!(to_read(past, marked, NOW, Order::Newest).is_empty());
    }

    #[test]
    fn marks_are_not_asked_for_where_every_hour_is_read() {
        assert!(is_recent(range(hour(1, 11), hour(0, 12)), NOW));
        assert!(!is_recent(range(hour(1, 10), hour(0, 12)), NOW));
        assert!(!is_recent(range(hour(1, 11), hour(0, 13)), NOW));
    }
}
