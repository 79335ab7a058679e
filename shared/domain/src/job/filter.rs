//! What a job's filters take.

use time::UtcDateTime;

use super::{JobSpec, ReplayFilter, Work};
use crate::event_query::IndexEntry;
use crate::letters::{DeadLetter, LetterFilter};
use crate::log_hour::Position;
use crate::logged_event::LoggedEvent;
use crate::subscription::TypePattern;

impl JobSpec {
    /// Whether an event of its tenant's log is one that it sends again. A redrive sends dead letters, of which their own
    /// letters tell.
    pub fn replays(&self, logged: &LoggedEvent) -> bool {
        let Work::Replay { filter, .. } = &self.work else {
            return false;
        };
        let event = &logged.event;
        let operation = filter.correlation_id.as_deref();
        !self.dry_run
            && self.range.contains(Position::of(logged.event_id))
            && filter.takes(event.event_type(), event.source())
            && operation.is_none_or(|wanted| event.correlation_id() == Some(wanted))
    }
}

impl ReplayFilter {
    /// Whether an event of the right operation, within the right ids, is wanted.
    pub(super) fn takes(&self, event_type: &str, source: &str) -> bool {
        self.takes_type(event_type) && self.source.as_ref().is_none_or(|wanted| wanted == source)
    }

    /// The same of an entry of the log's index.
    pub(super) fn takes_entry(&self, entry: &IndexEntry) -> bool {
        self.takes(&entry.event_type, &entry.source)
    }

    /// Whether events of this type are wanted.
    pub(super) fn takes_type(&self, event_type: &str) -> bool {
        self.types.is_empty() || self.types.iter().any(|wanted| wanted.matches(event_type))
    }

    /// Whether it leaves out anything by what an index or a manifest tells.
    pub(super) fn is_selective(&self) -> bool {
        !self.types.is_empty() || self.source.is_some()
    }

    /// What an index may be asked for: it knows one pattern at a time.
    pub(super) fn only_type(&self) -> Option<&TypePattern> {
        match &self.types[..] {
            [only] => Some(only),
            _ => None,
        }
    }
}

/// The letters of a redrive's set: those that a filter takes and that were open when the job was asked for. Whatever
/// has become of them since, they stay in the set; so what was counted is what is worked off.
pub(super) struct LetterSet {
    filter: LetterFilter,
    asked_at: UtcDateTime,
}

impl LetterSet {
    pub(super) fn of(filter: &LetterFilter, asked_at: UtcDateTime) -> Self {
        let filter = LetterFilter {
            state: None,
            ..filter.clone()
        };
        Self { filter, asked_at }
    }

    /// A letter that is no delivery has no way back, so it is in no set.
    pub(super) fn takes(&self, letter: &DeadLetter) -> bool {
        letter.delivery.is_some()
            && letter.expires_at >= self.asked_at
            && letter.state.was_open_at(self.asked_at)
            && self.filter.takes(letter, self.asked_at)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::utc_datetime;

    use super::*;
    use crate::cloud_event::CloudEvent;
    use crate::fingerprint::Fingerprint;
    use crate::job::Target;
    use crate::log_hour::IdRange;
    use crate::log_shard::LogShard;
    use crate::logged_event::OutboxMode;

    fn spec(filter: ReplayFilter) -> JobSpec {
        let hour = utc_datetime!(2022-02-22 19:00);
        let target = Target::All;
        JobSpec {
            work: Work::Replay { filter, target },
            range: IdRange::of_times(Some(hour), Some(hour + time::Duration::HOUR)).unwrap(),
            max_events_per_second: None,
            ramp: None,
            dry_run: false,
            schedule: None,
        }
    }

    fn event() -> LoggedEvent {
        let text = r#"{"specversion":"1.0","id":"1","source":"/shop","type":"order.paid","correlationid":"o-1"}"#;
        let event = CloudEvent::from_structured(text.as_bytes()).unwrap();
        LoggedEvent {
            tenant: "demo".parse().unwrap(),
            event_id: "017f22e2-79b0-7cc3-98c4-dc0c0c07398f".parse().unwrap(),
            fingerprint: Fingerprint::of(&event).unwrap(),
            event,
            outbox: OutboxMode::None,
            shard: LogShard::default(),
            expires_at: UtcDateTime::MAX,
        }
    }

    #[test]
    fn a_job_replays_what_is_in_its_range_and_what_its_filter_takes() {
        let of = |filter: ReplayFilter| spec(filter).replays(&event());
        let types = |pattern: &str| ReplayFilter {
            types: vec!["price.*".parse().unwrap(), pattern.parse().unwrap()],
            ..ReplayFilter::default()
        };
        let operation = |id: &str| ReplayFilter {
            correlation_id: Some(id.to_owned()),
            ..ReplayFilter::default()
        };
        assert!(of(ReplayFilter::default()));
        assert!(of(types("order.*")) && !of(types("order.created")));
        assert!(of(operation("o-1")) && !of(operation("o-2")));
        let mut later = spec(ReplayFilter::default());
        later.range = IdRange::of_times(Some(utc_datetime!(2022-02-22 20:00)), None).unwrap();
        assert!(!later.replays(&event()));
        let mut counted = spec(ReplayFilter::default());
        counted.dry_run = true;
        assert!(!counted.replays(&event()));
    }
}
