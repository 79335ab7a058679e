//! The name of an event everywhere in the bus.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use time::UtcDateTime;
use uuid::Uuid;

/// The UUIDv7 that an event is given when it is accepted.
///
/// Its first 48 bits are the time in milliseconds, so ids order the log, tell an event's age, and need
/// no index of their own. `pillarbox-runtime`'s `EventIds` makes them; ids of one batch are in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(Uuid);

/// The text is not a UUID of version 7.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a UUID of version 7")]
pub struct InvalidEventId;

impl EventId {
    /// Takes a UUID of version 7, and no other: the time of any other would be nonsense.
    pub fn from_uuid(uuid: Uuid) -> Result<Self, InvalidEventId> {
        match uuid.get_version_num() {
            7 => Ok(Self(uuid)),
            _ => Err(InvalidEventId),
        }
    }

    /// When the event was accepted, to the millisecond.
    pub fn accepted_at(self) -> UtcDateTime {
        let nanos = i128::from(self.unix_millis()) * 1_000_000;
        // 48 bits of milliseconds end in the year 10889; the calendar here ends in 9999.
        UtcDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(UtcDateTime::MAX)
    }

    /// When the event was accepted, in milliseconds since 1970.
    pub fn unix_millis(self) -> u64 {
        let [a, b, c, d, e, f, ..] = *self.0.as_bytes();
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    }

    /// The 16 bytes that a receipt packs.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The way back from [`EventId::as_bytes`].
    pub fn from_bytes(bytes: [u8; 16]) -> Result<Self, InvalidEventId> {
        Self::from_uuid(Uuid::from_bytes(bytes))
    }
}

impl FromStr for EventId {
    type Err = InvalidEventId;

    fn from_str(text: &str) -> Result<Self, InvalidEventId> {
        let uuid = Uuid::try_parse(text).map_err(|_| InvalidEventId)?;
        Self::from_uuid(uuid)
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::utc_datetime;

    #[test]
    fn an_id_tells_when_its_event_was_accepted() {
        // The example of RFC 9562, appendix A.6.
        let id: EventId = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f".parse().unwrap();
        assert_eq!(id.accepted_at(), utc_datetime!(2022-02-22 19:22:22));
        assert_eq!(id.unix_millis(), 1_645_557_742_000);
        assert_eq!(EventId::from_bytes(*id.as_bytes()), Ok(id));
    }

    #[test]
    fn a_uuid_of_another_version_is_refused() {
        let v4 = "919108f7-52d1-4320-9bac-f847db4148a8";
        assert_eq!(v4.parse::<EventId>(), Err(InvalidEventId));
        assert_eq!("nonsense".parse::<EventId>(), Err(InvalidEventId));
    }

    #[test]
    fn an_id_beyond_the_calendar_is_clamped_not_a_panic() {
        let id: EventId = "ffffffff-ffff-7fff-bfff-ffffffffffff".parse().unwrap();
        assert_eq!(id.accepted_at(), UtcDateTime::MAX);
    }
}
