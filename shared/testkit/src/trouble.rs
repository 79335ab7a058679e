//! Deliveries in trouble, in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use pillarbox_domain::gauges::Counted;
use pillarbox_domain::log_hour::{IdRange, Order, Position};
use pillarbox_domain::trouble::{
    DeliveryKey, GRACE, HOLD, OpenStatus, RetryQueue, RetryingCount, TroubleLedger, TroubleStatus,
    TroubledDeliveries, TroubledDelivery, TroubledEvents,
};
use pillarbox_domain::{EventId, StoreError, TenantId};
use time::UtcDateTime;

/// How much earlier than its time a row may be taken.
const SLACK: Duration = Duration::from_secs(1);

/// Passes [`crate::conformance::trouble::troubled_deliveries`] and [`crate::conformance::trouble::retrying_count`].
#[derive(Default)]
pub struct MemoryTroubledDeliveries {
    rows: Mutex<BTreeMap<DeliveryKey, Row>>,
    failing: Mutex<bool>,
}

#[derive(Clone)]
struct Row {
    row: TroubledDelivery,
    held_until: Option<UtcDateTime>,
    overdue_at: UtcDateTime,
}

impl Row {
    fn of(row: &TroubledDelivery) -> Self {
        let next_attempt_at = next_attempt_at(row);
        Self {
            row: row.clone(),
            held_until: None,
            overdue_at: next_attempt_at.map_or(UtcDateTime::MAX, |at| at + GRACE),
        }
    }
}

fn next_attempt_at(row: &TroubledDelivery) -> Option<UtcDateTime> {
    match row.status {
        TroubleStatus::Retrying { next_attempt_at } => Some(next_attempt_at),
        _ => None,
    }
}

impl MemoryTroubledDeliveries {
    /// From now on every write is throttled, or not any more.
    pub fn set_failing(&self, failing: bool) {
        *self.failing.lock().unwrap() = failing;
    }

    /// Every row, in the order of their keys.
    pub fn rows(&self) -> Vec<TroubledDelivery> {
        let rows = self.rows.lock().unwrap();
        rows.values().map(|row| row.row.clone()).collect()
    }

    fn write(&self) -> Result<(), StoreError> {
        match *self.failing.lock().unwrap() {
            true => Err(StoreError::Throttled {
                operation: "PutItem",
            }),
            false => Ok(()),
        }
    }
}

impl TroubledDeliveries for MemoryTroubledDeliveries {
    async fn open(&self, row: &TroubledDelivery) -> Result<bool, StoreError> {
        self.write()?;
        let mut rows = self.rows.lock().unwrap();
        if rows.contains_key(&row.key) {
            return Ok(false);
        }
        rows.insert(row.key.clone(), Row::of(row));
        Ok(true)
    }

    async fn hold(
        &self,
        key: &DeliveryKey,
        now: UtcDateTime,
    ) -> Result<Option<TroubledDelivery>, StoreError> {
        self.write()?;
        let mut rows = self.rows.lock().unwrap();
        let Some(found) = rows.get_mut(key) else {
            return Ok(None);
        };
        let is_due = next_attempt_at(&found.row).is_some_and(|at| at <= now + SLACK);
        if !is_due || found.held_until.is_some_and(|until| until >= now) {
            return Ok(None);
        }
        found.held_until = Some(now + HOLD);
        found.overdue_at = now + HOLD + GRACE;
        found.row.holds += 1;
        Ok(Some(found.row.clone()))
    }

