//! Lines that become an object, and an object that is read again.

use std::io;

use serde::Deserialize;

use super::packed::{PackedLines, pack};
use super::{ArchivedObject, sha256_hex};
use crate::event_id::EventId;
use crate::store_error::StoreError;

/// Bytes of lines of an object, not compressed: little enough to be held in memory whole, and enough that query
/// engines read large pieces.
pub const MAX_OBJECT_BYTES: usize = 32 * 1024 * 1024;

/// Lines of an object.
pub const MAX_OBJECT_LINES: usize = 100_000;

/// Where objects are cut. A single line may be longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectLimits {
    /// See [`MAX_OBJECT_BYTES`].
    pub bytes: usize,
    /// See [`MAX_OBJECT_LINES`].
    pub lines: usize,
}

impl Default for ObjectLimits {
    fn default() -> Self {
        Self {
            bytes: MAX_OBJECT_BYTES,
            lines: MAX_OBJECT_LINES,
        }
    }
}

/// Lines of an object, and of which events they are.
#[derive(Debug, Default)]
pub(super) struct Lines {
    text: Vec<u8>,
    count: Count,
}

/// How many lines there are, and between which ids.
#[derive(Debug, Default)]
struct Count {
    lines: u64,
    bytes: u64,
    ends: Option<(EventId, EventId)>,
}

impl Count {
    fn take(&mut self, event_id: EventId, bytes: usize) {
        self.lines += 1;
        self.bytes += bytes as u64;
        self.ends = Some(match self.ends {
            None => (event_id, event_id),
            Some((first, last)) => (first.min(event_id), last.max(event_id)),
        });
    }

    fn of_object(&self, key: String, stored: &[u8]) -> ArchivedObject {
        let end = |end: Option<EventId>| end.map(|id| id.to_string()).unwrap_or_default();
        ArchivedObject {
            key,
            lines: self.lines,
            bytes: self.bytes,
            stored_bytes: stored.len() as u64,
            sha256: sha256_hex(stored),
            first_event_id: end(self.ends.map(|(first, _)| first)),
            last_event_id: end(self.ends.map(|(_, last)| last)),
        }
    }
}

impl Lines {
    /// Takes a line in, without what ends it.
    pub(super) fn push(&mut self, event_id: EventId, line: &str) {
        self.text.extend_from_slice(line.as_bytes());
        self.text.push(b'\n');
        self.count.take(event_id, line.len() + 1);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count.lines == 0
    }

    /// Whether these lines go in beside those that are there.
    pub(super) fn has_room(&self, lines: &[String], limits: ObjectLimits) -> bool {
        let bytes: usize = lines.iter().map(|line| line.len() + 1).sum();
        let count = self.count.lines as usize + lines.len();
        self.text.len() + bytes <= limits.bytes && count <= limits.lines
    }

    /// The object at this key, and what a manifest says of it.
    pub(super) fn pack(&self, key: String) -> Result<(Vec<u8>, ArchivedObject), StoreError> {
        let stored = pack(&self.text).map_err(|error| StoreError::Failed {
            operation: "compression",
            source: Box::new(error),
        })?;
        let object = self.count.of_object(key, &stored);
        Ok((stored, object))
    }
}

/// Reads an object; `id` is told each line, and tells of which event it is. What a manifest says of it is returned.
pub(super) fn read_object(
    key: &str,
    stored: &[u8],
    mut id: impl FnMut(&[u8]) -> Option<EventId>,
) -> Result<ArchivedObject, StoreError> {
    let unreadable = |error: &dyn std::fmt::Display| StoreError::Malformed {
        what: "object of the archive",
        detail: format!("{key}: {error}"),
    };
    let failed = |error: io::Error| unreadable(&error);
    let mut lines = PackedLines::of(stored).map_err(failed)?;
    let mut count = Count::default();
    while let Some(line) = lines.next().map_err(failed)? {
        let event_id = id(line).ok_or_else(|| unreadable(&"holds a line of no event"))?;
        count.take(event_id, line.len());
    }
    Ok(count.of_object(key.to_owned(), stored))
}

/// What is looked at of an event's line.
#[derive(Deserialize)]
pub(super) struct EventLine {
    pub(super) id: String,
    pub(super) source: String,
    pub(super) r#type: String,
    pbeventid: String,
}

impl EventLine {
    pub(super) fn of(line: &[u8]) -> Option<(EventId, Self)> {
        let line: Self = serde_json::from_slice(line).ok()?;
        Some((line.pbeventid.parse().ok()?, line))
    }
}

/// The event of a receipt's line.
pub(super) fn event_of_receipt(line: &[u8]) -> Option<EventId> {
    #[derive(Deserialize)]
    struct Named {
        event_id: String,
    }
    let named: Named = serde_json::from_slice(line).ok()?;
    named.event_id.parse().ok()
}
