//! `RegistryTable`: tenants and keys. A tenant is two items: its own, and its name in the list of all.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use pillarbox_domain::credential::{KeyId, KeyStore, StoredKey};
use pillarbox_domain::registry::{Added, Registry};
use pillarbox_domain::{StoreError, TenantId};

use crate::error::store_error;
use crate::item::{Item, Reader, n, s};
use crate::keys;

const DIGEST: &str = "digest";
const SCOPES: &str = "scopes";
pub(crate) const NAME: &str = "name";
pub(crate) const VERSION: &str = "version";

/// The registry in one table.
#[derive(Clone)]
pub struct DynamoRegistry {
    pub(crate) client: Client,
    pub(crate) table: String,
}

impl DynamoRegistry {
    /// The registry in this table.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    async fn get(&self, tenant: &TenantId, sort_key: String) -> Result<Option<Item>, StoreError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(keys::PK, s(keys::tenant(tenant)))
            .key(keys::SK, s(sort_key))
            .send()
            .await
            .map_err(|error| store_error("GetItem", error))?;
        Ok(found.item)
    }

    /// All of a tenant's items whose sort keys begin alike: as they are now, or as they were a moment ago for half
    /// the price.
    pub(crate) async fn all(
        &self,
        tenant: &TenantId,
        prefix: &str,
        as_of_now: bool,
    ) -> Result<Vec<Item>, StoreError> {
        let pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :tenant AND begins_with(sk, :prefix)")
            .expression_attribute_values(":tenant", s(keys::tenant(tenant)))
            .expression_attribute_values(":prefix", s(prefix))
            .consistent_read(as_of_now)
            .into_paginator()
            .items()
            .send();
        let items: Result<Vec<Item>, _> = pages.collect().await;
        items.map_err(|error| store_error("Query", error))
    }

    /// Writes the item unless there is one; then answers with the one there is.
    async fn put_new(&self, item: Item) -> Result<Option<Item>, StoreError> {
        let written = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match written {
            Ok(_) => Ok(None),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(taken)) => {
                    Ok(Some(taken.item().cloned().unwrap_or_default()))
                }
                _ => Err(store_error("PutItem", error)),
            },
        }
    }
}

impl KeyStore for DynamoRegistry {
    async fn key(
        &self,
        tenant: &TenantId,
        key_id: &KeyId,
    ) -> Result<Option<StoredKey>, StoreError> {
        let item = self.get(tenant, keys::api_key(key_id)).await?;
        item.map(|item| decode_key(tenant, &item)).transpose()
    }
}

impl Registry for DynamoRegistry {
    async fn add_tenant(&self, tenant: &TenantId, name: Option<&str>) -> Result<Added, StoreError> {
        let mut item = registered(tenant, keys::TENANT.to_owned());
        if let Some(name) = name {
            item.insert(NAME.to_owned(), s(name));
        }
        self.add_listed(tenant, item).await
    }

    async fn has_tenant(&self, tenant: &TenantId) -> Result<bool, StoreError> {
        Ok(self.get(tenant, keys::TENANT.to_owned()).await?.is_some())
    }

    async fn add_key(&self, key: &StoredKey) -> Result<(), StoreError> {
        let mut item = registered(&key.tenant, keys::api_key(&key.digest.key_id()));
        item.insert(DIGEST.to_owned(), s(key.digest.to_hex()));
        item.insert(
            SCOPES.to_owned(),
            texts(key.scopes.iter().map(|scope| scope.as_str())),
        );
        if let Some(name) = &key.name {
            item.insert(NAME.to_owned(), s(name));
        }
        self.put_new(item).await.map(drop)
    }
}

fn registered(tenant: &TenantId, sort_key: String) -> Item {
    Item::from([
        (keys::PK.to_owned(), s(keys::tenant(tenant))),
        (keys::SK.to_owned(), s(sort_key)),
        (VERSION.to_owned(), n(1)),
    ])
}

fn decode_key(tenant: &TenantId, item: &Item) -> Result<StoredKey, StoreError> {
    let reader = Reader {
        what: "API key",
        item,
    };
    Ok(StoredKey {
        tenant: tenant.clone(),
        digest: reader.parsed(DIGEST)?,
        scopes: parse_all(&reader, SCOPES)?
            .into_iter()
            .collect::<BTreeSet<_>>(),
        name: reader.optional_text(NAME)?.map(str::to_owned),
    })
}

fn texts<'a>(texts: impl Iterator<Item = &'a str>) -> AttributeValue {
    AttributeValue::L(texts.map(s).collect())
}

pub(crate) fn parse_all<T>(reader: &Reader<'_>, name: &str) -> Result<Vec<T>, StoreError>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    let Some(AttributeValue::L(values)) = reader.item.get(name) else {
        return Err(reader.malformed(name, "is not a list"));
    };
    let parse = |value: &AttributeValue| match value {
        AttributeValue::S(text) => text.parse().map_err(|error| reader.malformed(name, error)),
        _ => Err(reader.malformed(name, "holds something else than strings")),
    };
    values.iter().map(parse).collect()
}
