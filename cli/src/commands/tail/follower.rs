//! Which events are new.
//!
//! Ids are in the order of time, but an event may be found some moments after others that are later: the index follows
//! the log, and no two clocks are the same. So each look begins a while before the one before it began, and what was
//! printed is remembered for as long.
//!
//! ```text
//! look 1 begins at 12:00:05     events since 11:59:55
//! look 2 begins at 12:00:06     events since 11:59:55; printed are those that look 1 did not find
//! look 3 begins at 12:00:07     events since 11:59:56; what was printed of 11:59:55 is forgotten
//! ```

use std::collections::BTreeSet;

use pillarbox_domain::EventId;
use time::{Duration, UtcDateTime};

/// Tells events that were not printed yet.
pub struct Follower {
    start: UtcDateTime,
    overlap: Duration,
    from: UtcDateTime,
    printed: BTreeSet<EventId>,
}

impl Follower {
    /// Of events that are accepted from now on.
    pub fn new(start: UtcDateTime, overlap: Duration) -> Self {
        Self {
            start,
            overlap,
            from: start,
            printed: BTreeSet::new(),
        }
    }

    /// From when on events may be new.
    pub fn from(&self) -> UtcDateTime {
        self.from
    }

    /// Whether this one was not printed yet. From now on it was.
    pub fn is_new(&mut self, event_id: EventId) -> bool {
        self.printed.insert(event_id)
    }

    /// A look that began at this time is over: what had been accepted a while before it was found.
    pub fn looked(&mut self, asked_at: UtcDateTime) {
        let from = asked_at.saturating_sub(self.overlap).max(self.start);
        // A clock that was set back makes nothing new that was printed.
        self.from = self.from.max(from);
        let from = self.from;
        self.printed
            .retain(|event_id| event_id.accepted_at() >= from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::utc_datetime;

    const NOON: UtcDateTime = utc_datetime!(2026-11-23 12:00);

    fn id(seconds: i64, tail: u16) -> EventId {
        let at = NOON + Duration::seconds(seconds);
        let millis = at.unix_timestamp() * 1_000;
        let text = format!("{:012x}7000a0000000{tail:08x}", millis);
        text.parse().unwrap()
    }

    fn follower() -> Follower {
        Follower::new(NOON, Duration::seconds(10))
    }

    fn at(seconds: i64) -> UtcDateTime {
        NOON + Duration::seconds(seconds)
    }

    #[test]
    fn an_event_that_is_found_late_is_new_and_one_that_was_printed_is_not() {
        let mut follower = follower();
        assert!(follower.is_new(id(3, 1)));
        follower.looked(at(4));
        assert_eq!(follower.from(), NOON);
        assert!(follower.is_new(id(2, 2)));
        assert!(!follower.is_new(id(3, 1)));
        follower.looked(at(12));
        assert_eq!(follower.from(), at(2));
        assert!(!follower.is_new(id(3, 1)));
        assert!(!follower.is_new(id(2, 2)));
    }

    #[test]
    fn what_is_not_asked_for_any_more_is_forgotten() {
        let mut follower = follower();
        for second in 0..100 {
            assert!(follower.is_new(id(second, 1)));
            follower.looked(at(second));
        }
        assert!(follower.printed.len() <= 11, "{}", follower.printed.len());
    }

    #[test]
    fn a_clock_that_is_set_back_repeats_nothing() {
        let mut follower = follower();
        follower.looked(at(100));
        assert!(follower.is_new(id(95, 1)));
        follower.looked(at(20));
        assert_eq!(follower.from(), at(90));
        assert!(!follower.is_new(id(95, 1)));
    }

    /// Events come in any order up to ten seconds late, and looks take a while: each is printed once.
    #[test]
    fn whatever_the_order_each_event_is_printed_once() {
        let mut follower = follower();
        let visible_after = |second: i64| (second * 7) % 10;
        let mut printed = Vec::new();
        for now in 0..60 {
            let from = follower.from();
            let there = (0..now).filter(|second| second + visible_after(*second) <= now);
            let asked_for = there.filter(|second| at(*second) >= from);
            for second in asked_for {
                if follower.is_new(id(second, 0)) {
                    printed.push(second);
                }
            }
            follower.looked(at(now));
        }
        printed.sort_unstable();
        assert_eq!(printed[..50], (0..50).collect::<Vec<_>>());
        let mut unique = printed.clone();
        unique.dedup();
        assert_eq!(unique, printed);
    }
}
