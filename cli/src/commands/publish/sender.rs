//! Lines to the bus, in one request, as often as it takes, and what became of each.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde::de::IgnoredAny;

use super::form::{Form, MAX_ATOMIC};
use super::lines::{Line, MAX_LINE_BYTES};
use crate::client::BusClient;
use crate::dice::jitter;
use crate::error::Error;
use crate::retry::{RetryDecision, RetryPolicy};

pub struct Sender<'a> {
    pub client: &'a BusClient,
    pub policy: RetryPolicy,
    pub form: Form,
    /// Whether subscribers get the events.
    pub dispatch: bool,
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
#[derive(Debug, Clone)]
pub struct Reason {
    /// `None` when there was no answer, or nothing was sent.
    pub status: Option<StatusCode>,
    pub detail: String,
    /// What to do about it, when all other lines would meet the same fate: a key that is not known, a bus
    /// that cannot be reached.
    pub stop: Option<String>,
}

/// What one attempt was for one event.
pub enum Verdict {
    Done(Outcome),
    /// It may go better the next time.
    Failed(Reason),
}

/// One attempt.
struct Round {
    verdicts: Vec<Verdict>,
    retry_after: Option<Duration>,
}

/// A line that is one JSON object.
struct Event {
    line: u64,
    bytes: u64,
    content: Vec<u8>,
}

/// The lines of one request while it is being sent.
struct Request {
    started: Instant,
    waiting: Vec<Event>,
    done: Vec<Sent>,
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

impl Sender<'_> {
    /// Sends lines together. Never fails itself: whatever happens is each line's outcome.
    pub async fn send(&self, lines: Vec<Line>) -> Vec<Sent> {
        let mut request = Request::of(lines);
        if self.form == Form::Atomic {
            request.require_all();
        }
        let mut retries = 0;
        while !request.waiting.is_empty() {
            let round = self.attempt(&request.waiting).await;
            let failed = request.settle(round.verdicts, retries);
            if failed.is_empty() {
                break;
            }
            match self.policy.decide(retries + 1, round.retry_after, jitter()) {
                RetryDecision::RetryAfter(delay) => {
                    request.wait_again(failed);
                    tokio::time::sleep(delay).await;
                }
                RetryDecision::GiveUp => request.give_up(failed, retries),
            }
            retries += 1;
        }
        request.done
    }

    async fn attempt(&self, events: &[Event]) -> Round {
        let contents = events.iter().map(|event| &*event.content);
        let mut publication = self.form.publication(contents);
        if !self.dispatch {
            publication = publication.with("outbox", "none");
        }
        match self.client.publish(publication).await {
            Ok(answer) => Round {
                verdicts: self.form.verdicts(self.client, &answer, events.len()),
                retry_after: answer.retry_after,
            },
            Err(error) => {
                let reason = self.no_answer(error);
                let failed = || Verdict::Failed(reason.clone());
                Round {
                    verdicts: std::iter::repeat_with(failed).take(events.len()).collect(),
                    retry_after: None,
                }
            }
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

impl Request {
    /// What is no JSON object is done with.
    fn of(lines: Vec<Line>) -> Self {
        let mut request = Self {
            started: Instant::now(),
            waiting: Vec::with_capacity(lines.len()),
            done: Vec::with_capacity(lines.len()),
        };
        for line in lines {
            let (number, bytes) = (line.number, line.input_bytes);
            match check(line.content) {
                Ok(content) => request.waiting.push(Event {
                    line: number,
                    bytes,
                    content,
                }),
                Err(detail) => {
                    let outcome = Outcome::Rejected(Reason::unsent(detail));
                    request.finish(number, bytes, 0, outcome);
                }
            }
        }
        request
    }

    /// Sends nothing if any line cannot be sent, or if there are more than are stored as a whole.
    fn require_all(&mut self) {
        let count = self.waiting.len() + self.done.len();
        let detail = if count > MAX_ATOMIC {
            format!("is not sent: {MAX_ATOMIC} lines are the most that are stored as a whole")
        } else if !self.done.is_empty() {
            "is not sent, since another line is in the way: all or none".to_owned()
        } else {
            return;
        };
        for event in std::mem::take(&mut self.waiting) {
            let outcome = Outcome::Rejected(Reason::unsent(detail.clone()));
            self.finish(event.line, event.bytes, 0, outcome);
        }
    }

    /// Takes in what one attempt did; what is left are the events that may be sent again.
    fn settle(&mut self, verdicts: Vec<Verdict>, retries: u32) -> Vec<(Event, Reason)> {
        let mut failed = Vec::new();
        let waiting = std::mem::take(&mut self.waiting);
        // Those with a reason of their own are told before those that only share the fate of others.
        let mut settled: Vec<_> = waiting.into_iter().zip(verdicts).collect();
        settled.sort_by_key(|(_, verdict)| verdict.is_shared());
        for (event, verdict) in settled {
            match verdict {
                Verdict::Done(outcome) => self.finish(event.line, event.bytes, retries, outcome),
                Verdict::Failed(reason) => failed.push((event, reason)),
            }
        }
        failed
    }

    fn wait_again(&mut self, failed: Vec<(Event, Reason)>) {
        self.waiting = failed.into_iter().map(|(event, _)| event).collect();
    }

    fn give_up(&mut self, failed: Vec<(Event, Reason)>, retries: u32) {
        for (event, reason) in failed {
            self.finish(event.line, event.bytes, retries, Outcome::GaveUp(reason));
        }
    }

    fn finish(&mut self, line: u64, bytes: u64, retries: u32, outcome: Outcome) {
        self.done.push(Sent {
            line,
            bytes,
            latency: self.started.elapsed(),
            retries,
            outcome,
        });
    }
}

impl Verdict {
    /// Whether an event is refused for no fault of its own.
    fn is_shared(&self) -> bool {
        matches!(self, Self::Done(Outcome::Rejected(reason)) if reason.status.is_none())
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
}
