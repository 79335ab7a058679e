//! Everything that jobs work with, in memory.

use std::sync::Mutex;
use std::time::Duration;

use pillarbox_domain::active_hours::HourMarks;
use pillarbox_domain::job::{
    Caller, HandledPage, Holder, Job, JobId, JobSpec, JobStore, Parts, Ports, Ran, ReplayFilter,
    Run, Sleeper, Target, Work, Worker,
};
use pillarbox_domain::letters::Redriven;
use pillarbox_domain::log_hour::{IdRange, LogHour};
use pillarbox_domain::publish::EventLog;
use pillarbox_domain::{Clock, EventId, LoggedEvent, StoreError, Subscription, TenantId};
use serde_json::Value;
use time::UtcDateTime;

use crate::builders::{RETENTION, event_with, logged};
use crate::hooked::{Hook, Hooked};
use crate::queried::Shards;
use crate::{
    ManualClock, MemoryActiveHours, MemoryArchive, MemoryDeadLetterQueue, MemoryEventLog,
    MemoryJobQueue, MemoryJobs, MemoryLetters, MemoryQueues, MemoryRegistry, MemoryUpcasts,
};

/// How long one call of a worker may take.
pub const BUDGET: Duration = Duration::from_secs(45);

/// How old an hour is that is read from the archive.
pub const ARCHIVED_AFTER: Duration = Duration::from_secs(48 * 60 * 60);

/// The ports of jobs in memory.
pub type MemoryParts = Parts<
    MemoryJobs,
    MemoryJobQueue,
    Shards,
    MemoryActiveHours,
    MemoryEventLog<ManualClock>,
    MemoryArchive,
    MemoryLetters,
    MemoryRegistry,
    MemoryRegistry,
    MemoryUpcasts,
    MemoryQueues,
    MemoryDeadLetterQueue,
    ManualClock,
    ManualSleeper,
>;

/// The same with something around their calls.
pub type HookedParts<'a, H> = Parts<
    Hooked<'a, MemoryJobs, H>,
    Hooked<'a, MemoryJobQueue, H>,
    Hooked<'a, Shards, H>,
    Hooked<'a, MemoryActiveHours, H>,
    Hooked<'a, MemoryEventLog<ManualClock>, H>,
    Hooked<'a, MemoryArchive, H>,
    Hooked<'a, MemoryLetters, H>,
    Hooked<'a, MemoryRegistry, H>,
    Hooked<'a, MemoryRegistry, H>,
    Hooked<'a, MemoryUpcasts, H>,
    Hooked<'a, MemoryQueues, H>,
    Hooked<'a, MemoryDeadLetterQueue, H>,
    ManualClock,
    ManualSleeper,
>;

/// Lets a clock go on, and takes no time.
pub struct ManualSleeper(pub ManualClock);

impl Sleeper for ManualSleeper {
    async fn sleep(&self, lasting: Duration) {
        self.0.advance(lasting);
    }
}

/// Remembers what it was told.
#[derive(Default)]
pub struct MemoryCaller {
    pages: Mutex<Vec<HandledPage>>,
    letters: Mutex<Vec<Redriven>>,
    signs: Mutex<usize>,
}

impl MemoryCaller {
    /// The pages that were handled, in order.
    pub fn pages(&self) -> Vec<HandledPage> {
        self.pages.lock().unwrap().clone()
    }

    /// The letters that are with their queues again.
    pub fn letters(&self) -> Vec<Redriven> {
        self.letters.lock().unwrap().clone()
    }

    /// How often the worker said that it is at it.
    pub fn signs(&self) -> usize {
        *self.signs.lock().unwrap()
    }
}

impl Caller for MemoryCaller {
    async fn is_worked_for(&self) {
        *self.signs.lock().unwrap() += 1;
    }

    fn page_handled(&self, page: &HandledPage) {
        self.pages.lock().unwrap().push(*page);
    }

    fn letter_redriven(&self, redriven: &Redriven) {
        self.letters.lock().unwrap().push(redriven.clone());
    }
}

/// Jobs, and what they work with.
pub struct MemoryJobBus {
    /// Stands still until it is told, or somebody sleeps.
    pub clock: ManualClock,
    /// The ports.
    pub parts: MemoryParts,
}

impl MemoryJobBus {
    /// A bus whose logs have so many shards, with these subscriptions.
    pub fn new(shards: u64, subscriptions: impl IntoIterator<Item = Subscription>) -> Self {
        let clock = ManualClock::default();
        let bus = Self {
            parts: Parts {
                jobs: MemoryJobs::default(),
                calls: MemoryJobQueue::default(),
                settings: Shards::of(shards),
                marks: MemoryActiveHours::default(),
                log: MemoryEventLog::new(clock.clone()),
                archive: MemoryArchive::default(),
                letters: MemoryLetters::default(),
                registry: MemoryRegistry::default(),
                subscriptions: MemoryRegistry::default(),
                upcasts: MemoryUpcasts::default(),
                queues: MemoryQueues::default(),
                dead_letters: MemoryDeadLetterQueue::default(),
                clock: clock.clone(),
                sleeper: ManualSleeper(clock.clone()),
            },
            clock,
        };
        for subscription in subscriptions {
            bus.subscribe(subscription);
        }
        bus
    }

