//! Figures as bytes: what an item of the store holds.
//!
//! ```text
//! version, then for each type: length of its name, the name, unrouted, withheld, deliveries, deliveries_withheld,
//! number of latencies, and for each: milliseconds since the one before, how many took so long
//! ```
//!
//! Numbers are varints (LEB128). Latencies of a busy minute lie close together and few events share one, so most take
//! one byte: four bits of milliseconds, four of how many. A zero says that both follow as varints. Figures that are too
//! long for one item are in several parts, each whole by itself: added up, they are the figures again.

use super::figures::{Figures, TypeFigures};
use super::latencies::Latencies;

/// The form above; another one has another number.
const VERSION: u8 = 1;

/// Bytes of one part. An item holds 409,600
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>); the rest is room for its keys.
pub(super) const MAX_PART_BYTES: usize = 350_000;

/// Bytes of the longest varint of 64 bits.
const MAX_VARINT_BYTES: usize = 10;

/// The bytes are not those of figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("are not figures of the known form")]
pub struct MalformedFigures;

/// Figures in parts of so many bytes at the most; one part at the least.
pub(super) fn pack(figures: &Figures, max_bytes: usize) -> Vec<Vec<u8>> {
    let mut parts = vec![vec![VERSION]];
    for (name, figures) in figures {
        for piece in pieces(name, figures, max_bytes) {
            match parts.last_mut() {
                Some(part) if part.len() + piece.len() <= max_bytes => part.extend(piece),
                _ => parts.push([vec![VERSION], piece].concat()),
            }
        }
    }
    parts
}

/// What four bits hold, at the most.
const MAX_NIBBLE: u64 = 15;

/// Says that a latency does not fit a byte. None that does has no events.
const ESCAPE: u8 = 0;

/// A type in pieces that fit a part. Counts stand in the first of them.
fn pieces(name: &str, figures: &TypeFigures, max_bytes: usize) -> Vec<Vec<u8>> {
    let head = name.len() + 6 * MAX_VARINT_BYTES;
    let entries = max_bytes.saturating_sub(head) / (1 + 2 * MAX_VARINT_BYTES);
    let latencies: Vec<(u64, u64)> = figures.latencies.iter().collect();
    let mut rest = latencies.as_slice();
    let mut pieces = Vec::new();
    loop {
        let (entries, left) = rest.split_at(rest.len().min(entries.max(1)));
        let counts = match pieces.is_empty() {
            true => [
                figures.unrouted,
                figures.withheld,
                figures.deliveries,
                figures.deliveries_withheld,
            ],
            false => [0; 4],
        };
        pieces.push(piece(name, counts, entries));
        rest = left;
        if rest.is_empty() {
            return pieces;
        }
    }
}

fn piece(name: &str, counts: [u64; 4], latencies: &[(u64, u64)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut bytes, length(name.len()));
    bytes.extend(name.as_bytes());
    for count in counts {
        write(&mut bytes, count);
    }
    write(&mut bytes, length(latencies.len()));
    let mut before = 0;
    for (millis, count) in latencies {
        write_latency(&mut bytes, millis - before, *count);
        before = *millis;
    }
    bytes
}

/// Adds the figures of a part to others.
pub(super) fn unpack(part: &[u8], figures: &mut Figures) -> Result<(), MalformedFigures> {
    let [VERSION, rest @ ..] = part else {
        return Err(MalformedFigures);
    };
    let mut rest = rest;
    while !rest.is_empty() {
        let (name, of_type) = read_piece(&mut rest)?;
        match figures.get_mut(name) {
            Some(known) => *known += &of_type,
            None => {
                figures.insert(name.to_owned(), of_type);
            }
        }
    }
    Ok(())
}

fn read_piece<'a>(rest: &mut &'a [u8]) -> Result<(&'a str, TypeFigures), MalformedFigures> {
    let name_len = usize::try_from(read(rest)?).map_err(|_| MalformedFigures)?;
    let (name, after) = rest.split_at_checked(name_len).ok_or(MalformedFigures)?;
    *rest = after;
    let name = str::from_utf8(name).map_err(|_| MalformedFigures)?;
    Ok((
        name,
        TypeFigures {
            unrouted: read(rest)?,
            withheld: read(rest)?,
            deliveries: read(rest)?,
            deliveries_withheld: read(rest)?,
            latencies: read_latencies(rest)?,
        },
    ))
}

