//! `RegistryTable`: which tenants there are. A query finds items of one partition only, so each tenant has an item in
//! one that they share, which is written together with its own.

use aws_sdk_dynamodb::types::{Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use pillarbox_domain::registry::{Added, Tenants};
use pillarbox_domain::{StoreError, TenantId};

use crate::error::store_error;
use crate::item::{Item, Reader, s};
use crate::keys;
use crate::registry::DynamoRegistry;
use crate::subscriptions::{incomplete, refused};

impl DynamoRegistry {
    /// Writes a tenant and its name in the list, unless it is there. Then its name is written all the same: it
    /// changes nothing, or mends a list without it.
    pub(crate) async fn add_listed(
        &self,
        tenant: &TenantId,
        item: Item,
    ) -> Result<Added, StoreError> {
        let new = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let listed = Put::builder()
            .table_name(&self.table)
            .set_item(Some(key(tenant)));
        let written = self
            .client
            .transact_write_items()
            .transact_items(write(new)?)
            .transact_items(write(listed)?)
            .send()
            .await;
        let Err(error) = written else {
            return Ok(Added::New);
        };
        refused(error)?;
        self.list(tenant).await?;
        Ok(Added::Unchanged)
    }

    async fn list(&self, tenant: &TenantId) -> Result<(), StoreError> {
        let put = self.client.put_item().table_name(&self.table);
        let written = put.set_item(Some(key(tenant))).send().await;
        written
            .map(drop)
            .map_err(|error| store_error("PutItem", error))
    }
}

impl Tenants for DynamoRegistry {
    async fn tenants(
        &self,
        after: Option<&TenantId>,
        limit: usize,
    ) -> Result<Vec<TenantId>, StoreError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :tenants")
            .expression_attribute_values(":tenants", s(keys::TENANTS))
            .consistent_read(true)
            .set_exclusive_start_key(after.map(key))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .into_paginator()
            .items()
            .send();
        let mut found = Vec::new();
        while found.len() < limit
            && let Some(next) = pages.next().await
        {
            let next = next.map_err(|error| store_error("Query", error))?;
            found.push(tenant(&next)?);
        }
        Ok(found)
    }
}

fn write(
    put: aws_sdk_dynamodb::types::builders::PutBuilder,
) -> Result<TransactWriteItem, StoreError> {
    let put = put.build().map_err(incomplete)?;
    Ok(TransactWriteItem::builder().put(put).build())
}

/// The whole of an item of the list.
fn key(tenant: &TenantId) -> Item {
    Item::from([
        (keys::PK.to_owned(), s(keys::TENANTS)),
        (keys::SK.to_owned(), s(tenant.as_str())),
    ])
}

/// One that cannot be read is an error: who went on without it would overlook all that a tenant has.
fn tenant(item: &Item) -> Result<TenantId, StoreError> {
    let reader = Reader {
        what: "name in the list of tenants",
        item,
    };
    reader.parsed(keys::SK)
}
