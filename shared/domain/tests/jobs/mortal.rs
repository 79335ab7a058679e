//! Ports of a worker that can die at any of its calls, before or after what the call does.

use std::collections::BTreeMap;
use std::future::pending;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Duration;

use pillarbox_domain::active_hours::{Marked, MarkedHours};
use pillarbox_domain::archive::{ArchiveReader, Manifest};
use pillarbox_domain::dead_letter::{DeadLetterQueue, GivenUp};
use pillarbox_domain::delivery::Message;
use pillarbox_domain::dispatch::{DeliveryQueues, SendError};
use pillarbox_domain::event_query::{EventBodies, IndexEntry, IndexPage, IndexQuery, LogIndex};
use pillarbox_domain::job::{
    ChangeJob, Changed, Created, FailedEvent, Holder, Job, JobId, JobQueue, JobStore, JobsPage,
    LEASE, Plan, Saved, Unit,
};
use pillarbox_domain::letters::{
    Change, Changed as ChangedLetter, DeadLetter, DeadLetterId, Kept, LetterPage, LetterStore,
    NewLetter,
};
use pillarbox_domain::log_hour::{HourRange, IdRange, LogHour, Order, Position};
use pillarbox_domain::subscription::QueueUrl;
use pillarbox_domain::{EventId, LoggedEvent, StoreError, TenantId};
use time::UtcDateTime;

/// How many more calls a worker lives for. At each it lets others go on.
pub struct Fate(Mutex<Option<usize>>);

impl Fate {
    /// It dies after so many half calls; never, if that is not said.
    pub fn after(points: Option<usize>) -> Self {
        Self(Mutex::new(points))
    }

    async fn point(&self) {
        let is_dead = {
            let mut left = self.0.lock().unwrap();
            let is_dead = *left == Some(0);
            *left = left.map(|left| left.saturating_sub(1));
            is_dead
        };
        if is_dead {
            pending::<()>().await;
        }
        Yield(false).await;
    }

    async fn around<T>(&self, call: impl Future<Output = T>) -> T {
        self.point().await;
        let answer = call.await;
        self.point().await;
        answer
    }
}

struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Who held which unit until when, so that two who hold one are found.
#[derive(Default)]
pub struct Holds(Mutex<BTreeMap<(JobId, u32), (Holder, UtcDateTime)>>);

impl Holds {
    fn claimed(&self, id: JobId, unit: u32, holder: Holder, now: UtcDateTime) {
        let mut holds = self.0.lock().unwrap();
        if let Some((before, until)) = holds.insert((id, unit), (holder, now + LEASE)) {
            assert!(
                before == holder || until < now,
                "{before:?} and {holder:?} hold unit {unit}"
            );
        }
    }

    fn saved(&self, id: JobId, unit: u32, holder: Holder, now: UtcDateTime) {
        self.0
            .lock()
            .unwrap()
            .insert((id, unit), (holder, now + LEASE));
    }

    fn released(&self, id: JobId, unit: u32) {
        self.0.lock().unwrap().remove(&(id, unit));
    }
}

/// A port whose caller dies when its time has come.
#[derive(Clone, Copy)]
pub struct Mortal<'a, T> {
    pub port: &'a T,
    pub fate: &'a Fate,
    pub holds: &'a Holds,
}

macro_rules! call {
    ($self:ident.$method:ident($($argument:expr),*)) => {
        $self.fate.around($self.port.$method($($argument),*)).await
    };
}

impl<T: JobStore + Sync> JobStore for Mortal<'_, T> {
    async fn create(&self, job: &Job, max_active: usize) -> Result<Created, StoreError> {
        call!(self.create(job, max_active))
    }

    async fn get(&self, tenant: &TenantId, id: JobId) -> Result<Option<Job>, StoreError> {
        call!(self.get(tenant, id))
    }

    async fn list(
        &self,
        tenant: &TenantId,
        after: Option<JobId>,
        limit: usize,
    ) -> Result<JobsPage, StoreError> {
        call!(self.list(tenant, after, limit))
    }

    async fn change(
        &self,
        tenant: &TenantId,
        id: JobId,
        change: &ChangeJob,
        now: UtcDateTime,
    ) -> Result<Changed, StoreError> {
        call!(self.change(tenant, id, change, now))
    }

    async fn extend_plan(
        &self,
        tenant: &TenantId,
        id: JobId,
        seen: &Plan,
        units: &[Unit],
        plan: &Plan,
    ) -> Result<bool, StoreError> {
        call!(self.extend_plan(tenant, id, seen, units, plan))
    }

    async fn claim(
        &self,
        tenant: &TenantId,
        id: JobId,
        holder: Holder,
        now: UtcDateTime,
    ) -> Result<Option<Unit>, StoreError> {
        let claim = async {
            let claimed = self.port.claim(tenant, id, holder, now).await?;
            if let Some(unit) = &claimed {
                self.holds.claimed(id, unit.number, holder, now);
            }
            Ok(claimed)
        };
        self.fate.around(claim).await
    }

    async fn save(
        &self,
        tenant: &TenantId,
        id: JobId,
        unit: &Unit,
        holder: Holder,
        now: UtcDateTime,
    ) -> Result<Saved, StoreError> {
        let save = async {
            let saved = self.port.save(tenant, id, unit, holder, now).await?;
            if saved == Saved::Yes {
                self.holds.saved(id, unit.number, holder, now);
            }
            Ok(saved)
        };
        self.fate.around(save).await
    }

    async fn release(
        &self,
        tenant: &TenantId,
        id: JobId,
        unit: &Unit,
        holder: Holder,
    ) -> Result<Saved, StoreError> {
        let release = async {
            let saved = self.port.release(tenant, id, unit, holder).await?;
            if saved == Saved::Yes {
                self.holds.released(id, unit.number);
            }
            Ok(saved)
        };
        self.fate.around(release).await
    }

    async fn finish_unit(
        &self,
        tenant: &TenantId,
        id: JobId,
        unit: &Unit,
        holder: Holder,
        now: UtcDateTime,
    ) -> Result<Saved, StoreError> {
        call!(self.finish_unit(tenant, id, unit, holder, now))
    }

    async fn add_failure(
        &self,
        tenant: &TenantId,
        id: JobId,
        failed: &FailedEvent,
    ) -> Result<(), StoreError> {
        call!(self.add_failure(tenant, id, failed))
    }

    async fn failures(
        &self,
        tenant: &TenantId,
        id: JobId,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<FailedEvent>, StoreError> {
        call!(self.failures(tenant, id, after, limit))
    }

    async fn take_turn(
        &self,
        tenant: &TenantId,
        id: JobId,
        events: u32,
        per_second: f64,
        now: UtcDateTime,
    ) -> Result<Duration, StoreError> {
        call!(self.take_turn(tenant, id, events, per_second, now))
    }

    async fn take_idle(
        &self,
        now: UtcDateTime,
        idle: Duration,
        limit: usize,
    ) -> Result<Vec<(TenantId, JobId)>, StoreError> {
        call!(self.take_idle(now, idle, limit))
    }
}

