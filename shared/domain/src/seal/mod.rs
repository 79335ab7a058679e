//! Closed hours: every event of an hour is in a receipt, the hour is archived, and its seal is chained to the one
//! before, so that nothing can be taken away without a trace.

mod chain;
mod pass;
mod proof;
mod reopened;
mod sealer;

pub use pass::{Left, Pass, Unreadable, Unsealed};
pub use sealer::{SealSettings, Sealer};

use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::UtcDateTime;

use crate::event_id::EventId;
use crate::log_hour::LogHour;
use crate::logged_event::LoggedEvent;
use crate::store_error::StoreError;
use crate::tenant::TenantId;

/// How long who seals is left alone: longer than a function may run for it.
pub const HOLD: Duration = Duration::from_secs(6 * 60);

/// Revisions of an hour that keys have room for.
pub const MAX_REVISION: u32 = 9_999;

/// The document of a sealed hour, one for each of its revisions. Its SHA-256, over its bytes as they are stored,
/// stands in its row and in the document that comes after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// 1.
    pub format: u32,
    /// The hour's first second, RFC 3339.
    pub hour: String,
    /// 0, and one more each time that the hour was opened again.
    pub revision: u32,
    /// When it was written, RFC 3339.
    pub sealed_at: String,
    /// The seal that was written before this one, of whichever hour; none before the first.
    pub previous: Option<SealLink>,
    /// Events of the hour, all tenants together.
    pub events: u64,
    /// Every tenant that has events in the hour.
    pub manifests: Vec<SealedManifest>,
}

impl Seal {
    /// Reads one as it is stored.
    pub fn parse(bytes: &[u8]) -> Result<Self, StoreError> {
        serde_json::from_slice(bytes).map_err(|error| StoreError::Malformed {
            what: "seal",
            detail: error.to_string(),
        })
    }
}

/// Names a seal by where it stands and what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealLink {
    /// The key of the document.
    pub key: String,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
}

/// A manifest as a seal names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedManifest {
    /// Whose hour it is.
    pub tenant: String,
    /// The key of the manifest.
    pub key: String,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
    /// Events in it.
    pub events: u64,
}

/// The row of a seal in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealRow {
    /// Which hour.
    pub hour: LogHour,
    /// Which of its revisions.
    pub revision: u32,
    /// Where the document is, and what.
    pub link: SealLink,
    /// Where the one before it is.
    pub previous: Option<SealLink>,
    /// Events of the hour.
    pub events: u64,
    /// When.
    pub sealed_at: UtcDateTime,
}

/// The end of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealHead {
    /// The seal that was written last.
    pub link: SealLink,
    /// Every hour before this one is sealed: the watermark.
    pub sealed_before: LogHour,
}

/// Says that something came late to an hour of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reopening {
    /// Whose hour it is.
    pub tenant: TenantId,
    /// Which it is.
    pub hour: LogHour,
    /// When something came last.
    pub noted_at: UtcDateTime,
}

/// Where seals are kept.
pub trait SealStore {
    /// Claims the sealing until then, where nobody holds it now. `false` when another does. What is written does not
    /// depend on it: it only keeps two from doing the same work side by side.
    fn hold(
        &self,
        holder: EventId,
        now: UtcDateTime,
        until: UtcDateTime,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Gives it back, unless another holds it by now.
    fn release(&self, holder: EventId) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The hour that sealing begins with: this one, unless one was chosen before.
    fn begin(&self, first: LogHour) -> impl Future<Output = Result<LogHour, StoreError>> + Send;

    /// The hour that sealing began with, once it was chosen. Seals of hours before it are of what came late.
    fn begun(&self) -> impl Future<Output = Result<Option<LogHour>, StoreError>> + Send;

    /// The end of the chain, as it is now; none before the first seal.
    fn head(&self) -> impl Future<Output = Result<Option<SealHead>, StoreError>> + Send;

    /// Puts a seal at the end of the chain, where `seen` is the end. `false` when it is not: another was at it, and
    /// nothing was written. A seal that is in the chain just so is not put there again: the answer was lost.
    fn append(
        &self,
        row: &SealRow,
        seen: Option<&SealHead>,
        head: &SealHead,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// The seals of some hours, with all their revisions, by hour and revision. `limit` rows at the most; the
    /// caller goes on after the last one's hour.
    fn rows(
        &self,
        first: LogHour,
        last: LogHour,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<SealRow>, StoreError>> + Send;

    /// Hours that something came late to, the earliest first. `limit` of them at the most.
    fn reopened(
        &self,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Reopening>, StoreError>> + Send;

    /// Forgets a reopening, unless something came later still.
    fn forget(&self, reopening: &Reopening) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What has events dispatched that are in no receipt.
pub trait Redispatch {
    /// Hands these events of one tenant to whoever asked for them, as dispatch does, or sees to it that they are
    /// handed over soon. Their hour is looked at again later, so nothing depends on what has become of each.
    fn redispatch(
        &self,
        events: &[LoggedEvent],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Where it is noted that something came late.
pub trait Reopenings {
    /// Notes it; again each time, so that a seal that is being written meanwhile does not miss it.
    fn reopen(&self, reopening: &Reopening) -> impl Future<Output = Result<(), StoreError>> + Send;
}
