//! Every key of every table. Each begins with whose it is; nothing else in the workspace writes one.

use data_encoding::BASE32_NOPAD;
use pillarbox_domain::credential::KeyId;
use pillarbox_domain::inbox::InboxKey;
use pillarbox_domain::job::JobId;
use pillarbox_domain::log_hour::{LogDay, LogHour, Position};
use pillarbox_domain::log_shard::LogShard;
use pillarbox_domain::payload::PayloadKey;
use pillarbox_domain::receipt::{BatchId, Bucket};
use pillarbox_domain::schedule::ScheduleName;
use pillarbox_domain::schema::{SchemaType, SchemaVersion};
use pillarbox_domain::stats::Minute;
use pillarbox_domain::trouble::DeliveryKey;
use pillarbox_domain::{EventId, SubscriptionId, TenantId, event_key};
use sha2::{Digest, Sha256};
use time::{Date, Month, UtcDateTime};

/// The partition key of every table.
pub const PK: &str = "pk";
/// The sort key of every table that has one.
pub const SK: &str = "sk";
/// The partition key of the log's index `ByTime`.
pub const LOG_PK: &str = "log_pk";
/// The partition key of the log's index `ByCorrelation`.
pub const CORR_PK: &str = "corr_pk";
/// When DynamoDB may remove an item: seconds since 1970.
pub const EXPIRES_AT: &str = "expires_at";

/// `T#<tenant>`: a tenant's part of the registry.
pub fn tenant(tenant: &TenantId) -> String {
    format!("T#{tenant}")
}

/// `T#<tenant>#K#<source>#<id>`: an event in the log.
pub fn event(tenant: &TenantId, source: &str, id: &str) -> String {
    format!("T#{tenant}#K#{}", event_key::encode(source, id))
}

/// The way back from [`event`]: tenant, source and id.
pub fn parse_event(key: &str) -> Option<(TenantId, String, String)> {
    let (tenant, event) = key.strip_prefix("T#")?.split_once("#K#")?;
    let (source, id) = event_key::decode(event)?;
    Some((tenant.parse().ok()?, source, id))
}

/// [`log_part`] of the hour that an event stands in.
pub fn log_hour(tenant: &TenantId, event_id: EventId, shard: LogShard) -> String {
    log_part(tenant, LogHour::of(event_id), shard)
}

/// `T#<tenant>#<yyyymmddhh>#<shard>`: a shard of an hour of a tenant's log.
pub fn log_part(tenant: &TenantId, hour: LogHour, shard: LogShard) -> String {
    format!("T#{tenant}#{}#{shard}", compact_hour(hour))
}

/// `T#<tenant>#C#<correlation id>`: the events of one operation.
pub fn correlation(tenant: &TenantId, correlation_id: &str) -> String {
    format!("T#{tenant}#C#{correlation_id}")
}

/// `R#<yyyymmddhhmmss>`: the receipts of ten seconds of event time.
pub fn receipts(bucket: Bucket) -> String {
    format!("R#{}", compact(bucket.start()))
}

/// `<UUIDv7>`, or `<UUIDv7>#<part>` from the second part on: a receipt within its bucket.
pub fn receipt(batch: &BatchId) -> String {
    match batch.part {
        0 => batch.id.to_string(),
        part => format!("{}#{part}", batch.id),
    }
}

/// The way back from [`receipt`].
pub fn parse_receipt(key: &str) -> Option<BatchId> {
    let (id, part) = match key.split_once('#') {
        None => (key, 0),
        Some((id, part)) => (id, part.parse().ok()?),
    };
    let id = id.parse().ok()?;
    let batch = BatchId { id, part };
    (receipt(&batch) == key).then_some(batch)
}

/// The partition of the outbox in which it is noted that something came late to a closed hour, and what its sort
/// keys are made of: [`reopened`].
pub const REOPENED: &str = "REOPENED";