fn read_latencies(rest: &mut &[u8]) -> Result<Latencies, MalformedFigures> {
    let mut latencies = Latencies::default();
    let mut millis = 0_u64;
    for _ in 0..read(rest)? {
        let (since, count) = read_latency(rest)?;
        millis = millis.checked_add(since).ok_or(MalformedFigures)?;
        latencies.add(millis, count);
    }
    Ok(latencies)
}

fn write_latency(bytes: &mut Vec<u8>, since: u64, count: u64) {
    let is_small = since <= MAX_NIBBLE && (1..=MAX_NIBBLE).contains(&count);
    match u8::try_from(since << 4 | count) {
        Ok(byte) if is_small => bytes.push(byte),
        _ => {
            bytes.push(ESCAPE);
            write(bytes, since);
            write(bytes, count);
        }
    }
}

fn read_latency(rest: &mut &[u8]) -> Result<(u64, u64), MalformedFigures> {
    let (byte, after) = rest.split_first().ok_or(MalformedFigures)?;
    *rest = after;
    match (*byte, u64::from(byte >> 4), u64::from(byte & 0x0f)) {
        (ESCAPE, _, _) => Ok((read(rest)?, read(rest)?)),
        (_, _, 0) => Err(MalformedFigures),
        (_, since, count) => Ok((since, count)),
    }
}

fn write(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(u8::try_from(number & 0x7f).unwrap_or_default() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap_or_default());
}

fn read(rest: &mut &[u8]) -> Result<u64, MalformedFigures> {
    let mut number = 0_u64;
    for place in 0..MAX_VARINT_BYTES {
        let (byte, after) = rest.split_first().ok_or(MalformedFigures)?;
        *rest = after;
        let bits = u64::from(byte & 0x7f);
        let shift = 7 * u32::try_from(place).unwrap_or_default();
        let shifted = bits.checked_shl(shift).filter(|it| it >> shift == bits);
        number |= shifted.ok_or(MalformedFigures)?;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(MalformedFigures)
}

fn length(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;

    fn unpacked(parts: &[Vec<u8>]) -> Figures {
        let mut figures = Figures::new();
        for part in parts {
            unpack(part, &mut figures).unwrap();
        }
        figures
    }

    fn of_type() -> impl Strategy<Value = TypeFigures> {
        let latencies = btree_map(any::<u64>(), 1..1_000_000_u64, 0..40);
        let counts = (0..u64::MAX, any::<u32>(), any::<u16>(), any::<u8>());
        (counts, latencies).prop_map(|((a, b, c, d), latencies)| TypeFigures {
            unrouted: a,
            withheld: b.into(),
            deliveries: c.into(),
            deliveries_withheld: d.into(),
            latencies: latencies.into_iter().collect(),
        })
    }

    proptest! {
        #[test]
        fn figures_come_back_from_however_many_parts(
            figures in btree_map("[a-z.ä]{0,20}", of_type(), 0..8),
            max_bytes in 200_usize..2_000,
        ) {
            let parts = pack(&figures, max_bytes);
            prop_assert!(parts.iter().all(|part| part.len() <= max_bytes));
            prop_assert_eq!(unpacked(&parts), figures);
        }

        #[test]
        fn no_bytes_are_too_strange_to_be_refused(bytes in vec(any::<u8>(), 0..200)) {
            let mut figures = Figures::new();
            let read = unpack(&[&[VERSION], bytes.as_slice()].concat(), &mut figures);
            prop_assert!(read.is_ok() || read == Err(MalformedFigures));
        }
    }

    #[test]
    fn what_is_cut_or_of_another_form_is_refused() {
        let figures = Figures::from([(
            "t".to_owned(),
            TypeFigures {
                deliveries: 300,
                latencies: [(5, 1), (900, 2)].into_iter().collect(),
                ..TypeFigures::default()
            },
        )]);
        let [part] = &pack(&figures, MAX_PART_BYTES)[..] else {
            panic!("one part");
        };
        for cut in 2..part.len() {
            assert_eq!(
                unpack(&part[..cut], &mut Figures::new()),
                Err(MalformedFigures),
                "{cut}"
            );
        }
        for strange in [
            &[][..],
            &[2],
            &[
                1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02,
            ],
        ] {
            assert_eq!(unpack(strange, &mut Figures::new()), Err(MalformedFigures));
        }
    }
}