    async fn settle(&self, row: &TroubledDelivery) -> Result<bool, StoreError> {
        self.write()?;
        let mut rows = self.rows.lock().unwrap();
        match rows.get_mut(&row.key) {
            Some(found)
                if found.row.holds == row.holds && next_attempt_at(&found.row).is_some() =>
            {
                *found = Row::of(row);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    async fn of_event(
        &self,
        tenant: &TenantId,
        event_id: EventId,
    ) -> Result<Vec<TroubledDelivery>, StoreError> {
        let rows = self.rows();
        let of_event = rows
            .into_iter()
            .filter(|row| row.key.tenant == *tenant && row.key.event_id == event_id);
        Ok(of_event.collect())
    }

    async fn overdue(
        &self,
        now: UtcDateTime,
        limit: usize,
    ) -> Result<Vec<DeliveryKey>, StoreError> {
        let rows = self.rows.lock().unwrap();
        let overdue = rows.values().filter(|row| row.overdue_at < now);
        let mut overdue: Vec<_> = overdue.map(|row| (row.overdue_at, &row.row.key)).collect();
        overdue.sort();
        let keys = overdue.into_iter().map(|(_, key)| key.clone());
        Ok(keys.take(limit).collect())
    }

    async fn reminded(&self, key: &DeliveryKey, now: UtcDateTime) -> Result<(), StoreError> {
        self.write()?;
        if let Some(row) = self.rows.lock().unwrap().get_mut(key)
            && row.overdue_at < now
        {
            row.overdue_at = now + GRACE;
        }
        Ok(())
    }
}

impl RetryingCount for MemoryTroubledDeliveries {
    async fn retrying(&self, limit: usize) -> Result<Counted, StoreError> {
        let rows = self.rows.lock().unwrap();
        let is_retrying = |row: &&Row| next_attempt_at(&row.row).is_some();
        let count = rows.values().filter(is_retrying).count();
        Ok(Counted::all(count.min(limit)).unless_cut(count > limit))
    }
}

impl TroubleLedger for MemoryTroubledDeliveries {
    async fn of_status(
        &self,
        tenant: &TenantId,
        status: OpenStatus,
        range: IdRange,
        limit: usize,
    ) -> Result<TroubledEvents, StoreError> {
        let is_meant = |row: &TroubledDelivery| {
            let position = Position::of(row.key.event_id);
            row.key.tenant == *tenant
                && is_open(row.status, status)
                && (range.first()..=range.last()).contains(&position)
        };
        let mut ids: Vec<EventId> = self
            .rows()
            .iter()
            .filter(|row| is_meant(row))
            .map(|row| row.key.event_id)
            .collect();
        let is_cut = ids.len() > limit;
        ids.truncate(limit);
        ids.dedup();
        let last = ids.last().filter(|_| is_cut);
        Ok(TroubledEvents {
            rest: last.and_then(|last| range.beyond(Position::of(*last), Order::Oldest)),
            event_ids: ids,
        })
    }
}

fn is_open(status: TroubleStatus, wanted: OpenStatus) -> bool {
    match status {
        TroubleStatus::Retrying { .. } => wanted == OpenStatus::Retrying,
        TroubleStatus::Failed { .. } => wanted == OpenStatus::Failed,
        TroubleStatus::Recovered { .. } => wanted == OpenStatus::Recovered,
    }
}

/// Remembers reminders, or takes none.
#[derive(Default)]
pub struct MemoryRetryQueue {
    taken: Mutex<Vec<(DeliveryKey, Duration)>>,
    failing: Mutex<bool>,
}

impl MemoryRetryQueue {
    /// From now on nothing is taken, or everything is again.
    pub fn set_failing(&self, failing: bool) {
        *self.failing.lock().unwrap() = failing;
    }

    /// What was taken since the last look, in order.
    pub fn take(&self) -> Vec<(DeliveryKey, Duration)> {
        std::mem::take(&mut *self.taken.lock().unwrap())
    }
}

impl RetryQueue for MemoryRetryQueue {
    async fn remind(&self, due: &[(DeliveryKey, Duration)]) -> Vec<(DeliveryKey, StoreError)> {
        if *self.failing.lock().unwrap() {
            let refused = |(key, _): &(DeliveryKey, Duration)| {
                let operation = "SendMessageBatch";
                (key.clone(), StoreError::Throttled { operation })
            };
            return due.iter().map(refused).collect();
        }
        self.taken.lock().unwrap().extend_from_slice(due);
        vec![]
    }
}
