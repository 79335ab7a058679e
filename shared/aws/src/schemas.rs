//! `RegistryTable`: schemas, and what is done with events that do not fit them.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason, Put, TransactWriteItem};
use pillarbox_domain::schema::registration::Written;
use pillarbox_domain::schema::{
    Schema, SchemaModes, SchemaReader, SchemaType, SchemaVersion, SchemaWriter, TypeSchemas,
};
use pillarbox_domain::{StoreError, TenantId};

use crate::error::store_error;
use crate::item::{Item, Reader, n, s};
use crate::keys;
use crate::registry::{DynamoRegistry, VERSION};

const DOCUMENT: &str = "schema";
const LATEST: &str = "latest";
const MODE: &str = "mode";
const SCHEMAS: &str = "schemas";
const UPCASTER: &str = "upcaster";

/// A version is written once, and what was read of the modes must still be so.
const IS_NEW: &str = "attribute_not_exists(pk)";
const IS_CURRENT: &str = "#version = :read";

impl SchemaReader for DynamoRegistry {
    async fn schema(
        &self,
        tenant: &TenantId,
        event_type: &SchemaType,
        version: SchemaVersion,
    ) -> Result<Option<Schema>, StoreError> {
        let item = self
            .newest(tenant, keys::schema(event_type, version))
            .await?;
        item.map(|item| decode(event_type, version, &item))
            .transpose()
    }

    async fn modes(&self, tenant: &TenantId) -> Result<SchemaModes, StoreError> {
        let item = self.newest(tenant, keys::TENANT_SCHEMAS.to_owned()).await?;
        item.map_or_else(|| Ok(SchemaModes::default()), |item| decode_modes(&item))
    }
}

impl SchemaWriter for DynamoRegistry {
    async fn add_schema(
        &self,
        tenant: &TenantId,
        schema: &Schema,
        modes: &SchemaModes,
    ) -> Result<Written, StoreError> {
        let version = Put::builder()
            .table_name(&self.table)
            .set_item(Some(encode(tenant, schema)))
            .condition_expression(IS_NEW);
        let mut settings = Put::builder()
            .table_name(&self.table)
            .set_item(Some(encode_modes(tenant, modes)))
            .condition_expression(condition(modes));
        if modes.revision > 0 {
            settings = settings
                .expression_attribute_names("#version", VERSION)
                .expression_attribute_values(":read", revision(modes.revision));
        }
        let mut call = self.client.transact_write_items();
        for put in [version, settings] {
            let put = put
                .build()
                .map_err(|error| failed("TransactWriteItems", error))?;
            call = call.transact_items(TransactWriteItem::builder().put(put).build());
        }
        match call.send().await {
            Ok(_) => Ok(Written::Done),
            Err(error) => match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled))
                    if cancelled.cancellation_reasons().iter().any(is_outdated) =>
                {
                    Ok(Written::Outdated)
                }
                _ => Err(store_error("TransactWriteItems", error)),
            },
        }
    }

    async fn set_modes(
        &self,
        tenant: &TenantId,
        modes: &SchemaModes,
    ) -> Result<Written, StoreError> {
        let mut put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(encode_modes(tenant, modes)))
            .condition_expression(condition(modes));
        if modes.revision > 0 {
            put = put
                .expression_attribute_names("#version", VERSION)
                .expression_attribute_values(":read", revision(modes.revision));
        }
        match put.send().await {
            Ok(_) => Ok(Written::Done),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(Written::Outdated),
                _ => Err(store_error("PutItem", error)),
            },
        }
    }
}

impl DynamoRegistry {
    /// An item as it is now: a version that was registered a moment ago has to be seen.
    async fn newest(
        &self,
        tenant: &TenantId,
        sort_key: String,
    ) -> Result<Option<Item>, StoreError> {
        let get = self.client.get_item().table_name(&self.table);
        let found = get
            .key(keys::PK, s(keys::tenant(tenant)))
            .key(keys::SK, s(sort_key))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| store_error("GetItem", error))?;
        Ok(found.item)
    }
}

