//! One line to the bus, as often as it takes, and what became of it.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::lines::{Line, MAX_LINE_BYTES};
use crate::client::{Answer, BusClient};
use crate::error::Error;
use crate::retry::{RetryDecision, RetryPolicy};

pub struct Sender<'a> {
    client: &'a BusClient,
    policy: RetryPolicy,
}

/// A line that is done with.
#[derive(Debug)]
pub struct Sent {
    pub line: u64,
    /// Bytes of input that are done with.
    pub bytes: u64,
    /// From the first attempt's start to the last one's answer, waits in between included: what a
    /// producer would see.
    pub latency: Duration,
    /// Attempts after the first.
    pub retries: u32,
    pub outcome: Outcome,
}

#[derive(Debug)]
pub enum Outcome {
    Stored {
        duplicate: bool,
    },
    /// Sending this line again would end the same.
    Rejected(Reason),
    /// The last attempt that the policy allows failed as well; the bus may have stored the event if its
    /// answer was lost.
    GaveUp(Reason),
}

/// Why a line is not stored.
#[derive(Debug)]
pub struct Reason {
    /// `None` when there was no answer, or nothing was sent.
    pub status: Option<StatusCode>,
    pub detail: String,
    /// What to do about it, when all other lines would meet the same fate: a key that is not known, a bus
    /// that cannot be reached.
    pub stop: Option<String>,
}

/// What the bus says about an event that it has.
#[derive(Deserialize)]
struct Stored {
    duplicate: bool,
}

/// One attempt.
enum Attempt {
    Done(Outcome),
    Failed {
        reason: Reason,
        retry_after: Option<Duration>,
    },
}

impl Sent {
    /// The error that ends the whole run, if this line's outcome is every line's outcome.
    pub fn stop(&self) -> Option<Error> {
        let (Outcome::Rejected(reason) | Outcome::GaveUp(reason)) = &self.outcome else {
            return None;
        };
        reason.stop.as_ref().map(|detail| Error::Stopped {
            line: self.line,
            detail: detail.clone(),
        })
    }
}

impl<'a> Sender<'a> {
    pub fn new(client: &'a BusClient, policy: RetryPolicy) -> Self {
        Self { client, policy }
    }

    /// Sends one line. Never fails itself: whatever happens is the line's outcome.
    pub async fn send(&self, line: Line) -> Sent {
        let started = Instant::now();
        let (outcome, retries) = match check(line.content) {
            Ok(event) => self.send_until_done(event).await,
            Err(detail) => (Outcome::Rejected(Reason::unsent(detail)), 0),
        };
        Sent {
            line: line.number,
            bytes: line.input_bytes,
            latency: started.elapsed(),
            retries,
            outcome,
        }
    }

    async fn send_until_done(&self, event: Vec<u8>) -> (Outcome, u32) {
        let mut retries = 0;
        loop {
            let (reason, retry_after) = match self.attempt(event.clone()).await {
                Attempt::Done(outcome) => return (outcome, retries),
                Attempt::Failed {
                    reason,
                    retry_after,
                } => (reason, retry_after),
            };
            match self.policy.decide(retries + 1, retry_after, jitter()) {
                RetryDecision::RetryAfter(delay) => tokio::time::sleep(delay).await,
                RetryDecision::GiveUp => return (Outcome::GaveUp(reason), retries),
            }
            retries += 1;
        }
    }

    async fn attempt(&self, event: Vec<u8>) -> Attempt {
        match self.client.publish(event).await {
            Ok(answer) if answer.status.is_success() => Attempt::Done(self.stored(&answer)),
            Ok(answer) if is_passing(answer.status) => Attempt::Failed {
                reason: self.refusal(&answer),
                retry_after: answer.retry_after,
            },
            Ok(answer) => Attempt::Done(Outcome::Rejected(self.refusal(&answer))),
            Err(error) => Attempt::Failed {
                reason: self.no_answer(error),
                retry_after: None,
            },
        }
    }

    /// A success that does not say what it did is no promise that the event is stored.
    fn stored(&self, answer: &Answer) -> Outcome {
        match self.client.read::<Stored>(answer) {
            Ok(Stored { duplicate }) => Outcome::Stored { duplicate },
            Err(error) => Outcome::Rejected(Reason {
                status: Some(answer.status),
                detail: error.to_string(),
                stop: Some(error.to_string()),
            }),
        }
    }

    fn refusal(&self, answer: &Answer) -> Reason {
        let problem = self.client.problem(answer);
        let key_refused = matches!(
            answer.status,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
        );
        Reason {
            status: Some(answer.status),
            detail: problem.one_line(),
            stop: key_refused.then(|| problem.to_string()),
        }
    }

    /// Without a connection no line gets through; when a connection broke off it may be this line's doing.
    fn no_answer(&self, error: reqwest::Error) -> Reason {
        let cannot_connect = error.is_connect();
        let no_answer = Error::NoAnswer {
            url: self.client.address(),
            source: error.without_url(),
        };
        Reason {
            status: None,
            detail: no_answer.report(),
            stop: cannot_connect.then(|| no_answer.report()),
        }
    }
}

impl Reason {
    fn unsent(detail: String) -> Self {
        Self {
            status: None,
            detail,
            stop: None,
        }
    }
}

/// Refusals that pass: too many requests, and everything that API Gateway answers while a function is
/// starting, failing or overloaded. The bus may have stored the event before a 500; sending it again
/// finds it there.
fn is_passing(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

/// Lets through what is one JSON object. What is in it the bus checks.
fn check(content: Option<Vec<u8>>) -> Result<Vec<u8>, String> {
    let line = content.ok_or_else(|| format!("is longer than {MAX_LINE_BYTES} bytes"))?;
    serde_json::from_slice::<IgnoredAny>(&line).map_err(|error| format!("is not JSON: {error}"))?;
    if line.trim_ascii_start().starts_with(b"{") {
        Ok(line)
    } else {
        Err("is JSON, but not an object: one CloudEvent a line is expected".to_owned())
    }
}

/// All values equally likely. Without randomness the longest delay is taken, which is always allowed.
fn jitter() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_json_object_a_line_is_sent() {
        let cases = [
            (r#" {"id":"1"} "#, None),
            ("{", Some("is not JSON")),
            (r#"{"a":1}{"b":2}"#, Some("is not JSON")),
            ("[{}]", Some("not an object")),
            ("\"{}\"", Some("not an object")),
        ];
        for (line, expected) in cases {
            let checked = check(Some(line.as_bytes().to_vec()));
            match expected {
                None => assert_eq!(checked, Ok(line.as_bytes().to_vec())),
                Some(detail) => assert!(checked.unwrap_err().contains(detail), "{line}"),
            }
        }
        assert!(check(Some(vec![0xff])).unwrap_err().contains("is not JSON"));
        assert!(check(None).unwrap_err().contains("longer than"));
    }

    #[test]
    fn what_passes_is_told_from_what_stays() {
        for (status, expected) in [
            (StatusCode::TOO_MANY_REQUESTS, true),
            (StatusCode::INTERNAL_SERVER_ERROR, true),
            (StatusCode::BAD_GATEWAY, true),
            (StatusCode::SERVICE_UNAVAILABLE, true),
            (StatusCode::GATEWAY_TIMEOUT, true),
            (StatusCode::BAD_REQUEST, false),
            (StatusCode::UNAUTHORIZED, false),
            (StatusCode::CONFLICT, false),
            (StatusCode::PAYLOAD_TOO_LARGE, false),
            (StatusCode::FOUND, false),
        ] {
            assert_eq!(is_passing(status), expected, "{status}");
        }
    }
}
