//! What a job was asked to do, as a map in its item.

use aws_sdk_dynamodb::types::AttributeValue;
use pillarbox_domain::StoreError;
use pillarbox_domain::job::{JobSpec, ReplayFilter, Target, Work};
use pillarbox_domain::letters::LetterFilter;
use pillarbox_domain::subscription::TypePattern;

use super::job_item::{decode_range, encode_range};
use crate::item::{Item, Reader, millis, n, s};

const KIND: &str = "kind";
const TYPES: &str = "types";
const SOURCE: &str = "source";
const CORRELATION_ID: &str = "correlation_id";
const TARGET: &str = "target";
const SUBSCRIPTION: &str = "subscription";
const QUEUE_URL: &str = "queue_url";
const ERROR_CLASS: &str = "error_class";
const TEXT: &str = "text";
const EVENT_ID: &str = "event_id";
const FROM: &str = "from_ms";
const TO: &str = "to_ms";
const STATE: &str = "state";
const RANGE: &str = "range";
const PER_SECOND: &str = "max_events_per_second";
const RAMP: &str = "ramp_ms";
const DRY_RUN: &str = "dry_run";
const SCHEDULE: &str = "schedule";

const REPLAY: &str = "REPLAY";
const REDRIVE: &str = "REDRIVE";
const ALL: &str = "ALL";
const ONE: &str = "SUBSCRIPTION";
const QUEUE: &str = "QUEUE";

/// The map.
pub(super) fn encode(spec: &JobSpec) -> AttributeValue {
    let ramp = spec
        .ramp
        .map(|ramp| i64::try_from(ramp.as_millis()).unwrap_or(i64::MAX));
    let mut map = match &spec.work {
        Work::Replay { filter, target } => encode_replay(filter, target),
        Work::Redrive { filter } => encode_redrive(filter),
    };
    map.extend([
        (KIND.to_owned(), s(spec.work.kind())),
        (DRY_RUN.to_owned(), AttributeValue::Bool(spec.dry_run)),
    ]);
    map.extend(encode_range(RANGE, spec.range));
    put(
        &mut map,
        PER_SECOND,
        spec.max_events_per_second.map(|count| n(count.into())),
    );
    put(&mut map, RAMP, ramp.map(n));
    put(&mut map, SCHEDULE, spec.schedule.as_ref().map(s));
    AttributeValue::M(map)
}

fn put(map: &mut Item, name: &str, value: Option<AttributeValue>) {
    map.extend(value.map(|value| (name.to_owned(), value)));
}

fn encode_replay(filter: &ReplayFilter, target: &Target) -> Item {
    let mut map = Item::from([(TYPES.to_owned(), encode_types(&filter.types))]);
    put(&mut map, SOURCE, filter.source.as_ref().map(s));
    put(
        &mut map,
        CORRELATION_ID,
        filter.correlation_id.as_ref().map(s),
    );
    let (kind, name) = match target {
        Target::All => (ALL, None),
        Target::Subscription(id) => (ONE, Some((SUBSCRIPTION, id.as_str()))),
        Target::Queue(url) => (QUEUE, Some((QUEUE_URL, url.as_str()))),
    };
    map.insert(TARGET.to_owned(), s(kind));
    map.extend(name.map(|(name, value)| (name.to_owned(), s(value))));
    map
}

fn encode_redrive(filter: &LetterFilter) -> Item {
    let LetterFilter {
        types,
        subscription,
        error_class,
        text,
        event_id,
        from,
        to,
        state,
    } = filter;
    let mut map = Item::from([(TYPES.to_owned(), encode_types(types))]);
    put(
        &mut map,
        SUBSCRIPTION,
        subscription.as_ref().map(|id| s(id.as_str())),
    );
    put(&mut map, ERROR_CLASS, error_class.as_ref().map(s));
    put(&mut map, TEXT, text.as_ref().map(s));
    put(&mut map, EVENT_ID, event_id.map(|id| s(id.to_string())));
    put(&mut map, FROM, from.map(millis));
    put(&mut map, TO, to.map(millis));
    put(&mut map, STATE, state.map(|state| s(state.as_str())));
    map
}

fn encode_types(types: &[TypePattern]) -> AttributeValue {
    AttributeValue::L(types.iter().map(|pattern| s(pattern.as_str())).collect())
}

/// The way back from [`encode`].
pub(super) fn decode(map: &Item) -> Result<JobSpec, StoreError> {
    let reader = Reader {
        what: "job's work",
        item: map,
    };
    let work = match reader.text(KIND)? {
        REPLAY => Work::Replay {
            filter: ReplayFilter {
                types: decode_types(&reader)?,
                source: reader.optional_text(SOURCE)?.map(str::to_owned),
                correlation_id: reader.optional_text(CORRELATION_ID)?.map(str::to_owned),
            },
            target: decode_target(&reader)?,
        },
        REDRIVE => Work::Redrive {
            filter: decode_redrive(&reader)?,
        },
        other => return Err(reader.malformed(KIND, format_args!("is {other}"))),
    };
    let milliseconds = |ms| Ok::<_, StoreError>(std::time::Duration::from_millis(ms));
    Ok(JobSpec {
        work,
        range: decode_range(&reader, RANGE)?
            .ok_or_else(|| reader.malformed(RANGE, "is missing"))?,
        max_events_per_second: reader.optional_number(PER_SECOND, u32::try_from)?,
        ramp: reader.optional_number(RAMP, milliseconds)?,
        dry_run: flag(&reader, DRY_RUN)?,
        schedule: reader.optional_text(SCHEDULE)?.map(str::to_owned),
    })
}

/// A truth value.
pub(super) fn flag(reader: &Reader<'_>, name: &str) -> Result<bool, StoreError> {
    match reader.item.get(name) {
        Some(AttributeValue::Bool(flag)) => Ok(*flag),
        _ => Err(reader.malformed(name, "is not a truth value")),
    }
}

fn decode_types(reader: &Reader<'_>) -> Result<Vec<TypePattern>, StoreError> {
    let Some(AttributeValue::L(types)) = reader.item.get(TYPES) else {
        return Err(reader.malformed(TYPES, "is not a list"));
    };
    let pattern = |value: &AttributeValue| match value {
        AttributeValue::S(text) => text.parse().ok(),
        _ => None,
    };
    let types: Option<Vec<TypePattern>> = types.iter().map(pattern).collect();
    types.ok_or_else(|| reader.malformed(TYPES, "holds something else than types"))
}

fn decode_target(reader: &Reader<'_>) -> Result<Target, StoreError> {
    match reader.text(TARGET)? {
        ALL => Ok(Target::All),
        ONE => reader.parsed(SUBSCRIPTION).map(Target::Subscription),
        QUEUE => reader.parsed(QUEUE_URL).map(Target::Queue),
        other => Err(reader.malformed(TARGET, format_args!("is {other}"))),
    }
}

fn decode_redrive(reader: &Reader<'_>) -> Result<LetterFilter, StoreError> {
    let time = |name| match reader.item.contains_key(name) {
        true => reader.time(name).map(Some),
        false => Ok(None),
    };
    Ok(LetterFilter {
        types: decode_types(reader)?,
        subscription: reader.optional_parsed(SUBSCRIPTION)?,
        error_class: reader.optional_text(ERROR_CLASS)?.map(str::to_owned),
        text: reader.optional_text(TEXT)?.map(str::to_owned),
        event_id: reader.optional_parsed(EVENT_ID)?,
        from: time(FROM)?,
        to: time(TO)?,
        state: reader.optional_parsed(STATE)?,
    })
}
