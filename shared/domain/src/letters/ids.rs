//! The names of dead letters and of redrives.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use time::UtcDateTime;

use crate::event_id::{EventId, InvalidEventId};
use crate::log_hour::{IdRange, Position};

/// Names a dead letter within its tenant: a UUIDv7 of the time at which it was kept, so letters are in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeadLetterId(EventId);

/// Names a redrive: the job of the message that it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RedriveId(EventId);

impl DeadLetterId {
    /// The letter of this UUIDv7, which a clock gave.
    pub fn new(id: EventId) -> Self {
        Self(id)
    }

    /// When the letter was kept, to the millisecond.
    pub fn at(self) -> UtcDateTime {
        self.0.accepted_at()
    }

    /// Its place among all letters.
    pub fn position(self) -> Position {
        Position::of(self.0)
    }

    /// The range of it alone.
    pub(super) fn alone(self) -> IdRange {
        IdRange::one(self.0)
    }

    /// The UUIDv7 itself: the name under which a large payload is kept.
    pub fn uuid(self) -> EventId {
        self.0
    }
}

impl RedriveId {
    /// The redrive of this UUIDv7, which a clock gave.
    pub fn new(id: EventId) -> Self {
        Self(id)
    }
}

impl FromStr for DeadLetterId {
    type Err = InvalidEventId;

    fn from_str(text: &str) -> Result<Self, InvalidEventId> {
        text.parse().map(Self)
    }
}

impl FromStr for RedriveId {
    type Err = InvalidEventId;

    fn from_str(text: &str) -> Result<Self, InvalidEventId> {
        text.parse().map(Self)
    }
}

impl fmt::Display for DeadLetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for RedriveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for DeadLetterId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl Serialize for RedriveId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}
