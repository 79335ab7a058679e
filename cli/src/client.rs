//! HTTP to the bus: where it is, the key that goes along, and answers taken apart.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use time::UtcDateTime;
use time::format_description::well_known::Rfc2822;

use crate::arguments::ApiKey;
use crate::error::Error;
use crate::problem::Problem;

/// A bus that takes longer than this to accept a connection is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// API Gateway ends an HTTP API integration after 30 s; 5 s more leave room for its answer to arrive:
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html>
const REQUEST_TIMEOUT: Duration = Duration::from_secs(35);

/// A connection to one bus with one key.
pub struct BusClient {
    http: reqwest::Client,
    base: Url,
    key: Option<ApiKey>,
    authorization: Option<HeaderValue>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    /// `Retry-After` in its form of whole seconds, the only one that the bus sends.
    pub retry_after: Option<Duration>,
    /// When it was sent by the bus's clock, to the second.
    pub date: Option<UtcDateTime>,
    pub body: Vec<u8>,
}

/// One event or many, as they are sent.
pub struct Publication {
    content_type: &'static str,
    query: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
}

impl Publication {
    /// This body, of this media type.
    pub fn of(content_type: &'static str, body: Vec<u8>) -> Self {
        Self {
            content_type,
            query: vec![],
            body,
        }
    }

    /// With this parameter.
    pub fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.query.push((name, value));
        self
    }
}

impl BusClient {
    /// Prepares to speak to the bus at `url`; nothing is sent yet.
    ///
    /// # Errors
    /// When the address or the key cannot be used, or TLS cannot be set up.
    pub fn new(url: &str, key: Option<&ApiKey>) -> Result<Self, Error> {
        let base = parse_base(url)?;
        Ok(Self {
            http: build_http(&base)?,
            base,
            key: key.cloned(),
            authorization: key.map(bearer).transpose()?,
        })
    }

    /// Publishes, once.
    ///
    /// # Errors
    /// When no whole answer came; the bus may have stored the event all the same.
    pub async fn publish(&self, publication: Publication) -> Result<Answer, reqwest::Error> {
        let mut url = endpoint(&self.base, &["v1", "events"]);
        for (name, value) in publication.query {
            url.query_pairs_mut().append_pair(name, value);
        }
        let request = self
            .request_to(Method::POST, url)
            .header(CONTENT_TYPE, publication.content_type)
            .body(publication.body);
        self.send(request).await
    }

    /// Sends `body` as JSON to the path of these segments.
    ///
    /// # Errors
    /// When there is no answer, or the bus refuses.
    pub async fn post<B: Serialize>(&self, path: &[&str], body: &B) -> Result<Answer, Error> {
        let request = self.request(Method::POST, path).json(body);
        self.accepted(self.send(request).await)
    }

    /// Posts to the path of these segments, without a body.
    ///
    /// # Errors
    /// When there is no answer, or the bus refuses.
    pub async fn post_nothing(&self, path: &[&str]) -> Result<Answer, Error> {
        let request = self.request(Method::POST, path);
        self.accepted(self.send(request).await)
    }

    /// Removes what is at the path of these segments, with these parameters.
    ///
    /// # Errors
    /// When there is no answer, or the bus refuses.
    pub async fn delete(&self, path: &[&str], query: &[(&str, String)]) -> Result<Answer, Error> {
        let request = self.request_to(Method::DELETE, self.endpoint_with(path, query));
        self.accepted(self.send(request).await)
    }

    /// Changes what is at the path of these segments, as `body` says.
    ///
    /// # Errors
    /// When there is no answer, or the bus refuses.
    pub async fn patch<B: Serialize>(&self, path: &[&str], body: &B) -> Result<Answer, Error> {
        let request = self.request(Method::PATCH, path).json(body);
        self.accepted(self.send(request).await)
    }

    /// Puts `body` as JSON to the path of these segments.
    ///
    /// # Errors
    /// When there is no answer, or the bus refuses.
    pub async fn put<B: Serialize>(&self, path: &[&str], body: &B) -> Result<Answer, Error> {
        let request = self.request(Method::PUT, path).json(body);
        self.accepted(self.send(request).await)
    }

    /// # Errors
    /// When there is no answer, or the bus refuses.
    pub async fn get(&self, path: &[&str]) -> Result<Answer, Error> {
        let request = self.request(Method::GET, path);
        self.accepted(self.send(request).await)
    }

    /// Gets the path of these segments with these parameters.
    ///
    /// # Errors
    /// When there is no answer, or the bus refuses.
    pub async fn get_with(&self, path: &[&str], query: &[(&str, String)]) -> Result<Answer, Error> {
        let request = self.request_to(Method::GET, self.endpoint_with(path, query));
        self.accepted(self.send(request).await)
    }

    /// Reads an answer's body as JSON.
    ///
    /// # Errors
    /// When it is not what this route answers: most likely the address is some other server's.
    pub fn read<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, Error> {
        serde_json::from_slice(&answer.body).map_err(|source| Error::UnexpectedAnswer {
            url: self.address(),
            status: answer.status,
            source,
        })
    }

    /// The problem document of a refusal, with the key blotted out should the bus have repeated it.
    pub fn problem(&self, answer: &Answer) -> Problem {
        let body = String::from_utf8_lossy(&answer.body);
        match &self.key {
            Some(key) => {
                let body = body.replace(key.reveal(), "[key]");
                Problem::read(answer.status, body.as_bytes())
            }
            None => Problem::read(answer.status, body.as_bytes()),
        }
    }