/// `<yyyymmddhh>#<tenant>`: an hour of a tenant that something came late to, below [`REOPENED`]. They are in the
/// order of hours.
pub fn reopened(hour: LogHour, tenant: &TenantId) -> String {
    format!("{}#{tenant}", compact_hour(hour))
}

/// The way back from [`reopened`].
pub fn parse_reopened(key: &str) -> Option<(LogHour, TenantId)> {
    let (hour, tenant) = key.split_once('#')?;
    let (hour, tenant) = (parse_hour(hour)?, tenant.parse().ok()?);
    (reopened(hour, &tenant) == key).then_some((hour, tenant))
}

/// The partition of the outbox that holds the seals of closed hours; its sort keys are made of [`seal`].
pub const SEAL: &str = "SEAL";

/// `<yyyymmddhh>#<revision>`: a seal below [`SEAL`], in four digits so that they sort.
pub fn seal(hour: LogHour, revision: u32) -> String {
    format!("{}#{revision:04}", compact_hour(hour))
}

/// The way back from [`seal`].
pub fn parse_seal(key: &str) -> Option<(LogHour, u32)> {
    let (hour, revision) = key.split_once('#')?;
    let (hour, revision) = (parse_hour(hour)?, revision.parse().ok()?);
    (seal(hour, revision) == key).then_some((hour, revision))
}

/// `<yyyymmddhh>`: an hour where it is the value of an attribute.
pub fn hour(hour: LogHour) -> String {
    compact_hour(hour)
}

/// `<yyyymmddhh>`, or something that looks like it.
pub fn parse_hour(text: &str) -> Option<LogHour> {
    let (date, of_day) = (text.get(..8)?, text.get(8..)?);
    parse_date(date)?.hour(of_day.parse().ok()?)
}

/// The partition of the outbox that says how far sealing is.
pub const SEALS: &str = "SEALS";
/// The end of the chain, below [`SEALS`].
pub const SEAL_HEAD: &str = "HEAD";
/// The hour that sealing began with, below [`SEALS`].
pub const SEAL_BEGIN: &str = "BEGIN";
/// Who is sealing now, below [`SEALS`].
pub const SEAL_HOLD: &str = "HOLD";

/// The partition of the outbox in which the sweep remembers how far it has come, and its one sort key.
pub const SWEEP: &str = "SWEEP";
/// The sort key below [`SWEEP`].
pub const WATERMARK: &str = "WATERMARK";

/// The partition of the outbox that says how far rolling up has come; its one sort key is [`WATERMARK`].
pub const STATS: &str = "STATS";

/// The partition of the outbox in which it is noted that a minute of a tenant is stale; its sort keys are made of
/// [`stale`].
pub const STALE: &str = "STALE";

/// `<yyyymmddhhmm>#<tenant>`: a stale minute below [`STALE`]. They are in the order of minutes.
pub fn stale(minute: Minute, tenant: &TenantId) -> String {
    format!(
        "{}{:02}#{tenant}",
        compact_hour(minute.hour()),
        minute.number()
    )
}

/// The way back from [`stale`].
pub fn parse_stale(key: &str) -> Option<(Minute, TenantId)> {
    let (minute, tenant) = key.split_once('#')?;
    let (hour, number) = (minute.get(..10)?, minute.get(10..)?);
    let minute = Minute::of_hour(parse_hour(hour)?, number.parse().ok()?)?;
    let tenant = tenant.parse().ok()?;
    (stale(minute, &tenant) == key).then_some((minute, tenant))
}

/// `T#<tenant>#STATS#<yyyymmddhh>`: the rollups of an hour of a tenant's events, and which of them are stale.
pub fn rollups(tenant: &TenantId, hour: LogHour) -> String {
    format!("T#{tenant}#STATS#{}", compact_hour(hour))
}

/// `<mm>`: that a minute is stale, below [`rollups`]. It comes before the minute's rollup, so that it is read first.
pub fn stale_mark(minute: Minute) -> String {
    format!("{:02}", minute.number())
}

