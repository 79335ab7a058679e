//! The binary form over HTTP: attributes in headers, data in the body
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md>).

use percent_encoding::percent_decode;
use serde_json::value::RawValue;

use super::draft::Draft;
use super::structured::escaped_len;
use super::{AttributeName, AttributeValue, CloudEvent, Data, Fault, ParseError};
use crate::limits::MAX_EVENT_BYTES;

/// What the headers of attributes begin with.
const PREFIX: &str = "ce-";

/// The header that makes a request an event in binary form.
pub const BINARY_MARK: &str = "ce-specversion";

/// Bytes of a body from which on it is worth measuring what the event will have in structured form, where
/// binary data grow by a third.
const WORTH_MEASURING: usize = MAX_EVENT_BYTES / 2;

impl CloudEvent {
    /// Reads one event in binary form: headers (names in lower case) and body.
    ///
    /// `content-type` becomes `datacontenttype`. A body of a JSON type is JSON data, as the bytes that came;
    /// any other is binary; an empty one is no data. Every attribute is a string: headers know no other
    /// type. Errors name every attribute at fault, without its prefix.
    pub fn from_binary<'a>(
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        body: &[u8],
    ) -> Result<Self, ParseError> {
        if body.len() > MAX_EVENT_BYTES {
            return Err(ParseError::TooLarge { actual: body.len() });
        }
        let mut draft = Draft::default();
        let mut is_json = false;
        for (name, value) in headers {
            if let Some(attribute) = name.strip_prefix(PREFIX) {
                let read = draft.read_header(attribute, value);
                draft.note(attribute, read);
            } else if name == "content-type" {
                is_json = names_json(value);
                let read = draft.read_content_type(value);
                draft.note("datacontenttype", read);
            }
        }
        if !body.is_empty() {
            let read = data(body, is_json).and_then(|data| draft.set_data(data));
            draft.note("data", read);
        }
        let event = draft.finish().map_err(ParseError::Invalid)?;
        event.check_size()?;
        Ok(event)
    }

    /// Checks that the event has no more than [`MAX_EVENT_BYTES`] in the form in which it is delivered.
    pub fn check_size(&self) -> Result<(), ParseError> {
        if self
            .data()
            .is_none_or(|data| data.bytes().len() < WORTH_MEASURING)
        {
            return Ok(());
        }
        match escaped_len(self.to_structured().as_bytes()) {
            actual if actual > MAX_EVENT_BYTES => Err(ParseError::TooLarge { actual }),
            _ => Ok(()),
        }
    }
}

impl Draft {
    fn read_header(&mut self, name: &str, value: &[u8]) -> Result<(), Fault> {
        if name == "datacontenttype" {
            return Err(Fault::BadName);
        }
        let text = percent_decode(value).decode_utf8();
        let text = text.map_err(|_| Fault::NotA("percent-encoded UTF-8 text"))?;
        self.read_text(name, text.into_owned())
    }

    fn read_content_type(&mut self, value: &[u8]) -> Result<(), Fault> {
        let text = str::from_utf8(value).map_err(|_| Fault::NotA("media type"))?;
        self.read_text("datacontenttype", text.to_owned())
    }

    fn read_text(&mut self, name: &str, text: String) -> Result<(), Fault> {
        match name {
            "source" => self.source = Some(text),
            "id" => self.id = Some(text),
            "type" => self.event_type = Some(text),
            "specversion" => self.specversion = Some(text),
            _ => {
                let name = AttributeName::new(name)?;
                self.context.insert(name, AttributeValue::String(text));
            }
        }
        Ok(())
    }
}

/// `application/json`, `text/json`, and whatever ends in `+json`.
fn names_json(content_type: &[u8]) -> bool {
    let essence = content_type
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default();
    let essence = essence.trim_ascii().to_ascii_lowercase();
    essence.ends_with(b"/json") || essence.ends_with(b"+json")
}

fn data(body: &[u8], is_json: bool) -> Result<Data, Fault> {
    if !is_json {
        return Ok(Data::Binary(body.to_vec()));
    }
    let json: Result<Box<RawValue>, _> = serde_json::from_slice(body);
    json.map(Data::Json)
        .map_err(|error| Fault::Unreadable(error.to_string()))
}
