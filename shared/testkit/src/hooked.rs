//! Ports around whose calls something happens: time passes, or their caller dies.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use pillarbox_domain::active_hours::{Marked, MarkedHours};
use pillarbox_domain::archive::{ArchiveReader, Manifest};
use pillarbox_domain::dead_letter::{DeadLetterQueue, GivenUp};
use pillarbox_domain::delivery::Message;
use pillarbox_domain::dispatch::{DeliveryQueues, SendError, Subscriptions};
use pillarbox_domain::event_query::{EventBodies, IndexEntry, IndexPage, IndexQuery, LogIndex};
use pillarbox_domain::job::{
    ChangeJob, Changed, Created, FailedEvent, Holder, Job, JobId, JobQueue, JobStore, JobsPage,
    Plan, Saved, Unit,
};
use pillarbox_domain::letters::{
    Change, Changed as ChangedLetter, DeadLetter, DeadLetterId, Kept, LetterPage, LetterStore,
    NewLetter,
};
use pillarbox_domain::log_hour::{HourRange, IdRange, LogHour, Order, Position};
use pillarbox_domain::registry::{Added, Removed, Replaced, SubscriptionRegistry};
use pillarbox_domain::schema::SchemaVersion;
use pillarbox_domain::schema::delivery::{UpcastError, Upcasts};
use pillarbox_domain::subscription::{QueueUrl, Registered, Roster};
use pillarbox_domain::tenant_settings::{TenantSettings, TenantSettingsReader};
use pillarbox_domain::{
    CloudEvent, EventId, LoggedEvent, StoreError, Subscription, SubscriptionId, TenantId,
};
use time::UtcDateTime;

/// Calls to a queue that are under way at a time.
const SENDS: usize = 16;

/// What happens around calls.
pub trait Hook {
    /// Before the port does anything.
    fn before(&self, call: &'static str) -> impl Future<Output = ()> + Send;

    /// When it has done it, and its caller does not know yet.
    fn after(&self, call: &'static str) -> impl Future<Output = ()> + Send;

    /// A unit was claimed.
    fn claimed(&self, _: JobId, _: u32, _: Holder, _: UtcDateTime) {}

    /// A unit's place was saved.
    fn saved(&self, _: JobId, _: u32, _: Holder, _: UtcDateTime) {}

    /// A unit was given back.
    fn released(&self, _: JobId, _: u32) {}
}

/// A port with something around its calls.
pub struct Hooked<'a, T, H> {
    /// The port.
    pub port: &'a T,
    /// What happens.
    pub hook: &'a H,
}

impl<T, H: Hook> Hooked<'_, T, H> {
    async fn around<A>(&self, name: &'static str, call: impl Future<Output = A>) -> A {
        self.hook.before(name).await;
        let answer = call.await;
        self.hook.after(name).await;
        answer
    }
}

macro_rules! call {
    ($self:ident.$method:ident($($argument:expr),*)) => {
        $self.around(stringify!($method), $self.port.$method($($argument),*)).await
    };
}

impl<T: JobStore + Sync, H: Hook + Sync> JobStore for Hooked<'_, T, H> {
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
                self.hook.claimed(id, unit.number, holder, now);
            }
            Ok(claimed)
        };
        self.around("claim", claim).await
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
                self.hook.saved(id, unit.number, holder, now);
            }
            Ok(saved)
        };
        self.around("save", save).await
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
                self.hook.released(id, unit.number);
            }
            Ok(saved)
        };
        self.around("release", release).await
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

impl<T: JobQueue + Sync, H: Hook + Sync> JobQueue for Hooked<'_, T, H> {
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

impl<T: MarkedHours + Sync, H: Hook + Sync> MarkedHours for Hooked<'_, T, H> {
    async fn marked(
        &self,
        tenant: &TenantId,
        range: HourRange,
        order: Order,
    ) -> Result<Marked, StoreError> {
        call!(self.marked(tenant, range, order))
    }
}

