//! Reading a request.

use std::borrow::Cow;

use data_encoding::BASE64;
use http::header::CONTENT_TYPE;
use pillarbox_domain::limits::MAX_REQUEST_BYTES;

use super::{Problem, Request};

/// The bytes of a request.
pub type Body<'a> = Cow<'a, [u8]>;

/// The body in bytes, [`MAX_REQUEST_BYTES`] at most. The HTTP API hands any media type but a few textual ones over as base64, and
/// `application/cloudevents+json` is not among the few.
pub fn body(request: &Request) -> Result<Body<'_>, Problem> {
    let text = request.body.as_deref().unwrap_or_default();
    let bytes = if request.is_base64_encoded {
        let bytes = BASE64.decode(text.as_bytes());
        let broken = |_| Problem::malformed("The body's encoding is broken.");
        Cow::Owned(bytes.map_err(broken)?)
    } else {
        Cow::Borrowed(text.as_bytes())
    };
    match bytes.len() {
        actual if actual > MAX_REQUEST_BYTES => {
            Err(Problem::too_large("body", MAX_REQUEST_BYTES, actual))
        }
        _ => Ok(bytes),
    }
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
