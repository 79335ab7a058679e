//! Asks everything at once.

use std::time::Duration;

use futures::future::{LocalBoxFuture, join_all};
use futures::{FutureExt, pin_mut, select_biased};
use time::UtcDateTime;

use super::verdict::{self, check};
use super::{BusQueue, Check, CheckName, Examination, LIMIT, QueueDepths, Status};
use crate::clock::Clock;
use crate::dispatch::Subscriptions;
use crate::dispatch_switch::DispatchSwitch;
use crate::event_query::{IndexPart, IndexQuery, LogIndex};
use crate::gauges::{BacklogReader, KnownLogs, MAX_RETRYING, StandingReader, Standings, age};
use crate::guarded::guarded;
use crate::job::{IdleJobs, JobStore, Sleeper};
use crate::letters::LetterStore;
use crate::log_hour::{IdRange, LogHour, Order};
use crate::log_shard::LogShard;
use crate::receipt::ReceiptLedger;
use crate::registry::Tenants;
use crate::seal::SealStore;
use crate::store_error::StoreError;
use crate::sweep::SweepStore;
use crate::tenant::TenantId;
use crate::tenant_settings::TenantSettingsReader;
use crate::trouble::RetryingCount;

/// How long nothing was written of a job that nobody seems to work for: as long as the pass that calls workers waits.
const IDLE: Duration = Duration::from_secs(10 * 60);

/// Jobs without a worker that are counted.
const MAX_IDLE: usize = 20;

/// Looks whether a bus is well.
pub trait Examine {
    /// Looks at everything. It always comes to an end, within [`LIMIT`] and little more.
    fn examine(&self) -> impl Future<Output = Examination>;
}

/// What the tables of a bus are read by.
pub struct Tables<G, W, R, L, T, D, S, V, J, C> {
    /// Who has a log, and how it is spread.
    pub logs: KnownLogs<G, C>,
    /// Who is registered.
    pub registry: G,
    /// How far the sweep has come.
    pub sweep: W,
    /// What was handed over.
    pub receipts: R,
    /// The log.
    pub log: L,
    /// Deliveries in trouble.
    pub rows: T,
    /// Dead letters.
    pub letters: D,
    /// Who is subscribed.
    pub subscriptions: S,
    /// Closed hours.
    pub seals: V,
    /// Jobs.
    pub jobs: J,
}

/// Examines one bus.
pub struct Examiner<B, Q, X, Z, C> {
    /// Its tables.
    pub tables: B,
    /// Its queues.
    pub queues: Q,
    /// Whether it dispatches.
    pub switch: X,
    /// How time passes.
    pub sleeper: Z,
    /// What time it is.
    pub clock: C,
    /// What was found before.
    pub standings: Standings,
}

type Answers = Result<Vec<Check>, StoreError>;

impl<G, W, R, L, T, D, S, V, J, Q, X, Z, C> Examine
    for Examiner<Tables<G, W, R, L, T, D, S, V, J, C>, Q, X, Z, C>
where
    G: Tenants + TenantSettingsReader + Sync,
    W: SweepStore + Sync,
    R: ReceiptLedger + Sync,
    L: LogIndex + Sync,
    T: RetryingCount + Sync,
    D: LetterStore + Sync,
    S: Subscriptions + Sync,
    V: SealStore + Sync,
    J: JobStore + IdleJobs + Sync,
    Q: QueueDepths + Sync,
    X: DispatchSwitch + Sync,
    Z: Sleeper + Sync,
    C: Clock + Sync,
{
    async fn examine(&self) -> Examination {
        use CheckName::*;
        let at = self.clock.now();
        let asked: Vec<LocalBoxFuture<'_, Vec<Check>>> = vec![
            self.ask(&[EventLogTable], self.event_log(at)).boxed_local(),
            self.ask(&[RegistryTable], self.registry()).boxed_local(),
            self.ask(&[DeadLetterTable], self.dead_letter_table())
                .boxed_local(),
            self.ask(&[JobTable], self.job_table()).boxed_local(),
            self.ask(&[DeadLetterQueue], self.queue(BusQueue::DeadLetters))
                .boxed_local(),
            self.ask(&[RetryQueue], self.queue(BusQueue::Retries))
                .boxed_local(),
            self.ask(&[JobQueue], self.queue(BusQueue::Jobs))
                .boxed_local(),
            self.ask(&[SweepQueue], self.queue(BusQueue::Sweep))
                .boxed_local(),
            self.ask(&[StreamMapping], self.mapping()).boxed_local(),
            self.ask(&[PendingEvents, DispatchLag], self.backlog(at))
                .boxed_local(),
            self.ask(&[Retries], self.retries()).boxed_local(),
            self.ask(&[DeadLetters, SuspendedSubscriptions], self.totals(at))
                .boxed_local(),
            self.ask(&[OutboxTable, Sweep], self.sweep(at))
                .boxed_local(),
            self.ask(&[Seals], self.seals(at)).boxed_local(),
            self.ask(&[IdleJobs], self.idle_jobs(at)).boxed_local(),
        ];
        let mut checks = join_all(asked).await.concat();
        let place = |check: &Check| CheckName::ALL.iter().position(|name| *name == check.name);
        checks.sort_by_key(place);
        Examination { at, checks }
    }
}

