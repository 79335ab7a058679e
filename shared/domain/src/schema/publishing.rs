//! Holding what is published against its schema.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::modes::{SchemaMode, SchemaModes, TypeSchemas};
use super::naming::{SchemaType, SchemaVersion, VERSION_ATTRIBUTE};
use super::registration::{InvalidSchema, Schema, SchemaReader};
use super::validator::{CompiledSchema, DataViolation, DataViolations};
use crate::cloud_event::{CloudEvent, Data};
use crate::store_error::StoreError;
use crate::tenant::TenantId;

/// Compiled schemas, or upcasters, that are kept for the next events.
const MAX_COMPILED: usize = 64;

/// What is to be done with an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It fits, or nobody asks whether it does.
    Fits,
    /// It does not fit, and is stored all the same.
    Warned(DataViolations),
    /// It does not fit, and is not stored.
    Refused(DataViolations),
}

/// Holds events against their schemas, each of which is read and compiled once: a version never changes.
pub struct SchemaCheck<R> {
    reader: R,
    compiled: CompiledOnce<CompiledSchema>,
}

impl<R: SchemaReader> SchemaCheck<R> {
    /// Knows none yet.
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            compiled: CompiledOnce::default(),
        }
    }

    /// What is to be done with an event of this tenant, whose modes these are. Nothing is read where its type has no
    /// schemas.
    pub async fn check(
        &self,
        tenant: &TenantId,
        modes: &SchemaModes,
        event: &CloudEvent,
    ) -> Result<Verdict, StoreError> {
        let Some((event_type, schemas)) = modes.types.get_key_value(event.event_type()) else {
            return Ok(Verdict::Fits);
        };
        let version = match SchemaVersion::of(event) {
            Ok(version) => version,
            // Which version it is has to be known, also to those who want another.
            Err(error) => return Ok(Verdict::Refused(of_version(&error.to_string()))),
        };
        if schemas.mode == SchemaMode::Off {
            return Ok(Verdict::Fits);
        }
        let found = match self.compiled(tenant, event_type, version).await? {
            Some(schema) => violations(&schema, event),
            None => of_version(&unknown(*schemas)),
        };
        Ok(match schemas.mode {
            _ if found.is_empty() => Verdict::Fits,
            SchemaMode::Enforce => Verdict::Refused(found),
            SchemaMode::Warn | SchemaMode::Off => Verdict::Warned(found),
        })
    }

    /// A version that is newer than the modes say may have been registered since they were read.
    async fn compiled(
        &self,
        tenant: &TenantId,
        event_type: &SchemaType,
        version: SchemaVersion,
    ) -> Result<Option<Arc<CompiledSchema>>, StoreError> {
        let key = (tenant.clone(), event_type.clone(), version);
        if let Some(known) = self.compiled.get(&key) {
            return Ok(Some(known));
        }
        let Some(schema) = self.reader.schema(tenant, event_type, version).await? else {
            return Ok(None);
        };
        let compiled = Arc::new(compile(&schema)?);
        self.compiled.put(key, Arc::clone(&compiled));
        Ok(Some(compiled))
    }
}

fn compile(schema: &Schema) -> Result<CompiledSchema, StoreError> {
    let compiled = CompiledSchema::compile(&schema.document).map_err(InvalidSchema::from);
    compiled.map_err(|error| malformed(schema, &error))
}

/// What was compiled when it was registered does not compile any more.
pub(super) fn malformed(schema: &Schema, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Malformed {
        what: "schema",
        detail: format!(
            "version {} of {}: {error}",
            schema.version, schema.event_type
        ),
    }
}

fn violations(schema: &CompiledSchema, event: &CloudEvent) -> DataViolations {
    match event.data() {
        Some(Data::Json(json)) => match serde_json::from_str::<Value>(json.get()) {
            Ok(data) => schema.violations(&data),
            Err(error) => DataViolations::of_whole(format!("cannot be read: {error}")),
        },
        Some(Data::Binary(_)) | None => {
            DataViolations::of_whole("must be JSON: the event's type has a schema")
        }
    }
}

fn unknown(schemas: TypeSchemas) -> String {
    format!(
        "must be a version that has a schema; the last is {}",
        schemas.latest
    )
}

fn of_version(detail: &str) -> DataViolations {
    DataViolations {
        told: vec![DataViolation {
            field: VERSION_ATTRIBUTE.to_owned(),
            detail: detail.to_owned(),
        }],
        more: 0,
    }
}

/// What was made of schemas, by their names, bounded in number: when it is full it begins anew.
pub(super) struct CompiledOnce<T>(Mutex<HashMap<Name, Arc<T>>>);

type Name = (TenantId, SchemaType, SchemaVersion);

impl<T> Default for CompiledOnce<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> CompiledOnce<T> {
    pub(super) fn get(&self, name: &Name) -> Option<Arc<T>> {
        self.known().get(name).cloned()
    }

    pub(super) fn put(&self, name: Name, made: Arc<T>) {
        let mut known = self.known();
        if known.len() >= MAX_COMPILED {
            known.clear();
        }
        known.insert(name, made);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Name, Arc<T>>> {
        // No code that can panic runs under the lock; a poisoned one still holds whole answers.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
