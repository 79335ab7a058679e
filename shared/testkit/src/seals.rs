//! Seals in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use pillarbox_domain::archive::{layout, sha256_hex};
use pillarbox_domain::log_hour::LogHour;
use pillarbox_domain::seal::{Reopening, Reopenings, SealHead, SealLink, SealRow, SealStore};
use pillarbox_domain::{Clock, EventId, StoreError, TenantId};
use time::UtcDateTime;
use time::macros::utc_datetime;

use crate::ManualClock;
use crate::builders::tenant;

/// Passes [`conformance`].
#[derive(Default)]
pub struct MemorySeals {
    state: Mutex<State>,
    failing: Mutex<bool>,
}

#[derive(Default)]
struct State {
    held: Option<(EventId, UtcDateTime)>,
    begun: Option<LogHour>,
    head: Option<SealHead>,
    rows: BTreeMap<(LogHour, u32), SealRow>,
    reopened: BTreeMap<(LogHour, TenantId), UtcDateTime>,
}

impl MemorySeals {
    /// From now on every call is throttled, or not any more.
    pub fn set_failing(&self, failing: bool) {
        *self.failing.lock().unwrap() = failing;
    }

    /// Every seal, by hour and revision.
    pub fn all(&self) -> Vec<SealRow> {
        self.state.lock().unwrap().rows.values().cloned().collect()
    }

    /// Puts a row there, whatever is there: what the port does not do.
    pub fn overwrite(&self, row: SealRow) {
        let mut state = self.state.lock().unwrap();
        state.rows.insert((row.hour, row.revision), row);
    }

    /// Takes a row away, as somebody with too many permissions might.
    pub fn remove(&self, hour: LogHour, revision: u32) {
        let removed = self.state.lock().unwrap().rows.remove(&(hour, revision));
        assert!(removed.is_some(), "{hour:?} {revision}");
    }

    fn call(&self, operation: &'static str) -> Result<(), StoreError> {
        match *self.failing.lock().unwrap() {
            true => Err(StoreError::Throttled { operation }),
            false => Ok(()),
        }
    }
}

impl SealStore for MemorySeals {
    async fn hold(
        &self,
        holder: EventId,
        now: UtcDateTime,
        until: UtcDateTime,
    ) -> Result<bool, StoreError> {
        self.call("UpdateItem")?;
        let mut state = self.state.lock().unwrap();
        let is_held = |(by, until): &(EventId, UtcDateTime)| *by != holder && *until >= now;
        if state.held.as_ref().is_some_and(is_held) {
            return Ok(false);
        }
        state.held = Some((holder, until));
        Ok(true)
    }

    async fn release(&self, holder: EventId) -> Result<(), StoreError> {
        self.call("DeleteItem")?;
        let mut state = self.state.lock().unwrap();
        if state.held.is_some_and(|(by, _)| by == holder) {
            state.held = None;
        }
        Ok(())
    }

    async fn begin(&self, first: LogHour) -> Result<LogHour, StoreError> {
        self.call("UpdateItem")?;
        let mut state = self.state.lock().unwrap();
        Ok(*state.begun.get_or_insert(first))
    }

    async fn begun(&self) -> Result<Option<LogHour>, StoreError> {
        self.call("GetItem")?;
        Ok(self.state.lock().unwrap().begun)
    }

    async fn head(&self) -> Result<Option<SealHead>, StoreError> {
        self.call("GetItem")?;
        Ok(self.state.lock().unwrap().head.clone())
    }

    async fn append(
        &self,
        row: &SealRow,
        seen: Option<&SealHead>,
        head: &SealHead,
    ) -> Result<bool, StoreError> {
        self.call("TransactWriteItems")?;
        let mut state = self.state.lock().unwrap();
        let place = (row.hour, row.revision);
        if let Some(there) = state.rows.get(&place) {
            return Ok(there == row);
        }
        if state.head.as_ref() != seen {
            return Ok(false);
        }
        state.rows.insert(place, row.clone());
        state.head = Some(head.clone());
        Ok(true)
    }

