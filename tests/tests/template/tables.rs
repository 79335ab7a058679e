//! What is kept, for how long, and under which keys.

use pillarbox_aws::keys::{CORR_PK, EXPIRES_AT, LOG_PK, PK, SK};
use pillarbox_domain::letters::LetterRetention;
use pillarbox_tests::template::Template;
use serde_json::{Value, json};

use crate::{EXAMPLE, Faults, QUEUE, TABLE, check, unless};

fn key_schema(names: &[&str]) -> Value {
    let kinds = ["HASH", "RANGE"].into_iter();
    let parts = names.iter().zip(kinds);
    parts
        .map(|(name, kind)| json!({ "AttributeName": name, "KeyType": kind }))
        .collect()
}

fn index(name: &str, partition_key: &str, projected: &[&str]) -> Value {
    json!({
        "IndexName": name,
        "KeySchema": key_schema(&[partition_key, "event_id"]),
        "Projection": { "ProjectionType": "INCLUDE", "NonKeyAttributes": projected },
    })
}

/// What the log costs and what can be read of it stands in its indexes and stream (DESIGN, the data).
fn event_log(template: &Template) -> Faults {
    let property = |name| template.property("EventLogTable", name);
    let indexes = json!([
        index("ByTime", LOG_PK, &["type", "correlationid", "outbox_mode"]),
        index("ByCorrelation", CORR_PK, &["type"])
    ]);
    let expected = [
        (
            *property("KeySchema") == key_schema(&[PK]),
            "is not keyed by the event alone",
        ),
        (
            *property("GlobalSecondaryIndexes") == indexes,
            "has other indexes or projections",
        ),
        (
            *property("StreamSpecification") == json!({ "StreamViewType": "NEW_IMAGE" }),
            "has not the stream that dispatch reads",
        ),
    ];
    let broken = expected.into_iter().filter(|(holds, _)| !holds);
    broken.map(|(_, fault)| fault.to_owned()).collect()
}

#[test]
fn the_log_has_its_stream_and_exactly_its_indexes() {
    let table = "/Resources/EventLogTable/Properties";
    let indexes = format!("{table}/GlobalSecondaryIndexes");
    let broken = [
        (
            &*format!("{table}/KeySchema/0/AttributeName"),
            json!("id"),
            "is not keyed",
        ),
        (&*format!("{indexes}/1"), Value::Null, "other indexes"),
        (
            &*format!("{indexes}/0/Projection"),
            json!({ "ProjectionType": "ALL" }),
            "other indexes",
        ),
        (
            &*format!("{indexes}/0/KeySchema/0/AttributeName"),
            json!("logpk"),
            "other indexes",
        ),
        (
            &*format!("{table}/StreamSpecification/StreamViewType"),
            json!("KEYS_ONLY"),
            "has not the stream",
        ),
    ];
    check(event_log, &broken);
}

fn tables(template: &Template) -> Faults {
    let protected = json!({ "Fn::If": ["Protected", true, false] });
    let mut faults = Faults::new();
    for table in template.resources(TABLE) {
        let property = |name| template.property(table, name);
        let mut expected = vec![(
            property("BillingMode") == "PAY_PER_REQUEST",
            "is not billed on demand",
        )];
        if !table.starts_with(EXAMPLE) {
            let kept = template.at(&format!("/Resources/{table}/DeletionPolicy"));
            expected.extend([
                (
                    *property("DeletionProtectionEnabled") == protected,
                    "can be deleted",
                ),
                (
                    *property("PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled")
                        == protected,
                    "cannot be restored",
                ),
                (
                    *property("SSESpecification/SSEEnabled") == protected,
                    "has no key of its own",
                ),
                (kept == "RetainExceptOnCreate", "goes with its stack"),
            ]);
        }
        let broken = expected.into_iter().filter(|(holds, _)| !holds);
        faults.extend(broken.map(|(_, fault)| format!("{table} {fault}")));
    }
    let condition = json!({ "Fn::Equals": [{ "Ref": "DataProtection" }, "enabled"] });
    faults.extend(unless(
        *template.at("/Conditions/Protected") == condition
            && template.at("/Parameters/DataProtection/Default") == "enabled",
        "data are not protected unless somebody says otherwise".to_owned(),
    ));
    faults
}

