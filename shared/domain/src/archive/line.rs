//! A line of an archived hour: the event as readers of the log see it, with `"pboutbox":"none"` where it was only
//! logged.
//!
//! JSON data are archived in the bytes that they came in, except that a line feed or a carriage return between their
//! tokens becomes a space: a line is a line. White space does not count in a [`Fingerprint`], so it is the same event.

use serde::Deserialize;
use serde::ser::{Serialize, SerializeMap, Serializer};
use time::UtcDateTime;

use crate::cloud_event::{BusAttributes, CloudEvent, ParseError, Violation};
use crate::event_id::EventId;
use crate::fingerprint::Fingerprint;
use crate::log_shard::LogShard;
use crate::logged_event::{LoggedEvent, OutboxMode};
use crate::tenant::TenantId;

/// What `pboutbox` is where an event was only logged.
const OUTBOX_NONE: &str = "none";

/// A line that is no archived event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the line is no archived event")]
pub struct BadLine {
    /// The event that it was, where that much can be read.
    pub event_id: Option<EventId>,
    /// What is wrong with it.
    #[source]
    pub why: LineFault,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    /// It is no CloudEvent.
    #[error(transparent)]
    Event(#[from] ParseError),
    /// Its data cannot be read.
    #[error(transparent)]
    Data(#[from] DataFault),
    /// `pbeventid` is missing, or no UUID of version 7.
    #[error("pbeventid must be a UUID of version 7")]
    EventId,
    /// `pboutbox` is something that nothing writes.
    #[error("pboutbox must be \"{OUTBOX_NONE}\", or be left out")]
    Outbox,
}

/// JSON data that no fingerprint can be made of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DataFault(Violation);

/// Reads a line of one of this tenant's hours, without what ends it.
///
/// The archive does not keep in which shard an event stood, nor when it expired: it is in the first shard, and
/// never expires.
pub fn read(tenant: &TenantId, line: &[u8]) -> Result<LoggedEvent, BadLine> {
    parse(tenant, line).map_err(|why| BadLine {
        event_id: id_of(line),
        why,
    })
}

/// What a line says of its event before its data: enough to tell whether it is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its id.
    pub event_id: EventId,
    /// Who said it.
    pub source: String,
    /// What happened.
    pub event_type: String,
}

/// Reads only that of a line, which takes a fraction of the time. `None` when it is no archived event.
pub fn head(line: &[u8]) -> Option<Head> {
    #[derive(Deserialize)]
    struct Named {
        source: String,
        r#type: String,
        pbeventid: String,
    }
    let named: Named = serde_json::from_slice(line).ok()?;
    Some(Head {
        event_id: named.pbeventid.parse().ok()?,
        source: named.source,
        event_type: named.r#type,
    })
}

/// Writes an event as a line, without what ends it.
pub fn write(event: &LoggedEvent) -> String {
    // Strings, numbers and raw JSON cannot fail to be written to memory.
    let line = serde_json::to_string(&Line(event)).unwrap_or_default();
    if line.contains(['\n', '\r']) {
        // Strings have them escaped, so these stand between tokens.
        line.replace(['\n', '\r'], " ")
    } else {
        line
    }
}

fn parse(tenant: &TenantId, line: &[u8]) -> Result<LoggedEvent, LineFault> {
    let (event, bus) = CloudEvent::from_delivered(line)?;
    let outbox = outbox(&bus)?;
    let event_id = bus.event_id.and_then(|text| text.parse().ok());
    Ok(LoggedEvent {
        tenant: tenant.clone(),
        event_id: event_id.ok_or(LineFault::EventId)?,
        fingerprint: Fingerprint::of(&event).map_err(DataFault)?,
        event,
        outbox,
        shard: LogShard::default(),
        expires_at: UtcDateTime::MAX,
    })
}

fn outbox(bus: &BusAttributes) -> Result<OutboxMode, LineFault> {
    match bus.outbox.as_deref() {
        None => Ok(OutboxMode::Dispatch),
        Some(OUTBOX_NONE) => Ok(OutboxMode::None),
        Some(_) => Err(LineFault::Outbox),
    }
}

/// The id of an event that is otherwise not understood.
fn id_of(line: &[u8]) -> Option<EventId> {
    #[derive(Deserialize)]
    struct Named {
        pbeventid: String,
    }
    let named: Named = serde_json::from_slice(line).ok()?;
    named.pbeventid.parse().ok()
}

struct Line<'a>(&'a LoggedEvent);

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.0.event.write_members(&mut map)?;
        map.serialize_entry("pbeventid", &self.0.event_id)?;
        if self.0.outbox == OutboxMode::None {
            map.serialize_entry("pboutbox", OUTBOX_NONE)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";

    fn tenant() -> TenantId {
        "demo".parse().unwrap()
    }

    fn logged(data: &str, outbox: OutboxMode) -> LoggedEvent {
        let event = format!(
            r#"{{"specversion":"1.0","id":"1","source":"/shop","type":"order.created","retries":3,{data}}}"#
        );
        let event = CloudEvent::from_structured(event.as_bytes()).unwrap();
        LoggedEvent {
            tenant: tenant(),
            event_id: ID.parse().unwrap(),
            fingerprint: Fingerprint::of(&event).unwrap(),
            event,
            outbox,
            shard: LogShard::default(),
            expires_at: UtcDateTime::MAX,
        }
    }

    #[test]
    fn an_event_comes_back_as_it_was() {
        for data in [
            r#""data":{"total":12.50,"note":"a\nb"}"#,
            r#""data_base64":"AAECAw==""#,
            r#""subject":"without data""#,
        ] {
            for outbox in [OutboxMode::Dispatch, OutboxMode::None] {
                let event = logged(data, outbox);
                let line = write(&event);
                let head = head(line.as_bytes()).unwrap();
                assert_eq!(
                    (head.event_id, head.source.as_str()),
                    (event.event_id, "/shop")
                );
                assert_eq!(head.event_type, "order.created");
                assert_eq!(read(&tenant(), line.as_bytes()), Ok(event), "{line}");
            }
        }
    }

    #[test]
    fn an_event_that_was_only_logged_says_so() {
        let line = write(&logged(r#""data":1"#, OutboxMode::None));
        assert!(line.ends_with(&format!(r#""pbeventid":"{ID}","pboutbox":"none"}}"#)));
        let line = write(&logged(r#""data":1"#, OutboxMode::Dispatch));
        assert!(line.ends_with(&format!(r#""pbeventid":"{ID}"}}"#)));
    }

    #[test]
    fn data_over_several_lines_are_one_line_and_the_same_event() {
        let event = logged(
            "\"data\":{\r\n  \"total\": 12,\n  \"of\": []\n}",
            OutboxMode::Dispatch,
        );
        let line = write(&event);
        assert!(!line.contains(['\n', '\r']), "{line}");
        let back = read(&tenant(), line.as_bytes()).unwrap();
        assert_eq!(back.fingerprint, event.fingerprint);
    }

    #[test]
    fn a_bad_line_names_its_event_where_it_can() {
        let bad =
            format!(r#"{{"specversion":"1.0","source":"/shop","type":"a","pbeventid":"{ID}"}}"#);
        let error = read(&tenant(), bad.as_bytes()).unwrap_err();
        assert_eq!(error.event_id, Some(ID.parse().unwrap()));
        assert!(matches!(error.why, LineFault::Event(_)));
        for bad in ["", "{", "[]", r#"{"pbeventid":7}"#] {
            assert_eq!(read(&tenant(), bad.as_bytes()).unwrap_err().event_id, None);
            assert_eq!(head(bad.as_bytes()), None);
        }
    }

    #[test]
    fn a_line_without_an_id_or_with_another_outbox_is_refused() {
        let line = write(&logged(r#""data":1"#, OutboxMode::None));
        let nameless = line.replace(ID, "919108f7-52d1-4320-9bac-f847db4148a8");
        let why = read(&tenant(), nameless.as_bytes()).unwrap_err().why;
        assert_eq!(why, LineFault::EventId);
        let strange = line.replace(r#""none""#, r#""some""#);
        let why = read(&tenant(), strange.as_bytes()).unwrap_err().why;
        assert_eq!(why, LineFault::Outbox);
    }
}
