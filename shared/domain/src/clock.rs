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

/// The time without what is finer than a millisecond: every store keeps whole ones, so an answer that tells more
/// would differ from what is read afterwards.
pub fn whole_millis(time: UtcDateTime) -> UtcDateTime {
    let finer = time.nanosecond() % 1_000_000;
    time - time::Duration::nanoseconds(finer.into())
}
