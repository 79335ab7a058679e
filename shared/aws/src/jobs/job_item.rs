//! How a job stands in its table.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use pillarbox_domain::job::{Counts, Job, JobId, JobState, Plan};
use pillarbox_domain::log_hour::{IdRange, Order, Position};
use pillarbox_domain::{StoreError, TenantId};
use time::UtcDateTime;

use super::work_item::{self, flag};
use crate::item::{Item, Reader, millis, n, s};
use crate::keys;

pub(super) const STATE: &str = "state";
pub(super) const REASON: &str = "reason";
pub(super) const STARTED: &str = "started_ms";
pub(super) const FINISHED: &str = "finished_ms";
/// The number of the next unit that was never handed out.
pub(super) const NEXT_UNIT: &str = "next_unit";
pub(super) const UNITS: &str = "units";
pub(super) const UNITS_DONE: &str = "units_done";
pub(super) const IS_WHOLE: &str = "is_whole";
pub(super) const TOTAL: &str = "total";
pub(super) const SAMPLED: &str = "sampled";
pub(super) const SAMPLED_BYTES: &str = "sampled_bytes";
pub(super) const REST: &str = "rest";

const WORK: &str = "work";
const CREATED: &str = "created_ms";

/// The attributes of what was done, in the order of [`counts`].
pub(super) const COUNTS: [&str; 5] = ["events", "sent", "skipped", "failed", "bytes"];

/// What is added up, attribute by attribute.
pub(super) fn counts(done: Counts) -> [(&'static str, AttributeValue); 5] {
    let Counts {
        events,
        sent,
        skipped,
        failed,
        bytes,
    } = done;
    let mut values = [events, sent, skipped, failed, bytes]
        .map(count)
        .into_iter();
    COUNTS.map(|name| (name, values.next().unwrap_or(AttributeValue::Null(true))))
}

/// A number of things.
pub(super) fn count(count: u64) -> AttributeValue {
    AttributeValue::N(count.to_string())
}

pub(super) fn decode_counts(reader: &Reader<'_>) -> Result<Counts, StoreError> {
    let [events, sent, skipped, failed, bytes] = COUNTS;
    Ok(Counts {
        events: reader.unsigned(events)?,
        sent: reader.unsigned(sent)?,
        skipped: reader.unsigned(skipped)?,
        failed: reader.unsigned(failed)?,
        bytes: reader.unsigned(bytes)?,
    })
}

/// A place: its 16 bytes.
pub(super) fn place(position: Position) -> AttributeValue {
    AttributeValue::B(Blob::new(position.to_bytes()))
}

pub(super) fn decode_place(
    reader: &Reader<'_>,
    name: &str,
) -> Result<Option<Position>, StoreError> {
    if !reader.item.contains_key(name) {
        return Ok(None);
    }
    let bytes = reader.bytes(name)?.try_into();
    let bytes = bytes.map_err(|_| reader.malformed(name, "has not 16 bytes"))?;
    Ok(Some(Position::from_bytes(bytes)))
}

/// The names of a range's ends.
pub(super) fn ends(name: &str) -> [String; 2] {
    [format!("{name}_first"), format!("{name}_last")]
}

pub(super) fn encode_range(name: &str, range: IdRange) -> [(String, AttributeValue); 2] {
    let [first, last] = ends(name);
    [(first, place(range.first())), (last, place(range.last()))]
}

pub(super) fn decode_range(reader: &Reader<'_>, name: &str) -> Result<Option<IdRange>, StoreError> {
    let [first, last] = ends(name);
    let first = decode_place(reader, &first)?;
    let last = decode_place(reader, &last)?;
    let (Some(first), Some(last)) = (first, last) else {
        return Ok(None);
    };
    let range = IdRange::ALL.starting_at(first, Order::Oldest);
    let range = range.and_then(|range| range.starting_at(last, Order::Newest));
    let empty = || reader.malformed(name, "ends before it begins");
    range.ok_or_else(empty).map(Some)
}

/// The item of a new job.
pub(super) fn encode(job: &Job) -> Item {
    let mut item = Item::from([
        (keys::PK.to_owned(), s(keys::tenant(&job.tenant))),
        (keys::SK.to_owned(), s(keys::job(job.id))),
        (WORK.to_owned(), work_item::encode(&job.spec)),
        (STATE.to_owned(), s(job.state.name())),
        (CREATED.to_owned(), millis(job.created_at)),
        (NEXT_UNIT.to_owned(), n(0)),
        (UNITS_DONE.to_owned(), count(job.plan.units_done.into())),
        (keys::ACTIVE_PK.to_owned(), s(keys::ACTIVE)),
        (keys::TOUCHED_MS.to_owned(), millis(job.created_at)),
    ]);
    item.extend(encode_plan(&job.plan));
    let done = counts(job.done).into_iter();
    item.extend(done.map(|(name, value)| (name.to_owned(), value)));
    item
}

/// What a planner writes of a plan.
pub(super) fn encode_plan(plan: &Plan) -> Vec<(String, AttributeValue)> {
    let mut attributes = vec![
        (UNITS.to_owned(), n(plan.units.into())),
        (IS_WHOLE.to_owned(), AttributeValue::Bool(plan.is_whole)),
        (TOTAL.to_owned(), count(plan.total)),
        (SAMPLED.to_owned(), count(plan.sampled)),
        (SAMPLED_BYTES.to_owned(), count(plan.sampled_bytes)),
    ];
    attributes.extend(
        plan.rest
            .into_iter()
            .flat_map(|rest| encode_range(REST, rest)),
    );
    attributes
}

pub(super) fn reader(item: &Item) -> Reader<'_> {
    Reader { what: "job", item }
}

