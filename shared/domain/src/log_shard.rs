//! How a tenant's log is spread, so that no partition of its index takes more than it can.

use std::fmt;
use std::str::FromStr;

use crate::event_id::EventId;
use crate::limits::MAX_LOG_SHARDS;

/// How many shards an hour of a tenant's log has. The number only ever grows: an event stays where it was
/// written, and who reads an hour reads every shard that there is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogShards(u16);

/// Which shard of its hour an event stands in, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogShard(u16);

/// A number is not a number of shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_LOG_SHARDS}")]
pub struct InvalidLogShards;

/// A text is not a shard's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a shard: 0 to {}", MAX_LOG_SHARDS - 1)]
pub struct InvalidLogShard;

impl LogShards {
    /// This many.
    pub fn new(count: u64) -> Result<Self, InvalidLogShards> {
        match u16::try_from(count) {
            Ok(count) if (1..=MAX_LOG_SHARDS).contains(&count) => Ok(Self(count)),
            _ => Err(InvalidLogShards),
        }
    }

    /// How many.
    pub fn count(self) -> u16 {
        self.0
    }

    /// The shard of a new event: by the random end of its id, so that they fill evenly.
    pub fn shard_of(self, event_id: EventId) -> LogShard {
        let random = u128::from_be_bytes(*event_id.as_bytes()) & u128::from(u32::MAX);
        // Less than the count, which is 16 bits.
        LogShard(u16::try_from(random % u128::from(self.0)).unwrap_or_default())
    }

    /// All of them.
    pub fn iter(self) -> impl Iterator<Item = LogShard> {
        (0..self.0).map(LogShard)
    }
}

impl Default for LogShards {
    /// One, which takes about 1,000 small events a second.
    fn default() -> Self {
        Self(1)
    }
}

impl fmt::Display for LogShard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for LogShard {
    type Err = InvalidLogShard;

    /// Only as [`fmt::Display`] writes it: `01` would be another key.
    fn from_str(text: &str) -> Result<Self, InvalidLogShard> {
        match text.parse::<u16>() {
            Ok(number) if number < MAX_LOG_SHARDS && number.to_string() == text => Ok(Self(number)),
            _ => Err(InvalidLogShard),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn events_of_one_millisecond_fill_every_shard() {
        let shards = LogShards::new(4).unwrap();
        let mut found = [0; 4];
        for n in 0..400_u64 {
            let random = n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
            let mut bytes = [0; 16];
            bytes[6] = 0x70;
            bytes[8..].copy_from_slice(&random);
            bytes[8] = bytes[8] & 0x3F | 0x80;
            let id = EventId::from_uuid(Uuid::from_bytes(bytes)).unwrap();
            let shard: usize = shards.shard_of(id).to_string().parse().unwrap();
            found[shard] += 1;
        }
        assert!(found.iter().all(|count| *count > 50), "{found:?}");
    }

    #[test]
    fn a_number_of_shards_has_its_limits() {
        for bad in [0, u64::from(MAX_LOG_SHARDS) + 1, u64::MAX] {
            assert_eq!(LogShards::new(bad), Err(InvalidLogShards));
        }
        let most = LogShards::new(MAX_LOG_SHARDS.into()).unwrap();
        assert_eq!(most.iter().count(), usize::from(MAX_LOG_SHARDS));
    }

    #[test]
    fn a_shard_is_written_in_one_way() {
        assert_eq!("63".parse::<LogShard>().unwrap().to_string(), "63");
        for bad in ["", "64", "01", "-1", "+1", "a"] {
            assert_eq!(bad.parse::<LogShard>(), Err(InvalidLogShard), "{bad}");
        }
    }
}
