//! Where time and ids come from.

use time::UtcDateTime;

use crate::event_id::EventId;

/// The time, and ids that carry it. `pillarbox-runtime` has the real one, `pillarbox-testkit` one that
/// stands still until it is told.
pub trait Clock {
    /// Now.
    fn now(&self) -> UtcDateTime;

    /// A new id of now, larger than every id that this clock gave before.
    fn next_id(&self) -> EventId;
}
