//! What an audit finds wrong.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::Serialize;
use serde::ser::Serializer;

use crate::archive::layout;
use crate::event_id::EventId;
use crate::log_hour::LogHour;

/// Events that a finding names; of more it tells how many there are.
pub const MAX_NAMED_EVENTS: usize = 100;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FindingKind {
    /// An event should have been handed over long ago, and no receipt tells that it was.
    MissingReceipt,
    /// Two entries have one event id.
    DuplicateEventId,
    /// Two events have the same source and id.
    DuplicateKey,
    /// An event does not stand where its id belongs.
    Order,
    /// An event was handed over before it was accepted, or is from the future.
    IdSkew,
    /// A receipt names an event that the log does not have.
    ReceiptWithoutEvent,
    /// Something in the log cannot be read.
    Unreadable,
    /// An object of the archive is gone.
    ObjectMissing,
    /// An object of the archive is not what its manifest says.
    ObjectAltered,
    /// An object is in the archive that nothing names.
    ObjectUnnamed,
    /// A manifest is gone.
    ManifestMissing,
    /// A manifest is not what its seal says.
    ManifestAltered,
    /// An hour before the watermark has no seal.
    SealMissing,
    /// A seal is not what its row says.
    SealAltered,
    /// A seal does not name the one before it.
    ChainBroken,
    /// The log, the archive, a manifest and its seal do not count the same events.
    ArchiveCount,
}

impl FindingKind {
    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::MissingReceipt => "missing_receipt",
            Self::DuplicateEventId => "duplicate_event_id",
            Self::DuplicateKey => "duplicate_key",
            Self::Order => "order",
            Self::IdSkew => "id_skew",
            Self::ReceiptWithoutEvent => "receipt_without_event",
            Self::Unreadable => "unreadable",
            Self::ObjectMissing => "object_missing",
            Self::ObjectAltered => "object_altered",
            Self::ObjectUnnamed => "object_unnamed",
            Self::ManifestMissing => "manifest_missing",
            Self::ManifestAltered => "manifest_altered",
            Self::SealMissing => "seal_missing",
            Self::SealAltered => "seal_altered",
            Self::ChainBroken => "chain_broken",
            Self::ArchiveCount => "archive_count",
        }
    }
}

impl Serialize for FindingKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Something that is not as it has to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// In which hour; none where it is about no single one.
    #[serde(serialize_with = "hour_text")]
    pub hour: Option<LogHour>,
    /// The same for people.
    pub message: String,
    /// The first of the events, in order; [`MAX_NAMED_EVENTS`] at the most.
    pub event_ids: Vec<EventId>,
    /// How many there are. None where it is not about events.
    pub event_count: Option<u64>,
    /// The key of the object in the archive that it is about.
    pub object: Option<String>,
}

fn hour_text<S: Serializer>(hour: &Option<LogHour>, serializer: S) -> Result<S::Ok, S::Error> {
    hour.map(layout::hour_text).serialize(serializer)
}

impl Finding {
    /// Something in an hour.
    pub fn of(kind: FindingKind, hour: LogHour, message: impl Into<String>) -> Self {
        Self {
            hour: Some(hour),
            ..Self::without_hour(kind, message)
        }
    }

    /// Something that is in no single hour.
    pub fn without_hour(kind: FindingKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            hour: None,
            message: message.into(),
            event_ids: vec![],
            event_count: None,
            object: None,
        }
    }

    /// The same, about this object.
    pub fn about(self, object: &str) -> Self {
        Self {
            object: Some(object.to_owned()),
            ..self
        }
    }

    /// The same, about these events.
    pub fn naming(mut self, events: impl IntoIterator<Item = EventId>) -> Self {
        let mut count = 0;
        for event_id in events {
            count += 1;
            if self.event_ids.len() < MAX_NAMED_EVENTS {
                self.event_ids.push(event_id);
            }
        }
        self.counting(count)
    }

    /// The same, about so many events that have no names.
    pub fn counting(self, events: u64) -> Self {
        Self {
            event_count: Some(self.event_count.unwrap_or_default() + events),
            ..self
        }
    }
}

/// Findings, each once: what is said of the same hour and object in the same words is one, with the events of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings(BTreeMap<Place, Finding>);

type Place = (Option<LogHour>, FindingKind, Option<String>, String);

impl Findings {
    /// Takes one in.
    pub fn tell(&mut self, finding: Finding) {
        let place = (
            finding.hour,
            finding.kind,
            finding.object.clone(),
            finding.message.clone(),
        );
        match self.0.entry(place) {
            Entry::Vacant(place) => {
                place.insert(finding);
            }
            Entry::Occupied(mut told) => told.get_mut().join(finding),
        }
    }

    /// Takes one in that names these events, unless there are none.
    pub fn tell_of(&mut self, finding: Finding, events: impl IntoIterator<Item = EventId>) {
        let finding = finding.naming(events);
        if finding.event_count != Some(0) {
            self.tell(finding);
        }
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// By hour, what belongs to none first.
    pub fn into_vec(self) -> Vec<Finding> {
        self.0.into_values().collect()
    }
}

impl Finding {
    fn join(&mut self, other: Self) {
        let room = MAX_NAMED_EVENTS - self.event_ids.len();
        self.event_ids
            .extend(other.event_ids.into_iter().take(room));
        if let Some(more) = other.event_count {
            self.event_count = Some(self.event_count.unwrap_or_default() + more);
        }
    }
}

impl Extend<Finding> for Findings {
    fn extend<T: IntoIterator<Item = Finding>>(&mut self, findings: T) {
        findings.into_iter().for_each(|finding| self.tell(finding));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::utc_datetime;

    fn id(place: usize) -> EventId {
        format!("017f22e2-79b0-7cc3-98c4-{place:012x}")
            .parse()
            .unwrap()
    }

    #[test]
    fn findings_in_the_same_words_are_one_with_the_events_of_all() {
        let hour = LogHour::at(utc_datetime!(2026-11-23 12:00));
        let missing = || Finding::of(FindingKind::MissingReceipt, hour, "no receipt");
        let mut findings = Findings::default();
        findings.tell_of(missing(), (0..60).map(id));
        findings.tell_of(missing(), (60..130).map(id));
        findings.tell_of(missing(), []);
        findings.tell(missing().about("an object"));
        let found = findings.into_vec();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].event_count, Some(130));
        assert_eq!(found[0].event_ids, (0..100).map(id).collect::<Vec<_>>());
        assert_eq!((found[1].event_count, found[1].event_ids.len()), (None, 0));
    }

    #[test]
    fn a_finding_has_the_names_of_the_api() {
        let hour = LogHour::at(utc_datetime!(2026-11-23 12:00));
        let finding = Finding::of(FindingKind::ArchiveCount, hour, "differs").naming([id(1)]);
        insta::assert_json_snapshot!(finding, @r#"
        {
          "kind": "archive_count",
          "hour": "2026-11-23T12:00:00Z",
          "message": "differs",
          "event_ids": [
            "017f22e2-79b0-7cc3-98c4-000000000001"
          ],
          "event_count": 1,
          "object": null
        }
        "#);
    }
}
