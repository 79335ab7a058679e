//! Ids in their order, which is that of their times.

use std::fmt;

use time::UtcDateTime;
use uuid::Uuid;

use super::LogHour;
use crate::event_id::EventId;

/// Bits of a UUIDv7 below its time.
const TAIL_BITS: u32 = 80;

/// The first time that a UUIDv7 cannot hold: 2^48 milliseconds.
pub(super) const END_OF_IDS: u64 = 1 << 48;

/// A place in the order of a log: every event id is one, and what lies between two ids, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(u128);

/// Positions from one to another, both included. It is never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdRange {
    first: Position,
    last: Position,
}

/// Which events come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The latest accepted.
    #[default]
    Newest,
    /// The earliest accepted.
    Oldest,
}

impl Position {
    /// The place of this event.
    pub fn of(event_id: EventId) -> Self {
        Self(u128::from_be_bytes(*event_id.as_bytes()))
    }

    /// Before every id of this millisecond.
    fn at_millis(millis: u64) -> Self {
        Self(u128::from(millis) << TAIL_BITS)
    }

    /// The time of ids there, to the millisecond.
    pub fn time(self) -> UtcDateTime {
        let millis = i128::try_from(self.0 >> TAIL_BITS).unwrap_or_default();
        // 48 bits of milliseconds end in the year 10889; the calendar here ends in 9999.
        UtcDateTime::from_unix_timestamp_nanos(millis * 1_000_000).unwrap_or(UtcDateTime::MAX)
    }

    /// The hour that it lies in.
    pub(super) fn hour(self) -> LogHour {
        LogHour::of_millis(u64::try_from(self.0 >> TAIL_BITS).unwrap_or(END_OF_IDS))
    }

    /// Its 16 bytes.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The way back from [`Position::to_bytes`].
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

/// As an id is written, so that texts are in the order of positions.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_u128(self.0).as_hyphenated().fmt(f)
    }
}

impl IdRange {
    /// Every id.
    pub const ALL: Self = Self {
        first: Position(u128::MIN),
        last: Position(u128::MAX),
    };

    /// The ids of events accepted at `from` or later, and before `to`. None when no time lies between.
    pub fn of_times(from: Option<UtcDateTime>, to: Option<UtcDateTime>) -> Option<Self> {
        let first = from.map_or(Self::ALL.first, |from| {
            Position::at_millis(unix_millis(from))
        });
        let last = match to {
            Some(to) => Position(Position::at_millis(unix_millis(to)).0.checked_sub(1)?),
            None => Self::ALL.last,
        };
        Self { first, last }.unless_empty()
    }

    /// The way back from [`IdRange::of_times`], to the millisecond: ids from the first time on and before the second.
    /// None where nothing bounds them.
    pub fn times(&self) -> (Option<UtcDateTime>, Option<UtcDateTime>) {
        let from = (self.first != Self::ALL.first).then(|| self.first.time());
        let next = self.last.0.checked_add(1);
        (from, next.map(|next| Position(next).time()))
    }

    /// The ids of some milliseconds, from the first to before the end.
    pub(super) fn of_millis(first: u64, end: u64) -> Self {
        Self {
            first: Position::at_millis(first),
            last: Position(Position::at_millis(end - 1).0 | ((1 << TAIL_BITS) - 1)),
        }
    }

    /// This id alone.
    pub fn one(event_id: EventId) -> Self {
        let position = Position::of(event_id);
        Self {
            first: position,
            last: position,
        }
    }

    /// The lowest position.
    pub fn first(&self) -> Position {
        self.first
    }

    /// The highest position.
    pub fn last(&self) -> Position {
        self.last
    }

    /// Whether this position is in it.
    pub fn contains(&self, position: Position) -> bool {
        (self.first..=self.last).contains(&position)
    }

    /// The position that comes first in this order.
    pub fn start(&self, order: Order) -> Position {
        match order {
            Order::Newest => self.last,
            Order::Oldest => self.first,
        }
    }

    /// What both have.
    pub fn intersection(self, other: Self) -> Option<Self> {
        let (first, last) = (self.first.max(other.first), self.last.min(other.last));
        Self { first, last }.unless_empty()
    }

    /// What is left from this position on, itself included, in this order.
    pub fn starting_at(self, position: Position, order: Order) -> Option<Self> {
        self.intersection(match order {
            Order::Newest => Self {
                last: position,
                ..Self::ALL
            },
            Order::Oldest => Self {
                first: position,
                ..Self::ALL
            },
        })
    }

