//! Bringing old events up to the version that a subscription asks for.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;

use super::modes::SchemaModes;
use super::naming::{InvalidSchemaVersion, SchemaType, SchemaVersion};
use super::publishing::{CompiledOnce, malformed};
use super::registration::{Schema, SchemaReader};
use super::upcaster::{RunError, Upcaster, UpcasterFailure};
use super::validator::{CompiledSchema, DataViolations};
use crate::clock::Clock;
use crate::cloud_event::{CloudEvent, Data};
use crate::limits::MAX_EVENT_BYTES;
use crate::store_error::StoreError;
use crate::tenant::TenantId;
use crate::timed_cache::TimedCache;

/// How old it may be what is known of a tenant's types, as with subscriptions.
pub const MAX_AGE: Duration = Duration::from_secs(5);

/// Brings events up.
pub trait Upcasts {
    /// The event as it was, or brought up to this version of its data or to the last that there is.
    ///
    /// It stays as it is when it is of that version already or of a later one, when its type has no schemas, or
    /// when its data are not JSON.
    fn upcast(
        &self,
        tenant: &TenantId,
        event: &CloudEvent,
        target: SchemaVersion,
    ) -> impl Future<Output = Result<Option<CloudEvent>, UpcastError>> + Send;
}

/// Why an event is not brought up.
#[derive(Debug, thiserror::Error)]
pub enum UpcastError {
    /// It cannot be: the same event will fail again.
    #[error(transparent)]
    Failed(#[from] UpcastFailure),
    /// The schemas could not be read, or there is no room to work. It can be tried again.
    #[error("the schemas of {event_type} cannot be used now")]
    Unavailable {
        /// The event's type.
        event_type: String,
        /// Why.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
}

/// The class of the error of a delivery whose event cannot be brought up. Its message may quote the event's data.
pub const UPCAST_FAILED: &str = "UpcastFailed";

/// Why an event can never be brought up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpcastFailure {
    /// Which version it is cannot be told.
    #[error("dataversion {0}")]
    Version(#[from] InvalidSchemaVersion),
    /// A version on the way is not there, or cannot be understood.
    #[error("version {version} of {event_type} cannot be used: {detail}")]
    Step {
        /// The event's type.
        event_type: String,
        /// The version.
        version: SchemaVersion,
        /// What is wrong.
        detail: String,
    },
    /// The filter failed.
    #[error("the upcaster to version {version} of {event_type} cannot be applied: {failure}")]
    Upcaster {
        /// The event's type.
        event_type: String,
        /// The version that it is to make.
        version: SchemaVersion,
        /// How it failed.
        failure: UpcasterFailure,
    },
    /// What the filter made does not fit the schema.
    #[error(
        "the upcaster to version {version} of {event_type} makes data that do not fit: {violations}"
    )]
    Unfit {
        /// The event's type.
        event_type: String,
        /// The version that it is to make.
        version: SchemaVersion,
        /// Where they do not fit.
        violations: DataViolations,
    },
    /// The event has become too large.
    #[error("brought up, the event has {0} bytes; {MAX_EVENT_BYTES} is the most")]
    TooLarge(usize),
}

/// One version, ready to bring data of the version before up to it.
pub struct Step {
    event_type: SchemaType,
    version: SchemaVersion,
    upcaster: Option<(Upcaster, CompiledSchema)>,
}

impl Step {
    /// Compiles a version; one without an upcaster leaves data as they are.
    pub fn new(schema: &Schema) -> Result<Self, StoreError> {
        let failed = |error: &dyn std::fmt::Display| malformed(schema, error);
        let upcaster = match &schema.upcaster {
            None => None,
            Some(text) => {
                let upcaster = Upcaster::compile(text).map_err(|error| failed(&error))?;
                let compiled = CompiledSchema::compile(&schema.document);
                Some((upcaster, compiled.map_err(|error| failed(&error))?))
            }
        };
        Ok(Self {
            event_type: schema.event_type.clone(),
            version: schema.version,
            upcaster,
        })
    }

    /// New data, JSON text as the old ones.
    pub fn apply(&self, data: String) -> Result<String, UpcastError> {
        let Some((upcaster, schema)) = &self.upcaster else {
            return Ok(data);
        };
        let made = upcaster.run(&data).map_err(|error| match error {
            RunError::Failed(failure) => UpcastError::Failed(self.failed(failure)),
            RunError::NoThread(source) => UpcastError::Unavailable {
                event_type: self.event_type.to_string(),
                source: Arc::new(source),
            },
        })?;
        let value: Value = serde_json::from_str(&made)
            .map_err(|error| self.failed(UpcasterFailure::NotJson(error.to_string())))?;
        let violations = schema.violations(&value);
        if violations.is_empty() {
            return Ok(made);
        }
        Err(UpcastFailure::Unfit {
            event_type: self.event_type.to_string(),
            version: self.version,
            violations,
        }
        .into())
    }

