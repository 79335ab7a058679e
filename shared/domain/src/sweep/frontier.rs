//! How far the stream has come, as receipts tell it.

use time::UtcDateTime;

use super::Rules;
use super::state::signed;
use crate::receipt::Receipt;

/// For how long a DynamoDB stream holds what nobody has read
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html>).
const STREAM_KEEPS: time::Duration = time::Duration::hours(24);

/// How far the stream has come.
///
/// It is one for all shards of the stream: which of them an event comes by is not known here. A shard that is
/// further behind the others than `settle` has its events handed over by the sweep, and then once more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    /// When the latest event was accepted that stands in a receipt.
    pub accepted: Option<UtcDateTime>,
    /// When something was handed over last.
    pub handed_over: Option<UtcDateTime>,
}

impl Frontier {
    /// Takes a receipt in.
    pub fn see(&mut self, receipt: &Receipt) {
        let ids = receipt.groups.iter().flat_map(|group| &group.event_ids);
        let latest = ids.map(|id| id.accepted_at()).max();
        // What seems to be accepted after it was handed over has its id from a clock that is ahead.
        let latest = latest.map(|latest| latest.min(receipt.handed_over_at));
        self.accepted = self.accepted.max(latest);
        self.handed_over = self.handed_over.max(Some(receipt.handed_over_at));
    }

    /// Up to which time the stream brings nothing any more that is missing now. `off_at` is when dispatch was last
    /// seen switched off: after it was switched on it is given as long as it may be silent.
    pub fn passed(
        &self,
        now: UtcDateTime,
        off_at: Option<UtcDateTime>,
        rules: &Rules,
    ) -> UtcDateTime {
        let ahead = self
            .accepted
            .map(|accepted| accepted.saturating_sub(signed(rules.settle)));
        let is_long_ago =
            |at: Option<UtcDateTime>| at.is_none_or(|at| now - at >= rules.silent_after);
        let is_silent = is_long_ago(self.handed_over) && is_long_ago(off_at);
        let stalled = is_silent.then(|| now.saturating_sub(signed(rules.stalled_after)));
        let gone = now.saturating_sub(STREAM_KEEPS);
        ahead
            .into_iter()
            .chain(stalled)
            .fold(gone, UtcDateTime::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_id::EventId;
    use crate::receipt::{BatchId, Bucket, Group};
    use crate::tenant::TenantId;
    use time::Duration;
    use time::macros::utc_datetime;

    const NOW: UtcDateTime = utc_datetime!(2026-11-23 12:00);

    fn ago(minutes: i64) -> UtcDateTime {
        NOW - Duration::minutes(minutes)
    }

    fn seen(accepted: UtcDateTime, handed_over: UtcDateTime) -> Frontier {
        Frontier {
            accepted: Some(accepted),
            handed_over: Some(handed_over),
        }
    }

    fn passed(frontier: Frontier, off_at: Option<UtcDateTime>) -> i64 {
        let passed = frontier.passed(NOW, off_at, &Rules::default());
        (NOW - passed).whole_minutes()
    }

    #[test]
    fn what_is_passed_is_ten_minutes_before_the_latest_that_was_handed_over() {
        for (behind, expected) in [(0, 10), (1, 11), (30, 40), (300, 310)] {
            assert_eq!(passed(seen(ago(behind), NOW), None), expected, "{behind}");
        }
    }

    #[test]
    fn a_stream_that_is_behind_a_day_brings_nothing_older() {
        assert_eq!(passed(seen(ago(2_000), NOW), None), 24 * 60);
    }

    #[test]
    fn dispatch_that_is_silent_is_waited_for_an_hour() {
        assert_eq!(passed(Frontier::default(), None), 60);
        assert_eq!(passed(seen(ago(500), ago(10)), None), 60);
        // It is behind, and not silent.
        assert_eq!(passed(seen(ago(500), ago(9)), None), 510);
        // Nothing comes, and nothing is missing that is newer.
        assert_eq!(passed(seen(ago(12), ago(12)), None), 22);
    }

    #[test]
    fn dispatch_that_was_just_switched_on_is_given_its_time() {
        let before = seen(ago(500), ago(400));
        assert_eq!(passed(before, Some(ago(9))), 510);
        assert_eq!(passed(before, Some(ago(10))), 60);
    }

    #[test]
    fn an_id_of_a_clock_that_is_ahead_does_not_let_the_stream_seem_further_than_it_is() {
        let mut bytes = [0; 16];
        let millis = u64::try_from(NOW.unix_timestamp() * 1_000).unwrap() + 86_400_000;
        bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
        (bytes[6], bytes[8]) = (0x70, 0x80);
        let event_id = EventId::from_bytes(bytes).unwrap();
        let receipt = Receipt {
            bucket: Bucket::of(event_id),
            batch: BatchId {
                id: event_id,
                part: 0,
            },
            handed_over_at: ago(3),
            expires_at: NOW,
            groups: vec![Group {
                tenant: TenantId::bus(),
                event_type: "t".to_owned(),
                subscriptions: vec![],
                withheld: vec![],
                event_ids: vec![event_id],
            }],
        };
        let mut frontier = Frontier::default();
        frontier.see(&receipt);
        assert_eq!(frontier, seen(ago(3), ago(3)));
    }
}
