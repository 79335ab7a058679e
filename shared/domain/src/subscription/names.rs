//! What subscriptions and queues are called, and types of events by their beginning.

use std::fmt;
use std::str::FromStr;

use crate::limits::MAX_TYPE_BYTES;
use crate::tenant::{InvalidName, TenantId, is_name};

/// Names a subscription within its owner. The bus's own begin with `_`, so that in a receipt or on a
/// message no tenant's subscription can be taken for one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionId(String);

impl SubscriptionId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whose a tenant's event's subscription of this name is: the tenant's, or the bus's.
    pub fn owner(&self, tenant: &TenantId) -> TenantId {
        match self.is_of_the_bus() {
            true => TenantId::bus(),
            false => tenant.clone(),
        }
    }

    /// Whether only the bus may own a subscription of this name.
    pub fn is_of_the_bus(&self) -> bool {
        self.0.starts_with('_')
    }
}

impl FromStr for SubscriptionId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if is_name(text.strip_prefix('_').unwrap_or(text)) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName)
        }
    }
}

impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Matches event types: an exact one, or all that begin alike when it ends in `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypePattern(String);

/// A text is not a type pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_TYPE_BYTES} bytes, with * at the end only")]
pub struct InvalidTypePattern;

impl TypePattern {
    /// Whether an event of this type is meant.
    pub fn matches(&self, event_type: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => event_type.starts_with(prefix),
            None => event_type == self.0,
        }
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TypePattern {
    type Err = InvalidTypePattern;

    fn from_str(text: &str) -> Result<Self, InvalidTypePattern> {
        let fixed = text.strip_suffix('*').unwrap_or(text);
        if text.is_empty() || text.len() > MAX_TYPE_BYTES || fixed.contains('*') {
            return Err(InvalidTypePattern);
        }
        Ok(Self(text.to_owned()))
    }
}

/// The address of an SQS queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueUrl(String);

/// A text is not the address of a queue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an SQS queue URL: http(s)://<endpoint>/<account>/<name>")]
pub struct InvalidQueueUrl;

impl QueueUrl {
    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The queue's name: the last part of its address.
    pub fn queue_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// Whether it is a FIFO queue: its name tells
    /// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html>).
    pub fn is_fifo(&self) -> bool {
        self.queue_name().ends_with(".fifo")
    }
}

impl FromStr for QueueUrl {
    type Err = InvalidQueueUrl;

    fn from_str(text: &str) -> Result<Self, InvalidQueueUrl> {
        let uri = fluent_uri::Uri::parse(text).map_err(|_| InvalidQueueUrl)?;
        let path: Vec<&str> = uri.path().as_str().split('/').collect();
        let is_queue =
            matches!(path[..], ["", account, name] if !account.is_empty() && !name.is_empty());
        let is_web = matches!(uri.scheme().as_str(), "http" | "https") && uri.authority().is_some();
        if is_queue && is_web {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidQueueUrl)
        }
    }
}

impl fmt::Display for QueueUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_exactly_or_by_its_beginning() {
        let cases = [
            ("order.created", "order.created", true),
            ("order.created", "order.created.v2", false),
            ("order.*", "order.created", true),
            ("order.*", "order.", true),
            ("order.*", "orders.created", false),
            ("*", "anything", true),
        ];
        for (pattern, event_type, expected) in cases {
            let pattern: TypePattern = pattern.parse().unwrap();
            assert_eq!(
                pattern.matches(event_type),
                expected,
                "{pattern:?} {event_type}"
            );
        }
    }

    #[test]
    fn a_star_stands_at_the_end_only() {
        for bad in [
            "",
            "*.created",
            "a*b*",
            "**",
            &"x".repeat(MAX_TYPE_BYTES + 1),
        ] {
            assert_eq!(bad.parse::<TypePattern>(), Err(InvalidTypePattern), "{bad}");
        }
    }

    #[test]
    fn a_queue_has_an_endpoint_an_account_and_a_name() {
        let url: QueueUrl = "https://sqs.eu-west-1.amazonaws.com/123456789012/pb-sub-a"
            .parse()
            .unwrap();
        assert_eq!(url.queue_name(), "pb-sub-a");
        for bad in [
            "",
            "pb-sub-a",
            "https://x/name",
            "https://x/1/a/b",
            "arn:aws:sqs:a:1:b",
            "https://x/1/",
        ] {
            assert_eq!(bad.parse::<QueueUrl>(), Err(InvalidQueueUrl), "{bad}");
        }
    }
}
