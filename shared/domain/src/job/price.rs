//! What a job costs, before it is run.
//!
//! An estimate from AWS's list prices in us-east-1, where they are lowest, as they stood in June 2026, without free
//! tiers and discounts. It holds what the bus itself does until the queues have the messages; what subscribers pay to
//! receive them is theirs. A replay to all subscriptions is priced as one message an event, and an archived hour as if it
//! stood in the log, which costs more.

use serde::Serialize;

use super::change::workers_of;
use super::pace::page_events;
use super::{JobSpec, Plan, Work};
use crate::limits::MAX_ITEM_BYTES;

/// A read unit of DynamoDB on demand: 0.125 $ a million (<https://aws.amazon.com/dynamodb/pricing/on-demand/>).
const READ_UNIT_USD: f64 = 0.125e-6;

/// A write unit of DynamoDB on demand: 0.625 $ a million (<https://aws.amazon.com/dynamodb/pricing/on-demand/>).
const WRITE_UNIT_USD: f64 = 0.625e-6;

/// A request to a standard queue: 0.40 $ a million, and 0.10 $ more where messages have a group, as all of the bus
/// have (<https://aws.amazon.com/sqs/pricing/>).
const SQS_REQUEST_USD: f64 = 0.50e-6;

/// A second of a function on arm64 with 1 GB (<https://aws.amazon.com/lambda/pricing/>).
const GB_SECOND_USD: f64 = 0.000_013_333_4;

/// A call of a function: 0.20 $ a million (<https://aws.amazon.com/lambda/pricing/>).
const CALL_USD: f64 = 0.20e-6;

/// A GET of an object: 0.40 $ a million (<https://aws.amazon.com/s3/pricing/>).
const GET_USD: f64 = 0.40e-6;

/// Bytes that one unit reads consistently; of an index, where only that is possible, half a unit reads them.
const READ_UNIT_BYTES: f64 = 4_096.0;

/// Bytes of a call that count as one request to a queue.
const SQS_REQUEST_BYTES: f64 = 65_536.0;

/// Messages of one call to a queue, and bytes of all of them, at the most
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>).
const SQS_CALL_MESSAGES: f64 = 10.0;
const SQS_CALL_BYTES: f64 = 1_048_576.0;

/// Bytes of an entry of the log's index. Each is looked at twice: when it is counted, and when it is sent.
const INDEX_ENTRY_BYTES: f64 = 200.0;
const LOOKS: f64 = 2.0;

/// What a worker writes for each of its pages: its place, and its turn, where there is one.
const PLACE_WRITES: f64 = 1.0;
const TURN_WRITES: f64 = 1.0;

/// Events that a worker sends a second when nothing holds it back, and letters, which are sent one by one. A whole core was
/// measured to send 5,200 events (`docs/scale.md`); a worker has three tenths of one.
const EVENTS_A_SECOND: f64 = 1_500.0;
const LETTERS_A_SECOND: f64 = 200.0;

/// The memory of a worker, and how long one call of it works, as the template has them.
const WORKER_GB: f64 = 0.5;
const CALL_SECONDS: f64 = 60.0;

/// Bytes of a letter without its payload, and units to write it: it is a little larger than one unit.
const LETTER_BYTES: f64 = 1_024.0;
const LETTER_WRITE_UNITS: f64 = 2.0;

/// What an event is taken for when the size of none was looked at.
const ASSUMED_EVENT_BYTES: f64 = 1_024.0;

/// What a job is going to move, and for how much.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// Bytes of all events or letters.
    pub bytes: u64,
    /// Whether they are worked out from some.
    pub bytes_are_sampled: bool,
    /// In US dollars, to the next millionth of one.
    pub cost_usd: f64,
}

impl Estimate {
    /// Of a job whose plan is whole; `None` before that.
    pub fn of(spec: &JobSpec, plan: &Plan) -> Option<Self> {
        if !plan.is_whole {
            return None;
        }
        let mean = match plan.sampled {
            0 => ASSUMED_EVENT_BYTES,
            sampled => plan.sampled_bytes as f64 / sampled as f64,
        };
        let each = match spec.work {
            Work::Replay { .. } => event_usd(mean),
            Work::Redrive { .. } => letter_usd(mean),
        };
        let count = plan.total as f64;
        let cost = count * (each + page_usd(spec)) + function_usd(spec, count);
        Some(Self {
            bytes: (count * mean).round() as u64,
            bytes_are_sampled: plan.sampled < plan.total,
            cost_usd: (cost * 1e6).ceil() / 1e6,
        })
    }
}

/// To find, read and send one event of so many bytes.
fn event_usd(bytes: f64) -> f64 {
    let looks = LOOKS * INDEX_ENTRY_BYTES / READ_UNIT_BYTES / 2.0;
    let limit = MAX_ITEM_BYTES as f64;
    let reads = looks + units(bytes.min(limit), READ_UNIT_BYTES);
    let get = if bytes > limit { GET_USD } else { 0.0 };
    let messages = (SQS_CALL_BYTES / bytes).floor();
    let messages = messages.clamp(1.0, SQS_CALL_MESSAGES);
    let requests = units(messages * bytes, SQS_REQUEST_BYTES) / messages;
    reads * READ_UNIT_USD + get + requests * SQS_REQUEST_USD
}

/// To find, read, take, send and close one letter whose payload has so many bytes, and to read its subscription.
fn letter_usd(bytes: f64) -> f64 {
    let looks = LOOKS * LETTER_BYTES / READ_UNIT_BYTES;
    let reads = looks + units(LETTER_BYTES, READ_UNIT_BYTES) + 1.0 + units(bytes, READ_UNIT_BYTES);
    let writes = 2.0 * LETTER_WRITE_UNITS;
    let requests = units(bytes, SQS_REQUEST_BYTES);
    reads * READ_UNIT_USD + writes * WRITE_UNIT_USD + requests * SQS_REQUEST_USD
}

/// The part that one event or letter has in what is written for its page.
fn page_usd(spec: &JobSpec) -> f64 {
    let limit = spec.max_events_per_second.map(f64::from);
    let writes = PLACE_WRITES + limit.map_or(0.0, |_| TURN_WRITES);
    writes * WRITE_UNIT_USD / page_events(limit) as f64
}

/// For the time that workers take, and wait where their speed is limited.
fn function_usd(spec: &JobSpec, count: f64) -> f64 {
    let fastest = match spec.work {
        Work::Replay { .. } => EVENTS_A_SECOND,
        Work::Redrive { .. } => LETTERS_A_SECOND,
    };
    let limit = spec.max_events_per_second;
    let share = limit.map_or(fastest, |limit| {
        f64::from(limit) / workers_of(Some(limit)) as f64
    });
    let seconds = count / fastest.min(share);
    seconds * WORKER_GB * GB_SECOND_USD + (seconds / CALL_SECONDS).ceil() * CALL_USD
}

/// So many bytes in units, of which none is paid in part.
fn units(bytes: f64, of: f64) -> f64 {
    (bytes / of).ceil().max(1.0)
}
