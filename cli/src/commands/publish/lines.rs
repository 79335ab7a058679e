//! Lines of any input, numbered, with a bound on how much of one is kept.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// A longer line could not reach the bus at all: a Lambda function is invoked with 6 MB at most
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>). How long an event may be
/// below that, the bus decides itself.
pub const MAX_LINE_BYTES: usize = 6 * 1024 * 1024;

/// A line that is not blank.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// Counted from 1, blank lines included, as editors do.
    pub number: u64,
    /// Bytes of the input up to the end of this line that no line before it has accounted for.
    pub input_bytes: u64,
    /// The line as it is, without its line break; `None` when it is longer than [`MAX_LINE_BYTES`].
    pub content: Option<Vec<u8>>,
}

impl Line {
    /// Bytes that there are to send.
    pub fn len(&self) -> usize {
        self.content.as_ref().map_or(0, Vec::len)
    }
}

pub struct LineReader<R> {
    input: R,
    number: u64,
}

/// A line while it is read.
#[derive(Default)]
struct Partial {
    bytes: Vec<u8>,
    total: u64,
    ended: bool,
}

impl<R: AsyncBufRead + Unpin> LineReader<R> {
    pub fn new(input: R) -> Self {
        Self { input, number: 0 }
    }

    /// The next line that is not blank, or `None` at the end of the input.
    ///
    /// # Errors
    /// When the input cannot be read.
    pub async fn next_line(&mut self) -> io::Result<Option<Line>> {
        let mut skipped_bytes = 0;
        while let Some(partial) = self.read_line().await? {
            if !partial.is_blank() {
                return Ok(Some(partial.into_line(self.number, skipped_bytes)));
            }
            skipped_bytes += partial.total;
        }
        Ok(None)
    }

    async fn read_line(&mut self) -> io::Result<Option<Partial>> {
        let mut partial = Partial::default();
        while !partial.ended {
            let available = self.input.fill_buf().await?;
            if available.is_empty() {
                break;
            }
            let used = partial.take(available);
            self.input.consume(used);
        }
        self.number += 1;
        Ok((partial.total > 0).then_some(partial))
    }
}

impl Partial {
    /// Takes what belongs to this line, and returns how many bytes that was, the line break included.
    fn take(&mut self, available: &[u8]) -> usize {
        let line_break = available.iter().position(|&byte| byte == b'\n');
        let content = &available[..line_break.unwrap_or(available.len())];
        // One byte more than allowed is kept, to know that the line is too long.
        let room = (MAX_LINE_BYTES + 1).saturating_sub(self.bytes.len());
        self.bytes
            .extend_from_slice(&content[..content.len().min(room)]);
        self.ended = line_break.is_some();
        let used = content.len() + usize::from(self.ended);
        self.total += used as u64;
        used
    }

    fn is_blank(&self) -> bool {
        self.bytes.iter().all(u8::is_ascii_whitespace)
    }

    fn into_line(mut self, number: u64, skipped_bytes: u64) -> Line {
        if self.ended && self.bytes.last() == Some(&b'\r') {
            self.bytes.pop();
        }
        Line {
            number,
            input_bytes: skipped_bytes + self.total,
            content: (self.bytes.len() <= MAX_LINE_BYTES).then_some(self.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::BufReader;

    use super::*;

    /// All lines, read through a buffer so small that every line spans several reads.
    async fn read_all(input: &[u8]) -> Vec<Line> {
        let mut reader = LineReader::new(BufReader::with_capacity(3, input));
        let mut lines = Vec::new();
        while let Some(line) = reader.next_line().await.unwrap() {
            lines.push(line);
        }
        lines
    }

    fn line(number: u64, input_bytes: u64, content: &str) -> Line {
        Line {
            number,
            input_bytes,
            content: Some(content.as_bytes().to_vec()),
        }
    }

    #[tokio::test]
    async fn blank_lines_are_skipped_but_counted() {
        assert_eq!(
            read_all(b"\n{\"a\":1}\n  \t\n\r\n{\"b\":2}\n\n").await,
            [line(2, 9, "{\"a\":1}"), line(5, 14, "{\"b\":2}")]
        );
    }

    #[tokio::test]
    async fn last_line_needs_no_line_break_and_windows_ones_are_dropped() {
        assert_eq!(
            read_all(b"{\"a\":1}\r\n{\"b\":2}").await,
            [line(1, 9, "{\"a\":1}"), line(2, 7, "{\"b\":2}")]
        );
    }

    #[tokio::test]
    async fn bytes_are_kept_as_they_are() {
        assert_eq!(read_all(b"  {} \n").await, [line(1, 6, "  {} ")]);
        assert_eq!(
            read_all(b"\xff\xfe\n").await[0].content,
            Some(vec![0xff, 0xfe])
        );
    }

    #[tokio::test]
    async fn empty_input_has_no_lines() {
        assert_eq!(read_all(b"").await, []);
        assert_eq!(read_all(b"\n").await, []);
    }

    #[tokio::test]
    async fn line_one_byte_over_the_limit_is_dropped_and_the_next_one_read() {
        let longest = vec![b'x'; MAX_LINE_BYTES];
        let input = [&longest, b"\nx".as_slice(), &longest, b"\n{}\n"].concat();
        let mut reader = LineReader::new(BufReader::new(input.as_slice()));
        let mut next = async || reader.next_line().await.unwrap().unwrap();
        assert_eq!(next().await.content, Some(longest.clone()));
        let too_long = next().await;
        assert_eq!((too_long.number, too_long.content), (2, None));
        assert_eq!(too_long.input_bytes, MAX_LINE_BYTES as u64 + 2);
        assert_eq!(next().await, line(3, 3, "{}"));
    }
}