/// `<mm>#<part>`: a part of a minute's rollup below [`rollups`], in four digits so that they sort.
pub fn rollup(minute: Minute, part: usize) -> String {
    format!("{:02}#{part:04}", minute.number())
}

/// What no part of this minute's rollup, and nothing of an earlier minute, stands after below [`rollups`].
pub fn rollup_end(minute: Minute) -> String {
    // `$` comes after `#`.
    format!("{:02}$", minute.number())
}

/// The way back from [`stale_mark`] and [`rollup`], which has a part.
pub fn parse_rollup(hour: LogHour, key: &str) -> Option<(Minute, Option<usize>)> {
    let (number, part) = match key.split_once('#') {
        None => (key, None),
        Some((number, part)) => (number, Some(part.parse().ok()?)),
    };
    let minute = Minute::of_hour(hour, number.parse().ok()?)?;
    let written = part.map_or_else(|| stale_mark(minute), |part| rollup(minute, part));
    (written == key).then_some((minute, part))
}

/// The partition key of the outbox's index `ByDue`.
pub const DUE_PK: &str = "due_pk";
/// The sort key of the outbox's index `ByDue`: milliseconds since 1970.
pub const DUE_MS: &str = "due_ms";
/// The partition key of the outbox's index `ByStatus`.
pub const STATUS_PK: &str = "status_pk";
/// The sort key of the outbox's index `ByStatus`.
pub const STATUS_SK: &str = "status_sk";

/// Parts of the index `ByDue`, so that no partition of it is hot when much is in trouble.
pub const DUE_PARTS: u8 = 8;

/// `T#<tenant>#E#<event id>`: the deliveries of an event that are in trouble. The tenant is in it, since a producer
/// may choose its event ids.
pub fn trouble(tenant: &TenantId, event_id: EventId) -> String {
    format!("T#{tenant}#E#{event_id}")
}

/// `S#<subscription>`: the delivery to one subscription, below [`trouble`].
pub fn troubled(subscription: &SubscriptionId) -> String {
    format!("S#{subscription}")
}

/// The way back from [`trouble`] and [`troubled`].
pub fn parse_trouble(pk: &str, sk: &str) -> Option<DeliveryKey> {
    let (tenant, event_id) = pk.strip_prefix("T#")?.split_once("#E#")?;
    Some(DeliveryKey {
        tenant: tenant.parse().ok()?,
        event_id: event_id.parse().ok()?,
        subscription: sk.strip_prefix("S#")?.parse().ok()?,
    })
}

/// `T#<tenant>#<status>`: a tenant's deliveries in trouble, by what is to become of them.
pub fn trouble_status(tenant: &TenantId, status: &str) -> String {
    format!("T#{tenant}#{status}")
}

/// `<event id>#<subscription>`: a delivery, below [`trouble_status`].
pub fn trouble_status_place(key: &DeliveryKey) -> String {
    format!("{}#{}", key.event_id, key.subscription)
}

/// What no delivery of the event at this position, and of none before it, stands after below [`trouble_status`].
pub fn trouble_status_end(position: Position) -> String {
    // `$` comes after `#`.
    format!("{position}$")
}

/// `DUE#<part>`: deliveries that are tried again, of all tenants, by when they are overdue.
pub fn due(part: u8) -> String {
    format!("DUE#{part}")
}

/// [`due`] of the part that an event's deliveries are in.
pub fn due_part_of(event_id: EventId) -> String {
    let [.., last] = *event_id.as_bytes();
    due(last % DUE_PARTS)
}

const ACTIVE_HOURS_PREFIX: &str = "HOURS#";

/// `HOURS#<yyyymmdd>`: the hours of a day in which a tenant has events, below [`tenant`] in the outbox table.
pub fn active_hours(day: LogDay) -> String {
    format!("{ACTIVE_HOURS_PREFIX}{}", compact_date(day.date()))
}

/// The way back from [`active_hours`].
pub fn parse_active_hours(key: &str) -> Option<LogDay> {
    let date = key.strip_prefix(ACTIVE_HOURS_PREFIX)?;
    let day = parse_date(date);
    day.filter(|day| active_hours(*day) == key)
}

