//! What the bus found, page by page, and all of it together.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize, Serializer};

/// Events that a finding names.
const MAX_NAMED_EVENTS: usize = 100;

/// A page as the bus answers it.
#[derive(Debug, Deserialize)]
pub struct Audit {
    from: Option<String>,
    to: Option<String>,
    hours: Vec<Hour>,
    findings: Vec<Finding>,
    sealed_before: Option<String>,
    head: Option<SealLink>,
    pub next_cursor: Option<String>,
}

/// All pages together.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    pub from: Option<String>,
    pub to: Option<String>,
    #[serde(serialize_with = "values")]
    pub hours: BTreeMap<String, Hour>,
    pub totals: Counts,
    pub findings: Vec<Finding>,
    pub sealed_before: Option<String>,
    pub head: Option<SealLink>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Hour {
    pub hour: String,
    #[serde(flatten)]
    pub counts: Counts,
    pub sealed: bool,
    pub archived: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Counts {
    pub logged: u64,
    pub logged_only: u64,
    pub receipted: u64,
    pub in_trouble: u64,
    pub pending: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Finding {
    pub kind: String,
    pub hour: Option<String>,
    pub message: String,
    pub event_ids: Vec<String>,
    pub event_count: Option<u64>,
    pub object: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct SealLink {
    pub key: String,
    pub sha256: String,
}

fn values<S: Serializer>(hours: &BTreeMap<String, Hour>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(hours.values())
}

impl Report {
    /// Takes a page in. The first tells what is audited; each, where the chain ends by then.
    pub fn take(&mut self, page: Audit) {
        if self.from.is_none() {
            (self.from, self.to) = (page.from, page.to);
        }
        (self.sealed_before, self.head) = (page.sealed_before, page.head);
        for hour in page.hours {
            self.totals += hour.counts;
            match self.hours.get_mut(&hour.hour) {
                // The page before did not finish it.
                Some(begun) => begun.counts += hour.counts,
                None => {
                    self.hours.insert(hour.hour.clone(), hour);
                }
            }
        }
        for finding in page.findings {
            match self.findings.iter_mut().find(|told| told.is_as(&finding)) {
                Some(told) => told.join(finding),
                None => self.findings.push(finding),
            }
        }
    }

    /// Whether anything is wrong in an hour.
    pub fn has_findings(&self, hour: &str) -> bool {
        let mut hours = self.findings.iter().map(|finding| finding.hour.as_deref());
        hours.any(|of| of == Some(hour))
    }
}

impl Finding {
    fn is_as(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.hour == other.hour
            && self.object == other.object
            && self.message == other.message
    }

    fn join(&mut self, other: Self) {
        let room = MAX_NAMED_EVENTS.saturating_sub(self.event_ids.len());
        self.event_ids
            .extend(other.event_ids.into_iter().take(room));
        self.event_count = match (self.event_count, other.event_count) {
            (Some(one), Some(more)) => Some(one + more),
            (one, more) => one.or(more),
        };
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.logged += more.logged;
        self.logged_only += more.logged_only;
        self.receipted += more.receipted;
        self.in_trouble += more.in_trouble;
        self.pending += more.pending;
    }
}
