//! Which trace an event is part of: W3C Trace Context (<https://www.w3.org/TR/trace-context-2/>).

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;

use crate::cloud_event::CloudEvent;
use crate::event_id::EventId;
use crate::logged_event::LoggedEvent;

/// The name of the HTTP header, of the extension attribute
/// (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/extensions/distributed-tracing.md>) and of the message
/// attribute.
pub const TRACEPARENT: &str = "traceparent";

/// Characters of what every version begins with, and of all of version 00: `00-<trace id>-<parent id>-<flags>`.
const LENGTH: usize = 55;

/// The version that is spoken here.
const VERSION: u8 = 0x00;

/// A version that there will never be.
const NO_VERSION: u8 = 0xff;

/// Whoever called may have recorded the trace.
const SAMPLED: u8 = 0x01;

/// At least the last seven bytes of the trace id are random.
const RANDOM: u8 = 0x02;

/// Names a trace in every function's log lines: 16 bytes, shown as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId([u8; 16]);

/// A text is no `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a traceparent (W3C Trace Context)")]
pub struct InvalidTraceParent;

/// Where in a trace something was called from.
///
/// It is shown as version 00, whatever version it was read from, as the specification asks of whoever passes it on;
/// flags that version 00 does not know are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    trace_id: TraceId,
    parent_id: [u8; 8],
    flags: u8,
}

impl TraceId {
    /// The trace of an event with this id: the one that it came with, and else its own.
    pub fn of(event: &CloudEvent, event_id: EventId) -> Self {
        let parent = event.trace_parent();
        parent.map_or_else(|| event_id.into(), TraceParent::trace_id)
    }

    /// The 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// A UUIDv7 has 16 bytes that are never all zero: an event that came without a trace begins one.
impl From<EventId> for TraceId {
    fn from(event_id: EventId) -> Self {
        Self(*event_id.as_bytes())
    }
}

impl FromStr for TraceId {
    type Err = InvalidTraceParent;

