//! Problems: what went wrong, in a form that a program can read (RFC 9457).

use std::time::Duration;

use http::StatusCode;
use http::header::{ALLOW, HeaderMap, HeaderValue, RETRY_AFTER};
use pillarbox_domain::cloud_event::{ParseError, Violation};
use pillarbox_domain::publish::Conflict;
use pillarbox_domain::schema::DataViolations;
use pillarbox_domain::store_error::StoreError;
use pillarbox_domain::subscription::request::FieldFault;
use pillarbox_domain::{ErrorChain, EventId};
use serde::Serialize;

use super::{Response, respond};

/// An answer that tells a caller what to change, or when to come back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    #[serde(flatten)]
    first_event: Option<Box<FirstEvent>>,
    #[serde(skip)]
    way_on: Option<WayOn>,
}

/// What a header says of the way on.
#[derive(Clone, Debug, PartialEq, Eq)]
enum WayOn {
    /// `Retry-After`
    In(Duration),
    /// `Allow`
    ByMethods(&'static str),
}

/// The event that is in the way of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct FirstEvent {
    event_id: EventId,
    differing: Vec<String>,
}

/// One field at fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Its name, as the caller wrote it.
    pub field: String,
    /// What is wrong with it.
    pub detail: String,
}

impl From<Violation> for FieldError {
    fn from(violation: Violation) -> Self {
        Self {
            detail: violation.fault.to_string(),
            field: violation.field,
        }
    }
}

impl From<FieldFault> for FieldError {
    fn from(fault: FieldFault) -> Self {
        let FieldFault { field, detail } = fault;
        Self { field, detail }
    }
}

impl Problem {
    fn new(status: StatusCode, kind: &'static str, title: &'static str, detail: String) -> Self {
        Self {
            kind,
            title,
            status: status.as_u16(),
            detail,
            errors: vec![],
            first_event: None,
            way_on: None,
        }
    }