/// `<yyyymmdd>`, or something that looks like it.
fn parse_date(text: &str) -> Option<LogDay> {
    let (year, month, day) = (text.get(..4)?, text.get(4..6)?, text.get(6..)?);
    let month: u8 = month.parse().ok()?;
    let date = Date::from_calendar_date(
        year.parse().ok()?,
        Month::try_from(month).ok()?,
        day.parse().ok()?,
    );
    LogDay::of(date.ok()?)
}

/// The partition of the registry that names every tenant; its sort keys are their ids.
pub const TENANTS: &str = "TENANTS";

/// The registry's sort key of a tenant itself.
pub const TENANT: &str = "TENANT";
/// The registry's sort key of what is done with events that do not fit their schemas, by type.
pub const TENANT_SCHEMAS: &str = "TENANT#SCHEMAS";
/// The registry's sort key of the number that tells when an owner's subscriptions have changed.
pub const SUBSCRIPTIONS: &str = "SUBSCRIPTIONS";
/// What the registry's sort keys of subscriptions begin with.
pub const SUBSCRIPTION_PREFIX: &str = "SUB#";

/// `KEY#<key id>`: an API key in the registry.
pub fn api_key(key_id: &KeyId) -> String {
    format!("KEY#{key_id}")
}

/// `SUB#<subscription>`: a subscription in the registry.
pub fn subscription(id: &SubscriptionId) -> String {
    format!("{SUBSCRIPTION_PREFIX}{id}")
}

/// `SCHEMA#<type>#<version>`: a version of a type's schema, in six digits so that they sort. A type holds no `#`.
pub fn schema(event_type: &SchemaType, version: SchemaVersion) -> String {
    format!("SCHEMA#{event_type}#{:06}", version.number())
}

/// `T#<tenant>#S#<subscription>#<event id>`: a claim in a subscriber's inbox.
pub fn inbox(key: &InboxKey) -> String {
    format!("T#{}#S#{}#{}", key.tenant, key.subscription, key.event_id)
}

/// `T#<tenant>#BODY`: the bodies of a tenant's dead letters, whose letters stand under [`tenant`]. The sort keys of
/// both are the letters' ids.
pub fn letter_bodies(tenant: &TenantId) -> String {
    format!("T#{tenant}#BODY")
}

/// `T#<tenant>#D#<event id>`: by which the dead letters of an event are found, and repeats of them known.
pub fn letters_of_event(tenant: &TenantId, event_id: EventId) -> String {
    format!("T#{tenant}#D#{event_id}")
}

/// `<subscription>#<job>`, or `<subscription>#-` without one: a failed delivery of an event.
pub fn failed_delivery(subscription: &SubscriptionId, job: Option<&str>) -> String {
    format!("{subscription}#{}", job.unwrap_or(NO_JOB))
}

/// `T#<tenant>#M#<message id>`: by which a record is known that is no delivery and came as this message.
pub fn letter_of_message(tenant: &TenantId, message_id: &str) -> String {
    format!("T#{tenant}#M#{message_id}")
}

/// The sort key where there is nothing to tell apart, and the part of one that says so.
pub const NO_JOB: &str = "-";

/// The partition key of the jobs' index `ByActive`.
pub const ACTIVE_PK: &str = "active_pk";
/// The sort key of the jobs' index `ByActive`: milliseconds since 1970.
pub const TOUCHED_MS: &str = "touched_ms";
/// The one partition of `ByActive`: jobs that are planned or run, by when something was last written of them.
pub const ACTIVE: &str = "ACTIVE";

/// The sort key of a tenant's jobs that are not over, below [`tenant`] in the job table.
pub const ACTIVE_JOBS: &str = "ACTIVE";
/// What the sort keys of jobs begin with.
pub const JOB_PREFIX: &str = "JOB#";
/// What the sort keys of units begin with.
pub const UNIT_PREFIX: &str = "UNIT#";
/// The sort key of what the workers of a job share to keep its speed, below [`job_parts`].
pub const TURN: &str = "TURN";

