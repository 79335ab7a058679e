//! What a run came to, in numbers: as its caller is told, and as its line in the log has it.

use pillarbox_domain::sweep::Swept;
use serde::Serialize;
use time::UtcDateTime;
use time::format_description::well_known::Rfc3339;

/// Counts of one run, see [`Swept`].
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Summary {
    pub(crate) end: &'static str,
    pub(crate) swept_before: Option<String>,
    pub(crate) open: usize,
    pub(crate) slices: usize,
    pub(crate) logged: usize,
    pub(crate) receipted: usize,
    pub(crate) missing: usize,
    pub(crate) dispatched: usize,
    pub(crate) asked: usize,
    pub(crate) waiting: usize,
    pub(crate) unreadable: usize,
    pub(crate) failed: usize,
    pub(crate) blocked: usize,
}

impl Summary {
    pub(crate) fn of(swept: &Swept) -> Self {
        Self {
            end: swept.end.name(),
            swept_before: swept.swept_before.map(rfc3339),
            open: swept.open,
            slices: swept.slices,
            logged: swept.logged,
            receipted: swept.receipted + swept.handed.receipted,
            missing: swept.missing - swept.handed.receipted,
            dispatched: swept.handed.dispatched.len(),
            asked: swept.asked,
            waiting: swept.waiting,
            unreadable: swept.handed.unreadable.len(),
            failed: swept.handed.failed.len(),
            blocked: swept.blocked.len(),
        }
    }
}

pub(crate) fn rfc3339(at: UtcDateTime) -> String {
    // No clock shows a year of five digits.
    at.format(&Rfc3339).unwrap_or_default()
}
