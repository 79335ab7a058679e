//! `RegistryTable`: what is set per tenant.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use pillarbox_domain::log_shard::LogShards;
use pillarbox_domain::schema::SchemaModes;
use pillarbox_domain::tenant_settings::{
    Changed, Retention, SettingsChange, TenantSettings, TenantSettingsReader, TenantSettingsWriter,
};
use pillarbox_domain::{StoreError, TenantId};

use crate::error::store_error;
use crate::item::{Item, Reader, n, s};
use crate::keys;
use crate::registry::{DynamoRegistry, NAME, VERSION};
use crate::schemas::decode_modes;

const RETENTION_DAYS: &str = "retention_days";
const LOG_SHARDS: &str = "log_shards";

impl TenantSettingsReader for DynamoRegistry {
    /// One call for all that a publish has to know. It is read as it is now: a query that went by fewer shards
    /// than there are would miss what is in the others.
    async fn settings(&self, tenant: &TenantId) -> Result<Option<TenantSettings>, StoreError> {
        let (mut settings, mut schemas) = (None, SchemaModes::default());
        for item in self.all(tenant, keys::TENANT, true).await? {
            match item.get(keys::SK) {
                Some(key) if *key == s(keys::TENANT) => settings = Some(decode(&item)?),
                Some(key) if *key == s(keys::TENANT_SCHEMAS) => schemas = decode_modes(&item)?,
                _ => {}
            }
        }
        Ok(settings.map(|settings| TenantSettings {
            schemas,
            ..settings
        }))
    }
}

impl TenantSettingsWriter for DynamoRegistry {
    async fn change_settings(
        &self,
        tenant: &TenantId,
        change: &SettingsChange,
    ) -> Result<Changed, StoreError> {
        let mut sets = vec!["#version = #version + :one".to_owned()];
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(keys::PK, s(keys::tenant(tenant)))
            .key(keys::SK, s(keys::TENANT))
            .expression_attribute_names("#version", VERSION)
            .expression_attribute_values(":one", n(1))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let values = [
            (NAME, change.name.as_deref().map(s)),
            (
                RETENTION_DAYS,
                change.retention.map(|it| n(it.days().into())),
            ),
            (LOG_SHARDS, change.log_shards.map(|it| n(it.count().into()))),
        ];
        for (name, value) in values {
            if let Some(value) = value {
                sets.push(format!("#{name} = :{name}"));
                update = update
                    .expression_attribute_names(format!("#{name}"), name)
                    .expression_attribute_values(format!(":{name}"), value);
            }
        }
        // A reader that knows fewer shards than there are would miss what is in the others.
        let condition = match change.log_shards {
            Some(_) => {
                "attribute_exists(pk) AND (attribute_not_exists(#log_shards) OR #log_shards <= :log_shards)"
            }
            None => "attribute_exists(pk)",
        };
        let written = update
            .update_expression(format!("SET {}", sets.join(", ")))
            .condition_expression(condition)
            .send()
            .await;
        match written {
            Ok(written) => Ok(Changed::Done(decode(
                &written.attributes.unwrap_or_default(),
            )?)),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(there)) => {
                    match there.item() {
                        None => Ok(Changed::NoTenant),
                        Some(item) => Ok(Changed::FewerShards(decode(item)?.log_shards)),
                    }
                }
                _ => Err(store_error("UpdateItem", error)),
            },
        }
    }
}

fn decode(item: &Item) -> Result<TenantSettings, StoreError> {
    let reader = Reader {
        what: "tenant",
        item,
    };
    let retention = reader.optional_number(RETENTION_DAYS, Retention::from_days)?;
    let log_shards = reader.optional_number(LOG_SHARDS, LogShards::new)?;
    Ok(TenantSettings {
        name: reader.optional_text(NAME)?.map(str::to_owned),
        retention: retention.unwrap_or_default(),
        log_shards: log_shards.unwrap_or_default(),
        schemas: SchemaModes::default(),
    })
}
