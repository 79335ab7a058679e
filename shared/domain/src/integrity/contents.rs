//! An object of the archive, held against what its manifest says of it.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};

use serde::Deserialize;

use super::finding::{Finding, FindingKind};
use crate::archive::{ArchivedObject, sha256_hex};
use crate::event_id::EventId;
use crate::log_hour::LogHour;

/// What an object holds, and what is wrong with it.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// The ids of the events that its lines are of, in its order. None where it is not known what it holds.
    pub(super) ids: Option<Vec<EventId>>,
    /// How many of its events are of each type.
    pub(super) types: BTreeMap<String, u64>,
    pub(super) findings: Vec<Finding>,
}

/// What stands in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lines {
    /// Events, in the order of their ids.
    Events,
    /// Receipts.
    Receipts,
}

/// What is read of an event's line.
#[derive(Deserialize)]
struct EventLine {
    pbeventid: String,
    r#type: String,
}

/// What is read of a receipt's line.
#[derive(Deserialize)]
struct ReceiptLine {
    event_id: String,
}

/// What was read of an object's lines.
#[derive(Debug, Default)]
struct Scan {
    lines: u64,
    bytes: u64,
    ids: Vec<EventId>,
    types: BTreeMap<String, u64>,
    /// Lines that are nothing of the kind.
    bad: u64,
}

/// An object of an hour, as it is stored.
pub(super) fn inspect(
    object: &ArchivedObject,
    hour: LogHour,
    what: Lines,
    stored: Option<&[u8]>,
) -> Contents {
    let judge = Inspector { object, hour };
    let Some(stored) = stored else {
        return judge.only(FindingKind::ObjectMissing, "it is gone");
    };
    if u64::try_from(stored.len()) != Ok(object.stored_bytes) || sha256_hex(stored) != object.sha256
    {
        return judge.altered("it is not what was stored: its size or its SHA-256 differs");
    }
    match read(object, what, stored) {
        Err(_) => judge.altered("it cannot be decompressed"),
        Ok(read) if read.lines != object.lines || read.bytes != object.bytes => {
            judge.altered("it has other lines than its manifest says")
        }
        Ok(read) if read.bad > 0 => judge.altered("it has lines that are none of an archive"),
        Ok(read) => match what {
            Lines::Events => judge.events(read),
            Lines::Receipts => judge.receipts(read),
        },
    }
}

struct Inspector<'a> {
    object: &'a ArchivedObject,
    hour: LogHour,
}

impl Inspector<'_> {
    fn finding(&self, kind: FindingKind, message: &str) -> Finding {
        Finding::of(kind, self.hour, message).about(&self.object.key)
    }

    fn only(&self, kind: FindingKind, message: &str) -> Contents {
        Contents {
            findings: vec![self.finding(kind, message)],
            ..Contents::default()
        }
    }

    fn altered(&self, message: &str) -> Contents {
        self.only(FindingKind::ObjectAltered, message)
    }

    fn events(&self, read: Scan) -> Contents {
        let Scan { ids, types, .. } = read;
        let mut findings = Vec::new();
        let mut tell = |kind, message: &str, events: Vec<EventId>| {
            if !events.is_empty() {
                findings.push(self.finding(kind, message).naming(events));
            }
        };
        let pairs = || ids.windows(2);
        let behind = pairs().filter(|pair| pair[0] > pair[1]);
        let behind = behind.map(|pair| pair[1]).collect();
        tell(FindingKind::Order, "not in the order of their ids", behind);
        let twice = pairs().filter(|pair| pair[0] == pair[1]);
        let twice = twice.map(|pair| pair[1]).collect();
        tell(FindingKind::DuplicateEventId, "archived twice", twice);
        let elsewhere = ids.iter().copied();
        let elsewhere = elsewhere.filter(|id| LogHour::of(*id) != self.hour);
        let message = "archived in an hour that is not theirs";
        tell(FindingKind::Order, message, elsewhere.collect());
        findings.extend(self.other_ends(&ids));
        Contents {
            ids: Some(ids),
            types,
            findings,
        }
    }

    fn receipts(&self, read: Scan) -> Contents {
        Contents {
            findings: self.other_ends(&read.ids).into_iter().collect(),
            ids: Some(read.ids),
            types: BTreeMap::new(),
        }
    }

    fn other_ends(&self, ids: &[EventId]) -> Option<Finding> {
        let message = "its first or last event is another than its manifest says";
        (!self.has_its_ends(ids)).then(|| self.finding(FindingKind::ObjectAltered, message))
    }

    fn has_its_ends(&self, ids: &[EventId]) -> bool {
        let named = |text: &str| text.parse::<EventId>().ok();
        let Self { object, .. } = self;
        ids.iter().min().copied() == named(&object.first_event_id)
            && ids.iter().max().copied() == named(&object.last_event_id)
    }
}

/// Line by line, so that it takes the memory of one line however large the object is; and not beyond what the
/// manifest says, whatever a small object may grow into.
fn read(object: &ArchivedObject, what: Lines, stored: &[u8]) -> io::Result<Scan> {
    let text = zstd::stream::read::Decoder::with_buffer(stored)?;
    let mut text = BufReader::new(text.take(object.bytes.saturating_add(1)));
    let mut read = Scan::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = text.read_until(b'\n', &mut line)?;
        if length == 0 {
            return Ok(read);
        }
        read.lines += 1;
        read.bytes += u64::try_from(length).unwrap_or(u64::MAX);
        read.take(what, &line);
    }
}

impl Scan {
    fn take(&mut self, what: Lines, line: &[u8]) {
        let read = match what {
            Lines::Events => event(line),
            Lines::Receipts => receipt(line),
        };
        let Some((event_id, event_type)) = read else {
            self.bad += 1;
            return;
        };
        self.ids.push(event_id);
        if let Some(event_type) = event_type {
            *self.types.entry(event_type).or_default() += 1;
        }
    }
}

fn event(line: &[u8]) -> Option<(EventId, Option<String>)> {
    let line: EventLine = serde_json::from_slice(line).ok()?;
    Some((line.pbeventid.parse().ok()?, Some(line.r#type)))
}

fn receipt(line: &[u8]) -> Option<(EventId, Option<String>)> {
    let line: ReceiptLine = serde_json::from_slice(line).ok()?;
    Some((line.event_id.parse().ok()?, None))
}
