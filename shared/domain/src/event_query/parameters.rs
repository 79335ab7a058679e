//! A query as a caller writes it.

use super::cursor::cursors;
use super::{EventFilter, EventQuery};
use crate::limits::{DEFAULT_PAGE_EVENTS, MAX_CORRELATION_ID_BYTES, MAX_EVENT_KEY_BYTES};
use crate::log_hour::Order;
use crate::query_parameters::{BadParameter, Parameters, bounded, limit, order, told};
use crate::tenant::TenantId;

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

    /// Reads a tenant's query of one operation, in the order in which its events were accepted.
    pub fn of_operation(
        tenant: &TenantId,
        correlation_id: &str,
        parameters: &[(String, String)],
    ) -> Result<Self, Vec<BadParameter>> {
        let mut read = Parameters::of(parameters, &["limit", "cursor"]);
        let bounded = bounded(correlation_id, MAX_CORRELATION_ID_BYTES);
        let bounded = bounded.map_err(|detail| read.fault("correlation_id", &detail));
        let filter = EventFilter {
            correlation_id: bounded.ok(),
            ..EventFilter::default()
        };
        let limit = read.parsed("limit", limit).unwrap_or(DEFAULT_PAGE_EVENTS);
        let order = Order::Oldest;
        let start = read.parsed("cursor", |text| {
            cursors(tenant, &filter, order).read(text).map_err(told)
        });
        read.finish(Self {
            filter,
            order,
            limit,
            start,
        })
    }

    /// Reads a tenant's query.
    pub fn parse(
        tenant: &TenantId,
        parameters: &[(String, String)],
    ) -> Result<Self, Vec<BadParameter>> {
        let mut read = Parameters::of(parameters, &Self::PARAMETERS);
        let event_type = read.parsed("type", |text| text.parse().map_err(told));
        let source = read.parsed("source", |text| bounded(text, MAX_EVENT_KEY_BYTES));
        let (from, to) = read.times();
        let filter = EventFilter {
            event_type,
            source,
            from,
            to,
            correlation_id: read.parsed("correlation_id", |text| {
                bounded(text, MAX_CORRELATION_ID_BYTES)
            }),
        };
        let order = read.parsed("order", order).unwrap_or_default();
        let limit = read.parsed("limit", limit).unwrap_or(DEFAULT_PAGE_EVENTS);
        // A cursor is held against the whole query, so against none while something else is wrong.
        let is_whole = read.is_whole();
        let start = read.parsed("cursor", |text| match is_whole {
            true => cursors(tenant, &filter, order)
                .read(text)
                .map(Some)
                .map_err(told),
            false => Ok(None),
        });
        read.finish(Self {
            filter,
            order,
            limit,
            start: start.flatten(),
        })
    }
}