    /// What is left after this position, in this order.
    pub fn beyond(self, position: Position, order: Order) -> Option<Self> {
        let next = match order {
            Order::Newest => position.0.checked_sub(1)?,
            Order::Oldest => position.0.checked_add(1)?,
        };
        self.starting_at(Position(next), order)
    }

    /// The same ids in so many ranges, one after the other, or in fewer where there are not as many.
    pub fn pieces(self, count: u32) -> Vec<Self> {
        let spans = (self.last.0 - self.first.0) / u128::from(count.max(1));
        let mut pieces = Vec::new();
        let mut rest = Some(self);
        while let Some(range) = rest {
            let end = Position(range.first.0.saturating_add(spans));
            pieces.extend(range.starting_at(end, Order::Newest));
            rest = range.beyond(end, Order::Oldest);
        }
        pieces
    }

    fn unless_empty(self) -> Option<Self> {
        (self.first <= self.last).then_some(self)
    }
}

impl Order {
    /// Whether one position comes before another.
    pub fn is_before(self, one: Position, other: Position) -> bool {
        match self {
            Self::Newest => one > other,
            Self::Oldest => one < other,
        }
    }
}

/// Milliseconds since 1970, up to the next whole one: an id tells no finer time, so what is accepted at or
/// after `time` has at least these.
pub(super) fn unix_millis(time: UtcDateTime) -> u64 {
    let nanos = u128::try_from(time.unix_timestamp_nanos()).unwrap_or_default();
    u64::try_from(nanos.div_ceil(1_000_000)).unwrap_or(END_OF_IDS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::utc_datetime;

    fn id(text: &str) -> EventId {
        text.parse().unwrap()
    }

    #[test]
    fn a_range_of_times_begins_with_its_first_millisecond_and_ends_before_its_last() {
        let at = utc_datetime!(2022-02-22 19:22:22);
        let finer = at - time::Duration::nanoseconds(1);
        for (from, to, has) in [
            (at, None, true),
            (finer, None, true),
            (at + time::Duration::nanoseconds(1), None, false),
            (at, Some(at + time::Duration::nanoseconds(1)), true),
            (finer, Some(at), false),
        ] {
            let position = Position::of(id("017f22e2-79b0-7cc3-98c4-dc0c0c07398f"));
            let range = IdRange::of_times(Some(from), to);
            let found =
                range.is_some_and(|range| range.first <= position && position <= range.last);
            assert_eq!(found, has, "{from} {to:?}");
        }
        assert_eq!(IdRange::of_times(Some(at), Some(at)), None);
        assert_eq!(
            IdRange::of_times(None, Some(utc_datetime!(1960-01-01 0:00))),
            None
        );
    }

    #[test]
    fn a_range_of_times_tells_its_times() {
        let (at, later) = (
            utc_datetime!(2022-02-22 19:22:22),
            utc_datetime!(2026-11-23 12:00:00.001),
        );
        for times in [
            (None, None),
            (Some(at), None),
            (None, Some(at)),
            (Some(at), Some(later)),
        ] {
            assert_eq!(IdRange::of_times(times.0, times.1).unwrap().times(), times);
        }
    }

    #[test]
    fn pieces_are_the_same_ids() {
        let at = utc_datetime!(2022-02-22 19:22:22);
        let millis = time::Duration::MILLISECOND;
        for range in [
            IdRange::ALL,
            IdRange::of_times(Some(at), Some(at + millis)).unwrap(),
            IdRange::one(id("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")),
        ] {
            for count in [0, 1, 3, 8] {
                let pieces = range.pieces(count);
                assert!(pieces.len() <= usize::try_from(count.max(1)).unwrap());
                assert_eq!(pieces[0].first, range.first);
                assert_eq!(pieces[pieces.len() - 1].last, range.last);
                for pair in pieces.windows(2) {
                    assert_eq!(pair[0].last.0 + 1, pair[1].first.0);
                }
            }
        }
    }

    #[test]
    fn what_is_left_after_a_position_does_not_have_it() {
        let event_id = id("017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
        let (one, position) = (IdRange::one(event_id), Position::of(event_id));
        assert_eq!(position.to_string(), event_id.to_string());
        assert_eq!(position.time(), event_id.accepted_at());
        for order in [Order::Newest, Order::Oldest] {
            assert_eq!(one.starting_at(position, order), Some(one));
            assert_eq!(one.beyond(position, order), None);
            let rest = IdRange::ALL.beyond(position, order).unwrap();
            assert!(order.is_before(position, rest.start(order)));
            let end =
                [IdRange::ALL.first(), IdRange::ALL.last()][usize::from(order == Order::Oldest)];
            assert_eq!(IdRange::ALL.beyond(end, order), None);
        }
    }
}
