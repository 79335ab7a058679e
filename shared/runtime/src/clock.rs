//! The real clock.

use std::sync::{Arc, Mutex, PoisonError};

use pillarbox_domain::{Clock, EventId};
use time::UtcDateTime;
use uuid::{ContextV7, Timestamp, Uuid};

/// The time of the machine, and ids that never go back: two ids of one millisecond differ by a counter,
/// so the events of one batch are logged in the order in which they came.
#[derive(Clone, Default)]
pub struct SystemClock {
    counter: Arc<Mutex<ContextV7>>,
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the clock"
    )]
    fn now(&self) -> UtcDateTime {
        UtcDateTime::now()
    }

    fn next_id(&self) -> EventId {
        let now = self.now();
        let seconds = u64::try_from(now.unix_timestamp()).unwrap_or_default();
        let counter = self.counter.lock().unwrap_or_else(PoisonError::into_inner);
        let uuid = Uuid::new_v7(Timestamp::from_unix(&*counter, seconds, now.nanosecond()));
        // What was made as version 7 is of version 7.
        EventId::from_uuid(uuid).unwrap_or_else(|_| unreachable!("{uuid} was made as a UUIDv7"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_in_order_and_tell_the_time() {
        let clock = SystemClock::default();
        let before = clock.now().unix_timestamp();
        let ids: Vec<EventId> = (0..10_000).map(|_| clock.next_id()).collect();
        assert!(ids.is_sorted_by(|a, b| a < b));
        let age = ids[0].accepted_at().unix_timestamp() - before;
        assert!((0..=1).contains(&age), "{age}");
    }
}
