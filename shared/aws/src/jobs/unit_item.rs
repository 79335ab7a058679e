//! How a unit of a job stands in its table.

use aws_sdk_dynamodb::types::AttributeValue;
use pillarbox_domain::job::{JobId, Unit, UnitPart};
use pillarbox_domain::log_hour::LogHour;
use pillarbox_domain::{StoreError, TenantId};
use time::UtcDateTime;

use super::job_item::{
    count, counts, decode_counts, decode_place, decode_range, encode_range, number,
};
use super::parts_expire_at;
use crate::item::{Item, Reader, n, s};
use crate::keys;

pub(super) const HOLDER: &str = "holder";
pub(super) const HELD_UNTIL: &str = "held_until_ms";
pub(super) const IS_DONE: &str = "is_done";
pub(super) const CURSOR: &str = "cursor";

const NUMBER: &str = "number";
const TOTAL: &str = "total";
const PART: &str = "part";
const HOUR: &str = "hour_s";
const SHARD: &str = "shard";
const RANGE: &str = "range";

const OF_LOG: &str = "HOUR";
const OF_OPERATION: &str = "CORRELATION";
const OF_ARCHIVE: &str = "ARCHIVED";
const OF_LETTERS: &str = "LETTERS";

/// The item of a new unit.
pub(super) fn encode(tenant: &TenantId, id: JobId, unit: &Unit) -> Item {
    let mut item = Item::from([
        (keys::PK.to_owned(), s(keys::job_parts(tenant, id))),
        (keys::SK.to_owned(), s(keys::unit(unit.number))),
        (NUMBER.to_owned(), n(unit.number.into())),
        (TOTAL.to_owned(), count(unit.total)),
        (keys::EXPIRES_AT.to_owned(), n(parts_expire_at(id))),
    ]);
    item.extend(encode_part(unit.part));
    let done = counts(unit.done).into_iter();
    item.extend(done.map(|(name, value)| (name.to_owned(), value)));
    item
}

fn encode_part(part: UnitPart) -> Vec<(String, AttributeValue)> {
    let kind = |kind: &str| (PART.to_owned(), s(kind));
    let hour = |hour: LogHour| (HOUR.to_owned(), n(hour.start().unix_timestamp()));
    match part {
        UnitPart::Hour(of, shard) => {
            let shard = (SHARD.to_owned(), s(shard.to_string()));
            vec![kind(OF_LOG), hour(of), shard]
        }
        UnitPart::Archived(of) => vec![kind(OF_ARCHIVE), hour(of)],
        UnitPart::Correlation(range) => {
            let [first, last] = encode_range(RANGE, range);
            vec![kind(OF_OPERATION), first, last]
        }
        UnitPart::Letters(range) => {
            let [first, last] = encode_range(RANGE, range);
            vec![kind(OF_LETTERS), first, last]
        }
    }
}

pub(super) fn reader(item: &Item) -> Reader<'_> {
    Reader {
        what: "unit of a job",
        item,
    }
}

/// The unit of an item.
pub(super) fn decode(item: &Item) -> Result<Unit, StoreError> {
    let reader = reader(item);
    Ok(Unit {
        number: number(&reader, NUMBER)?,
        part: decode_part(&reader)?,
        total: reader.unsigned(TOTAL)?,
        cursor: decode_place(&reader, CURSOR)?,
        done: decode_counts(&reader)?,
    })
}

fn decode_part(reader: &Reader<'_>) -> Result<UnitPart, StoreError> {
    let hour = || {
        let start = UtcDateTime::from_unix_timestamp(reader.number(HOUR)?);
        let start = start.map_err(|error| reader.malformed(HOUR, error))?;
        Ok::<_, StoreError>(LogHour::at(start))
    };
    let range = || {
        let range = decode_range(reader, RANGE)?;
        range.ok_or_else(|| reader.malformed(RANGE, "is missing"))
    };
    match reader.text(PART)? {
        OF_LOG => Ok(UnitPart::Hour(hour()?, reader.parsed(SHARD)?)),
        OF_ARCHIVE => Ok(UnitPart::Archived(hour()?)),
        OF_OPERATION => Ok(UnitPart::Correlation(range()?)),
        OF_LETTERS => Ok(UnitPart::Letters(range()?)),
        other => Err(reader.malformed(PART, format_args!("is {other}"))),
    }
}

/// Whether nothing is left to do in the unit of an item.
pub(super) fn is_done(item: &Item) -> bool {
    matches!(item.get(IS_DONE), Some(AttributeValue::Bool(true)))
}
