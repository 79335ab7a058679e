//! JSON as patterns look at it: every number with all its digits, every member in its place.

use std::borrow::Cow;
use std::fmt::{self, Write};

use crate::limits::MAX_PATTERN_LEVELS;

/// A JSON value that points into the text it was read from.
#[derive(Debug)]
pub(super) enum Json<'a> {
    Null,
    Boolean(bool),
    /// In its own spelling.
    Number(Cow<'a, str>),
    Text(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    Object(Members<'a>),
}

/// The members of an object, also those whose name comes more than once, in the order of the text.
#[derive(Debug)]
pub(super) struct Members<'a> {
    in_order: Vec<(Cow<'a, str>, Json<'a>)>,
    /// Places of the members in the order of their names; the last of the same name is behind the others.
    by_name: Vec<usize>,
}

impl<'a> Members<'a> {
    pub(super) fn of(in_order: Vec<(Cow<'a, str>, Json<'a>)>) -> Self {
        let mut by_name: Vec<usize> = (0..in_order.len()).collect();
        by_name.sort_by(|a, b| in_order[*a].0.cmp(&in_order[*b].0));
        Self { in_order, by_name }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Json<'a>)> {
        self.in_order
            .iter()
            .map(|(name, value)| (name.as_ref(), value))
    }

    pub(super) fn len(&self) -> usize {
        self.in_order.len()
    }

    /// The value of a member: as everywhere, the last of members with the same name counts.
    pub(super) fn get(&self, name: &str) -> Option<&Json<'a>> {
        let name_at = |place: &usize| self.in_order[*place].0.as_ref();
        let behind = self.by_name.partition_point(|place| name_at(place) <= name);
        let place = self.by_name.get(behind.checked_sub(1)?)?;
        (name_at(place) == name).then_some(&self.in_order[*place].1)
    }

    /// A name that comes more than once.
    pub(super) fn repeated(&self) -> Option<&str> {
        let name_at = |place: usize| self.in_order[place].0.as_ref();
        let mut neighbours = self.by_name.windows(2);
        neighbours
            .find(|pair| name_at(pair[0]) == name_at(pair[1]))
            .map(|pair| name_at(pair[0]))
    }
}

impl<'a> Json<'a> {
    /// Reads text that a JSON parser has found to be well-formed; it is not checked again. `None` when a string
    /// holds half a character, or when more than [`MAX_PATTERN_LEVELS`] arrays and objects are in one another.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        Reader { text, at: 0 }.value(MAX_PATTERN_LEVELS)
    }

    /// The value as JSON, cut behind so many characters.
    pub(super) fn shown(&self, most_chars: usize) -> String {
        let mut cut = Cut {
            text: String::new(),
            room: most_chars,
        };
        // The only error is that there is no more room.
        if write!(cut, "{self}").is_err() {
            cut.text.push('…');
        }
        cut.text
    }
}

/// Compact, with names in their order and numbers in their spelling.
impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Number(number) => f.write_str(number),
            Self::Text(text) => write_text(text, f),
            Self::Array(items) => {
                f.write_char('[')?;
                for (place, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if place == 0 { "" } else { "," })?;
                }
                f.write_char(']')
            }
            Self::Object(members) => {
                f.write_char('{')?;
                for (place, (name, value)) in members.iter().enumerate() {
                    f.write_str(if place == 0 { "" } else { "," })?;
                    write_text(name, f)?;
                    write!(f, ":{value}")?;
                }
                f.write_char('}')
            }
        }
    }
}

fn write_text(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let json = serde_json::to_string(text).map_err(|_| fmt::Error)?;
    f.write_str(&json)
}

/// Takes text until it is full.
struct Cut {
    text: String,
    room: usize,
}

impl Write for Cut {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let end = more.char_indices().nth(self.room).map(|(end, _)| end);
        self.text.push_str(&more[..end.unwrap_or(more.len())]);
        self.room = self.room.saturating_sub(more.chars().count());
        end.map_or(Ok(()), |_| Err(fmt::Error))
    }
}

/// Reads one value after the other. It trusts the text to be JSON: on any other it gives an answer without
/// meaning, or none, and stays within the text.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, levels: usize) -> Option<Json<'a>> {
        match self.peek()? {
            b'{' => self.object(levels.checked_sub(1)?),
            b'[' => self.array(levels.checked_sub(1)?),
            b'"' => self.string().map(Json::Text),
            _ => self.word(),
        }
    }

    fn object(&mut self, levels: usize) -> Option<Json<'a>> {
        let mut members = Vec::new();
        while !self.closes(b'}')? {
            let name = self.string()?;
            self.take(b':')?;
            members.push((name, self.value(levels)?));
        }
        Some(Json::Object(Members::of(members)))
    }

    fn array(&mut self, levels: usize) -> Option<Json<'a>> {
        let mut items = Vec::new();
        while !self.closes(b']')? {
            items.push(self.value(levels)?);
        }
        Some(Json::Array(items))
    }

    /// Steps over what opens an array or object, or is between its parts; or over its end.
    fn closes(&mut self, end: u8) -> Option<bool> {
        if self.peek()? != end {
            // `[`, `{` or `,`; an empty one closes right behind it.
            self.at += 1;
        }
        let closed = self.peek()? == end;
        self.at += usize::from(closed);
        Some(closed)
    }

    fn string(&mut self) -> Option<Cow<'a, str>> {
        self.take(b'"')?;
        let start = self.at;
        let mut escaped = false;
        while self.text_byte()? != b'"' {
            escaped |= self.text_byte()? == b'\\';
            self.at += if self.text_byte()? == b'\\' { 2 } else { 1 };
        }
        let end = self.at;
        self.at += 1;
        if escaped {
            let quoted = self.text.get(start - 1..self.at)?;
            serde_json::from_str(quoted).ok().map(Cow::Owned)
        } else {
            self.text.get(start..end).map(Cow::Borrowed)
        }
    }

    fn text_byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// A number, `true`, `false` or `null`.
    fn word(&mut self) -> Option<Json<'a>> {
        let rest = self.text.get(self.at..)?;
        let part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
        let length = rest.bytes().take_while(|byte| part(*byte)).count();
        self.at += length;
        match rest.get(..length)? {
            "" => None,
            "null" => Some(Json::Null),
            "true" => Some(Json::Boolean(true)),
            "false" => Some(Json::Boolean(false)),
            number => Some(Json::Number(Cow::Borrowed(number))),
        }
    }

    fn take(&mut self, expected: u8) -> Option<()> {
        let found = self.peek()? == expected;
        self.at += usize::from(found);
        found.then_some(())
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.text.as_bytes().get(self.at..)?;
        self.at += rest
            .iter()
            .position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))?;
        self.text.as_bytes().get(self.at).copied()
    }
}
