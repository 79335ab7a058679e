//! The records of a batch, each read alone.

use aws_lambda_events::sqs::SqsMessage;
use pillarbox_domain::TenantId;
use pillarbox_domain::cloud_event::ParseError;
use pillarbox_domain::delivery::{Message, Received, TENANT_ATTRIBUTE, parse_tenant};
use pillarbox_domain::trace::TRACEPARENT;
use pillarbox_runtime::batch::{Batch, read};
use serde::Deserialize;
use serde_json::value::RawValue;
use time::UtcDateTime;

/// The attributes of a delivery.
const DELIVERY_ATTRIBUTES: [&str; 7] = [
    "type",
    "source",
    TENANT_ATTRIBUTE,
    "event_id",
    "subscription",
    "job",
    TRACEPARENT,
];

/// A message that Lambda itself malformed: it has no id by which its failure could be reported.
#[derive(Debug, thiserror::Error)]
#[error("a record of the batch is not an SQS message with an id")]
pub struct NotAMessage(#[source] Option<serde_json::Error>);

/// A message of the batch.
pub(super) struct Record {
    /// By this its failure is told.
    pub(super) message_id: String,
    /// By this it is hidden.
    pub(super) receipt_handle: Option<String>,
    /// How often it was received, from 1.
    pub(super) receives: u32,
    /// When it was received first, if the queue tells.
    pub(super) first_received_at: Option<UtcDateTime>,
    /// Its group, when order counts.
    pub(super) fifo_group: Option<String>,
    /// The message as it came.
    pub(super) message: Message,
    /// What it brings, or why it is no delivery.
    pub(super) delivery: Result<Delivery, String>,
}

/// What a message brings.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    /// Whose event it is.
    pub(super) tenant: TenantId,
    /// The event, its id, and why it is here.
    pub(super) received: Received,
}

/// Reads every record, or tells that one cannot even be named.
pub(super) fn records(batch: &Batch) -> Result<Vec<Record>, NotAMessage> {
    batch
        .records
        .iter()
        .map(|record| self::record(record))
        .collect()
}

fn record(record: &RawValue) -> Result<Record, NotAMessage> {
    match read::<SqsMessage>(record) {
        Ok(message) => of_message(message),
        Err(error) => unreadable(record, &error),
    }
}

fn of_message(mut sqs: SqsMessage) -> Result<Record, NotAMessage> {
    let message_id = sqs.message_id.take().ok_or(NotAMessage(None))?;
    let body = sqs.body.take().unwrap_or_default();
    let delivery = delivery(&sqs, &body);
    let group = delivery
        .as_ref()
        .map(|delivery| delivery.tenant.to_string());
    Ok(Record {
        message_id,
        receives: number(&sqs, "ApproximateReceiveCount").unwrap_or(1),
        first_received_at: number(&sqs, "ApproximateFirstReceiveTimestamp").and_then(of_millis),
        fifo_group: fifo_group(&sqs),
        message: Message {
            body,
            attributes: delivery_attributes(&sqs),
            group: group.unwrap_or_default(),
        },
        delivery: delivery.map_err(|error| error.to_string()),
        receipt_handle: sqs.receipt_handle,
    })
}

/// A record that is no SQS message, and has its id all the same.
fn unreadable(record: &RawValue, error: &serde_json::Error) -> Result<Record, NotAMessage> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Named {
        message_id: String,
    }
    let Named { message_id } = read(record).map_err(|error| NotAMessage(Some(error)))?;
    Ok(Record {
        message_id,
        receipt_handle: None,
        receives: 1,
        first_received_at: None,
        fifo_group: None,
        message: Message {
            body: record.get().to_owned(),
            attributes: vec![],
            group: String::new(),
        },
        delivery: Err(error.to_string()),
    })
}

fn delivery(sqs: &SqsMessage, body: &str) -> Result<Delivery, ParseError> {
    Ok(Delivery {
        tenant: parse_tenant(attribute(sqs, TENANT_ATTRIBUTE))?,
        received: Received::parse(body)?,
    })
}

fn attribute<'a>(sqs: &'a SqsMessage, name: &str) -> Option<&'a str> {
    let attribute = sqs.message_attributes.get(name)?;
    attribute.string_value.as_deref()
}

fn delivery_attributes(sqs: &SqsMessage) -> Vec<(&'static str, String)> {
    let named = DELIVERY_ATTRIBUTES.map(|name| Some((name, attribute(sqs, name)?)));
    let filled = named
        .into_iter()
        .flatten()
        .filter(|(_, text)| !text.is_empty());
    filled.map(|(name, text)| (name, text.to_owned())).collect()
}

fn number<T: std::str::FromStr>(sqs: &SqsMessage, name: &str) -> Option<T> {
    sqs.attributes.get(name)?.parse().ok()
}

fn of_millis(millis: i64) -> Option<UtcDateTime> {
    UtcDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok()
}

/// A standard queue may have message groups, too; they say nothing of order.
fn fifo_group(sqs: &SqsMessage) -> Option<String> {
    let arn = sqs.event_source_arn.as_deref()?;
    let group = sqs.attributes.get("MessageGroupId").cloned();
    arn.ends_with(".fifo").then(|| group.unwrap_or_default())
}