    fn from_str(text: &str) -> Result<Self, InvalidTraceParent> {
        hex(Some(text.as_bytes()))
            .filter(is_not_zero)
            .map(Self)
            .ok_or(InvalidTraceParent)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl TraceParent {
    /// The trace.
    pub fn trace_id(self) -> TraceId {
        self.trace_id
    }

    /// Whether whoever called may have recorded the trace.
    pub fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The same as X-Ray writes it, and as SQS takes it in the message system attribute `AWSTraceHeader`
    /// (<https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>).
    pub fn to_xray(self) -> String {
        let (epoch, unique) = self.trace_id.0.split_at(4);
        format!(
            "Root=1-{}-{};Parent={};Sampled={}",
            HEXLOWER.encode(epoch),
            HEXLOWER.encode(unique),
            HEXLOWER.encode(&self.parent_id),
            u8::from(self.is_sampled()),
        )
    }
}

impl FromStr for TraceParent {
    type Err = InvalidTraceParent;

    /// Reads version 00 strictly, and of a higher one what version 00 knows of it.
    fn from_str(text: &str) -> Result<Self, InvalidTraceParent> {
        read(text.as_bytes()).ok_or(InvalidTraceParent)
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            trace_id,
            parent_id,
            flags,
        } = self;
        let parent_id = HEXLOWER.encode(parent_id);
        write!(f, "{VERSION:02x}-{trace_id}-{parent_id}-{flags:02x}")
    }
}

impl CloudEvent {
    /// Where in a trace its producer was when it sent the event, if it says so in a way that can be read.
    pub fn trace_parent(&self) -> Option<TraceParent> {
        self.text(TRACEPARENT)?.parse().ok()
    }
}

impl LoggedEvent {
    /// The trace that the event is part of. Every event has one.
    pub fn trace_id(&self) -> TraceId {
        TraceId::of(&self.event, self.event_id)
    }
}

fn read(text: &[u8]) -> Option<TraceParent> {
    let [version] = hex(text.get(..2))?;
    let is_whole = match version {
        NO_VERSION => false,
        VERSION => text.len() == LENGTH,
        _ => matches!(text.get(LENGTH), None | Some(b'-')),
    };
    let is_parted = [2, 35, 52].map(|place| text.get(place) == Some(&b'-')) == [true; 3];
    if !is_whole || !is_parted {
        return None;
    }
    let [flags] = hex(text.get(53..55))?;
    Some(TraceParent {
        trace_id: hex(text.get(3..35)).filter(is_not_zero).map(TraceId)?,
        parent_id: hex(text.get(36..52)).filter(is_not_zero)?,
        flags: flags & (SAMPLED | RANDOM),
    })
}

fn hex<const N: usize>(digits: Option<&[u8]>) -> Option<[u8; N]> {
    let bytes = HEXLOWER.decode(digits?).ok()?;
    bytes.try_into().ok()
}

fn is_not_zero<const N: usize>(id: &[u8; N]) -> bool {
    *id != [0; N]
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const PARENT: &str = "b7ad6b7169203331";

    fn parse(text: &str) -> Result<TraceParent, InvalidTraceParent> {
        text.parse()
    }

    #[test]
    fn the_example_of_the_specification_is_read_and_shown() {
        let text = format!("00-{TRACE}-{PARENT}-01");
        let parent = parse(&text).unwrap();
        assert_eq!(parent.trace_id().to_string(), TRACE);
        assert_eq!(parent.to_string(), text);
        assert!(parent.is_sampled());
        assert_eq!(TRACE.parse(), Ok(parent.trace_id()));
    }

    #[test]
    fn version_00_is_read_strictly() {
        let zeros = "0".repeat(32);
        for text in [
            "",
            "00",
            &format!("00-{TRACE}-{PARENT}"),
            &format!("00-{TRACE}-{PARENT}-"),
            &format!("00-{TRACE}-{PARENT}-1"),
            &format!("00-{TRACE}-{PARENT}-01-"),
            &format!("00-{TRACE}-{PARENT}-01-what.comes.later"),
            &format!("00-{TRACE}-{PARENT}-0g"),
            &format!("00-{zeros}-{PARENT}-01"),
            &format!("00-{TRACE}-{}-01", &zeros[..16]),
            &format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
            &format!("00-{TRACE}-{}-01", PARENT.to_uppercase()),
            &format!("00_{TRACE}-{PARENT}-01"),
            &format!("00-{TRACE}_{PARENT}-01"),
            &format!("00-{TRACE}-{PARENT}_01"),
            &format!(" 00-{TRACE}-{PARENT}-01"),
            &format!("00-{TRACE}-{PARENT}-01 "),
            &format!("0-{TRACE}-{PARENT}-01"),
            &format!("ff-{TRACE}-{PARENT}-01"),
            &format!("FE-{TRACE}-{PARENT}-01"),
            &format!("00-{TRACE}-{PARENT}-01,00-{TRACE}-{PARENT}-01"),
        ] {
            assert_eq!(parse(text), Err(InvalidTraceParent), "{text}");
        }
    }

    #[test]
    fn of_a_higher_version_is_read_what_version_00_knows_and_passed_on_as_that() {
        let known = format!("00-{TRACE}-{PARENT}-01");
        for text in [
            format!("01-{TRACE}-{PARENT}-01"),
            format!("cc-{TRACE}-{PARENT}-01-what-comes.later"),
            format!("fe-{TRACE}-{PARENT}-01-"),
        ] {
            assert_eq!(parse(&text).unwrap().to_string(), known, "{text}");
        }
        for text in [
            format!("01-{TRACE}-{PARENT}-01.later"),
            format!("01-{TRACE}-{PARENT}-0"),
        ] {
            assert_eq!(parse(&text), Err(InvalidTraceParent), "{text}");
        }
    }

    #[test]
    fn flags_that_nobody_knows_are_not_passed_on() {
        for (flags, shown, sampled) in [
            ("00", "00", false),
            ("02", "02", false),
            ("03", "03", true),
            ("ff", "03", true),
            ("fc", "00", false),
        ] {
            let parent = parse(&format!("00-{TRACE}-{PARENT}-{flags}")).unwrap();
            let expected = format!("00-{TRACE}-{PARENT}-{shown}");
            assert_eq!(
                (parent.to_string(), parent.is_sampled()),
                (expected, sampled)
            );
        }
    }

    #[test]
    fn x_ray_has_the_same_trace() {
        let header = |flags| {
            parse(&format!("00-{TRACE}-{PARENT}-{flags}"))
                .unwrap()
                .to_xray()
        };
        assert_eq!(
            header("01"),
            "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1"
        );
        assert!(header("02").ends_with(";Sampled=0"));
    }
}