    /// The address as it may be shown: without a password, should someone have put one there.
    pub fn address(&self) -> String {
        let mut shown = self.base.clone();
        // Refused only by addresses without a host, which `parse_base` does not let through.
        shown.set_password(None).ok();
        shown.to_string()
    }

    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        self.request_to(method, endpoint(&self.base, path))
    }

    fn endpoint_with(&self, path: &[&str], query: &[(&str, String)]) -> Url {
        let mut url = endpoint(&self.base, path);
        // Of no parameters there would be a `?` all the same.
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    fn request_to(&self, method: Method, url: Url) -> RequestBuilder {
        let mut headers = HeaderMap::new();
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        self.http.request(method, url).headers(headers)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Answer, reqwest::Error> {
        let response = request.send().await?;
        Ok(Answer {
            status: response.status(),
            retry_after: retry_after(response.headers()),
            date: date(response.headers()),
            body: response.bytes().await?.to_vec(),
        })
    }

    fn accepted(&self, answer: Result<Answer, reqwest::Error>) -> Result<Answer, Error> {
        let answer = answer.map_err(|source| Error::NoAnswer {
            url: self.address(),
            source: source.without_url(),
        })?;
        if answer.status.is_success() {
            Ok(answer)
        } else {
            Err(Error::Refused(Box::new(self.problem(&answer))))
        }
    }
}

fn parse_base(url: &str) -> Result<Url, Error> {
    let bad = |reason: String| Error::BadUrl { reason };
    let base = Url::parse(url).map_err(|error| bad(error.to_string()))?;
    match base.scheme() {
        "http" | "https" => Ok(base),
        other => Err(bad(format!("{other} is neither http nor https"))),
    }
}

/// The path below the base, which on the local engine has a path of its own.
fn endpoint(base: &Url, path: &[&str]) -> Url {
    let mut url = base.clone();
    url.set_query(None);
    // Err only for addresses that cannot have a path, such as `mailto:`; http and https always can.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

fn bearer(key: &ApiKey) -> Result<HeaderValue, Error> {
    let value = format!("Bearer {}", key.reveal());
    let mut header = HeaderValue::from_str(&value).map_err(|_| Error::BadApiKey)?;
    header.set_sensitive(true);
    Ok(header)
}

/// No redirects: the API has none, and the key is for this address only.
fn build_http(base: &Url) -> Result<reqwest::Client, Error> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("pillarbox/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT);
    if base.scheme() == "http" {
        // Plain HTTP has no use for CA certificates, and a machine without any would fail here.
        builder = builder.tls_certs_only([]);
    }
    if is_loopback(base) {
        // A proxy that the environment names would look for the local engine on its own machine.
        builder = builder.no_proxy();
    }
    builder.build().map_err(Error::HttpClient)
}

fn is_loopback(base: &Url) -> bool {
    let host = base.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// `Date`, which is in the format of mails (<https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7>).
fn date(headers: &HeaderMap) -> Option<UtcDateTime> {
    let text = headers.get(DATE)?.to_str().ok()?;
    UtcDateTime::parse(text, &Rfc2822).ok()
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_goes_below_the_base_of_the_address() {
        let cases = [
            (
                "https://bus.example.com",
                "https://bus.example.com/v1/events",
            ),
            (
                "https://bus.example.com/",
                "https://bus.example.com/v1/events",
            ),
            (
                "http://127.0.0.1:4566/_aws/execute-api/a1b2/$default",
                "http://127.0.0.1:4566/_aws/execute-api/a1b2/$default/v1/events",
            ),
            (
                "https://bus.example.com/prod/?x=1",
                "https://bus.example.com/prod/v1/events",
            ),
        ];
        for (base, expected) in cases {
            let base = parse_base(base).unwrap();
            assert_eq!(endpoint(&base, &["v1", "events"]).as_str(), expected);
        }
    }

    #[test]
    fn the_time_of_an_answer_is_read() {
        let headers = |text| HeaderMap::from_iter([(DATE, HeaderValue::from_static(text))]);
        let sent = date(&headers("Mon, 23 Nov 2026 12:00:07 GMT"));
        assert_eq!(sent, Some(time::macros::utc_datetime!(2026-11-23 12:00:07)));
        assert_eq!(date(&headers("today")), None);
    }

    #[test]
    fn segments_are_escaped() {
        let base = parse_base("https://bus.example.com").unwrap();
        assert_eq!(endpoint(&base, &["v1", "a/b?c"]).path(), "/v1/a%2Fb%3Fc");
    }

    #[test]
    fn only_http_addresses_are_taken() {
        for url in ["", "bus.example.com", "ftp://bus.example.com", "mailto:x@y"] {
            assert!(
                matches!(parse_base(url), Err(Error::BadUrl { .. })),
                "{url}"
            );
        }
    }

    #[test]
    fn loopback_is_told_from_the_rest() {
        for (url, expected) in [
            ("http://127.0.0.1:80", true),
            ("http://[::1]:80", true),
            ("http://localhost", true),
            ("http://10.0.0.1", false),
            ("https://localhost.example.com", false),
        ] {
            assert_eq!(is_loopback(&parse_base(url).unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn key_that_the_bus_repeats_is_blotted_out() {
        let key: ApiKey = "pbk_demo_secret".parse().unwrap();
        let client = BusClient::new("http://127.0.0.1:1", Some(&key)).unwrap();
        let answer = Answer {
            status: StatusCode::UNAUTHORIZED,
            retry_after: None,
            date: None,
            body: br#"{"title":"Unknown key","detail":"no key pbk_demo_secret"}"#.to_vec(),
        };
        assert_eq!(
            client.problem(&answer).one_line(),
            "Unknown key: no key [key]"
        );
    }

    #[test]
    fn key_with_a_line_break_is_refused_without_showing_it() {
        let key: ApiKey = "pbk_demo\nsecret".parse().unwrap();
        let refused = bearer(&key).unwrap_err();
        assert!(!refused.report().contains("secret"));
    }
}
