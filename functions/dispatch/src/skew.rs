//! How far an event's id is from the time at which the log took it.
//!
//! A producer that writes into the log itself takes the id's time from a clock of its own, and that time is
//! where the event is found, archived and measured from.

use std::time::Duration;

use aws_lambda_events::dynamodb::StreamRecord;
use pillarbox_domain::LoggedEvent;

/// A clock that is further off is worth a warning. A transaction that is tried again for a while, with the id that
/// was made for its first try, stays within it.
pub(crate) const MAX_SKEW: Duration = Duration::from_secs(60);

/// When the log took the item, in milliseconds since 1970, if the record tells: the stream rounds it down to a
/// second (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_StreamRecord.html>).
pub(crate) fn taken_ms(record: &StreamRecord) -> Option<i64> {
    let at = record.approximate_creation_date_time.timestamp_millis();
    (at != 0).then_some(at)
}

/// The log's time minus the id's, in milliseconds; below zero when the producer's clock is ahead, and by up to a
/// second when it is right. Tells it when it is beyond [`MAX_SKEW`].
pub(crate) fn measure(event: &LoggedEvent, taken_ms: Option<i64>) -> Option<i64> {
    let id_ms = i64::try_from(event.event_id.unix_millis()).unwrap_or(i64::MAX);
    let id_skew_ms = taken_ms?.saturating_sub(id_ms);
    if u128::from(id_skew_ms.unsigned_abs()) > MAX_SKEW.as_millis() {
        tracing::warn!(
            tenant.id = %event.tenant, event.id = %event.event_id, id_skew_ms,
            max_skew_ms = MAX_SKEW.as_millis(), "event.id_skewed"
        );
    }
    Some(id_skew_ms)
}
