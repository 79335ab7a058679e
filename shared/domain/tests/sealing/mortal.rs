//! Ports whose calls may be the last that a process makes, and among which others come in between.

use std::sync::atomic::{AtomicUsize, Ordering};

use pillarbox_domain::archive::{ArchiveReader, ArchiveWriter, Manifest, Stored};
use pillarbox_domain::log_hour::LogHour;
use pillarbox_domain::seal::{Reopening, SealHead, SealRow, SealStore};
use pillarbox_domain::{EventId, StoreError, TenantId};
use pillarbox_testkit::{MemoryArchive, MemorySeals};
use time::UtcDateTime;

/// When a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// Before this call does anything.
    Before(usize),
    /// Once it is done, and before its answer is there.
    After(usize),
    /// It lives, and this call alone fails.
    Not(usize),
}

/// How long a process lives, in calls.
#[derive(Debug, Default)]
pub struct Life {
    death: Option<Death>,
    /// Others come in between by these dice.
    dice: Option<AtomicUsize>,
    /// Whether it takes no notice of others that seal.
    is_blind: bool,
    calls: AtomicUsize,
}

impl Life {
    pub fn until(death: Death) -> Self {
        Self {
            death: Some(death),
            ..Self::default()
        }
    }

    /// One that others interrupt, and that holds the sealing whoever holds it.
    pub fn interrupted(seed: usize) -> Self {
        Self {
            dice: Some(AtomicUsize::new(seed)),
            is_blind: true,
            ..Self::default()
        }
    }

    /// Calls that were made.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    pub async fn give_way(&self) {
        let Some(dice) = &self.dice else { return };
        let thrown = dice.load(Ordering::Relaxed);
        let next = thrown
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        dice.store(next, Ordering::Relaxed);
        for _ in 0..(next >> 33) % 4 {
            tokio::task::yield_now().await;
        }
    }
}

/// A port as a mortal process has it.
pub struct Mortal<'a, T> {
    pub inner: &'a T,
    life: &'a Life,
}

impl<'a, T> Mortal<'a, T> {
    pub fn of(inner: &'a T, life: &'a Life) -> Self {
        Self { inner, life }
    }

    pub async fn call<R>(
        &self,
        work: impl Future<Output = Result<R, StoreError>>,
    ) -> Result<R, StoreError> {
        self.life.give_way().await;
        let call = self.life.calls.fetch_add(1, Ordering::Relaxed) + 1;
        match self.life.death {
            Some(Death::Before(last)) if call >= last => Err(died()),
            Some(Death::After(last)) if call > last => Err(died()),
            Some(Death::After(last)) if call == last => {
                work.await?;
                Err(died())
            }
            Some(Death::Not(failing)) if call == failing => Err(died()),
            _ => work.await,
        }
    }
}

fn died() -> StoreError {
    StoreError::Failed {
        operation: "the rest",
        source: "the process died".into(),
    }
}

impl ArchiveReader for Mortal<'_, MemoryArchive> {
    async fn manifest(
        &self,
        tenant: &TenantId,
        hour: LogHour,
    ) -> Result<Option<Manifest>, StoreError> {
        self.call(self.inner.manifest(tenant, hour)).await
    }

    async fn object(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.call(self.inner.object(key)).await
    }
}

impl ArchiveWriter for Mortal<'_, MemoryArchive> {
    async fn put(&self, key: &str, bytes: &[u8]) -> Result<Stored, StoreError> {
        self.call(self.inner.put(key, bytes)).await
    }
}

impl SealStore for Mortal<'_, MemorySeals> {
    async fn hold(
        &self,
        holder: EventId,
        now: UtcDateTime,
        until: UtcDateTime,
    ) -> Result<bool, StoreError> {
        let held = self.call(self.inner.hold(holder, now, until)).await?;
        Ok(held || self.life.is_blind)
    }

    async fn release(&self, holder: EventId) -> Result<(), StoreError> {
        self.call(self.inner.release(holder)).await
    }

    async fn begun(&self) -> Result<Option<LogHour>, StoreError> {
        self.call(self.inner.begun()).await
    }

    async fn begin(&self, first: LogHour) -> Result<LogHour, StoreError> {
        self.call(self.inner.begin(first)).await
    }

    async fn head(&self) -> Result<Option<SealHead>, StoreError> {
        self.call(self.inner.head()).await
    }

    async fn append(
        &self,
        row: &SealRow,
        seen: Option<&SealHead>,
        head: &SealHead,
    ) -> Result<bool, StoreError> {
        self.call(self.inner.append(row, seen, head)).await
    }

    async fn rows(
        &self,
        first: LogHour,
        last: LogHour,
        limit: usize,
    ) -> Result<Vec<SealRow>, StoreError> {
        self.call(self.inner.rows(first, last, limit)).await
    }

    async fn reopened(&self, limit: usize) -> Result<Vec<Reopening>, StoreError> {
        self.call(self.inner.reopened(limit)).await
    }

    async fn forget(&self, reopening: &Reopening) -> Result<(), StoreError> {
        self.call(self.inner.forget(reopening)).await
    }
}