/// The job of an item, without what its units came to that are not done.
pub(super) fn decode(tenant: &TenantId, item: &Item) -> Result<Job, StoreError> {
    let reader = reader(item);
    let sk = reader.text(keys::SK)?;
    let key = keys::parse_job(&keys::tenant(tenant), sk);
    let (_, id): (TenantId, JobId) =
        key.ok_or_else(|| reader.malformed(keys::SK, "is not that of a job"))?;
    let Some(AttributeValue::M(work)) = item.get(WORK) else {
        return Err(reader.malformed(WORK, "is not a map"));
    };
    let state: JobState = reader.parsed(STATE)?;
    Ok(Job {
        tenant: tenant.clone(),
        id,
        spec: work_item::decode(work)?,
        state,
        reason: reader.optional_text(REASON)?.map(str::to_owned),
        plan: decode_plan(&reader)?,
        done: decode_counts(&reader)?,
        created_at: reader.time(CREATED)?,
        started_at: time(&reader, STARTED)?,
        finished_at: time(&reader, FINISHED)?,
        expires_at: expiry(&reader)?,
    })
}

fn decode_plan(reader: &Reader<'_>) -> Result<Plan, StoreError> {
    Ok(Plan {
        rest: decode_range(reader, REST)?,
        is_whole: flag(reader, IS_WHOLE)?,
        units: number(reader, UNITS)?,
        units_done: number(reader, UNITS_DONE)?,
        total: reader.unsigned(TOTAL)?,
        sampled_bytes: reader.unsigned(SAMPLED_BYTES)?,
        sampled: reader.unsigned(SAMPLED)?,
    })
}

/// A number of units.
pub(super) fn number(reader: &Reader<'_>, name: &str) -> Result<u32, StoreError> {
    let number = u32::try_from(reader.unsigned(name)?);
    number.map_err(|error| reader.malformed(name, error))
}

fn time(reader: &Reader<'_>, name: &str) -> Result<Option<UtcDateTime>, StoreError> {
    match reader.item.contains_key(name) {
        true => reader.time(name).map(Some),
        false => Ok(None),
    }
}

fn expiry(reader: &Reader<'_>) -> Result<Option<UtcDateTime>, StoreError> {
    if !reader.item.contains_key(keys::EXPIRES_AT) {
        return Ok(None);
    }
    let seconds = reader.number(keys::EXPIRES_AT)?;
    let time = UtcDateTime::from_unix_timestamp(seconds);
    time.map(Some)
        .map_err(|error| reader.malformed(keys::EXPIRES_AT, error))
}
