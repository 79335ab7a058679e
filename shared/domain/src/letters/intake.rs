//! What a message on the dead letter queue says of a failure.
//!
//! Its body is what failed, untouched. Its attributes say which delivery it was; where our own code gave up they
//! also say who and why. A message that came through a queue's own redrive policy, and a record of the stream
//! that Lambda gave up on, say it by what they are.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcDateTime};

use super::{FailedDelivery, LetterError, Origin};
use crate::clock::whole_millis;
use crate::cloud_event::ParseError;
use crate::delivery::{
    EVENT_ID_ATTRIBUTE, JOB_ATTRIBUTE, Received, SUBSCRIPTION_ATTRIBUTE, TENANT_ATTRIBUTE,
    parse_tenant,
};
use crate::limits::{MAX_ERROR_CLASS_BYTES, MAX_ERROR_MESSAGE_BYTES, MAX_JOB_BYTES};
use crate::tenant::TenantId;
use crate::trace::TraceId;

const ORIGIN: &str = "origin";
const ERROR_CLASS: &str = "error_class";
const ERROR_MESSAGE: &str = "error_message";
const FAILURES: &str = "failures";

/// The member by which a record is known that Lambda writes when it gives up on a batch of a stream
/// (<https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html>).
const STREAM_BATCH: &str = "DDBStreamBatchInfo";

const RECEIVES_EXHAUSTED: &str = "ReceivesExhausted";
const STREAM_BATCH_GIVEN_UP: &str = "StreamBatchGivenUp";
const UNREADABLE: &str = "Unreadable";
/// Of who gave up and did not say why.
const UNSPECIFIED: &str = "Unspecified";

/// A message on the dead letter queue.
#[derive(Clone, Debug)]
pub struct QueueMessage<'a> {
    /// The queue's name for it; the same when it comes again.
    pub id: &'a str,
    /// What failed.
    pub body: &'a str,
    /// Its attributes that are text.
    pub attributes: BTreeMap<&'a str, &'a str>,
    /// The ARN of the queue whose redrive policy brought it, if one did.
    pub source_queue: Option<&'a str>,
    /// When it was received first, in whichever queue.
    pub first_received_at: Option<UtcDateTime>,
}

/// What is known of something that failed for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Whose it is.
    pub owner: TenantId,
    /// Who gave up.
    pub origin: Origin,
    /// Which delivery it was, if it was one.
    pub delivery: Option<FailedDelivery>,
    /// Why.
    pub error: LetterError,
    /// How often it was tried.
    pub attempts: Option<u32>,
    /// When it failed first.
    pub first_failed_at: Option<UtcDateTime>,
    /// When it failed last.
    pub last_failed_at: Option<UtcDateTime>,
    /// The replay or redrive that brought the delivery.
    pub job: Option<String>,
    /// The trace that the delivery's event is part of.
    pub trace_id: Option<TraceId>,
}

/// Why a message cannot be understood.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error("it is no delivery: {}", rules(.0))]
    Body(ParseError),
    #[error("the attribute tenant is missing, or no tenant's name")]
    Tenant,
    #[error("the attribute {attribute} is '{said}', and the body says '{found}'")]
    Contradiction {
        attribute: &'static str,
        said: String,
        found: String,
    },
    #[error("its job has {0} bytes; {MAX_JOB_BYTES} is the most")]
    Job(usize),
    #[error(transparent)]
    Origin(#[from] super::UnknownOrigin),
    #[error("it is neither a delivery nor a record, and nothing says why it is here")]
    Unknown,
}

/// Reads a message. There is none that cannot be kept: what is not understood is the bus's, with the reason.
pub fn read(message: &QueueMessage<'_>) -> Failure {
    understood(message).unwrap_or_else(|reason| unreadable(message, &reason))
}

fn understood(message: &QueueMessage<'_>) -> Result<Failure, Unreadable> {
    let is_delivery = message.attributes.contains_key(SUBSCRIPTION_ATTRIBUTE);
    if !is_delivery && let Some(record) = stream_record(message.body) {
        return Ok(given_up(&record));
    }
    let told = message.attributes.get(ORIGIN);
    let told = told.map(|origin| origin.parse()).transpose()?;
    match (is_delivery, told) {
        (true, Some(origin)) => delivery(message, told_failure(message, origin)),
        (true, None) => delivery(message, exhausted(message)),
        (false, Some(origin)) => Ok(told_failure(message, origin)),
        (false, None) => Err(Unreadable::Unknown),
    }
}

/// What our own code said when it gave up. It is the bus's as long as no tenant is told.
fn told_failure(message: &QueueMessage<'_>, origin: Origin) -> Failure {
    let attribute = |name| message.attributes.get(name).copied();
    let failures = attribute(FAILURES).and_then(|text| serde_json::from_str(text).ok());
    let failures: Failures = failures.unwrap_or_default();
    let class = attribute(ERROR_CLASS).unwrap_or(UNSPECIFIED);
    Failure {
        origin,
        attempts: failures.attempts,
        first_failed_at: time_of(failures.first_failed_at),
        last_failed_at: time_of(failures.last_failed_at),
        ..raw(
            parse_tenant(attribute(TENANT_ATTRIBUTE)).unwrap_or_else(|_| TenantId::bus()),
            class,
            attribute(ERROR_MESSAGE).unwrap_or_default(),
        )
    }
}

/// The attribute `failures`. Whatever of it cannot be read is not known.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Failures {
    attempts: Option<u32>,
    first_failed_at: Option<String>,
    last_failed_at: Option<String>,
}