    async fn rows(
        &self,
        first: LogHour,
        last: LogHour,
        limit: usize,
    ) -> Result<Vec<SealRow>, StoreError> {
        self.call("Query")?;
        let state = self.state.lock().unwrap();
        let rows = state.rows.range((first, 0)..=(last, u32::MAX));
        Ok(rows.map(|(_, row)| row.clone()).take(limit).collect())
    }

    async fn reopened(&self, limit: usize) -> Result<Vec<Reopening>, StoreError> {
        self.call("Query")?;
        let state = self.state.lock().unwrap();
        let reopened = state.reopened.iter().take(limit);
        let reopening =
            |((hour, tenant), noted_at): (&(LogHour, TenantId), &UtcDateTime)| Reopening {
                tenant: tenant.clone(),
                hour: *hour,
                noted_at: *noted_at,
            };
        Ok(reopened.map(reopening).collect())
    }

    async fn forget(&self, reopening: &Reopening) -> Result<(), StoreError> {
        self.call("DeleteItem")?;
        let mut state = self.state.lock().unwrap();
        let place = (reopening.hour, reopening.tenant.clone());
        if state.reopened.get(&place) == Some(&reopening.noted_at) {
            state.reopened.remove(&place);
        }
        Ok(())
    }
}

impl Reopenings for MemorySeals {
    async fn reopen(&self, reopening: &Reopening) -> Result<(), StoreError> {
        self.call("PutItem")?;
        let mut state = self.state.lock().unwrap();
        let place = (reopening.hour, reopening.tenant.clone());
        state.reopened.insert(place, reopening.noted_at);
        Ok(())
    }
}

fn first_hour() -> LogHour {
    LogHour::at(utc_datetime!(2026-11-22 23:00))
}

/// A seal of this hour and revision after that one, and the head that it makes.
fn next(
    hour: LogHour,
    revision: u32,
    seen: Option<&SealHead>,
    clock: &ManualClock,
) -> (SealRow, SealHead) {
    let key = layout::seal(hour, revision);
    let link = SealLink {
        sha256: sha256_hex(key.as_bytes()),
        key,
    };
    let row = SealRow {
        hour,
        revision,
        link: link.clone(),
        previous: seen.map(|seen| seen.link.clone()),
        events: 7,
        sealed_at: clock.now(),
    };
    let sealed_before = seen.map_or(hour.next(), |seen| seen.sealed_before.max(hour.next()));
    let head = SealHead {
        link,
        sealed_before,
    };
    (row, head)
}

/// The suite of [`SealStore`], without reopenings.
pub async fn conformance<S: SealStore>(store: &S, clock: &ManualClock) {
    one_holds_at_a_time(store, clock).await;
    what_was_begun_with_stays(store).await;
    seals_are_chained(store, clock).await;
}

async fn one_holds_at_a_time<S: SealStore>(store: &S, clock: &ManualClock) {
    let (one, other) = (clock.next_id(), clock.next_id());
    let hold = async |holder| {
        let until = clock.now() + Duration::from_secs(60);
        store.hold(holder, clock.now(), until).await.unwrap()
    };
    assert!(hold(one).await);
    assert!(hold(one).await, "the answer was lost");
    assert!(!hold(other).await);
    store.release(other).await.unwrap();
    assert!(!hold(other).await, "it was not the other's to give back");
    store.release(one).await.unwrap();
    store.release(one).await.unwrap();
    assert!(hold(other).await);
    clock.advance(Duration::from_secs(61));
    assert!(hold(one).await, "the other is gone");
    store.release(one).await.unwrap();
}

async fn what_was_begun_with_stays<S: SealStore>(store: &S) {
    let first = first_hour();
    assert_eq!(store.begun().await.unwrap(), None);
    assert_eq!(store.begin(first).await.unwrap(), first);
    assert_eq!(store.begin(first.next()).await.unwrap(), first);
    assert_eq!(store.begun().await.unwrap(), Some(first));
}

