//! Message groups: on a standard queue they share it fairly, on a FIFO queue they keep the order within.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::cloud_event::{AttributeName, AttributeValue, CloudEvent};
use crate::logged_event::LoggedEvent;

/// Characters of an SQS message group id
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>).
const MAX_GROUP_CHARS: usize = 128;

/// Bytes of a digest that names a group: enough that no two values are ever taken for one.
const DIGEST_BYTES: usize = 16;

/// By what a subscription's messages are grouped. Groups of two tenants are never the same.
///
/// What a replay or a redrive brings is a group of its own where it would be its tenant's otherwise: on a standard
/// queue a hundred thousand old events then do not starve the one that happens now. Groups by an attribute stay as
/// they are, since on a FIFO queue they are what keeps the order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MessageGroup {
    /// All messages of a tenant are one group, and those of each of its replays and redrives another.
    #[default]
    Tenant,
    /// Messages whose events have the same value of this context attribute. Events without it are grouped as
    /// by [`MessageGroup::Tenant`].
    Attribute(String),
}

/// A text does not say by what messages are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be tenant, source, type, subject or the name of another context attribute")]
pub struct InvalidMessageGroup;

impl MessageGroup {
    const TENANT: &'static str = "tenant";

    /// The way back from parsing.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Tenant => Self::TENANT,
            Self::Attribute(name) => name,
        }
    }

    /// The group of an event's message, which a job may bring: the tenant, or tenant and job, or tenant and value in a
    /// form that SQS takes.
    pub fn of(&self, event: &LoggedEvent, job: Option<&str>) -> String {
        let tenant = &event.tenant;
        let value = match self {
            Self::Tenant => None,
            Self::Attribute(name) => attribute(&event.event, name),
        };
        match (value, job) {
            (Some(value), _) => group_id(format!("{tenant}:{value}")),
            (None, Some(job)) => group_id(format!("{tenant}:{job}")),
            (None, None) => tenant.to_string(),
        }
    }
}

impl FromStr for MessageGroup {
    type Err = InvalidMessageGroup;

    fn from_str(text: &str) -> Result<Self, InvalidMessageGroup> {
        match text {
            Self::TENANT => Ok(Self::Tenant),
            "source" | "type" => Ok(Self::Attribute(text.to_owned())),
            _ => match AttributeName::new(text) {
                Ok(name) => Ok(Self::Attribute(name.as_str().to_owned())),
                Err(_) => Err(InvalidMessageGroup),
            },
        }
    }
}

fn attribute(event: &CloudEvent, name: &str) -> Option<String> {
    match name {
        "source" => Some(event.source().to_owned()),
        "type" => Some(event.event_type().to_owned()),
        _ => event.context().get(name).map(|value| match value {
            AttributeValue::String(text) => text.clone(),
            AttributeValue::Integer(number) => number.to_string(),
            AttributeValue::Boolean(truth) => truth.to_string(),
        }),
    }
}

/// The text itself where it can be a group id, else its digest.
fn group_id(text: String) -> String {
    let fits = text.len() <= MAX_GROUP_CHARS && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        return text;
    }
    let digest = Sha256::digest(text.as_bytes());
    HEXLOWER.encode(&digest[..DIGEST_BYTES])
}

impl fmt::Display for MessageGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_named_by_an_attribute_or_is_the_tenant() {
        for good in [
            "tenant",
            "source",
            "type",
            "subject",
            "partitionkey",
            "shop7",
        ] {
            assert_eq!(good.parse::<MessageGroup>().unwrap().as_str(), good);
        }
        for bad in ["", "Tenant", "data", "id", "pbeventid", "a b", "data.total"] {
            assert_eq!(
                bad.parse::<MessageGroup>(),
                Err(InvalidMessageGroup),
                "{bad}"
            );
        }
    }

    #[test]
    fn what_sqs_would_refuse_becomes_a_digest() {
        assert_eq!(group_id("demo:7".to_owned()), "demo:7");
        for odd in [
            "demo:ä".to_owned(),
            "demo:a b".to_owned(),
            format!("demo:{}", "x".repeat(124)),
        ] {
            let id = group_id(odd.clone());
            assert_eq!(id.len(), 32, "{odd}");
            assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        }
        assert_ne!(group_id("demo:ä".to_owned()), group_id("demo:ö".to_owned()));
    }
}
