//! Lines as an object holds them: in one zstd frame.

use std::io::{self, BufRead, BufReader};

use zstd::bulk::Compressor;
use zstd::stream::read::Decoder;
use zstd::zstd_safe::CParameter;

/// The level at which the log's data are compressed, too.
const ZSTD_LEVEL: i32 = 3;

/// Compresses lines. The frame says how long they are, and ends with a checksum of them.
pub(super) fn pack(lines: &[u8]) -> io::Result<Vec<u8>> {
    let mut compressor = Compressor::new(ZSTD_LEVEL)?;
    compressor.set_parameter(CParameter::ChecksumFlag(true))?;
    compressor.compress(lines)
}

/// The lines of an object, one at a time.
pub(super) struct PackedLines<'a> {
    text: BufReader<Decoder<'a, &'a [u8]>>,
    line: Vec<u8>,
}

impl<'a> PackedLines<'a> {
    pub(super) fn of(object: &'a [u8]) -> io::Result<Self> {
        Ok(Self {
            text: BufReader::new(Decoder::with_buffer(object)?),
            line: Vec::new(),
        })
    }

    /// The next line, with what ends it.
    pub(super) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.line.clear();
        let length = self.text.read_until(b'\n', &mut self.line)?;
        Ok((length > 0).then_some(&*self.line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(object: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        let mut packed = PackedLines::of(object)?;
        let mut lines = Vec::new();
        while let Some(line) = packed.next()? {
            lines.push(line.to_vec());
        }
        Ok(lines)
    }

    #[test]
    fn lines_come_back_and_are_packed_in_one_way() {
        let text = b"one\ntwo\n".repeat(10_000);
        let object = pack(&text).unwrap();
        assert_eq!(pack(&text).unwrap(), object);
        assert!(object.len() < text.len() / 100);
        assert_eq!(lines(&object).unwrap().concat(), text);
        let length = zstd::zstd_safe::get_frame_content_size(&object).unwrap();
        assert_eq!(length, Some(text.len() as u64));
    }

    #[test]
    fn a_torn_or_changed_object_is_an_error() {
        let object = pack(&b"a line that is told from another\n".repeat(9)).unwrap();
        assert!(lines(&object[..object.len() - 1]).is_err());
        for place in 0..object.len() {
            let mut changed = object.clone();
            changed[place] ^= 0x55;
            let lines = lines(&changed);
            assert!(lines.is_err(), "{place}: {lines:?}");
        }
    }
}
