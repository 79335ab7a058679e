//! Which dead letters are wanted, as a caller writes it.

use time::UtcDateTime;

use super::{DeadLetter, StateName};
use crate::event_id::EventId;
use crate::limits::{DEFAULT_PAGE_EVENTS, MAX_ERROR_CLASS_BYTES, MAX_ERROR_MESSAGE_BYTES};
use crate::log_hour::{IdRange, Order, Position};
use crate::page_cursor::{Cursors, order_part, time_part};
use crate::query_parameters::{BadParameter, Parameters, bounded, limit, order, told};
use crate::subscription::{SubscriptionId, TypePattern};
use crate::tenant::TenantId;

/// Which letters are wanted; one that keeps to everything that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LetterFilter {
    /// Of events of one of these types; of any when there are none.
    pub types: Vec<TypePattern>,
    /// Of this subscription.
    pub subscription: Option<SubscriptionId>,
    /// Of this class of errors and no other.
    pub error_class: Option<String>,
    /// Whose error message holds this, in whichever case.
    pub text: Option<String>,
    /// Of this event.
    pub event_id: Option<EventId>,
    /// Kept then or later.
    pub from: Option<UtcDateTime>,
    /// Kept before.
    pub to: Option<UtcDateTime>,
    /// In this state.
    pub state: Option<StateName>,
}

/// A page of letters that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterQuery {
    /// Which letters.
    pub filter: LetterFilter,
    /// Which of them first.
    pub order: Order,
    /// How many at the most.
    pub limit: usize,
    /// Where the page begins; at the start of the order when there was none before it.
    pub start: Option<Position>,
}

impl LetterFilter {
    /// The ids of letters of its time.
    pub(super) fn ids(&self) -> Option<IdRange> {
        IdRange::of_times(self.from, self.to)
    }

    /// Whether a letter of the right time is wanted, as it counts now.
    pub(crate) fn takes(&self, letter: &DeadLetter, now: UtcDateTime) -> bool {
        let delivery = letter.delivery.as_ref();
        let is_of_type = |pattern: &TypePattern| {
            delivery.is_some_and(|delivery| pattern.matches(&delivery.event_type))
        };
        let holds = |text: &String| {
            let message = letter.error.message.to_lowercase();
            message.contains(&text.to_lowercase())
        };
        let is_of = |wanted: &SubscriptionId| {
            delivery.is_some_and(|delivery| delivery.subscription == *wanted)
        };
        let is_of_event =
            |wanted: EventId| delivery.is_some_and(|delivery| delivery.event_id == wanted);
        self.state
            .is_none_or(|state| letter.state.name_at(now) == state)
            && self.event_id.is_none_or(is_of_event)
            && self.subscription.as_ref().is_none_or(is_of)
            && (self.types.is_empty() || self.types.iter().any(is_of_type))
            && self
                .error_class
                .as_ref()
                .is_none_or(|class| letter.error.class == *class)
            && self.text.as_ref().is_none_or(holds)
    }
}

impl LetterQuery {
    /// The parameters that there are.
    pub const PARAMETERS: [&str; 11] = [
        "type",
        "subscription",
        "error_class",
        "text",
        "event_id",
        "from",
        "to",
        "state",
        "order",
        "limit",
        "cursor",
    ];

    /// Reads a tenant's query.
    pub fn parse(
        tenant: &TenantId,
        parameters: &[(String, String)],
    ) -> Result<Self, Vec<BadParameter>> {
        let mut read = Parameters::of(parameters, &Self::PARAMETERS);
        let filter = read_filter(&mut read);
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

    /// The cursor of the page that begins here.
    pub(super) fn cursor(&self, tenant: &TenantId, position: Position) -> String {
        cursors(tenant, &self.filter, self.order).write(position)
    }
}

fn read_filter(read: &mut Parameters<'_>) -> LetterFilter {
    let (from, to) = read.times();
    LetterFilter {
        types: Vec::from_iter(read.parsed("type", |text| text.parse().map_err(told))),
        subscription: read.parsed("subscription", |text| text.parse().map_err(told)),
        error_class: read.parsed("error_class", |text| bounded(text, MAX_ERROR_CLASS_BYTES)),
        text: read.parsed("text", |text| bounded(text, MAX_ERROR_MESSAGE_BYTES)),
        event_id: read.parsed("event_id", |text| text.parse().map_err(told)),
        from,
        to,
        state: read.parsed("state", |text| text.parse().map_err(told)),
    }
}

fn cursors(tenant: &TenantId, filter: &LetterFilter, order: Order) -> Cursors {
    let LetterFilter {
        types,
        subscription,
        error_class,
        text,
        event_id,
        from,
        to,
        state,
    } = filter;
    let mut types = types.iter().map(|pattern| pattern.as_str().to_owned());
    let parts = [
        Some("dead-letters".to_owned()),
        Some(tenant.to_string()),
        // A list asks for one type or for none.
        types.next(),
        subscription.as_ref().map(ToString::to_string),
        error_class.clone(),
        text.clone(),
        event_id.map(|id| id.to_string()),
        time_part(*from),
        time_part(*to),
        state.map(|state| state.to_string()),
        order_part(order),
    ];
    Cursors::of(parts.into_iter().chain(types.map(Some)))
}