/// Others were there first, or are there right now.
fn is_outdated(reason: &CancellationReason) -> bool {
    matches!(
        reason.code(),
        Some("ConditionalCheckFailed" | "TransactionConflict")
    )
}

fn condition(modes: &SchemaModes) -> &'static str {
    if modes.revision > 0 {
        IS_CURRENT
    } else {
        IS_NEW
    }
}

fn revision(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn failed(
    operation: &'static str,
    error: impl std::error::Error + Send + Sync + 'static,
) -> StoreError {
    StoreError::Failed {
        operation,
        source: Box::new(error),
    }
}

fn encode(tenant: &TenantId, schema: &Schema) -> Item {
    let mut item = Item::from([
        (keys::PK.to_owned(), s(keys::tenant(tenant))),
        (
            keys::SK.to_owned(),
            s(keys::schema(&schema.event_type, schema.version)),
        ),
        (DOCUMENT.to_owned(), s(schema.document.to_string())),
        (VERSION.to_owned(), n(1)),
    ]);
    if let Some(upcaster) = &schema.upcaster {
        item.insert(UPCASTER.to_owned(), s(upcaster));
    }
    item
}

fn decode(
    event_type: &SchemaType,
    version: SchemaVersion,
    item: &Item,
) -> Result<Schema, StoreError> {
    let reader = Reader {
        what: "schema",
        item,
    };
    let document = serde_json::from_str(reader.text(DOCUMENT)?);
    Ok(Schema {
        event_type: event_type.clone(),
        version,
        document: document.map_err(|error| reader.malformed(DOCUMENT, error))?,
        upcaster: reader.optional_text(UPCASTER)?.map(str::to_owned),
    })
}

fn encode_modes(tenant: &TenantId, modes: &SchemaModes) -> Item {
    let types = modes.types.iter().map(|(event_type, schemas)| {
        let schemas = HashMap::from([
            (MODE.to_owned(), s(schemas.mode.as_str())),
            (LATEST.to_owned(), n(schemas.latest.number().into())),
        ]);
        (event_type.to_string(), AttributeValue::M(schemas))
    });
    Item::from([
        (keys::PK.to_owned(), s(keys::tenant(tenant))),
        (keys::SK.to_owned(), s(keys::TENANT_SCHEMAS)),
        (SCHEMAS.to_owned(), AttributeValue::M(types.collect())),
        (VERSION.to_owned(), revision(modes.revision + 1)),
    ])
}

/// The modes that a tenant's item of [`keys::TENANT_SCHEMAS`] holds.
pub(crate) fn decode_modes(item: &Item) -> Result<SchemaModes, StoreError> {
    let reader = Reader {
        what: "tenant's schemas",
        item,
    };
    let Some(AttributeValue::M(stored)) = item.get(SCHEMAS) else {
        return Err(reader.malformed(SCHEMAS, "is not a map"));
    };
    let types = stored.iter().map(|(name, schemas)| {
        let event_type = name
            .parse()
            .map_err(|error| reader.malformed(SCHEMAS, error))?;
        let AttributeValue::M(schemas) = schemas else {
            return Err(reader.malformed(SCHEMAS, "holds something else than maps"));
        };
        Ok((event_type, decode_type(schemas)?))
    });
    let types: BTreeMap<_, _> = types.collect::<Result<_, StoreError>>()?;
    let number = reader.number(VERSION)?;
    let revision = u64::try_from(number).map_err(|error| reader.malformed(VERSION, error))?;
    Ok(SchemaModes { types, revision })
}

fn decode_type(item: &Item) -> Result<TypeSchemas, StoreError> {
    let reader = Reader {
        what: "type's schemas",
        item,
    };
    let latest = reader.optional_number(LATEST, SchemaVersion::new)?;
    Ok(TypeSchemas {
        mode: reader.parsed(MODE)?,
        latest: latest.ok_or_else(|| reader.malformed(LATEST, "is missing"))?,
    })
}