    fn failed(&self, failure: UpcasterFailure) -> UpcastFailure {
        UpcastFailure::Upcaster {
            event_type: self.event_type.to_string(),
            version: self.version,
            failure,
        }
    }
}

/// Brings an event up, version by version: these are the ones after its own, in order.
pub fn upcast(event: &CloudEvent, steps: &[Arc<Step>]) -> Result<CloudEvent, UpcastError> {
    let (Some(Data::Json(json)), Some(last)) = (event.data(), steps.last()) else {
        return Ok(event.clone());
    };
    let data = json.get().to_owned();
    let data = steps.iter().try_fold(data, |data, step| step.apply(data))?;
    let data = RawValue::from_string(data)
        .map_err(|error| last.failed(UpcasterFailure::NotJson(error.to_string())))?;
    let event = event.with_data_of_version(data, last.version);
    match event.to_structured().len() {
        bytes if bytes > MAX_EVENT_BYTES => Err(UpcastFailure::TooLarge(bytes).into()),
        _ => Ok(event),
    }
}

/// Reads what it needs, and keeps it: what a tenant has for [`MAX_AGE`], versions for good.
pub struct Upcasting<R, C> {
    reader: R,
    modes: TimedCache<TenantId, Arc<SchemaModes>, C>,
    steps: CompiledOnce<Step>,
}

impl<R: SchemaReader, C: Clock> Upcasting<R, C> {
    /// Knows nothing yet.
    pub fn new(reader: R, clock: C) -> Self {
        Self {
            reader,
            modes: TimedCache::new(MAX_AGE, clock),
            steps: CompiledOnce::default(),
        }
    }

    /// The last version of a type, if it has any.
    async fn latest(
        &self,
        tenant: &TenantId,
        event: &CloudEvent,
    ) -> Result<Option<(SchemaType, SchemaVersion)>, UpcastError> {
        let read = async { self.reader.modes(tenant).await.map(|it| Some(Arc::new(it))) };
        let modes = self.modes.get_or_read(tenant.clone(), read).await;
        let modes = modes.map_err(|error| unavailable(event, error))?;
        let modes = modes.unwrap_or_default();
        let found = modes.types.get_key_value(event.event_type());
        Ok(found.map(|(event_type, schemas)| (event_type.clone(), schemas.latest)))
    }

    async fn step(
        &self,
        tenant: &TenantId,
        event_type: &SchemaType,
        version: SchemaVersion,
    ) -> Result<Arc<Step>, StoreError> {
        let name = (tenant.clone(), event_type.clone(), version);
        if let Some(known) = self.steps.get(&name) {
            return Ok(known);
        }
        let schema = self.reader.schema(tenant, event_type, version).await?;
        let schema = schema.ok_or_else(|| super::registration::missing(event_type, version))?;
        let step = Arc::new(Step::new(&schema)?);
        self.steps.put(name, Arc::clone(&step));
        Ok(step)
    }
}

impl<R: SchemaReader + Sync, C: Clock + Sync> Upcasts for Upcasting<R, C> {
    async fn upcast(
        &self,
        tenant: &TenantId,
        event: &CloudEvent,
        target: SchemaVersion,
    ) -> Result<Option<CloudEvent>, UpcastError> {
        // Nothing is read for what will not change.
        let version = SchemaVersion::of(event);
        if version.is_ok_and(|version| version >= target) || !is_json(event) {
            return Ok(None);
        }
        let Some((event_type, latest)) = self.latest(tenant, event).await? else {
            return Ok(None);
        };
        let mut version = version.map_err(UpcastFailure::from)?;
        let target = target.min(latest);
        let mut steps = Vec::new();
        while version < target {
            version = version.next();
            let step = self.step(tenant, &event_type, version).await;
            steps.push(step.map_err(|error| match error {
                StoreError::Malformed { detail, .. } => UpcastError::Failed(UpcastFailure::Step {
                    event_type: event_type.to_string(),
                    version,
                    detail,
                }),
                error => unavailable(event, error),
            })?);
        }
        match steps[..] {
            [] => Ok(None),
            _ => upcast(event, &steps).map(Some),
        }
    }
}

fn is_json(event: &CloudEvent) -> bool {
    matches!(event.data(), Some(Data::Json(_)))
}

fn unavailable(event: &CloudEvent, error: StoreError) -> UpcastError {
    UpcastError::Unavailable {
        event_type: event.event_type().to_owned(),
        source: Arc::new(error),
    }
}
