//! A clock that stands still until it is told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pillarbox_domain::{Clock, EventId};
use time::UtcDateTime;
use time::macros::utc_datetime;
use uuid::Uuid;

/// Copies share one time.
#[derive(Clone)]
pub struct ManualClock(Arc<Mutex<State>>);

struct State {
    now: UtcDateTime,
    ids: u128,
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::at(utc_datetime!(2026-11-23 12:00:00))
    }
}

impl ManualClock {
    /// A clock that shows this time.
    pub fn at(now: UtcDateTime) -> Self {
        Self(Arc::new(Mutex::new(State { now, ids: 0 })))
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        self.0.lock().unwrap().now += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UtcDateTime {
        self.0.lock().unwrap().now
    }

    fn next_id(&self) -> EventId {
        let mut state = self.0.lock().unwrap();
        state.ids += 1;
        let millis = u64::try_from(state.now.unix_timestamp_nanos() / 1_000_000).unwrap();
        let mut tail = [0; 10];
        tail.copy_from_slice(&state.ids.to_be_bytes()[6..]);
        let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid();
        EventId::from_uuid(Uuid::from_bytes(*uuid.as_bytes())).unwrap()
    }
}