    /// The ports with something around their calls.
    pub fn hooked<'a, H: Hook>(&'a self, hook: &'a H) -> HookedParts<'a, H> {
        let parts = &self.parts;
        Parts {
            jobs: hooked(&parts.jobs, hook),
            calls: hooked(&parts.calls, hook),
            settings: hooked(&parts.settings, hook),
            marks: hooked(&parts.marks, hook),
            log: hooked(&parts.log, hook),
            archive: hooked(&parts.archive, hook),
            letters: hooked(&parts.letters, hook),
            registry: hooked(&parts.registry, hook),
            subscriptions: hooked(&parts.subscriptions, hook),
            upcasts: hooked(&parts.upcasts, hook),
            queues: hooked(&parts.queues, hook),
            dead_letters: hooked(&parts.dead_letters, hook),
            clock: self.clock.clone(),
            sleeper: ManualSleeper(self.clock.clone()),
        }
    }

    /// Registers a subscription, whatever was there.
    pub fn subscribe(&self, subscription: Subscription) {
        self.parts.registry.put(subscription.clone());
        self.parts.subscriptions.put(subscription);
    }

    /// An event with these members that was accepted at this time, and is in no log.
    pub fn event(&self, owner: &TenantId, at: UtcDateTime, members: Value) -> LoggedEvent {
        let mut event = logged(&self.clock, owner, event_with(members));
        event.event_id = at_time(event.event_id, at);
        event.shard = self.parts.settings.0.shard_of(event.event_id);
        event.expires_at = self.clock.now() + RETENTION;
        event
    }

    /// Logs an event, as the bus does.
    pub async fn log(&self, event: &LoggedEvent) {
        self.parts.log.append(event).await.unwrap();
        let hours = [LogHour::of(event.event_id)].into();
        self.parts.marks.mark(&event.tenant, &hours).await.unwrap();
    }

    /// An event that is in the log.
    pub async fn logged(&self, owner: &TenantId, at: UtcDateTime, members: Value) -> LoggedEvent {
        let event = self.event(owner, at, members);
        self.log(&event).await;
        event
    }

    /// What a replay is asked to do: of everything until now, to this target.
    pub fn replay(&self, filter: ReplayFilter, target: Target) -> JobSpec {
        self.spec(Work::Replay { filter, target })
    }

    /// What a job is asked to do: this, with everything until now.
    pub fn spec(&self, work: Work) -> JobSpec {
        JobSpec {
            work,
            range: IdRange::of_times(None, Some(self.clock.now())).unwrap(),
            max_events_per_second: None,
            ramp: None,
            dry_run: false,
            schedule: None,
        }
    }

    /// A job that was asked for now. By the time it is returned it can be planned.
    pub async fn job(&self, owner: &TenantId, spec: JobSpec) -> Job {
        let id = JobId::new(self.clock.next_id());
        let job = Job::asked_for(owner.clone(), id, spec, self.clock.now());
        self.parts.jobs.create(&job, 100).await.unwrap();
        self.clock.advance(Duration::from_secs(3));
        job
    }

    /// The job as it is now.
    pub async fn now(&self, job: &Job) -> Job {
        let found = self.parts.jobs.get(&job.tenant, job.id).await;
        found.unwrap().unwrap()
    }

    /// One call of a worker.
    pub async fn work(&self, job: &Job) -> Ran {
        self.work_for(&job.tenant, job.id, BUDGET).await.unwrap()
    }

    /// One call of a worker for this tenant and job, which may take so long.
    pub async fn work_for(
        &self,
        tenant: &TenantId,
        id: JobId,
        budget: Duration,
    ) -> Result<Ran, StoreError> {
        let caller = MemoryCaller::default();
        work(&self.parts, tenant, id, budget, &caller).await
    }

    /// Calls a worker until it is not to be called again. The clock goes on meanwhile.
    pub async fn work_off(&self, job: &Job) -> Job {
        for _ in 0..10_000 {
            match self.work(job).await {
                Ran::Finished => return self.now(job).await,
                Ran::Again { after } => self.clock.advance(after),
            }
        }
        panic!("the job has no end: {:?}", self.now(job).await);
    }
}

fn hooked<'a, T, H>(port: &'a T, hook: &'a H) -> Hooked<'a, T, H> {
    Hooked { port, hook }
}

/// One call of a worker on these ports.
pub async fn work<P: Ports, K: Caller + Sync>(
    ports: &P,
    tenant: &TenantId,
    id: JobId,
    budget: Duration,
    caller: &K,
) -> Result<Ran, StoreError> {
    let clock = &ports.parts().clock;
    let worker = Worker {
        ports,
        archived_after: ARCHIVED_AFTER,
    };
    let run = Run {
        tenant,
        id,
        holder: Holder(clock.next_id()),
        until: clock.now() + budget,
        caller,
    };
    worker.run(&run).await
}

/// An id of another time.
pub fn at_time(id: EventId, at: UtcDateTime) -> EventId {
    let mut bytes = *id.as_bytes();
    let millis = (at - UtcDateTime::UNIX_EPOCH).whole_milliseconds();
    let millis = u64::try_from(millis).unwrap();
    bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
    EventId::from_bytes(bytes).unwrap()
}
