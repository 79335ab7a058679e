//! Registering versions: in order, without gaps, and each once and for all.

use super::compatibility::{Breaches, breaches};
use super::modes::{SchemaMode, SchemaModes, TypeSchemas};
use super::naming::{SchemaType, SchemaVersion};
use super::upcaster::{InvalidUpcaster, Upcaster};
use super::validator::{CompiledSchema, InvalidDocument};
use crate::limits::{MAX_SCHEMA_BYTES, MAX_SCHEMA_TYPES, MAX_SCHEMA_VERSIONS};
use crate::store_error::StoreError;
use crate::tenant::TenantId;

/// How often a registration begins again because others registered at the same time.
const TRIES: usize = 8;

/// One version of the data of a type, as registered.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    /// The type of events.
    pub event_type: SchemaType,
    /// The version of their data.
    pub version: SchemaVersion,
    /// The JSON Schema.
    pub document: serde_json::Value,
    /// The jq filter that makes these data out of those of the version before.
    pub upcaster: Option<String>,
}

/// Where schemas are read.
pub trait SchemaReader {
    /// A version, if it is registered.
    fn schema(
        &self,
        tenant: &TenantId,
        event_type: &SchemaType,
        version: SchemaVersion,
    ) -> impl Future<Output = Result<Option<Schema>, StoreError>> + Send;

    /// All types of a tenant, as they are now.
    fn modes(
        &self,
        tenant: &TenantId,
    ) -> impl Future<Output = Result<SchemaModes, StoreError>> + Send;
}

/// Where schemas are written. `modes` is what was read, changed; its revision is still the one that was read.
pub trait SchemaWriter {
    /// Writes a version that is not there yet together with the modes, or neither.
    fn add_schema(
        &self,
        tenant: &TenantId,
        schema: &Schema,
        modes: &SchemaModes,
    ) -> impl Future<Output = Result<Written, StoreError>> + Send;

    /// Writes the modes.
    fn set_modes(
        &self,
        tenant: &TenantId,
        modes: &SchemaModes,
    ) -> impl Future<Output = Result<Written, StoreError>> + Send;
}

/// What a write found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is done.
    Done,
    /// Something was changed since the revision was read. Nothing was written.
    Outdated,
}

/// What became of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// It is the latest version now.
    New(TypeSchemas),
    /// The same was registered before.
    Unchanged(TypeSchemas),
}

