//! Every limit, its unit and where it comes from. Each has a test one over it.

use std::time::Duration;

/// Bytes of one event in structured form, as published.
///
/// An SQS message holds 1 MiB (1,048,576 bytes) with its message attributes
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>);
/// the rest is room for what delivery adds.
pub const MAX_EVENT_BYTES: usize = 1_000_000;

/// Events of one batch. A request to a Lambda function holds 6 MB, so a batch of this many has room for 6 KB
/// each (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
pub const MAX_BATCH_EVENTS: usize = 1_000;

/// Bytes of all context attributes of an event, names and values. They are stored uncompressed beside
/// the data, so that a stored event can be read without being decoded; the data may be far larger.
pub const MAX_CONTEXT_BYTES: usize = 32_768;

/// Bytes of a context attribute's name. CloudEvents asks producers to stay within 20 and does not
/// limit consumers (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#naming-conventions>).
pub const MAX_ATTRIBUTE_NAME_BYTES: usize = 64;

/// Bytes of an event's `type`: it becomes an index attribute and a message attribute.
pub const MAX_TYPE_BYTES: usize = 256;

/// Bytes of an event's `correlationid`: it becomes an index key.
pub const MAX_CORRELATION_ID_BYTES: usize = 512;

/// Bytes of `source` and `id` together, after `%` and `#` are written as three bytes each.
///
/// A DynamoDB partition key holds 2,048 bytes
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>); the tenant and
/// the separators take at most 70.
pub const MAX_EVENT_KEY_BYTES: usize = 1_900;

/// Bytes of one stored event, everything counted. A DynamoDB item holds 409,600 bytes with attribute
/// names; the rest is room for the keys' projection and for attributes to come.
pub const MAX_ITEM_BYTES: usize = 400_000;

/// Characters of a tenant id, and of a subscription id.
pub const MAX_NAME_CHARS: usize = 63;

/// Type patterns of one subscription.
pub const MAX_TYPE_PATTERNS: usize = 50;

/// How long an event is kept when its tenant asks for nothing else.
pub const DEFAULT_RETENTION: Duration = Duration::from_secs(90 * 24 * 60 * 60);
