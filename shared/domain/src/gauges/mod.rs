//! Figures of the bus as a whole: what waits, what is in trouble, what nobody has decided yet.
//!
//! No counter is kept for any of them, since one would cost a write for each event. They are read, each from the
//! cheapest place that knows it, and never by a scan. Every read is bounded; where a bound is met the figure says that
//! it is the least ([`Counted::is_at_least`]).
//!
//! ```text
//! pending       index ByTime since the sweep's watermark, less the ids of receipts; read from where receipts end
//! retrying      index ByDue, which holds just these
//! dead letters  letters of each tenant, from its first open one on
//! suspended     subscriptions of each tenant, again when their revision is another
//! ```
//!
//! A run of [`Gauges::read`] makes at the most [`MAX_READS`] queries, and an idle bus with a few tenants about two
//! for each tenant. How old messages in a queue are is not among the figures: SQS tells it by a metric of its own
//! (`AWS/SQS`, `ApproximateAgeOfOldestMessage`), and by no call that a function could make.

mod backlog;
mod logs;
mod standings;

use std::time::Duration;

use time::UtcDateTime;

use crate::clock::Clock;
use crate::dispatch::Subscriptions;
use crate::event_query::LogIndex;
use crate::letters::LetterStore;
use crate::receipt::ReceiptLedger;
use crate::registry::Tenants;
use crate::store_error::StoreError;
use crate::sweep::SweepStore;
use crate::tenant_settings::TenantSettingsReader;
use crate::trouble::RetryingCount;

pub use backlog::{Backlog, BacklogReader};
pub use logs::KnownLogs;
pub use standings::{StandingReader, Standings, Totals};

/// Tenants that are looked at. Those beyond are left out, and every figure that leaves them out is the least.
pub const MAX_TENANTS: usize = 2_000;

/// Deliveries that are counted in each part of the index of those that are tried again. An entry takes about 200
/// bytes.
pub const MAX_RETRYING: usize = 2_000;

/// Queries of one run at the most, of which nearly all find nothing: the list of tenants and the sweep's state; of each
/// tenant its settings; the log's parts, twice; buckets of receipts; and of tenants whose turn it is letters and
/// subscriptions.
pub const MAX_READS: usize = 2
    + MAX_TENANTS
    + backlog::MAX_PARTS
    + 2 * backlog::MAX_PAGES
    + backlog::MAX_WALKED
    + backlog::MAX_CHECKED
    + standings::MAX_CALLS
    + 8;

/// So many, or more of them than were counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// How many were counted.
    pub count: u64,
    /// Whether there may be more.
    pub is_at_least: bool,
}

impl Counted {
    /// All there are.
    pub fn all(count: usize) -> Self {
        Self::all_of(u64::try_from(count).unwrap_or(u64::MAX))
    }

    /// All there are, counted elsewhere.
    pub fn all_of(count: u64) -> Self {
        Self {
            count,
            is_at_least: false,
        }
    }

    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        Self {
            count: self.count.saturating_add(other.count),
            is_at_least: self.is_at_least || other.is_at_least,
        }
    }

    /// The same, or the least where something was left out.
    pub fn unless_cut(self, is_cut: bool) -> Self {
        Self {
            is_at_least: self.is_at_least || is_cut,
            ..self
        }
    }
}

/// How long ago this was; nothing where nothing is there.
pub fn age(of: Option<UtcDateTime>, now: UtcDateTime) -> Duration {
    let age = of.map(|at| now - at);
    age.and_then(|age| Duration::try_from(age).ok())
        .unwrap_or_default()
}

/// Where the figures come from.
pub struct Gauges<'a, G, W, R, L, T, D, S, C> {
    /// Who has a log, and how it is spread.
    pub logs: &'a KnownLogs<G, C>,
    /// How far the sweep has come.
    pub sweep: &'a W,
    /// What was handed over.
    pub receipts: &'a R,
    /// The log.
    pub log: &'a L,
    /// Deliveries in trouble.
    pub rows: &'a T,
    /// Dead letters.
    pub letters: &'a D,
    /// Who is subscribed.
    pub subscriptions: &'a S,
    /// What the runs before found.
    pub standings: &'a Standings,
    /// What time it is.
    pub clock: &'a C,
}

/// What a run found. What could not be read hides nothing else.
#[derive(Debug)]
pub struct Found {
    /// Events that are to be handed over and are in no receipt.
    pub backlog: Result<Backlog, StoreError>,
    /// Deliveries that are tried again.
    pub retrying: Result<Counted, StoreError>,
    /// What stands with the tenants.
    pub totals: Result<Totals, StoreError>,
}

impl<G, W, R, L, T, D, S, C> Gauges<'_, G, W, R, L, T, D, S, C>
where
    G: Tenants + TenantSettingsReader + Sync,
    W: SweepStore + Sync,
    R: ReceiptLedger + Sync,
    L: LogIndex + Sync,
    T: RetryingCount + Sync,
    D: LetterStore + Sync,
    S: Subscriptions + Sync,
    C: Clock + Sync,
{
    /// Reads every figure, side by side.
    ///
    /// # Errors
    /// When not even the tenants could be listed. What else fails is told in [`Found`].
    pub async fn read(&self) -> Result<Found, StoreError> {
        let logs = self.logs.read().await?;
        let now = self.clock.now();
        let backlog = BacklogReader {
            sweep: self.sweep,
            receipts: self.receipts,
            log: self.log,
        };
        let standings = StandingReader {
            letters: self.letters,
            subscriptions: self.subscriptions,
            standings: self.standings,
        };
        let (backlog, retrying, totals) = futures::join!(
            backlog.read(&logs, now),
            self.rows.retrying(MAX_RETRYING),
            standings.read(&logs, now),
        );
        Ok(Found {
            backlog,
            retrying,
            totals,
        })
    }
}