impl<G, W, R, L, T, D, S, V, J, Q, X, Z, C>
    Examiner<Tables<G, W, R, L, T, D, S, V, J, C>, Q, X, Z, C>
where
    G: Tenants + TenantSettingsReader + Sync,
    W: SweepStore + Sync,
    R: ReceiptLedger + Sync,
    L: LogIndex + Sync,
    T: RetryingCount + Sync,
    D: LetterStore + Sync,
    S: Subscriptions + Sync,
    V: SealStore + Sync,
    J: JobStore + IdleJobs + Sync,
    Q: QueueDepths + Sync,
    X: DispatchSwitch + Sync,
    Z: Sleeper + Sync,
    C: Clock + Sync,
{
    /// The answers, or for each of the names that there is none, whatever became of it.
    async fn ask(
        &self,
        names: &'static [CheckName],
        answers: impl Future<Output = Answers>,
    ) -> Vec<Check> {
        let answers = guarded(answers).fuse();
        let late = self.sleeper.sleep(LIMIT).fuse();
        pin_mut!(answers, late);
        let problem = select_biased! {
            answers = answers => match answers {
                Ok(Ok(checks)) => return checks,
                Ok(Err(error)) => error.to_string(),
                Err(panicked) => panicked.to_string(),
            },
            () = late => format!("no answer within {} s", LIMIT.as_secs()),
        };
        let failed = |name: &CheckName| {
            let message = format!("It could not be looked at: {problem}.");
            check(*name, Status::Fail, None, message)
        };
        names.iter().map(failed).collect()
    }

    /// A table is there when a small read of it is answered.
    async fn timed<O>(
        &self,
        name: CheckName,
        read: impl Future<Output = Result<O, StoreError>>,
    ) -> Result<(O, Check), StoreError> {
        let asked_at = self.clock.now();
        let found = read.await?;
        let took = age(Some(asked_at), self.clock.now());
        Ok((found, verdict::table(name, took)))
    }

    async fn event_log(&self, now: UtcDateTime) -> Answers {
        let part = IndexPart::Hour(LogHour::at(now), LogShard::default());
        let query = IndexQuery {
            part: &part,
            range: IdRange::ALL,
            order: Order::Newest,
            event_type: None,
            limit: 1,
        };
        let bus = TenantId::bus();
        let read = self.tables.log.page(&bus, query);
        Ok(vec![self.timed(CheckName::EventLogTable, read).await?.1])
    }

    async fn registry(&self) -> Answers {
        let read = self.tables.registry.tenants(None, 1);
        Ok(vec![self.timed(CheckName::RegistryTable, read).await?.1])
    }

    async fn dead_letter_table(&self) -> Answers {
        let (bus, range) = (TenantId::bus(), IdRange::ALL);
        let read = self.tables.letters.page(&bus, range, Order::Newest, 1);
        Ok(vec![self.timed(CheckName::DeadLetterTable, read).await?.1])
    }

    async fn job_table(&self) -> Answers {
        let bus = TenantId::bus();
        let read = self.tables.jobs.list(&bus, None, 1);
        Ok(vec![self.timed(CheckName::JobTable, read).await?.1])
    }

    async fn queue(&self, queue: BusQueue) -> Answers {
        let depth = self.queues.depth(queue).await?;
        Ok(vec![verdict::queue(queue, depth)])
    }

    async fn mapping(&self) -> Answers {
        Ok(vec![verdict::mapping(self.switch.state().await?)])
    }

    async fn backlog(&self, now: UtcDateTime) -> Answers {
        let reader = BacklogReader {
            sweep: &self.tables.sweep,
            receipts: &self.tables.receipts,
            log: &self.tables.log,
        };
        let logs = self.tables.logs.read().await?;
        Ok(verdict::backlog(&reader.read(&logs, now).await?, now))
    }

    async fn retries(&self) -> Answers {
        let retrying = self.tables.rows.retrying(MAX_RETRYING).await?;
        Ok(vec![verdict::retries(retrying)])
    }

    async fn totals(&self, now: UtcDateTime) -> Answers {
        let reader = StandingReader {
            letters: &self.tables.letters,
            subscriptions: &self.tables.subscriptions,
            standings: &self.standings,
        };
        let logs = self.tables.logs.read().await?;
        Ok(verdict::totals(&reader.read(&logs, now).await?, now))
    }

    async fn sweep(&self, now: UtcDateTime) -> Answers {
        let read = self.tables.sweep.read();
        let (state, table) = self.timed(CheckName::OutboxTable, read).await?;
        Ok(vec![table, verdict::sweep(state.as_ref(), now)])
    }

    async fn seals(&self, now: UtcDateTime) -> Answers {
        let seals = &self.tables.seals;
        let first = match seals.head().await? {
            Some(head) => Some(head.sealed_before),
            None => seals.begun().await?,
        };
        Ok(vec![verdict::seals(first, now)])
    }

    async fn idle_jobs(&self, now: UtcDateTime) -> Answers {
        let idle = self.tables.jobs.idle(now, IDLE, MAX_IDLE).await?;
        Ok(vec![verdict::idle_jobs(idle.len(), MAX_IDLE)])
    }
}