async fn seals_are_chained<S: SealStore>(store: &S, clock: &ManualClock) {
    let first = first_hour();
    assert_eq!(store.head().await.unwrap(), None);
    let mut rows = Vec::new();
    let mut seen: Option<SealHead> = None;
    // The middle one is of an hour that was sealed before.
    for (hour, revision) in [
        (first, 0),
        (first.next(), 0),
        (first, 1),
        (first.next().next(), 0),
    ] {
        let (row, head) = next(hour, revision, seen.as_ref(), clock);
        assert!(store.append(&row, seen.as_ref(), &head).await.unwrap());
        assert!(
            store.append(&row, seen.as_ref(), &head).await.unwrap(),
            "the answer was lost"
        );
        assert_eq!(store.head().await.unwrap().as_ref(), Some(&head));
        rows.push(row);
        clock.advance(Duration::from_secs(1));
        seen = Some(head);
    }
    nobody_gets_in_between(store, &rows, seen.as_ref(), clock).await;
    rows.sort_by_key(|row| (row.hour, row.revision));
    the_rows_of_hours_are_read_in_order(store, &rows).await;
}

async fn nobody_gets_in_between<S: SealStore>(
    store: &S,
    rows: &[SealRow],
    head: Option<&SealHead>,
    clock: &ManualClock,
) {
    let after = first_hour().next().next().next();
    let stale = rows.first().map(|row| SealHead {
        link: row.link.clone(),
        sealed_before: row.hour.next(),
    });
    for seen in [None, stale] {
        let (row, new) = next(after, 0, seen.as_ref(), clock);
        assert!(!store.append(&row, seen.as_ref(), &new).await.unwrap());
    }
    // Another seal of an hour and a revision that are there.
    let (mut row, new) = next(first_hour(), 1, head, clock);
    row.events += 1;
    assert!(!store.append(&row, head, &new).await.unwrap());
    assert_eq!(store.head().await.unwrap().as_ref(), head);
}

async fn the_rows_of_hours_are_read_in_order<S: SealStore>(store: &S, rows: &[SealRow]) {
    let (first, last) = (rows[0].hour, rows[rows.len() - 1].hour);
    let read = async |first, last, limit| store.rows(first, last, limit).await.unwrap();
    assert_eq!(read(first, last, 100).await, rows);
    assert_eq!(read(first, last, 3).await, rows[..3]);
    assert_eq!(read(first, first, 100).await, rows[..2]);
    assert_eq!(read(first.next(), last, 100).await, rows[2..]);
    assert_eq!(read(last.next(), last.next().next(), 100).await, []);
}

/// The suite of what [`SealStore`] does with what [`Reopenings`] noted.
pub async fn reopened_hours<S: SealStore, R: Reopenings>(
    store: &S,
    reopenings: &R,
    clock: &ManualClock,
) {
    let hour = first_hour();
    let reopening = |owner: &str, hour| Reopening {
        tenant: tenant(owner),
        hour,
        noted_at: clock.now(),
    };
    let mut noted = vec![
        reopening("shop", hour),
        reopening("shop-2", hour),
        reopening("shop", hour.next()),
    ];
    for reopening in noted.iter().rev() {
        reopenings.reopen(reopening).await.unwrap();
    }
    assert_eq!(store.reopened(100).await.unwrap(), noted);
    assert_eq!(store.reopened(2).await.unwrap(), noted[..2]);
    // One that came later still is not forgotten with the one that was read.
    let stale = noted[1].clone();
    clock.advance(Duration::from_millis(1));
    noted[1].noted_at = clock.now();
    reopenings.reopen(&noted[1]).await.unwrap();
    for forgotten in [&noted[0], &noted[0], &stale] {
        store.forget(forgotten).await.unwrap();
    }
    assert_eq!(store.reopened(100).await.unwrap(), noted[1..]);
    for reopening in &noted {
        store.forget(reopening).await.unwrap();
    }
    assert_eq!(store.reopened(100).await.unwrap(), []);
}