/// `JOB#<id>`: a job, below [`tenant`].
pub fn job(id: JobId) -> String {
    format!("{JOB_PREFIX}{id}")
}

/// The way back from [`tenant`] and [`job`].
pub fn parse_job(pk: &str, sk: &str) -> Option<(TenantId, JobId)> {
    let tenant = pk.strip_prefix("T#")?.parse().ok()?;
    Some((tenant, sk.strip_prefix(JOB_PREFIX)?.parse().ok()?))
}

/// `T#<tenant>#J#<id>`: what a job is made of.
pub fn job_parts(tenant: &TenantId, id: JobId) -> String {
    format!("T#{tenant}#J#{id}")
}

/// `UNIT#<10 digits>`: a unit of a job, below [`job_parts`].
pub fn unit(number: u32) -> String {
    format!("{UNIT_PREFIX}{number:010}")
}

const FAILURE_PREFIX: &str = "FAIL";

/// `FAIL#<event id>#<subscription>`, or `FAIL#<event id>#-` without one: what failed of a job, below [`job_parts`].
pub fn job_failure(event_id: EventId, subscription: Option<&SubscriptionId>) -> String {
    let subscription = subscription.map_or("-", SubscriptionId::as_str);
    format!("{FAILURE_PREFIX}#{event_id}#{subscription}")
}

/// Keys between which all failures are of events after this one: `$` comes right after `#`.
pub fn job_failures(after: Option<Position>) -> (String, String) {
    let first = match after {
        Some(after) => format!("{FAILURE_PREFIX}#{after}$"),
        None => format!("{FAILURE_PREFIX}#"),
    };
    (first, format!("{FAILURE_PREFIX}$"))
}

/// Days that objects of the payload bucket are kept, by the first part of their keys. template.yaml has a
/// lifecycle rule for each.
pub const PAYLOAD_CLASSES: [u16; 10] = [8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096];

/// `d<days>/<tenant>/<event id>`: data that is too large for its event's item.
///
/// The days are the least of [`PAYLOAD_CLASSES`] that outlast the event by a day. So every object expires by a
/// rule of its bucket, also one whose event was never written.
pub fn payload(key: &PayloadKey) -> String {
    let kept = (key.expires_at - key.event_id.accepted_at()).whole_days();
    let outlasts = |class: &u16| i64::from(*class) > kept;
    let class = PAYLOAD_CLASSES.into_iter().find(outlasts);
    let class = class.unwrap_or(PAYLOAD_CLASSES[PAYLOAD_CLASSES.len() - 1]);
    format!("d{class}/{}/{}", key.tenant, key.event_id)
}

/// Characters of a tenant id up to which it stands in the names of its schedules. A name has 64
/// (<https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html>), of which 40 are the
/// schedule's own.
const MAX_PLAIN_TENANT_CHARS: usize = 23;

/// Bytes of the digest by which a longer tenant id is told: 21 characters.
const TENANT_DIGEST_BYTES: usize = 13;

/// `<tenant>.`, or `_<digest>.` of a long one: what the names of a tenant's schedules begin with, and of nobody else's.
/// No tenant id but the bus's begins with `_`, and none holds a dot.
pub fn schedules(tenant: &TenantId) -> String {
    let id = tenant.as_str();
    if id.len() <= MAX_PLAIN_TENANT_CHARS {
        return format!("{id}.");
    }
    let digest: [u8; 32] = Sha256::digest(id).into();
    let digest = BASE32_NOPAD.encode(&digest[..TENANT_DIGEST_BYTES]);
    format!("_{}.", digest.to_ascii_lowercase())
}

/// `<tenant>.<schedule>`, with the tenant as in [`schedules`]: a schedule in its group.
pub fn schedule(tenant: &TenantId, name: &ScheduleName) -> String {
    format!("{}{name}", schedules(tenant))
}

