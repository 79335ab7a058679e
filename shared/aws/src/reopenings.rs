//! `OutboxTable`: hours that something came late to. One item per hour and tenant, in one partition; there are few.

use aws_sdk_dynamodb::Client;
use pillarbox_domain::StoreError;
use pillarbox_domain::seal::{Reopening, Reopenings};

use crate::error::store_error;
use crate::item::{millis, s};
use crate::keys;

/// When something came last, in milliseconds since 1970.
pub(crate) const NOTED: &str = "noted_ms";

/// Notes in one table.
pub struct DynamoReopenings {
    client: Client,
    table: String,
}

impl DynamoReopenings {
    /// The notes in this table.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }
}

impl Reopenings for DynamoReopenings {
    /// It has no expiry: it is there until the hour is sealed again.
    async fn reopen(&self, reopening: &Reopening) -> Result<(), StoreError> {
        let Reopening {
            tenant,
            hour,
            noted_at,
        } = reopening;
        self.client
            .put_item()
            .table_name(&self.table)
            .item(keys::PK, s(keys::REOPENED))
            .item(keys::SK, s(keys::reopened(*hour, tenant)))
            .item(NOTED, millis(*noted_at))
            .send()
            .await
            .map(drop)
            .map_err(|error| store_error("PutItem", error))
    }
}
