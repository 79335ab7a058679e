//! Everything that jobs are planned and worked on with.

use std::time::Duration;

use super::{Counts, JobQueue, JobStore};
use crate::active_hours::MarkedHours;
use crate::archive::ArchiveReader;
use crate::clock::Clock;
use crate::dead_letter::DeadLetterQueue;
use crate::dispatch::{DeliveryQueues, Subscriptions};
use crate::event_query::{EventBodies, LogIndex};
use crate::letters::{LetterStore, Redriven};
use crate::registry::SubscriptionRegistry;
use crate::schema::delivery::Upcasts;
use crate::tenant_settings::TenantSettingsReader;

/// Lets time pass, so that tests need none.
pub trait Sleeper {
    /// Comes back after a while.
    fn sleep(&self, lasting: Duration) -> impl Future<Output = ()> + Send;
}

/// Whoever called a worker, and waits for it.
pub trait Caller {
    /// The worker is at it: nobody else need be called for another [`super::LEASE`]. Workers say so all the time.
    fn is_worked_for(&self) -> impl Future<Output = ()> + Send;

    /// A page was handled, and that is written down.
    fn page_handled(&self, page: &HandledPage);

    /// A dead letter is with its queue again.
    fn letter_redriven(&self, redriven: &Redriven);
}

/// What became of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandledPage {
    /// Of which kind its job is, see [`super::Work::kind`].
    pub kind: &'static str,
    /// Of which unit.
    pub unit: u32,
    /// What was done with its events or letters.
    pub done: Counts,
    /// How long it took, waiting for its turn included.
    pub took: Duration,
}

/// The ports, each as what it is here: one parameter instead of fourteen.
pub trait Ports: Sync {
    /// See [`Parts::jobs`].
    type Jobs: JobStore + Sync;
    /// See [`Parts::calls`].
    type Calls: JobQueue + Sync;
    /// See [`Parts::settings`].
    type Settings: TenantSettingsReader + Sync;
    /// See [`Parts::marks`].
    type Marks: MarkedHours + Sync;
    /// See [`Parts::log`].
    type Log: LogIndex + EventBodies + Sync;
    /// See [`Parts::archive`].
    type Archive: ArchiveReader + Sync;
    /// See [`Parts::letters`].
    type Letters: LetterStore + Sync;
    /// See [`Parts::registry`].
    type Registry: SubscriptionRegistry + Sync;
    /// See [`Parts::subscriptions`].
    type Subscriptions: Subscriptions + Sync;
    /// See [`Parts::upcasts`].
    type Upcasts: Upcasts + Sync;
    /// See [`Parts::queues`].
    type Queues: DeliveryQueues + Sync;
    /// See [`Parts::dead_letters`].
    type DeadLetters: DeadLetterQueue + Sync;
    /// See [`Parts::clock`].
    type Clock: Clock + Sync;
    /// See [`Parts::sleeper`].
    type Sleeper: Sleeper + Sync;

    /// All of them.
    #[expect(
        clippy::type_complexity,
        reason = "it is the one place that names them all"
    )]
    fn parts(
        &self,
    ) -> &Parts<
        Self::Jobs,
        Self::Calls,
        Self::Settings,
        Self::Marks,
        Self::Log,
        Self::Archive,
        Self::Letters,
        Self::Registry,
        Self::Subscriptions,
        Self::Upcasts,
        Self::Queues,
        Self::DeadLetters,
        Self::Clock,
        Self::Sleeper,
    >;
}

/// The ports of jobs.
pub struct Parts<J, N, E, M, I, A, L, R, S, U, Q, D, C, W> {
    /// Where jobs are kept.
    pub jobs: J,
    /// What calls workers.
    pub calls: N,
    /// How many shards a log has, as it is now.
    pub settings: E,
    /// In which hours there are events.
    pub marks: M,
    /// The log: its index and its events.
    pub log: I,
    /// Hours that are archived.
    pub archive: A,
    /// Dead letters.
    pub letters: L,
    /// Subscriptions one by one, as they are now: for dead letters.
    pub registry: R,
    /// Who is subscribed.
    pub subscriptions: S,
    /// What brings old events up to the version that a subscription asks for.
    pub upcasts: U,
    /// Where deliveries go.
    pub queues: Q,
    /// Where a delivery goes that cannot be made.
    pub dead_letters: D,
    /// What time it is.
    pub clock: C,
    /// How time passes.
    pub sleeper: W,
}

impl<J, N, E, M, I, A, L, R, S, U, Q, D, C, W> Ports
    for Parts<J, N, E, M, I, A, L, R, S, U, Q, D, C, W>
where
    J: JobStore + Sync,
    N: JobQueue + Sync,
    E: TenantSettingsReader + Sync,
    M: MarkedHours + Sync,
    I: LogIndex + EventBodies + Sync,
    A: ArchiveReader + Sync,
    L: LetterStore + Sync,
    R: SubscriptionRegistry + Sync,
    S: Subscriptions + Sync,
    U: Upcasts + Sync,
    Q: DeliveryQueues + Sync,
    D: DeadLetterQueue + Sync,
    C: Clock + Sync,
    W: Sleeper + Sync,
{
    type Jobs = J;
    type Calls = N;
    type Settings = E;
    type Marks = M;
    type Log = I;
    type Archive = A;
    type Letters = L;
    type Registry = R;
    type Subscriptions = S;
    type Upcasts = U;
    type Queues = Q;
    type DeadLetters = D;
    type Clock = C;
    type Sleeper = W;

    fn parts(&self) -> &Self {
        self
    }
}