fn time_of(text: Option<String>) -> Option<UtcDateTime> {
    let time = OffsetDateTime::parse(&text?, &Rfc3339).ok()?;
    time.checked_to_utc().map(whole_millis)
}

/// A queue gave up, after as many receives as its redrive policy allows.
fn exhausted(message: &QueueMessage<'_>) -> Failure {
    let name = message.source_queue.and_then(|arn| arn.rsplit(':').next());
    let error = match name {
        Some(name) => format!("the queue {name} gave up after its last receive"),
        None => "a queue gave up after its last receive".to_owned(),
    };
    Failure {
        origin: Origin::Queue,
        first_failed_at: message.first_received_at.map(whole_millis),
        ..raw(TenantId::bus(), RECEIVES_EXHAUSTED, &error)
    }
}

/// The failure of the delivery that the body is, once its attributes agree with it.
fn delivery(message: &QueueMessage<'_>, failure: Failure) -> Result<Failure, Unreadable> {
    let received = Received::parse(message.body).map_err(Unreadable::Body)?;
    let tenant = parse_tenant(message.attributes.get(TENANT_ATTRIBUTE).copied());
    let owner = tenant.map_err(|_| Unreadable::Tenant)?;
    agree(message, &received)?;
    let trace_id = Some(received.trace_id());
    let Received {
        event,
        event_id,
        subscription,
        job,
        ..
    } = received;
    match job.as_ref().map_or(0, String::len) {
        bytes if bytes > MAX_JOB_BYTES => return Err(Unreadable::Job(bytes)),
        _ => {}
    }
    Ok(Failure {
        owner,
        delivery: Some(FailedDelivery {
            event_id,
            event_type: event.event_type().to_owned(),
            source: event.source().to_owned(),
            id: event.id().to_owned(),
            subscription,
            correlation_id: event.correlation_id().map(str::to_owned),
        }),
        job: job.filter(|job| !job.is_empty()),
        trace_id,
        ..failure
    })
}

/// A body that is not what its attributes say is not trusted: it could be another tenant's.
fn agree(message: &QueueMessage<'_>, received: &Received) -> Result<(), Unreadable> {
    let body = [
        (EVENT_ID_ATTRIBUTE, received.event_id.to_string()),
        (SUBSCRIPTION_ATTRIBUTE, received.subscription.to_string()),
        (JOB_ATTRIBUTE, received.job.clone().unwrap_or_default()),
    ];
    for (attribute, found) in body {
        match message.attributes.get(attribute) {
            Some(said) if **said != *found => {
                return Err(Unreadable::Contradiction {
                    attribute,
                    said: (*said).to_owned(),
                    found,
                });
            }
            _ => {}
        }
    }
    Ok(())
}

/// What Lambda writes of a batch that it gave up on, if the body is that.
fn stream_record(body: &str) -> Option<Value> {
    let record: Value = serde_json::from_str(body).ok()?;
    record.get(STREAM_BATCH)?.is_object().then_some(record)
}

/// The record says where the events are, and has none of them; the sweep finds them in the log.
fn given_up(record: &Value) -> Failure {
    let (context, batch) = (&record["requestContext"], &record[STREAM_BATCH]);
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let records = batch["batchSize"].as_u64().unwrap_or_default();
    let invocations = context["approximateInvokeCount"].as_u64();
    let invocations = invocations.and_then(|count| u32::try_from(count).ok());
    let message = format!(
        "{records} records of {}, {} to {} of shard {}: {} after {} invocations",
        text(&batch["streamArn"]),
        text(&batch["startSequenceNumber"]),
        text(&batch["endSequenceNumber"]),
        text(&batch["shardId"]),
        text(&context["condition"]),
        invocations.unwrap_or_default(),
    );
    Failure {
        origin: Origin::Stream,
        attempts: invocations,
        ..raw(TenantId::bus(), STREAM_BATCH_GIVEN_UP, &message)
    }
}

fn unreadable(message: &QueueMessage<'_>, reason: &Unreadable) -> Failure {
    let attributes = serde_json::json!(message.attributes);
    let told = format!("{reason}; its attributes are {attributes}");
    let origin = message.attributes.get(ORIGIN);
    Failure {
        origin: origin
            .and_then(|origin| origin.parse().ok())
            .unwrap_or(Origin::Queue),
        ..raw(TenantId::bus(), UNREADABLE, &told)
    }
}

fn raw(owner: TenantId, class: &str, message: &str) -> Failure {
    Failure {
        owner,
        origin: Origin::Queue,
        delivery: None,
        error: LetterError {
            class: cut(class, MAX_ERROR_CLASS_BYTES),
            message: cut(message, MAX_ERROR_MESSAGE_BYTES),
        },
        attempts: None,
        first_failed_at: None,
        last_failed_at: None,
        job: None,
        trace_id: None,
    }
}

/// The text, or as many of its characters as fit with a mark behind them that it goes on.
fn cut(text: &str, max_bytes: usize) -> String {
    const GOES_ON: &str = "…";
    if text.len() <= max_bytes {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(max_bytes - GOES_ON.len());
    format!("{}{GOES_ON}", &text[..end])
}

/// Every rule that is broken, in one line.
fn rules(error: &ParseError) -> String {
    match error {
        ParseError::Invalid(violations) => {
            let all: Vec<String> = violations.iter().map(ToString::to_string).collect();
            all.join("; ")
        }
        error => error.to_string(),
    }
}
