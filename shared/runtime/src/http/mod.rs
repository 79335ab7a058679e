//! Requests from the HTTP API, answers to it, and problems as RFC 9457 has them.

mod caller;
mod problem;
mod query;
mod request;

pub use caller::{Caller, CallerContext};
pub use problem::{FieldError, Problem};
pub use query::query_parameters;
pub use request::{Body, body, media_type};

use aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Serialize;

/// A request as the HTTP API hands it over (payload format 2.0).
pub type Request = aws_lambda_events::apigw::ApiGatewayV2httpRequest;

/// An answer as the HTTP API takes it.
pub type Response = ApiGatewayV2httpResponse;

/// An answer with a JSON body.
pub fn json<T: Serialize>(status: StatusCode, body: &T) -> Response {
    respond(
        status,
        HeaderValue::from_static("application/json"),
        HeaderMap::new(),
        body,
    )
}

/// An answer with a body that is JSON of this media type.
pub fn json_as<T: Serialize>(media_type: &'static str, status: StatusCode, body: &T) -> Response {
    respond(
        status,
        HeaderValue::from_static(media_type),
        HeaderMap::new(),
        body,
    )
}

/// 204: it is done, and there is nothing to say.
pub fn no_content() -> Response {
    let mut response = Response::default();
    response.status_code = StatusCode::NO_CONTENT.as_u16().into();
    response
}

fn respond<T: Serialize>(
    status: StatusCode,
    content_type: HeaderValue,
    mut headers: HeaderMap,
    body: &T,
) -> Response {
    headers.insert(CONTENT_TYPE, content_type);
    let mut response = Response::default();
    response.status_code = status.as_u16().into();
    response.headers = headers;
    // What is answered are plain structures; none of them can fail to be written.
    response.body = serde_json::to_string(body).ok().map(Into::into);
    response
}
