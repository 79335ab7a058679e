//! An event as a reader of the log sees it.

use std::io;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::logged_event::LoggedEvent;

/// The structured CloudEvent with `pbeventid`.
#[derive(Clone, Copy, Debug)]
pub struct ShownEvent<'a>(pub &'a LoggedEvent);

impl Serialize for ShownEvent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.0.event.write_members(&mut map)?;
        map.serialize_entry("pbeventid", &self.0.event_id)?;
        map.end()
    }
}

impl ShownEvent<'_> {
    /// Bytes of it in an answer of a Lambda function, where it is JSON text within a JSON string: what such a
    /// string has to escape counts twice.
    pub(super) fn answer_bytes(self) -> usize {
        let mut counter = Counter(0);
        // A counter takes everything, and strings, numbers and raw JSON cannot fail to be written.
        serde_json::to_writer(&mut counter, &self).map_or(usize::MAX, |()| counter.0)
    }
}

struct Counter(usize);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let escaped = |byte: &&u8| matches!(byte, b'"' | b'\\' | b'\n' | b'\r' | b'\t');
        self.0 += bytes.len() + bytes.iter().filter(escaped).count();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
