//! Reading a request.

use std::borrow::Cow;

use data_encoding::BASE64;
use http::header::CONTENT_TYPE;

use super::{Problem, Request};

/// The bytes of a request.
pub type Body<'a> = Cow<'a, [u8]>;

/// The body in bytes. The HTTP API hands any media type but a few textual ones over as base64, and
/// `application/cloudevents+json` is not among the few.
pub fn body(request: &Request) -> Result<Body<'_>, Problem> {
    let text = request.body.as_deref().unwrap_or_default();
    if !request.is_base64_encoded {
        return Ok(Cow::Borrowed(text.as_bytes()));
    }
    let bytes = BASE64.decode(text.as_bytes());
    bytes
        .map(Cow::Owned)
        .map_err(|_| Problem::malformed("The body's encoding is broken."))
}

/// The media type without its parameters, in lower case; empty when there is none.
pub fn media_type(request: &Request) -> String {
    let header = request
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = header
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}
