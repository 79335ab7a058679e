//! The cursors of a query of events.

use super::EventFilter;
use crate::log_hour::Order;
use crate::page_cursor::{Cursors, order_part, time_part};
use crate::tenant::TenantId;

pub(super) fn cursors(tenant: &TenantId, filter: &EventFilter, order: Order) -> Cursors {
    let EventFilter {
        event_type,
        source,
        from,
        to,
        correlation_id,
    } = filter;
    Cursors::of([
        Some(tenant.to_string()),
        event_type
            .as_ref()
            .map(|pattern| pattern.as_str().to_owned()),
        source.clone(),
        time_part(*from),
        time_part(*to),
        correlation_id.clone(),
        order_part(order),
    ])
}