impl<T: JobQueue + Sync> JobQueue for Mortal<'_, T> {
    async fn call(
        &self,
        tenant: &TenantId,
        id: JobId,
        workers: usize,
        delay: Duration,
    ) -> Result<(), StoreError> {
        call!(self.call(tenant, id, workers, delay))
    }
}

impl<T: MarkedHours + Sync> MarkedHours for Mortal<'_, T> {
    async fn marked(
        &self,
        tenant: &TenantId,
        range: HourRange,
        order: Order,
    ) -> Result<Marked, StoreError> {
        call!(self.marked(tenant, range, order))
    }
}

impl<T: LogIndex + Sync> LogIndex for Mortal<'_, T> {
    async fn page(
        &self,
        tenant: &TenantId,
        query: IndexQuery<'_>,
    ) -> Result<IndexPage, StoreError> {
        call!(self.page(tenant, query))
    }
}

impl<T: EventBodies + Sync> EventBodies for Mortal<'_, T> {
    async fn bodies(
        &self,
        tenant: &TenantId,
        entries: &[IndexEntry],
        enough_bytes: usize,
    ) -> Result<Vec<Option<LoggedEvent>>, StoreError> {
        call!(self.bodies(tenant, entries, enough_bytes))
    }
}

impl<T: ArchiveReader + Sync> ArchiveReader for Mortal<'_, T> {
    async fn manifest(
        &self,
        tenant: &TenantId,
        hour: LogHour,
    ) -> Result<Option<Manifest>, StoreError> {
        call!(self.manifest(tenant, hour))
    }

    async fn object(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        call!(self.object(key))
    }
}

impl<T: LetterStore + Sync> LetterStore for Mortal<'_, T> {
    async fn keep(&self, new: &NewLetter) -> Result<Kept, StoreError> {
        call!(self.keep(new))
    }

    async fn get(
        &self,
        tenant: &TenantId,
        id: DeadLetterId,
    ) -> Result<Option<DeadLetter>, StoreError> {
        call!(self.get(tenant, id))
    }

    async fn body(&self, letter: &DeadLetter) -> Result<Option<String>, StoreError> {
        call!(self.body(letter))
    }

    async fn of_event(
        &self,
        tenant: &TenantId,
        event_id: EventId,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        call!(self.of_event(tenant, event_id))
    }

    async fn page(
        &self,
        tenant: &TenantId,
        range: IdRange,
        order: Order,
        limit: usize,
    ) -> Result<LetterPage, StoreError> {
        call!(self.page(tenant, range, order, limit))
    }

    async fn change(
        &self,
        tenant: &TenantId,
        id: DeadLetterId,
        change: &Change,
    ) -> Result<ChangedLetter, StoreError> {
        call!(self.change(tenant, id, change))
    }
}

impl<T: DeliveryQueues + Sync> DeliveryQueues for Mortal<'_, T> {
    /// A queue may have taken some of the messages when its caller dies.
    async fn send(&self, queue: &QueueUrl, messages: &[Message]) -> Vec<Result<(), SendError>> {
        let mut answers = vec![];
        for call in messages.chunks(10) {
            answers.extend(self.fate.around(self.port.send(queue, call)).await);
        }
        answers
    }
}

impl<T: DeadLetterQueue + Sync> DeadLetterQueue for Mortal<'_, T> {
    async fn put(&self, given_up: &GivenUp) -> Result<(), StoreError> {
        call!(self.put(given_up))
    }
}
