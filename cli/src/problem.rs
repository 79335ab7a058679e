//! RFC 9457 problem documents, and the looser bodies that a gateway answers with on its own.

use std::fmt;

use reqwest::StatusCode;
use serde::{Deserialize, Serialize};

/// The longest text of an answer that is repeated to the terminal, in characters.
const MAX_SHOWN_CHARS: usize = 500;

/// Why the bus refused a request, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub status: StatusCode,
    pub title: String,
    pub detail: Option<String>,
    pub errors: Vec<FieldError>,
    /// On a conflict, the event that already has this `source` and `id`.
    pub event_id: Option<String>,
}

/// One attribute of the request that is wrong, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    pub field: String,
    pub detail: String,
}

/// What is read of a refusal's body. `message` is what API Gateway writes itself when its authorizer
/// refuses, when no route fits or when it throttles: `{"message": "Forbidden"}`.
#[derive(Default, Deserialize)]
struct Body {
    title: Option<String>,
    detail: Option<String>,
    message: Option<String>,
    #[serde(default)]
    errors: Vec<FieldError>,
    event_id: Option<String>,
}

impl Problem {
    /// Reads a refusal; a body in no known form is shown as it is.
    pub fn read(status: StatusCode, body: &[u8]) -> Self {
        let body = serde_json::from_slice(body).unwrap_or_else(|_| Body::of_text(body));
        let title = body.title.as_deref().or(status.canonical_reason());
        Self {
            status,
            title: shown(title.unwrap_or("refused")),
            detail: body.detail.or(body.message).as_deref().map(shown),
            errors: body.errors.iter().map(FieldError::shown).collect(),
            event_id: body.event_id.as_deref().map(shown),
        }
    }

    /// Title, detail and field errors on one line, without the status.
    pub fn one_line(&self) -> String {
        let mut line = self.title.clone();
        if let Some(detail) = &self.detail {
            line = format!("{line}: {detail}");
        }
        let fields: Vec<_> = self.errors.iter().map(ToString::to_string).collect();
        if !fields.is_empty() {
            line = format!("{line} ({})", fields.join("; "));
        }
        if let Some(event_id) = &self.event_id {
            line = format!("{line} [event_id {event_id}]");
        }
        line
    }

    /// What to do about a refusal whose document seldom says so.
    pub fn hint(&self) -> Option<&'static str> {
        match self.status {
            StatusCode::UNAUTHORIZED => {
                Some("The bus does not know this key, or it has expired: check PILLARBOX_API_KEY.")
            }
            StatusCode::FORBIDDEN => Some(
                "The key lacks the scope for this. Tenants, keys and dispatch take the administrators' key: \
                 PILLARBOX_API_KEY=\"$PILLARBOX_ADMIN_KEY\" pillarbox …",
            ),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                Some("Try again in a moment.")
            }
            _ => None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the bus answered {}: {}",
            self.status.as_u16(),
            self.title
        )?;
        if let Some(detail) = &self.detail {
            write!(f, "\n  {detail}")?;
        }
        for error in &self.errors {
            write!(f, "\n  - {error}")?;
        }
        if let Some(event_id) = &self.event_id {
            write!(f, "\n  event_id {event_id}")?;
        }
        self.hint().map_or(Ok(()), |hint| write!(f, "\n  {hint}"))
    }
}

impl FieldError {
    /// Field and detail; the detail alone when it is of the whole.
    pub fn told(&self) -> String {
        match self.field.as_str() {
            "" => self.detail.clone(),
            _ => self.to_string(),
        }
    }

    pub fn shown(&self) -> Self {
        Self {
            field: shown(&self.field),
            detail: shown(&self.detail),
        }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.detail)
    }
}

impl Body {
    fn of_text(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let text = text.trim();
        Self {
            detail: (!text.is_empty()).then(|| text.to_owned()),
            ..Self::default()
        }
    }
}

/// Text of an answer as it may go to a terminal: bounded, and without control characters, since a detail
/// can repeat what some producer put into an event.
pub fn shown(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(MAX_SHOWN_CHARS)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().nth(MAX_SHOWN_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> Problem {
        Problem::read(StatusCode::from_u16(status).unwrap(), body.as_bytes())
    }

    const INVALID: &str = r#"{"type":"about:blank","title":"Invalid event","status":400,"detail":"2 attributes are wrong",
        "errors":[{"field":"specversion","detail":"must be \"1.0\""},{"field":"source","detail":"is missing"}]}"#;

    #[test]
    fn every_field_error_has_its_own_line() {
        assert_eq!(
            read(400, INVALID).to_string(),
            "the bus answered 400: Invalid event\n  2 attributes are wrong\n  - specversion: must be \"1.0\"\n  - source: is missing"
        );
    }

    #[test]
    fn one_line_holds_the_same() {
        assert_eq!(
            read(400, INVALID).one_line(),
            "Invalid event: 2 attributes are wrong (specversion: must be \"1.0\"; source: is missing)"
        );
    }

    #[test]
    fn conflict_names_the_event_that_is_there() {
        let problem = read(
            409,
            r#"{"title":"Conflict","detail":"other content","event_id":"0198"}"#,
        );
        assert_eq!(
            problem.one_line(),
            "Conflict: other content [event_id 0198]"
        );
    }

    #[test]
    fn bodies_that_are_no_problem_document_are_still_readable() {
        let cases = [
            (
                403,
                r#"{"message":"Forbidden by policy"}"#,
                "Forbidden: Forbidden by policy",
            ),
            (
                502,
                "<html>bad gateway</html>",
                "Bad Gateway: <html>bad gateway</html>",
            ),
            (500, "", "Internal Server Error"),
            (599, "[]", "refused: []"),
        ];
        for (status, body, expected) in cases {
            assert_eq!(read(status, body).one_line(), expected);
        }
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        let problem = read(400, r#"{"title":"no\u001b[2J","detail":"a\nb"}"#);
        assert_eq!(problem.one_line(), "no [2J: a b");
    }

    #[test]
    fn long_text_is_cut_at_the_limit() {
        assert_eq!(
            shown(&"é".repeat(MAX_SHOWN_CHARS)),
            "é".repeat(MAX_SHOWN_CHARS)
        );
        let cut = shown(&"é".repeat(MAX_SHOWN_CHARS + 1));
        assert_eq!(cut, format!("{}…", "é".repeat(MAX_SHOWN_CHARS)));
    }
}