impl<T: LogIndex + Sync, H: Hook + Sync> LogIndex for Hooked<'_, T, H> {
    async fn page(
        &self,
        tenant: &TenantId,
        query: IndexQuery<'_>,
    ) -> Result<IndexPage, StoreError> {
        call!(self.page(tenant, query))
    }
}

impl<T: EventBodies + Sync, H: Hook + Sync> EventBodies for Hooked<'_, T, H> {
    async fn bodies(
        &self,
        tenant: &TenantId,
        entries: &[IndexEntry],
        enough_bytes: usize,
    ) -> Result<Vec<Option<LoggedEvent>>, StoreError> {
        call!(self.bodies(tenant, entries, enough_bytes))
    }
}

impl<T: ArchiveReader + Sync, H: Hook + Sync> ArchiveReader for Hooked<'_, T, H> {
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

impl<T: LetterStore + Sync, H: Hook + Sync> LetterStore for Hooked<'_, T, H> {
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

impl<T: DeliveryQueues + Sync, H: Hook + Sync> DeliveryQueues for Hooked<'_, T, H> {
    /// In calls of ten, some of them side by side: a queue may have taken some of the messages when its caller dies.
    async fn send(&self, queue: &QueueUrl, messages: &[Message]) -> Vec<Result<(), SendError>> {
        let mut calls = vec![];
        for batch in messages.chunks(10) {
            calls.push(self.around("send", self.port.send(queue, batch)));
        }
        let answers: Vec<_> = stream::iter(calls).buffered(SENDS).collect().await;
        answers.into_iter().flatten().collect()
    }
}

impl<T: DeadLetterQueue + Sync, H: Hook + Sync> DeadLetterQueue for Hooked<'_, T, H> {
    async fn put(&self, given_up: &GivenUp) -> Result<(), StoreError> {
        call!(self.put(given_up))
    }
}

impl<T: TenantSettingsReader + Sync, H: Hook + Sync> TenantSettingsReader for Hooked<'_, T, H> {
    async fn settings(&self, tenant: &TenantId) -> Result<Option<TenantSettings>, StoreError> {
        call!(self.settings(tenant))
    }
}

impl<T: Subscriptions + Sync, H: Hook + Sync> Subscriptions for Hooked<'_, T, H> {
    async fn of(&self, owner: &TenantId) -> Result<Arc<Roster>, StoreError> {
        call!(self.of(owner))
    }
}

impl<T: Upcasts + Sync, H: Hook + Sync> Upcasts for Hooked<'_, T, H> {
    async fn upcast(
        &self,
        tenant: &TenantId,
        event: &CloudEvent,
        target: SchemaVersion,
    ) -> Result<Option<CloudEvent>, UpcastError> {
        call!(self.upcast(tenant, event, target))
    }
}

impl<T: SubscriptionRegistry + Sync, H: Hook + Sync> SubscriptionRegistry for Hooked<'_, T, H> {
    async fn add_subscription(
        &self,
        wanted: &Subscription,
        now: UtcDateTime,
    ) -> Result<(Added, Registered), StoreError> {
        call!(self.add_subscription(wanted, now))
    }

    async fn subscription(
        &self,
        owner: &TenantId,
        id: &SubscriptionId,
    ) -> Result<Option<Registered>, StoreError> {
        call!(self.subscription(owner, id))
    }

    async fn subscriptions(
        &self,
        owner: &TenantId,
        after: Option<&SubscriptionId>,
        limit: usize,
    ) -> Result<Vec<Registered>, StoreError> {
        call!(self.subscriptions(owner, after, limit))
    }

    async fn replace_subscription(
        &self,
        wanted: &Subscription,
        seen: u64,
        now: UtcDateTime,
    ) -> Result<Replaced, StoreError> {
        call!(self.replace_subscription(wanted, seen, now))
    }

    async fn remove_subscription(
        &self,
        owner: &TenantId,
        id: &SubscriptionId,
        seen: Option<u64>,
    ) -> Result<Removed, StoreError> {
        call!(self.remove_subscription(owner, id, seen))
    }
}