/// Why a version is not registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// It is not a schema that can be used.
    #[error(transparent)]
    Invalid(#[from] InvalidSchema),
    /// Another schema is registered under this version.
    #[error("version {0} is registered with another schema or upcaster; a version never changes")]
    Conflict(SchemaVersion),
    /// The version does not follow the last one.
    #[error("must be {expected}, the version after the last")]
    Gap {
        /// The only version that can be registered next.
        expected: SchemaVersion,
    },
    /// The tenant has schemas for too many types.
    #[error("{MAX_SCHEMA_TYPES} types at most can have schemas")]
    TooManyTypes,
    /// The type has too many versions.
    #[error("a type can have {MAX_SCHEMA_VERSIONS} versions at most")]
    TooManyVersions,
    /// What was valid before would not be valid any more.
    #[error("is not compatible with version {before}")]
    Incompatible {
        /// The version before.
        before: SchemaVersion,
        /// What changed.
        breaches: Breaches,
    },
    /// Others register at the same time, again and again.
    #[error("the tenant's schemas are being changed by others")]
    Busy,
    /// The store did not read or write.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A registration is malformed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSchema {
    /// It is too long.
    #[error("must be {MAX_SCHEMA_BYTES} bytes at most, and has {0}")]
    TooLong(usize),
    /// It is no JSON Schema.
    #[error(transparent)]
    Document(#[from] InvalidDocument),
    /// The upcaster is none.
    #[error(transparent)]
    Upcaster(#[from] InvalidUpcaster),
    /// There is nothing that it could be made of.
    #[error("makes no sense for version 1: there is no version before")]
    UpcasterOfFirst,
}

impl InvalidSchema {
    /// The field at fault, by the name that the API gives it.
    pub fn field(&self) -> &'static str {
        match self {
            Self::TooLong(_) | Self::Document(_) => "schema",
            Self::Upcaster(_) | Self::UpcasterOfFirst => "upcaster",
        }
    }
}

impl Schema {
    /// Checks and compiles all of it.
    pub fn check(&self) -> Result<CompiledSchema, InvalidSchema> {
        let bytes = self.document.to_string().len();
        if bytes > MAX_SCHEMA_BYTES {
            return Err(InvalidSchema::TooLong(bytes));
        }
        if let Some(upcaster) = &self.upcaster {
            if self.version == SchemaVersion::FIRST {
                return Err(InvalidSchema::UpcasterOfFirst);
            }
            Upcaster::compile(upcaster)?;
        }
        Ok(CompiledSchema::compile(&self.document)?)
    }
}

/// Registers a version, unless it is there. The mode of a type that has none yet is [`SchemaMode::Enforce`].
pub async fn register<S: SchemaReader + SchemaWriter>(
    store: &S,
    tenant: &TenantId,
    schema: &Schema,
) -> Result<Registered, RegisterError> {
    schema.check()?;
    for _ in 0..TRIES {
        let mut modes = store.modes(tenant).await?;
        let there = modes.types.get(&schema.event_type).copied();
        if let Some(there) = there.filter(|there| schema.version <= there.latest) {
            return held_against(store, tenant, schema, there).await;
        }
        check_place(&modes, schema, there)?;
        check_compatible(store, tenant, schema).await?;
        let now = TypeSchemas {
            mode: there.map_or(SchemaMode::default(), |there| there.mode),
            latest: schema.version,
        };
        modes.types.insert(schema.event_type.clone(), now);
        if store.add_schema(tenant, schema, &modes).await? == Written::Done {
            return Ok(Registered::New(now));
        }
    }
    Err(RegisterError::Busy)
}

async fn held_against<S: SchemaReader>(
    store: &S,
    tenant: &TenantId,
    schema: &Schema,
    there: TypeSchemas,
) -> Result<Registered, RegisterError> {
    let registered = store
        .schema(tenant, &schema.event_type, schema.version)
        .await?;
    match registered {
        Some(registered) if registered == *schema => Ok(Registered::Unchanged(there)),
        _ => Err(RegisterError::Conflict(schema.version)),
    }
}

fn check_place(
    modes: &SchemaModes,
    schema: &Schema,
    there: Option<TypeSchemas>,
) -> Result<(), RegisterError> {
    let expected = there.map_or(SchemaVersion::FIRST, |there| there.latest.next());
    if there.is_none() && modes.types.len() >= MAX_SCHEMA_TYPES {
        return Err(RegisterError::TooManyTypes);
    }
    if expected.number() > MAX_SCHEMA_VERSIONS {
        return Err(RegisterError::TooManyVersions);
    }
    if schema.version == expected {
        Ok(())
    } else {
        Err(RegisterError::Gap { expected })
    }
}

/// With an upcaster nothing has to be compatible: what it makes is held against the schema when it is made.
async fn check_compatible<S: SchemaReader>(
    store: &S,
    tenant: &TenantId,
    schema: &Schema,
) -> Result<(), RegisterError> {
    let Some(before) = schema.version.previous() else {
        return Ok(());
    };
    if schema.upcaster.is_some() {
        return Ok(());
    }
    let Some(previous) = store.schema(tenant, &schema.event_type, before).await? else {
        return Err(missing(&schema.event_type, before).into());
    };
    let breaches = breaches(&previous.document, &schema.document);
    if breaches.told.is_empty() {
        Ok(())
    } else {
        Err(RegisterError::Incompatible { before, breaches })
    }
}

/// A version that has to be there is not.
pub(super) fn missing(event_type: &SchemaType, version: SchemaVersion) -> StoreError {
    StoreError::Malformed {
        what: "schema",
        detail: format!("version {version} of {event_type} is missing"),
    }
}

/// Sets the mode of a type; `None` when it has no schemas.
pub async fn set_mode<S: SchemaReader + SchemaWriter>(
    store: &S,
    tenant: &TenantId,
    event_type: &SchemaType,
    mode: SchemaMode,
) -> Result<Option<TypeSchemas>, RegisterError> {
    for _ in 0..TRIES {
        let mut modes = store.modes(tenant).await?;
        let Some(there) = modes.types.get_mut(event_type) else {
            return Ok(None);
        };
        there.mode = mode;
        let now = *there;
        if store.set_modes(tenant, &modes).await? == Written::Done {
            return Ok(Some(now));
        }
    }
    Err(RegisterError::Busy)
}
