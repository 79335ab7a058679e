//! A query as a caller writes it: names and values, every fault told at once.

use std::collections::BTreeSet;
use std::fmt::Display;

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcDateTime};

use super::{EventFilter, EventQuery, cursor};
use crate::limits::{
    DEFAULT_PAGE_EVENTS, MAX_CORRELATION_ID_BYTES, MAX_EVENT_KEY_BYTES, MAX_PAGE_EVENTS,
};
use crate::log_hour::Order;
use crate::tenant::TenantId;

/// A parameter that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} {detail}")]
pub struct BadParameter {
    /// The parameter, as the caller wrote it.
    pub name: String,
    /// The rule.
    pub detail: String,
}

impl EventQuery {
    /// The parameters that there are.
    pub const PARAMETERS: [&str; 8] = [
        "type",
        "source",
        "from",
        "to",
        "correlation_id",
        "limit",
        "order",
        "cursor",
    ];

    /// Reads a tenant's query.
    pub fn parse(
        tenant: &TenantId,
        parameters: &[(String, String)],
    ) -> Result<Self, Vec<BadParameter>> {
        let mut read = Parameters::of(parameters);
        let filter = EventFilter {
            event_type: read.parsed("type", |text| text.parse().map_err(told)),
            source: read.parsed("source", |text| bounded(text, MAX_EVENT_KEY_BYTES)),
            from: read.parsed("from", time),
            to: read.parsed("to", time),
            correlation_id: read.parsed("correlation_id", |text| {
                bounded(text, MAX_CORRELATION_ID_BYTES)
            }),
        };
        if matches!((filter.from, filter.to), (Some(from), Some(to)) if from > to) {
            read.fault("from", "must not be later than to");
        }
        let order = read.parsed("order", order).unwrap_or_default();
        let limit = read.parsed("limit", limit).unwrap_or(DEFAULT_PAGE_EVENTS);
        // A cursor is held against the whole query, so against none while something else is wrong.
        let is_whole = read.faults.is_empty();
        let start = read.parsed("cursor", |text| match is_whole {
            true => cursor::read(tenant, &filter, order, text)
                .map(Some)
                .map_err(told),
            false => Ok(None),
        });
        let query = Self {
            filter,
            order,
            limit,
            start: start.flatten(),
        };
        read.faults.is_empty().then_some(query).ok_or(read.faults)
    }
}

struct Parameters<'a> {
    given: &'a [(String, String)],
    faults: Vec<BadParameter>,
}

impl<'a> Parameters<'a> {
    fn of(given: &'a [(String, String)]) -> Self {
        let mut read = Self {
            given,
            faults: vec![],
        };
        let mut names = BTreeSet::new();
        for (name, _) in given {
            let is_known = EventQuery::PARAMETERS.contains(&name.as_str());
            match (is_known, names.insert(name)) {
                (true, true) => {}
                (true, false) => read.fault(name, "is given twice"),
                (false, _) => read.fault(name, "is not a parameter of this query"),
            }
        }
        read
    }

    fn parsed<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let (_, text) = self.given.iter().find(|(given, _)| given == name)?;
        parse(text).map_err(|detail| self.fault(name, &detail)).ok()
    }

    fn fault(&mut self, name: &str, detail: &str) {
        self.faults.push(BadParameter {
            name: name.to_owned(),
            detail: detail.to_owned(),
        });
    }
}

fn told(error: impl Display) -> String {
    error.to_string()
}

fn bounded(text: &str, limit: usize) -> Result<String, String> {
    match text.len() {
        0 => Err("must not be empty".to_owned()),
        actual if actual > limit => Err(format!("must be {limit} bytes at most, and has {actual}")),
        _ => Ok(text.to_owned()),
    }
}

fn time(text: &str) -> Result<UtcDateTime, String> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok();
    // An offset can lead out of the calendar.
    let time = time.and_then(|time| time.checked_to_utc());
    time.ok_or_else(|| {
        "must be a time (RFC 3339), as in 2026-11-23T08:00:00Z; a + in it is written %2B".to_owned()
    })
}

fn order(text: &str) -> Result<Order, String> {
    match text {
        "newest" => Ok(Order::Newest),
        "oldest" => Ok(Order::Oldest),
        _ => Err("must be newest or oldest".to_owned()),
    }
}

fn limit(text: &str) -> Result<usize, String> {
    let limit = text
        .parse()
        .ok()
        .filter(|limit| (1..=MAX_PAGE_EVENTS).contains(limit));
    limit.ok_or_else(|| format!("must be 1 to {MAX_PAGE_EVENTS}"))
}