    /// 400: the body is not what it has to be.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "urn:pillarbox:malformed",
            "The body cannot be read",
            detail.into(),
        )
    }

    /// 400: these fields break rules.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let (kind, title) = ("urn:pillarbox:invalid", "The request breaks rules");
        let detail = told(&errors);
        Self {
            errors,
            ..Self::new(StatusCode::BAD_REQUEST, kind, title, detail)
        }
    }

    /// 400: this field breaks a rule.
    pub fn invalid_field(field: impl Into<String>, detail: impl ToString) -> Self {
        Self::invalid(vec![FieldError {
            field: field.into(),
            detail: detail.to_string(),
        }])
    }

    /// 400: an event's data do not fit their schema.
    pub fn unfit(violations: DataViolations) -> Self {
        let told = violations.told.into_iter().map(|violation| FieldError {
            field: violation.field,
            detail: violation.detail,
        });
        let mut problem = Self::invalid(told.collect());
        if violations.more > 0 {
            problem.detail = format!("{}; and {} more", problem.detail, violations.more);
        }
        problem
    }

    /// 401: nobody we know.
    pub fn unauthorized() -> Self {
        let detail = "Send a valid key as 'Authorization: Bearer pbk_…'.".to_owned();
        Self::new(
            StatusCode::UNAUTHORIZED,
            "urn:pillarbox:unauthorized",
            "No valid credential",
            detail,
        )
    }

    /// 403: somebody we know, who may not do this.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "urn:pillarbox:forbidden",
            "The credential does not allow this",
            detail.into(),
        )
    }

    /// 404: there is no such thing, or not for this caller.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "urn:pillarbox:not-found",
            "Not found",
            detail.into(),
        )
    }

    /// 405: the path is there, for these methods, as `Allow` lists them.
    pub fn method_not_allowed(path: &str, methods: &'static str) -> Self {
        let problem = Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "urn:pillarbox:method-not-allowed",
            "The method is not supported",
            format!("{path} can be called with {methods}."),
        );
        Self {
            way_on: Some(WayOn::ByMethods(methods)),
            ..problem
        }
    }

    /// 409: something else is there already.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "urn:pillarbox:conflict",
            "Something else is there",
            detail.into(),
        )
    }

    /// 409: the key is taken by an event with other content. It names that event, and in what this one differs.
    pub fn event_conflict(conflict: &Conflict) -> Self {
        let differing = conflict.differing.join(", ");
        let detail = format!(
            "An event with this source and id is in the log, and this one differs in {differing}. Nothing was written."
        );
        Self {
            first_event: Some(Box::new(FirstEvent {
                event_id: conflict.event_id,
                differing: conflict.differing.clone(),
            })),
            ..Self::conflict(detail)
        }
    }

    /// 409: something else is there, for each of these fields.
    pub fn conflicts(errors: Vec<FieldError>) -> Self {
        Self {
            detail: told(&errors),
            errors,
            ..Self::conflict("")
        }
    }

    /// What is wrong with a part of the request, field by field.
    pub fn within(self, part: &str) -> Vec<FieldError> {
        let whole = || FieldError {
            field: part.to_owned(),
            detail: self.detail.clone(),
        };
        if self.errors.is_empty() {
            return vec![whole()];
        }
        let within = |error: FieldError| FieldError {
            field: format!("{part}.{}", error.field),
            detail: error.detail,
        };
        self.errors.into_iter().map(within).collect()
    }

    /// 413: this has more bytes than the limit.
    pub fn too_large(what: &str, limit: usize, actual: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "urn:pillarbox:too-large",
            "Too large",
            format!("The {what} has {actual} bytes; {limit} is the most."),
        )
    }

    /// 415: a media type that this path does not take.
    pub fn unsupported_media_type(detail: impl Into<String>) -> Self {
        let (kind, title) = (
            "urn:pillarbox:unsupported-media-type",
            "The media type is not supported",
        );
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            kind,
            title,
            detail.into(),
        )
    }

    /// 424: it depends on something that failed.
    pub fn failed_dependency(detail: impl Into<String>) -> Self {
        let (kind, title) = (
            "urn:pillarbox:failed-dependency",
            "What this depends on failed",
        );
        Self::new(StatusCode::FAILED_DEPENDENCY, kind, title, detail.into())
    }

    /// 429: as much of this is under way as may be.
    pub fn too_many(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "urn:pillarbox:too-many",
            "Too many at a time",
            detail.into(),
        )
    }

    /// 503: come back later; nothing is wrong with the request.
    pub fn unavailable(retry_after: Duration) -> Self {
        let detail =
            "The store cannot take this at the moment. Send the same request again.".to_owned();
        let problem = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "urn:pillarbox:unavailable",
            "Try again",
            detail,
        );
        Self {
            way_on: Some(WayOn::In(retry_after)),
            ..problem
        }
    }

    /// The same problem, told in other words.
    pub fn with_detail(self, detail: impl Into<String>) -> Self {
        Self {
            detail: detail.into(),
            ..self
        }
    }

    /// 500: our fault. What it is stands in the log, not here.
    pub fn internal() -> Self {
        let detail =
            "The bus failed; it has been logged. The same request can be sent again.".to_owned();
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "urn:pillarbox:internal",
            "Internal error",
            detail,
        )
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The answer that carries this problem.
    pub fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut headers = HeaderMap::new();
        match self.way_on {
            Some(WayOn::In(wait)) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
            }
            Some(WayOn::ByMethods(methods)) => {
                headers.insert(ALLOW, HeaderValue::from_static(methods));
            }
            None => {}
        }
        respond(
            status,
            HeaderValue::from_static("application/problem+json"),
            headers,
            &self,
        )
    }
}

/// All of it in one text.
fn told(errors: &[FieldError]) -> String {
    let all: Vec<String> = errors
        .iter()
        .map(|error| format!("{} {}", error.field, error.detail))
        .collect();
    all.join("; ")
}

impl From<ParseError> for Problem {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::TooLarge { actual } => {
                Self::too_large("event", pillarbox_domain::limits::MAX_EVENT_BYTES, actual)
            }
            ParseError::Malformed(_) => Self::malformed(error.to_string()),
            ParseError::Invalid(violations) => {
                Self::invalid(violations.into_iter().map(FieldError::from).collect())
            }
        }
    }
}

/// A store's failure is logged here, once, and told without its inside.
impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = %ErrorChain(&error), "store.failed");
        match error {
            StoreError::Throttled { .. } | StoreError::Failed { .. } => {
                Self::unavailable(StoreError::RETRY_AFTER)
            }
            StoreError::Malformed { .. } => Self::internal(),
        }
    }
}
