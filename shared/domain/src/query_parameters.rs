//! The parameters of a query as a caller writes them: names and values, every fault told at once.

use std::collections::BTreeSet;
use std::fmt::Display;

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcDateTime};

use crate::limits::MAX_PAGE_EVENTS;
use crate::log_hour::Order;

/// A parameter that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} {detail}")]
pub struct BadParameter {
    /// The parameter, as the caller wrote it.
    pub name: String,
    /// The rule.
    pub detail: String,
}

/// Parameters that are being read.
pub(crate) struct Parameters<'a> {
    given: &'a [(String, String)],
    faults: Vec<BadParameter>,
}

impl<'a> Parameters<'a> {
    /// These parameters of a query that knows these names.
    pub(crate) fn of(given: &'a [(String, String)], known: &[&str]) -> Self {
        let mut read = Self {
            given,
            faults: vec![],
        };
        let mut names = BTreeSet::new();
        for (name, _) in given {
            let is_known = known.contains(&name.as_str());
            match (is_known, names.insert(name)) {
                (true, true) => {}
                (true, false) => read.fault(name, "is given twice"),
                (false, _) => read.fault(name, "is not a parameter of this query"),
            }
        }
        read
    }

    /// What a parameter means, if it is given and means something.
    pub(crate) fn parsed<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let (_, text) = self.given.iter().find(|(given, _)| given == name)?;
        parse(text).map_err(|detail| self.fault(name, &detail)).ok()
    }

    /// The bounds `from` and `to`, which have an order.
    pub(crate) fn times(&mut self) -> (Option<UtcDateTime>, Option<UtcDateTime>) {
        let times = (self.parsed("from", time), self.parsed("to", time));
        if matches!(times, (Some(from), Some(to)) if from > to) {
            self.fault("from", "must not be later than to");
        }
        times
    }

    /// Whether nothing is wrong so far.
    pub(crate) fn is_whole(&self) -> bool {
        self.faults.is_empty()
    }

    /// The query, or everything that is wrong with it.
    pub(crate) fn finish<Q>(self, query: Q) -> Result<Q, Vec<BadParameter>> {
        self.faults.is_empty().then_some(query).ok_or(self.faults)
    }

    /// Something is wrong with a parameter, or with what its default comes to.
    pub(crate) fn fault(&mut self, name: &str, detail: &str) {
        self.faults.push(BadParameter {
            name: name.to_owned(),
            detail: detail.to_owned(),
        });
    }
}

/// An error as the rule that it tells.
pub(crate) fn told(error: impl Display) -> String {
    error.to_string()
}

/// A text that is not empty and has so many bytes at the most.
pub(crate) fn bounded(text: &str, limit: usize) -> Result<String, String> {
    match text.len() {
        0 => Err("must not be empty".to_owned()),
        actual if actual > limit => Err(format!("must be {limit} bytes at most, and has {actual}")),
        _ => Ok(text.to_owned()),
    }
}

fn time(text: &str) -> Result<UtcDateTime, String> {
    rfc3339(text).ok_or_else(|| {
        "must be a time (RFC 3339), as in 2026-11-23T08:00:00Z; a + in it is written %2B".to_owned()
    })
}

/// A time in RFC 3339 of any offset.
pub(crate) fn rfc3339(text: &str) -> Option<UtcDateTime> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok();
    // An offset can lead out of the calendar.
    time.and_then(|time| time.checked_to_utc())
}

/// Which come first.
pub(crate) fn order(text: &str) -> Result<Order, String> {
    match text {
        "newest" => Ok(Order::Newest),
        "oldest" => Ok(Order::Oldest),
        _ => Err("must be newest or oldest".to_owned()),
    }
}

/// How many a page has at the most.
pub(crate) fn limit(text: &str) -> Result<usize, String> {
    let limit = text
        .parse()
        .ok()
        .filter(|limit| (1..=MAX_PAGE_EVENTS).contains(limit));
    limit.ok_or_else(|| format!("must be 1 to {MAX_PAGE_EVENTS}"))
}
