//! The proof that nothing is missing: a tenant's log held against its receipts, its archive and the chain of seals.
//!
//! An [`Auditor`] goes through a range hour by hour, the oldest first, as far as one request may read, and says where
//! to go on. It writes nothing and believes nothing: what is compared are the stores themselves. What it compares
//! them by are pure functions, and a folder with a copy of the archive is verified by the same ones ([`folder`]),
//! without the bus.

mod archived;
mod auditor;
mod budget;
mod chain;
mod contents;
mod documents;
mod finding;
pub mod folder;
mod ledger;
mod query;
mod shown;
mod slice;
mod walk;

pub use auditor::Auditor;
pub use finding::{Finding, FindingKind, Findings, MAX_NAMED_EVENTS};
pub use ledger::Counts;
pub use query::IntegrityQuery;
pub use shown::ShownAudit;

use std::time::Duration;

use crate::log_hour::{HourRange, LogHour};
use crate::seal::SealHead;

/// How old an event has to be before it counts that something of it is missing: until then it may be on its way. The
/// sweep has found by then what dispatch never saw.
pub const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// What one request may read. The last of what is read may exceed it, since a slice is read whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Hours, with those that have nothing but a seal: an object each.
    pub hours: usize,
    /// Entries of the log's index, each about 200 bytes.
    pub entries: usize,
    /// Buckets of receipts. An hour that has events has 360, each a call.
    pub buckets: usize,
    /// Events that receipts name, of all tenants together: 16 bytes each.
    pub receipted: usize,
    /// Bytes of archived lines, each decompressed and hashed.
    pub archive_bytes: u64,
}

impl Default for Bounds {
    /// A few seconds of an API's 30.
    fn default() -> Self {
        Self {
            hours: 100,
            entries: 20_000,
            buckets: 1_440,
            receipted: 300_000,
            archive_bytes: 64 * 1024 * 1024,
        }
    }
}

/// An hour of a tenant's ledger. `logged` is `logged_only`, `receipted` and `pending` together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HourLedger {
    /// Which.
    pub hour: LogHour,
    /// What was counted. An hour that one answer did not finish goes on in the next, whose counts come on top.
    pub counts: Counts,
    /// Whether it has a seal.
    pub is_sealed: bool,
    /// Events of the tenant that its archive has. None where it has no seal, or one that is not what it was.
    pub archived: Option<u64>,
}

/// What an audit came to, as far as one request went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// The hours that were asked for. None where there was no time between the bounds.
    pub range: Option<HourRange>,
    /// The hours that have anything, the oldest first.
    pub hours: Vec<HourLedger>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// The end of the chain of seals.
    pub head: Option<SealHead>,
    /// Where to go on. None when the range was audited to its end.
    pub next_cursor: Option<String>,
}
