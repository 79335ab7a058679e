//! Every limit, its unit and where it comes from. Each has a test one over it.

use std::time::Duration;

/// Bytes of one event in structured form, as published.
///
/// An SQS message holds 1 MiB (1,048,576 bytes) with its message attributes
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>);
/// the rest is room for what delivery adds.
pub const MAX_EVENT_BYTES: usize = 1_000_000;

/// Bytes of one request's body. AWS refuses more before any function sees it: an invocation of a Lambda function
/// holds 6 MB (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>), and a body that the HTTP
/// API does not know for text is in it as base64, which leaves 4.4 MB.
pub const MAX_REQUEST_BYTES: usize = 6_000_000;

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

/// Bytes of one stored event, everything counted; data that would exceed it goes to the payload bucket. A
/// DynamoDB item holds 409,600 bytes with attribute names
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>); the rest is room
/// for the keys' projection and for attributes to come.
pub const MAX_ITEM_BYTES: usize = 400_000;

/// Events of a batch that is stored as a whole or not at all: a DynamoDB transaction has 100 actions
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>).
pub const MAX_ATOMIC_EVENTS: usize = 100;

/// Bytes of all items of a batch that is stored as a whole; when a batch has more, data above its share goes to
/// the payload bucket, so that no batch is refused for it. A DynamoDB transaction holds 4 MB
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>); compressed data is a
/// third larger as base64, in which it is sent and by which an engine may count.
pub const MAX_TRANSACTION_BYTES: usize = 2_800_000;

/// Characters of a tenant id, and of a subscription id.
pub const MAX_NAME_CHARS: usize = 63;

/// Type patterns of one subscription, and of one job.
pub const MAX_TYPE_PATTERNS: usize = 50;

/// Shards of one hour of a tenant's log: 64 of them take about 64,000 small events a second, and a query of an
/// hour reads each.
pub const MAX_LOG_SHARDS: u16 = 64;

/// Days that an event is kept when its tenant asks for nothing else.
pub const DEFAULT_RETENTION_DAYS: u16 = 90;

/// Days that an event is kept at the least: it is archived after 25 hours, and there must be time to act when
/// it is not.
pub const MIN_RETENTION_DAYS: u16 = 7;

/// Days that an event is kept at the most: ten years.
pub const MAX_RETENTION_DAYS: u16 = 3_650;

/// Events of one page of a query.
pub const MAX_PAGE_EVENTS: usize = 100;

/// Events of one page of a query that does not say how many.
pub const DEFAULT_PAGE_EVENTS: usize = 50;

/// Bytes of the events of one page, as they stand in the function's answer. An answer of a Lambda function
/// holds 6 MB (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>); one event takes up
/// to 2 MB there, since an answer's body is text whose quotes are escaped.
pub const MAX_PAGE_BYTES: usize = 4_000_000;

/// Index entries that are looked at for one page; an entry takes about 200 bytes. A page whose filter leaves
/// out nearly all of them is short, and goes on with its cursor.
pub const MAX_PAGE_ENTRIES: usize = 10_000;

/// Days of events that statistics are asked for at a time: a busy minute's rollup takes some KB, and a week has 10,080.
pub const MAX_STATS_DAYS: i64 = 7;

/// Milliseconds from which on any event is slow, however late it was handed over: a day.
pub const MAX_SLOW_MS: u64 = 86_400_000;

/// Points of a series: a day has so many minutes.
pub const MAX_STATS_POINTS: i64 = 1_440;

/// Types that statistics tell of one by one, those with the most events: an answer of a Lambda function holds 6 MB
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>), and a type takes about half a KB.
pub const MAX_STATS_TYPES: usize = 1_000;

/// Dead letters that are read for one page and its total; a letter takes about 1 KB without its payload. Where
/// there are more, the total says that it is the least.
pub const MAX_LETTERS_READ: usize = 20_000;

/// Dead letters of one request to redrive: each is a few calls to the store and one to a queue.
pub const MAX_REDRIVES: usize = 100;

/// Bytes of a dead letter's error class.
pub const MAX_ERROR_CLASS_BYTES: usize = 256;