#[test]
fn every_table_is_on_demand_and_the_bus_s_own_are_protected() {
    let broken = [
        (
            "/Resources/SubscriberExampleInboxTable/Properties/BillingMode",
            Value::Null,
            "SubscriberExampleInboxTable is not billed on demand",
        ),
        (
            "/Resources/OutboxTable/Properties/DeletionProtectionEnabled",
            json!(false),
            "OutboxTable can be deleted",
        ),
        (
            "/Resources/RegistryTable/Properties/PointInTimeRecoverySpecification",
            Value::Null,
            "RegistryTable cannot be restored",
        ),
        (
            "/Resources/EventLogTable/Properties/SSESpecification",
            Value::Null,
            "EventLogTable has no key of its own",
        ),
        (
            "/Resources/EventLogTable/DeletionPolicy",
            Value::Null,
            "EventLogTable goes with its stack",
        ),
        (
            "/Parameters/DataProtection/Default",
            json!("disabled"),
            "data are not protected",
        ),
        (
            "/Conditions/Protected/Fn::Equals/1",
            json!("disabled"),
            "data are not protected",
        ),
    ];
    check(tables, &broken);
}

/// Tables of which something has to go when its time is over, and the one whose content is configuration.
const KEPT_FOR_EVER: &str = "RegistryTable";

/// Keys are written in `pillarbox_aws::keys` and nowhere else.
fn key_names(template: &Template) -> Faults {
    let expires = json!({ "AttributeName": EXPIRES_AT, "Enabled": true });
    let mut faults = Faults::new();
    for table in template.resources(TABLE) {
        let schema = template.property(table, "KeySchema");
        faults.extend(unless(
            *schema == key_schema(&[PK]) || *schema == key_schema(&[PK, SK]),
            format!("{table} has other keys than the code writes: {schema}"),
        ));
        let expiry = template.property(table, "TimeToLiveSpecification");
        let right = if table == KEPT_FOR_EVER {
            expiry.is_null()
        } else {
            *expiry == expires
        };
        faults.extend(unless(
            right,
            format!("{table} expires otherwise than the code writes: {expiry}"),
        ));
    }
    faults
}

#[test]
fn keys_and_expiry_are_named_as_the_code_writes_them() {
    let broken = [
        (
            "/Resources/OutboxTable/Properties/KeySchema/1/AttributeName",
            json!("sort"),
            "OutboxTable has other keys",
        ),
        (
            "/Resources/EventLogTable/Properties/TimeToLiveSpecification/AttributeName",
            json!("ttl"),
            "EventLogTable expires otherwise",
        ),
        (
            "/Resources/OutboxTable/Properties/TimeToLiveSpecification",
            Value::Null,
            "OutboxTable expires otherwise",
        ),
        (
            "/Resources/RegistryTable/Properties/TimeToLiveSpecification",
            json!({ "AttributeName": EXPIRES_AT, "Enabled": true }),
            "RegistryTable expires otherwise",
        ),
    ];
    check(key_names, &broken);
}

fn queues(template: &Template) -> Faults {
    let open = |queue: &&str| template.property(queue, "SqsManagedSseEnabled") != true;
    let queues = template.resources(QUEUE).into_iter().filter(open);
    queues
        .map(|queue| format!("{queue} is not encrypted"))
        .collect()
}

/// A template may only ask for what the function takes.
fn letter_retention(template: &Template) -> Faults {
    let parameter =
        |name: &str| template.at(&format!("/Parameters/DeadLetterRetentionDays/{name}"));
    let days = |name: &str| parameter(name).as_u64().unwrap_or_default();
    let takes = |days: u64| days.to_string().parse::<LetterRetention>().is_ok();
    let (least, most) = (days("MinValue"), days("MaxValue"));
    let expected = [
        (
            takes(least) && !takes(least - 1),
            "the least retention is another than the function takes",
        ),
        (
            takes(most) && !takes(most + 1),
            "the longest retention is another than the function takes",
        ),
        (
            (least..=most).contains(&days("Default")),
            "the usual retention is out of bounds",
        ),
    ];
    let broken = expected.into_iter().filter(|(holds, _)| !holds);
    broken.map(|(_, fault)| fault.to_owned()).collect()
}

#[test]
fn dead_letters_are_kept_for_as_long_as_the_function_takes() {
    let parameter = "/Parameters/DeadLetterRetentionDays";
    let broken = [
        (&*format!("{parameter}/MinValue"), json!(7), "the least"),
        (
            &*format!("{parameter}/MaxValue"),
            json!(3_651),
            "the longest",
        ),
        (&*format!("{parameter}/Default"), json!(14), "the usual"),
    ];
    check(letter_retention, &broken);
}

#[test]
fn every_queue_is_encrypted() {
    let broken = [
        (
            "/Resources/DeadLetterQueue/Properties/SqsManagedSseEnabled",
            Value::Null,
            "DeadLetterQueue is not encrypted",
        ),
        (
            "/Resources/SubscriberExampleQueue/Properties/SqsManagedSseEnabled",
            json!(false),
            "SubscriberExampleQueue is not encrypted",
        ),
    ];
    check(queues, &broken);
}
