//! `OutboxTable`: in which hours a tenant has events. One item per day, whose hours are a set of numbers.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::try_join_all;
use pillarbox_domain::active_hours::{HourMarks, Marked, MarkedHours};
use pillarbox_domain::limits::MAX_RETENTION_DAYS;
use pillarbox_domain::log_hour::{HourRange, LogDay, LogHour, Order};
use pillarbox_domain::{StoreError, TenantId};

use crate::error::store_error;
use crate::item::{Item, Reader, n, s};
use crate::keys;

const HOURS: &str = "hours";

/// Days that a mark outlasts every event of its day.
const SPARE_DAYS: i64 = 30;

/// Days that one look brings at the most: about 15 KB.
const MAX_DAYS: i32 = 100;

/// Marks in one table.
pub struct DynamoActiveHours {
    client: Client,
    table: String,
}

impl DynamoActiveHours {
    /// The marks in this table.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    async fn mark_day(
        &self,
        tenant: &TenantId,
        day: LogDay,
        hours: Vec<String>,
    ) -> Result<(), StoreError> {
        self.client
            .update_item()
            .table_name(&self.table)
            .key(keys::PK, s(keys::tenant(tenant)))
            .key(keys::SK, s(keys::active_hours(day)))
            .update_expression("ADD #hours :hours SET #expires_at = :expires_at")
            .expression_attribute_names("#hours", HOURS)
            .expression_attribute_names("#expires_at", keys::EXPIRES_AT)
            .expression_attribute_values(":hours", AttributeValue::Ns(hours))
            .expression_attribute_values(":expires_at", n(expires_at(day)))
            .send()
            .await
            .map(drop)
            .map_err(|error| store_error("UpdateItem", error))
    }
}

impl HourMarks for DynamoActiveHours {
    async fn mark(&self, tenant: &TenantId, hours: &BTreeSet<LogHour>) -> Result<(), StoreError> {
        let mut days: BTreeMap<LogDay, Vec<String>> = BTreeMap::new();
        for hour in hours {
            let day = days.entry(hour.day()).or_default();
            day.push(hour.of_day().to_string());
        }
        let mut marks = Vec::new();
        for (day, hours) in days {
            marks.push(self.mark_day(tenant, day, hours));
        }
        try_join_all(marks).await.map(drop)
    }
}

impl MarkedHours for DynamoActiveHours {
    async fn marked(
        &self,
        tenant: &TenantId,
        range: HourRange,
        order: Order,
    ) -> Result<Marked, StoreError> {
        let day = |hour: LogHour| s(keys::active_hours(hour.day()));
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :tenant AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":tenant", s(keys::tenant(tenant)))
            .expression_attribute_values(":first", day(range.first))
            .expression_attribute_values(":last", day(range.last))
            .scan_index_forward(order == Order::Oldest)
            .limit(MAX_DAYS)
            .send()
            .await
            .map_err(|error| store_error("Query", error))?;
        let mut hours = Vec::new();
        for item in answer.items() {
            let all = hours_of(item)?;
            hours.extend(all.into_iter().filter(|hour| range.contains(*hour)));
        }
        let last = answer.last_evaluated_key().map(day_of).transpose()?;
        Ok(Marked {
            hours,
            rest: last.and_then(|day| range.beyond(day, order)),
        })
    }
}

fn expires_at(day: LogDay) -> i64 {
    const SECONDS_A_DAY: i64 = 24 * 60 * 60;
    let days = i64::from(MAX_RETENTION_DAYS) + SPARE_DAYS;
    day.last_hour().start().unix_timestamp() + days * SECONDS_A_DAY
}

fn reader(item: &Item) -> Reader<'_> {
    Reader {
        what: "mark of hours",
        item,
    }
}

fn day_of(item: &Item) -> Result<LogDay, StoreError> {
    let reader = reader(item);
    let day = keys::parse_active_hours(reader.text(keys::SK)?);
    day.ok_or_else(|| reader.malformed(keys::SK, "is not a day"))
}

fn hours_of(item: &Item) -> Result<Vec<LogHour>, StoreError> {
    let (reader, day) = (reader(item), day_of(item)?);
    let Some(AttributeValue::Ns(numbers)) = item.get(HOURS) else {
        return Err(reader.malformed(HOURS, "is not a set of numbers"));
    };
    let hour = |number: &String| number.parse().ok().and_then(|number| day.hour(number));
    let hours = numbers.iter().map(hour).collect::<Option<Vec<_>>>();
    hours.ok_or_else(|| reader.malformed(HOURS, "holds something else than 0 to 23"))
}