/// Bytes of a dead letter's error message; what is longer is cut. Lists read every letter of a tenant.
pub const MAX_ERROR_MESSAGE_BYTES: usize = 4_096;

/// Jobs of one tenant that are not over: each may have workers of its own, and all tenants share them.
pub const MAX_ACTIVE_JOBS: usize = 10;

/// Events a second that a job may be held to; who wants more does not limit it.
pub const MAX_EVENTS_PER_SECOND: u32 = 100_000;

/// For how long a job may come up to its speed: a day.
pub const MAX_RAMP_SECONDS: u32 = 24 * 60 * 60;

/// How far from now the end of a job's set may lie, to be waited for: the gap of a subscription that is resumed ends
/// when dispatch knows of it for sure, some seconds later, and what is withheld until then belongs to it.
pub const MAX_JOB_LEAD: Duration = Duration::from_secs(30);

/// Jobs that are looked at for one page of a list. A page whose filter leaves out nearly all of them is short, and
/// goes on with its cursor.
pub const MAX_JOBS_READ: usize = 1_000;

/// Bytes of the name of a replay or redrive: it becomes part of a sort key, which holds 1,024
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>).
pub const MAX_JOB_BYTES: usize = 128;

/// Characters of the reason why a dead letter is discarded.
pub const MAX_DISCARD_REASON_CHARS: usize = 256;

/// Bytes of a dead letter's payload up to which it stands in an item, compressed; the rest of the 400 KB is
/// room for what is kept beside it.
pub const MAX_LETTER_ITEM_BODY_BYTES: usize = 350_000;

/// Days that a dead letter is kept at the least. Its name folds repeats of the same failure, and a message may
/// come again from queues that keep it for 14 days each: the subscriber's and that of the dead letters.
pub const MIN_LETTER_RETENTION_DAYS: u16 = 30;

/// Bytes of a JSON Schema as registered. It is compiled in `ingest`, and a registration is one item of
/// [`MAX_ITEM_BYTES`] with its upcaster.
pub const MAX_SCHEMA_BYTES: usize = 64 * 1024;

/// Bytes of an upcaster's filter.
pub const MAX_UPCASTER_BYTES: usize = 16 * 1024;

/// Event types of one tenant that have schemas. All their modes are one item, which a publish reads.
pub const MAX_SCHEMA_TYPES: usize = 200;

/// Versions of one type's schema.
pub const MAX_SCHEMA_VERSIONS: u32 = 50;

/// Bytes of an event pattern as a subscriber gives it. EventBridge takes 2,048 characters, and up to 4,096 on request
/// (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html>).
pub const MAX_PATTERN_BYTES: usize = 4_096;

/// Arrays and objects of an event pattern that are in one another. JSON data has at most 127, and the rest is room
/// for the tests and for `$or`.
pub const MAX_PATTERN_LEVELS: usize = 160;

/// Combinations of alternatives that the `$or` of one event pattern result in, as EventBridge counts and bounds
/// them (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>).
pub const MAX_PATTERN_COMBINATIONS: usize = 1_000;

/// How far from zero a bound of a pattern's `numeric` may be
/// (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>). The numbers of
/// events may be any.
pub const MAX_NUMERIC_BOUND: u64 = 5_000_000_000;

/// Characters of a schedule's name. EventBridge Scheduler's own names have 64
/// (<https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html>), and the rest tells whose it is.
pub const MAX_SCHEDULE_NAME_CHARS: usize = 40;

/// Bytes of a schedule's expression
/// (<https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html>).
pub const MAX_EXPRESSION_BYTES: usize = 256;

/// Schedules of one tenant. A list reads each of them by itself.
pub const MAX_SCHEDULES: usize = 20;

/// Minutes from one time of a schedule to the next, at the least. A job is planned, counted and handed out to workers;
/// for what has to come sooner than that there are subscriptions.
pub const MIN_SCHEDULE_INTERVAL_MINUTES: u64 = 5;

/// Days of a schedule's range, at the most: a year. Who wants more than that wants it once.
pub const MAX_RELATIVE_RANGE_DAYS: u16 = 366;