fn compact(at: UtcDateTime) -> String {
    let (hour, minute, second) = at.as_hms();
    format!("{}{hour:02}{minute:02}{second:02}", compact_date(at.date()))
}

fn compact_hour(hour: LogHour) -> String {
    format!("{}{:02}", compact_date(hour.day().date()), hour.of_day())
}

fn compact_date(date: Date) -> String {
    let (year, month, day) = date.to_calendar_date();
    format!("{year:04}{:02}{day:02}", u8::from(month))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demo() -> TenantId {
        "demo".parse().unwrap()
    }

    #[test]
    fn an_event_key_begins_with_its_tenant_and_comes_back() {
        let key = event(&demo(), "/shop#1", "50%");
        assert_eq!(key, "T#demo#K#/shop%231#50%25");
        assert_eq!(
            parse_event(&key),
            Some((demo(), "/shop#1".into(), "50%".into()))
        );
    }

    #[test]
    fn a_foreign_key_is_not_an_event_key() {
        for key in ["", "T#demo", "X#demo#K#a#b", "T#De#K#a#b", "T#demo#K#a"] {
            assert_eq!(parse_event(key), None, "{key}");
        }
    }

    #[test]
    fn an_object_outlasts_its_event() {
        let event_id: EventId = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f".parse().unwrap();
        for (days, class) in [(7, 8), (8, 16), (90, 128), (3_650, 4_096)] {
            let key = PayloadKey {
                tenant: demo(),
                event_id,
                expires_at: event_id.accepted_at() + time::Duration::days(days),
            };
            assert_eq!(payload(&key), format!("d{class}/demo/{event_id}"), "{days}");
        }
    }

    #[test]
    fn dead_letters_bodies_and_names_are_apart() {
        let event_id: EventId = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f".parse().unwrap();
        let subscription = "orders".parse().unwrap();
        assert_eq!(letter_bodies(&demo()), "T#demo#BODY");
        let of_event = letters_of_event(&demo(), event_id);
        assert_eq!(of_event, format!("T#demo#D#{event_id}"));
        assert_eq!(failed_delivery(&subscription, None), "orders#-");
        assert_eq!(failed_delivery(&subscription, Some("j#1")), "orders#j#1");
        assert_eq!(letter_of_message(&demo(), "m-1"), "T#demo#M#m-1");
    }

    #[test]
    fn schedules_of_two_tenants_never_have_one_name() {
        let longest = "x".repeat(40).parse().unwrap();
        let names = [
            "a",
            "demo",
            "demo-2",
            "_bus",
            &"t".repeat(23),
            &"t".repeat(24),
            &"t".repeat(62),
            &"t".repeat(63),
        ];
        let names = names.map(|tenant| schedule(&tenant.parse().unwrap(), &longest));
        assert_eq!(names[1], format!("demo.{longest}"));
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        for (place, name) in names.iter().enumerate() {
            assert!(name.len() <= 64 && name.chars().all(allowed), "{name}");
            assert!(!names[..place].contains(name), "{name}");
            let dots: Vec<_> = name.match_indices('.').collect();
            assert_eq!(
                dots.len(),
                1,
                "a list by its beginning is one tenant's: {name}"
            );
        }
    }

    #[test]
    fn jobs_units_and_failures_are_apart_and_sort() {
        let event_id: EventId = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f".parse().unwrap();
        let id = JobId::new(event_id);
        assert_eq!(parse_job(&tenant(&demo()), &job(id)), Some((demo(), id)));
        for (pk, sk) in [
            ("demo", "JOB#1"),
            ("T#demo", "ACTIVE"),
            ("T#demo#J#x", "UNIT#00000001"),
        ] {
            assert_eq!(parse_job(pk, sk), None, "{pk} {sk}");
        }
        assert_eq!(job_parts(&demo(), id), format!("T#demo#J#{event_id}"));
        assert!(unit(9) < unit(10) && unit(99_999_999) < unit(u32::MAX));
        let failure = job_failure(event_id, None);
        assert_eq!(failure, format!("FAIL#{event_id}#-"));
        let other = job_failure(event_id, Some(&"orders".parse().unwrap()));
        let (first, end) = job_failures(None);
        assert!(first < failure && failure < other && other < end);
        assert!(other < job_failures(Some(Position::of(event_id))).0);
    }

    #[test]
    fn times_in_keys_are_utc_and_sort() {
        let id: EventId = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f".parse().unwrap();
        assert_eq!(
            log_hour(&demo(), id, LogShard::default()),
            "T#demo#2022022219#0"
        );
        assert_eq!(receipts(Bucket::of(id)), "R#20220222192220");
        let day = LogHour::of(id).day();
        assert_eq!(active_hours(day), "HOURS#20220222");
        assert_eq!(parse_active_hours("HOURS#20220222"), Some(day));
        for foreign in ["HOURS#", "HOURS#20220230", "HOURS#2022022", "20220222"] {
            assert_eq!(parse_active_hours(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn a_receipt_s_key_comes_back() {
        let id: EventId = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f".parse().unwrap();
        for part in [0, 1, 12] {
            let batch = BatchId { id, part };
            assert_eq!(parse_receipt(&receipt(&batch)), Some(batch));
        }
        for foreign in [
            "",
            "x",
            &format!("{id}#0"),
            &format!("{id}#01"),
            &format!("{id}#"),
        ] {
            assert_eq!(parse_receipt(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn a_seal_s_key_comes_back_and_sorts_by_hour_and_revision() {
        let hour = LogHour::at(time::macros::utc_datetime!(2026-11-23 07:30));
        assert_eq!(seal(hour, 12), "2026112307#0012");
        assert_eq!(parse_seal("2026112307#0012"), Some((hour, 12)));
        assert!(seal(hour, 9_999) < seal(hour.next(), 0));
        for foreign in ["", "2026112307", "2026112307#12", "2026112307#0012#"] {
            assert_eq!(parse_seal(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn a_reopened_hour_s_key_comes_back_and_sorts_by_hour() {
        let hour = LogHour::at(time::macros::utc_datetime!(2026-11-23 07:30));
        let key = reopened(hour, &demo());
        assert_eq!(key, "2026112307#demo");
        assert_eq!(parse_reopened(&key), Some((hour, demo())));
        let bus = reopened(hour, &TenantId::bus());
        assert_eq!(parse_reopened(&bus), Some((hour, TenantId::bus())));
        for foreign in [
            "",
            "2026112307",
            "2026112324#demo",
            "202611237#demo",
            "2026112307#De",
            "2026112307#",
        ] {
            assert_eq!(parse_reopened(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn rollups_and_stale_minutes_come_back_and_a_mark_comes_before_its_rollup() {
        let minute = Minute::at(time::macros::utc_datetime!(2026-11-23 07:05:30));
        let hour = minute.hour();
        assert_eq!(rollups(&demo(), hour), "T#demo#STATS#2026112307");
        assert_eq!(stale(minute, &demo()), "202611230705#demo");
        assert_eq!(parse_stale("202611230705#demo"), Some((minute, demo())));
        let (mark, first, tenth) = (stale_mark(minute), rollup(minute, 0), rollup(minute, 10));
        assert!(rollup_end(minute.previous()) < mark && mark < first && first < tenth);
        assert!(tenth < rollup_end(minute) && rollup_end(minute) < stale_mark(minute.next()));
        assert_eq!(parse_rollup(hour, &mark), Some((minute, None)));
        assert_eq!(parse_rollup(hour, &tenth), Some((minute, Some(10))));
        for foreign in ["", "5", "60", "05#", "05#1", "x#0001"] {
            assert_eq!(parse_rollup(hour, foreign), None, "{foreign}");
        }
        for foreign in [
            "",
            "2026112307#demo",
            "202611230760#demo",
            "20261123075#demo",
        ] {
            assert_eq!(parse_stale(foreign), None, "{foreign}");
        }
    }
}
