//! What failed of a job, and its turn.

use std::time::Duration;

use pillarbox_domain::job::{FailedEvent, JobId, Turn};
use pillarbox_domain::log_hour::Position;
use pillarbox_domain::{StoreError, TenantId};
use time::UtcDateTime;

use super::{DynamoJobs, is_refused, parts_expire_at};
use crate::error::store_error;
use crate::item::{Item, Reader, n, s};
use crate::keys;

const EVENT_ID: &str = "event_id";
const SUBSCRIPTION: &str = "subscription_id";
const ERROR_CLASS: &str = "error_class";
const ERROR_MESSAGE: &str = "error_message";

/// Nanoseconds since 1970: at a hundred thousand events a second one takes ten thousand.
const FREE_AT: &str = "free_at_ns";

/// How often a turn is tried that another worker took first.
const MAX_TURNS: u32 = 50;

impl DynamoJobs {
    /// The same failure again is the same item.
    pub(super) async fn list_failure(
        &self,
        tenant: &TenantId,
        id: JobId,
        failed: &FailedEvent,
    ) -> Result<(), StoreError> {
        let put = self.client.put_item().table_name(&self.table);
        let put = put.set_item(Some(encode(tenant, id, failed))).send().await;
        put.map(drop).map_err(|error| store_error("PutItem", error))
    }

    pub(super) async fn listed_failures(
        &self,
        tenant: &TenantId,
        id: JobId,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<FailedEvent>, StoreError> {
        let (first, last) = keys::job_failures(after);
        let (mut found, mut from) = (Vec::new(), None);
        while found.len() < limit {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("pk = :job AND sk BETWEEN :first AND :last")
                .expression_attribute_values(":job", s(keys::job_parts(tenant, id)))
                .expression_attribute_values(":first", s(&first))
                .expression_attribute_values(":last", s(&last))
                .consistent_read(true)
                .limit(i32::try_from(limit - found.len()).unwrap_or(i32::MAX))
                .set_exclusive_start_key(from)
                .send()
                .await
                .map_err(|error| store_error("Query", error))?;
            for item in page.items() {
                found.push(decode(item)?);
            }
            from = page.last_evaluated_key;
            if from.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// A turn is written if the one that it follows is still the last. A repeat of our own write, whose answer was
    /// lost, takes another turn: the job is a little slower for it, never faster.
    pub(super) async fn reserve(
        &self,
        tenant: &TenantId,
        id: JobId,
        take: impl Fn(Option<UtcDateTime>) -> Turn,
    ) -> Result<Duration, StoreError> {
        for _ in 0..MAX_TURNS {
            let there = self
                .item(keys::job_parts(tenant, id), keys::TURN.to_owned())
                .await?;
            let seen = there.as_ref().map(free_at).transpose()?;
            let turn = take(seen);
            let put = self.client.put_item().table_name(&self.table);
            let put = put.set_item(Some(turn_item(tenant, id, turn.free_at)));
            let put = match seen {
                None => put.condition_expression("attribute_not_exists(pk)"),
                Some(seen) => put
                    .condition_expression("#free = :seen")
                    .expression_attribute_names("#free", FREE_AT)
                    .expression_attribute_values(":seen", n(nanos(seen))),
            };
            match put.send().await {
                Ok(_) => return Ok(turn.wait),
                Err(error) if is_refused(&error) => {}
                Err(error) => return Err(store_error("PutItem", error)),
            }
        }
        Err(StoreError::Throttled {
            operation: "PutItem",
        })
    }
}

fn encode(tenant: &TenantId, id: JobId, failed: &FailedEvent) -> Item {
    let FailedEvent {
        event_id,
        subscription,
        error_class,
        error_message,
    } = failed;
    let sk = keys::job_failure(*event_id, subscription.as_ref());
    let mut item = Item::from([
        (keys::PK.to_owned(), s(keys::job_parts(tenant, id))),
        (keys::SK.to_owned(), s(sk)),
        (EVENT_ID.to_owned(), s(event_id.to_string())),
        (ERROR_CLASS.to_owned(), s(error_class)),
        (ERROR_MESSAGE.to_owned(), s(error_message)),
        (keys::EXPIRES_AT.to_owned(), n(parts_expire_at(id))),
    ]);
    let subscription = subscription.as_ref();
    item.extend(subscription.map(|id| (SUBSCRIPTION.to_owned(), s(id.as_str()))));
    item
}

fn decode(item: &Item) -> Result<FailedEvent, StoreError> {
    let reader = Reader {
        what: "failure of a job",
        item,
    };
    Ok(FailedEvent {
        event_id: reader.parsed(EVENT_ID)?,
        subscription: reader.optional_parsed(SUBSCRIPTION)?,
        error_class: reader.text(ERROR_CLASS)?.to_owned(),
        error_message: reader.text(ERROR_MESSAGE)?.to_owned(),
    })
}

fn turn_item(tenant: &TenantId, id: JobId, free_at: UtcDateTime) -> Item {
    Item::from([
        (keys::PK.to_owned(), s(keys::job_parts(tenant, id))),
        (keys::SK.to_owned(), s(keys::TURN)),
        (FREE_AT.to_owned(), n(nanos(free_at))),
        (keys::EXPIRES_AT.to_owned(), n(parts_expire_at(id))),
    ])
}

fn nanos(time: UtcDateTime) -> i64 {
    // 63 bits of nanoseconds end in the year 2262.
    i64::try_from(time.unix_timestamp_nanos()).unwrap_or(i64::MAX)
}

fn free_at(item: &Item) -> Result<UtcDateTime, StoreError> {
    let reader = Reader {
        what: "turn of a job",
        item,
    };
    let nanos = i128::from(reader.number(FREE_AT)?);
    let time = UtcDateTime::from_unix_timestamp_nanos(nanos);
    time.map_err(|error| reader.malformed(FREE_AT, error))
}
