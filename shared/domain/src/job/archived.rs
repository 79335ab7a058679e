//! Hours that are read from the archive.

use super::Halt;
use super::ports::Ports;
use crate::archive::{ArchiveReader, ArchivedObject, Manifest, sha256_hex};
use crate::event_id::EventId;
use crate::log_hour::{IdRange, LogHour, Position};
use crate::store_error::ErrorChain;
use crate::tenant::TenantId;

/// Bytes of an object's lines up to which it is read: twice what is written into one. Two of them are in memory at a
/// time.
const MAX_OBJECT_BYTES: u64 = 64 * 1024 * 1024;

/// The manifest of an hour that had one when the job was planned.
pub(super) async fn manifest<P: Ports>(
    ports: &P,
    tenant: &TenantId,
    hour: LogHour,
) -> Result<Manifest, Halt> {
    let found = ports.parts().archive.manifest(tenant, hour).await?;
    found.ok_or_else(|| {
        let hour = hour.start();
        Halt::Pause(format!(
            "the archive has no manifest of the hour of {hour} any more"
        ))
    })
}

/// The lines of an object, once it is known to be what its manifest says.
pub(super) async fn lines<P: Ports>(ports: &P, object: &ArchivedObject) -> Result<Lines, Halt> {
    let broken = |why: String| Halt::Pause(format!("the archived object {} {why}", object.key));
    if object.bytes > MAX_OBJECT_BYTES {
        return Err(broken(format!(
            "has {} bytes; {MAX_OBJECT_BYTES} can be read",
            object.bytes
        )));
    }
    let stored = ports.parts().archive.object(&object.key).await?;
    let stored = stored.ok_or_else(|| broken("is gone".to_owned()))?;
    let sha256 = sha256_hex(&stored);
    if sha256 != object.sha256 {
        let wanted = &object.sha256;
        return Err(broken(format!(
            "is another one: its SHA-256 is {sha256}, and was {wanted}"
        )));
    }
    let max_bytes = usize::try_from(object.bytes).unwrap_or(usize::MAX);
    let bytes = zstd::bulk::decompress(&stored, max_bytes);
    let bytes = bytes.map_err(|error| broken(format!("is broken: {}", ErrorChain(&error))))?;
    let lines = Lines { bytes, offset: 0 };
    match lines.count() {
        count if count == object.lines => Ok(lines),
        count => Err(broken(format!(
            "has {count} lines, and had {}",
            object.lines
        ))),
    }
}

/// Whether an object may have events with ids of this range. What cannot be told may.
pub(super) fn may_have(object: &ArchivedObject, range: IdRange) -> bool {
    let position = |text: &str| text.parse::<EventId>().ok().map(Position::of);
    let first = position(&object.first_event_id);
    let last = position(&object.last_event_id);
    first.is_none_or(|first| first <= range.last()) && last.is_none_or(|last| last >= range.first())
}

/// Lines, from some place on.
pub(super) struct Lines {
    bytes: Vec<u8>,
    offset: usize,
}

impl Lines {
    /// The next line, without what ends it.
    pub(super) fn next(&mut self) -> Option<&[u8]> {
        let rest = self
            .bytes
            .get(self.offset..)
            .filter(|rest| !rest.is_empty())?;
        let end = rest.iter().position(|byte| *byte == b'\n');
        let line = &rest[..end.unwrap_or(rest.len())];
        self.offset += line.len() + usize::from(end.is_some());
        Some(line)
    }

    /// Leaves out so many.
    pub(super) fn skip(&mut self, count: u64) {
        for _ in 0..count {
            if self.next().is_none() {
                return;
            }
        }
    }

    fn count(&self) -> u64 {
        let ends = self.bytes.iter().filter(|byte| **byte == b'\n').count();
        let is_open = self.bytes.last().is_some_and(|last| *last != b'\n');
        u64::try_from(ends + usize::from(is_open)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<String> {
        let mut lines = Lines {
            bytes: text.as_bytes().to_vec(),
            offset: 0,
        };
        let count = lines.count();
        let mut all = vec![];
        while let Some(line) = lines.next() {
            all.push(String::from_utf8(line.to_vec()).unwrap());
        }
        assert_eq!(u64::try_from(all.len()).unwrap(), count, "{text:?}");
        all
    }

    #[test]
    fn lines_are_counted_as_they_are_read() {
        assert_eq!(all(""), Vec::<String>::new());
        assert_eq!(all("a\n"), ["a"]);
        assert_eq!(all("a\nb"), ["a", "b"]);
        assert_eq!(all("a\n\nb\n"), ["a", "", "b"]);
        assert_eq!(all("\n"), [""]);
    }

    #[test]
    fn lines_that_are_left_out_are_not_read_again() {
        let mut lines = Lines {
            bytes: b"a\nb\nc\n".to_vec(),
            offset: 0,
        };
        lines.skip(2);
        assert_eq!(lines.next(), Some(&b"c"[..]));
        lines.skip(5);
        assert_eq!(lines.next(), None);
    }
}
