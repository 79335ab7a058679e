//! The forms in which lines go to the bus: each event by itself, in batches, or all in one that is stored as a whole.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::groups::Room;
use super::sender::{Outcome, Reason, Verdict};
use crate::client::{Answer, BusClient, Publication};
use crate::problem::{FieldError, Problem};
use crate::retry::is_passing;

/// Events of one batch, as the bus takes them (`MAX_BATCH_EVENTS`).
pub const MAX_BATCH: usize = 1_000;

/// Events of a batch that is stored as a whole, as the bus takes them (`MAX_ATOMIC_EVENTS`).
pub const MAX_ATOMIC: usize = 100;

/// Bytes of the lines of one batch. API Gateway hands a body of its media type over in base64, a third larger, and a
/// Lambda function is invoked with 6 MB at most
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
const MAX_REQUEST_BYTES: usize = 4_000_000;

/// Structured mode of CloudEvents 1.0:
/// <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md>
const STRUCTURED: &str = "application/cloudevents+json";

/// Batched mode of the same.
const BATCHED: &str = "application/cloudevents-batch+json";

/// How lines are put into requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One event each.
    Single,
    /// So many at most.
    Batch(NonZeroUsize),
    /// All of them, to be stored as a whole or not at all.
    Atomic,
}

/// What the bus says about an event that it has.
#[derive(Deserialize)]
struct Stored {
    duplicate: bool,
}

/// What the bus says about a batch: a result for each event, in the order sent.
#[derive(Deserialize)]
struct Results {
    results: Vec<EventResult>,
}

#[derive(Deserialize)]
struct EventResult {
    status: u16,
    duplicate: Option<bool>,
    #[serde(default)]
    problem: Value,
}

impl Form {
    /// How much goes into one request.
    pub fn room(self) -> Room {
        let (lines, bytes) = match self {
            Self::Single => (1, MAX_REQUEST_BYTES),
            Self::Batch(max_events) => (max_events.get(), MAX_REQUEST_BYTES),
            // One more than is allowed, to know that there are too many; and never two requests.
            Self::Atomic => (MAX_ATOMIC + 1, usize::MAX),
        };
        Room { lines, bytes }
    }

    /// How many requests there are at the most.
    pub fn max_requests(self) -> usize {
        match self {
            Self::Single | Self::Batch(_) => usize::MAX,
            Self::Atomic => 1,
        }
    }

    /// The request for these events, each byte for byte as it was read.
    pub fn publication<'a>(self, events: impl Iterator<Item = &'a [u8]>) -> Publication {
        let events: Vec<&[u8]> = events.collect();
        match self {
            Self::Single => Publication::of(STRUCTURED, events.concat()),
            Self::Batch(_) | Self::Atomic => {
                let body = [b"[", &*events.join(&b","[..]), b"]"].concat();
                let publication = Publication::of(BATCHED, body);
                match self {
                    Self::Atomic => publication.with("atomic", "true"),
                    _ => publication,
                }
            }
        }
    }

    /// What an answer says of each of the events that were sent.
    pub fn verdicts(self, client: &BusClient, answer: &Answer, count: usize) -> Vec<Verdict> {
        if answer.status.is_success() {
            return self
                .read(client, answer, count)
                .unwrap_or_else(|detail| all(count, &says_nothing(answer.status, &detail)));
        }
        let refusal = refusal(answer.status, client.problem(answer));
        match self {
            Self::Atomic if !is_passing(answer.status) => {
                by_place(client.problem(answer), &refusal, count)
            }
            _ => all(count, &refusal),
        }
    }

    /// A success that does not say what it did is no promise that the events are stored.
    fn read(
        self,
        client: &BusClient,
        answer: &Answer,
        count: usize,
    ) -> Result<Vec<Verdict>, String> {
        if self == Self::Single {
            let Stored { duplicate } = client.read(answer).map_err(|error| error.to_string())?;
            return Ok(vec![Verdict::Done(Outcome::Stored { duplicate })]);
        }
        let Results { results } = client.read(answer).map_err(|error| error.to_string())?;
        if results.len() != count {
            let found = results.len();
            return Err(format!(
                "the bus gave {found} results for {count} events: check PILLARBOX_URL"
            ));
        }
        Ok(results.into_iter().map(EventResult::verdict).collect())
    }
}

impl EventResult {
    fn verdict(self) -> Verdict {
        if let Some(duplicate) = self.duplicate {
            return Verdict::Done(Outcome::Stored { duplicate });
        }
        // A number that is no status is shown as what cannot be known.
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::NOT_IMPLEMENTED);
        let problem = Problem::read(status, self.problem.to_string().as_bytes());
        let reason = refusal(status, problem);
        // What depends on an event that failed may be stored with it the next time.
        if is_passing(status) || status == StatusCode::FAILED_DEPENDENCY {
            Verdict::Failed(reason)
        } else {
            Verdict::Done(Outcome::Rejected(reason))
        }
    }
}

fn refusal(status: StatusCode, problem: Problem) -> Reason {
    let key_refused = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    Reason {
        status: Some(status),
        detail: problem.one_line(),
        stop: key_refused.then(|| problem.to_string()),
    }
}

fn says_nothing(status: StatusCode, detail: &str) -> Reason {
    Reason {
        status: Some(status),
        detail: detail.to_owned(),
        stop: Some(detail.to_owned()),
    }
}

/// The same for each event of a request: it passes, or it stays.
fn all(count: usize, reason: &Reason) -> Vec<Verdict> {
    let passes = reason.status.is_some_and(is_passing);
    let verdict = || match passes {
        true => Verdict::Failed(reason.clone()),
        false => Verdict::Done(Outcome::Rejected(reason.clone())),
    };
    std::iter::repeat_with(verdict).take(count).collect()
}

/// Why a batch that is stored as a whole is not: the events that are in the way have their own reasons.
fn by_place(problem: Problem, refusal: &Reason, count: usize) -> Vec<Verdict> {
    let mut named: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for error in &problem.errors {
        if let Some((place, rest)) = place_of(&error.field) {
            let error = FieldError {
                field: rest.to_owned(),
                detail: error.detail.clone(),
            };
            named.entry(place).or_default().push(error.told());
        }
    }
    if named.is_empty() {
        return all(count, refusal);
    }
    let reason = |place: usize| Reason {
        detail: match named.get(&place) {
            Some(errors) => format!("{}: {}", problem.title, errors.join("; ")),
            None => "is not stored, since another line is in the way: all or none".to_owned(),
        },
        status: named.contains_key(&place).then_some(problem.status),
        stop: None,
    };
    (0..count)
        .map(|place| Verdict::Done(Outcome::Rejected(reason(place))))
        .collect()
}

/// Of `batch[3].source`: 3 and `source`.
fn place_of(field: &str) -> Option<(usize, &str)> {
    let (place, rest) = field.strip_prefix("batch[")?.split_once(']')?;
    Some((place.parse().ok()?, rest.trim_start_matches('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_found_by_its_place() {
        assert_eq!(place_of("batch[3]"), Some((3, "")));
        assert_eq!(place_of("batch[12].source"), Some((12, "source")));
        for field in ["batch", "batch[]", "batch[x]", "source", "batch[1"] {
            assert_eq!(place_of(field), None, "{field}");
        }
    }
}
