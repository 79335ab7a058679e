//! Lines in groups, each for one request.

use std::io;

use futures::{Stream, stream};
use tokio::io::AsyncBufRead;

use super::lines::{Line, LineReader};

/// What has room in one group.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    pub lines: usize,
    /// Of all lines together, unless one alone has more.
    pub bytes: usize,
}

/// What is left to read.
struct Groups<R> {
    lines: LineReader<R>,
    /// The line that had no more room in the group before.
    next: Option<Line>,
    room: Room,
}

/// Groups of lines, each complete when it is full or the input ends. The stream ends after the
/// first read error; what was read before it is a group of its own.
pub fn groups_of<R: AsyncBufRead + Unpin>(
    lines: LineReader<R>,
    room: Room,
) -> impl Stream<Item = io::Result<Vec<Line>>> {
    let groups = Groups {
        lines,
        next: None,
        room,
    };
    stream::unfold((Some(groups), None), |(groups, error)| async {
        if let Some(error) = error {
            return Some((Err(error), (None, None)));
        }
        let mut groups = groups?;
        match groups.next_group().await {
            (group, Some(error)) if group.is_empty() => Some((Err(error), (None, None))),
            (group, None) if group.is_empty() => None,
            (group, Some(error)) => Some((Ok(group), (None, Some(error)))),
            (group, None) => Some((Ok(group), (Some(groups), None))),
        }
    })
}

impl<R: AsyncBufRead + Unpin> Groups<R> {
    /// The next lines that go together, and why there are no more when the input cannot be read.
    async fn next_group(&mut self) -> (Vec<Line>, Option<io::Error>) {
        let mut group: Vec<Line> = self.next.take().into_iter().collect();
        let mut bytes: usize = group.iter().map(Line::len).sum();
        while group.len() < self.room.lines {
            match self.lines.next_line().await {
                Ok(Some(line)) if !group.is_empty() && bytes + line.len() > self.room.bytes => {
                    self.next = Some(line);
                    break;
                }
                Ok(Some(line)) => {
                    bytes += line.len();
                    group.push(line);
                }
                Ok(None) => break,
                Err(error) => return (group, Some(error)),
            }
        }
        (group, None)
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use tokio::io::BufReader;

    use super::*;

    async fn numbers(input: &[u8], lines: usize) -> Vec<Vec<u64>> {
        let room = Room { lines, bytes: 10 };
        let groups = groups_of(LineReader::new(BufReader::new(input)), room);
        let numbers =
            |group: io::Result<Vec<Line>>| group.unwrap().iter().map(|line| line.number).collect();
        groups.map(numbers).collect().await
    }

    #[tokio::test]
    async fn a_group_is_full_or_the_last() {
        assert_eq!(
            numbers(b"1\n2\n\n3\n4\n5", 2).await,
            [vec![1, 2], vec![4, 5], vec![6]]
        );
        assert_eq!(numbers(b"1\n2\n", 2).await, [[1, 2]]);
        assert_eq!(numbers(b"1\n2\n", 1).await, [[1], [2]]);
        assert!(numbers(b"\n", 2).await.is_empty());
    }

    #[tokio::test]
    async fn a_group_has_no_more_bytes_than_there_is_room_for() {
        let input = b"12345\n67890\n1\n12345678901\n2\n";
        assert_eq!(
            numbers(input, 100).await,
            [vec![1, 2], vec![3], vec![4], vec![5]]
        );
    }
}
