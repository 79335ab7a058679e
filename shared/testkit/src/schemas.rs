//! Schemas in memory, and the suite of their ports.

use pillarbox_domain::registry::Registry;
use pillarbox_domain::schema::registration::{Registered, Written, register, set_mode};
use pillarbox_domain::schema::{
    Schema, SchemaMode, SchemaModes, SchemaReader, SchemaType, SchemaVersion, SchemaWriter,
    TypeSchemas,
};
use pillarbox_domain::tenant_settings::TenantSettingsReader;
use pillarbox_domain::{StoreError, TenantId};
use serde_json::{Value, json};

use crate::MemoryRegistry;
use crate::builders::tenant;

impl SchemaReader for &MemoryRegistry {
    async fn schema(
        &self,
        tenant: &TenantId,
        event_type: &SchemaType,
        version: SchemaVersion,
    ) -> Result<Option<Schema>, StoreError> {
        (**self).schema(tenant, event_type, version).await
    }

    async fn modes(&self, tenant: &TenantId) -> Result<SchemaModes, StoreError> {
        (**self).modes(tenant).await
    }
}

impl SchemaReader for MemoryRegistry {
    async fn schema(
        &self,
        tenant: &TenantId,
        event_type: &SchemaType,
        version: SchemaVersion,
    ) -> Result<Option<Schema>, StoreError> {
        self.read()?;
        let name = (tenant.clone(), event_type.clone(), version);
        Ok(self.schemas.lock().unwrap().get(&name).cloned())
    }

    async fn modes(&self, tenant: &TenantId) -> Result<SchemaModes, StoreError> {
        self.read()?;
        let modes = self.schema_modes.lock().unwrap();
        Ok(modes.get(tenant).cloned().unwrap_or_default())
    }
}

impl SchemaWriter for MemoryRegistry {
    async fn add_schema(
        &self,
        tenant: &TenantId,
        schema: &Schema,
        modes: &SchemaModes,
    ) -> Result<Written, StoreError> {
        let mut schemas = self.schemas.lock().unwrap();
        let name = (tenant.clone(), schema.event_type.clone(), schema.version);
        if schemas.contains_key(&name) || !self.replace(tenant, modes) {
            return Ok(Written::Outdated);
        }
        schemas.insert(name, schema.clone());
        Ok(Written::Done)
    }

    async fn set_modes(
        &self,
        tenant: &TenantId,
        modes: &SchemaModes,
    ) -> Result<Written, StoreError> {
        Ok(match self.replace(tenant, modes) {
            true => Written::Done,
            false => Written::Outdated,
        })
    }
}

impl MemoryRegistry {
    /// Loses a version, as no store should.
    pub fn forget_schema(&self, tenant: &TenantId, schema: &Schema) {
        let name = (tenant.clone(), schema.event_type.clone(), schema.version);
        self.schemas.lock().unwrap().remove(&name);
    }

    /// Whether nobody changed the modes since they were read.
    fn replace(&self, tenant: &TenantId, modes: &SchemaModes) -> bool {
        let mut all = self.schema_modes.lock().unwrap();
        let there = all.entry(tenant.clone()).or_default();
        let current = there.revision == modes.revision;
        if current {
            *there = modes.clone();
            there.revision += 1;
        }
        current
    }
}

/// A version of a type, for tests.
pub fn schema(event_type: &str, version: u64, document: Value, upcaster: Option<&str>) -> Schema {
    Schema {
        event_type: event_type.parse().unwrap(),
        version: SchemaVersion::new(version).unwrap(),
        document,
        upcaster: upcaster.map(str::to_owned),
    }
}

/// The suite of [`SchemaReader`], [`SchemaWriter`], and of how settings tell of schemas.
pub async fn conformance<R>(registry: &R)
where
    R: Registry + SchemaReader + SchemaWriter + TenantSettingsReader,
{
    a_version_is_read_as_it_was_registered(registry).await;
    modes_are_changed_as_a_whole_and_by_one_at_a_time(registry).await;
    of_concurrent_registrations_of_one_version_exactly_one_wins(registry).await;
    registrations_of_other_types_at_the_same_time_are_all_made(registry).await;
}

async fn a_version_is_read_as_it_was_registered<R>(registry: &R)
where
    R: Registry + SchemaReader + SchemaWriter + TenantSettingsReader,
{
    let (demo, other) = (tenant("schemas"), tenant("schemas-other"));
    registry.add_tenant(&demo, None).await.unwrap();
    let document = json!({ "type": "object", "description": "ä \u{1F600} \"", "maximum": 1.50 });
    let first = schema("order.created~v_1-x", 1, document, None);
    let second = schema(
        "order.created~v_1-x",
        2,
        json!(true),
        Some(".a |= \"b\" # ä"),
    );
    for (schema, latest) in [(&first, 1), (&second, 2)] {
        let there = TypeSchemas {
            mode: SchemaMode::Enforce,
            latest: SchemaVersion::new(latest).unwrap(),
        };
        let registered = register(registry, &demo, schema).await.unwrap();
        assert_eq!(registered, Registered::New(there));
        let again = register(registry, &demo, schema).await.unwrap();
        assert_eq!(again, Registered::Unchanged(there));
        let settings = registry.settings(&demo).await.unwrap().unwrap();
        assert_eq!(settings.schemas.of(schema.event_type.as_str()), Some(there));
        assert_eq!(settings.schemas, registry.modes(&demo).await.unwrap());
    }
    for schema in [first, second] {
        let read = registry.schema(&demo, &schema.event_type, schema.version);
        assert_eq!(read.await.unwrap().as_ref(), Some(&schema));
        let foreign = registry.schema(&other, &schema.event_type, schema.version);
        assert_eq!(foreign.await.unwrap(), None);
    }
    assert_eq!(
        registry.modes(&other).await.unwrap(),
        SchemaModes::default()
    );
}

async fn modes_are_changed_as_a_whole_and_by_one_at_a_time<R>(registry: &R)
where
    R: SchemaReader + SchemaWriter,
{
    let demo = tenant("schemas-modes");
    let a = schema("a", 1, json!({}), None);
    register(registry, &demo, &a).await.unwrap();
    for mode in [SchemaMode::Off, SchemaMode::Warn, SchemaMode::Enforce] {
        let set = set_mode(registry, &demo, &a.event_type, mode)
            .await
            .unwrap();
        assert_eq!(set.map(|set| set.mode), Some(mode));
        assert_eq!(registry.modes(&demo).await.unwrap().of("a"), set);
    }
    let unknown = "b".parse().unwrap();
    let none = set_mode(registry, &demo, &unknown, SchemaMode::Off)
        .await
        .unwrap();
    assert_eq!(none, None);

    let read = registry.modes(&demo).await.unwrap();
    assert_eq!(
        registry.set_modes(&demo, &read).await.unwrap(),
        Written::Done
    );
    assert_eq!(
        registry.set_modes(&demo, &read).await.unwrap(),
        Written::Outdated
    );
    let b = schema("b", 1, json!({}), None);
    assert_eq!(
        registry.add_schema(&demo, &b, &read).await.unwrap(),
        Written::Outdated
    );
    assert_eq!(
        registry
            .schema(&demo, &b.event_type, b.version)
            .await
            .unwrap(),
        None
    );
}

async fn of_concurrent_registrations_of_one_version_exactly_one_wins<R>(registry: &R)
where
    R: SchemaReader + SchemaWriter,
{
    let demo = tenant("schemas-race");
    let schemas: Vec<Schema> = (0..6)
        .map(|n| schema("a", 1, json!({ "maximum": n }), None))
        .collect();
    let answers = schemas
        .iter()
        .map(|schema| register(registry, &demo, schema));
    let answers = futures::future::join_all(answers).await;
    let winners = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(winners, 1, "{answers:?}");
}

async fn registrations_of_other_types_at_the_same_time_are_all_made<R>(registry: &R)
where
    R: SchemaReader + SchemaWriter,
{
    let demo = tenant("schemas-many");
    let schemas: Vec<Schema> = (0..4)
        .map(|n| schema(&format!("t{n}"), 1, json!({}), None))
        .collect();
    let answers = schemas
        .iter()
        .map(|schema| register(registry, &demo, schema));
    for answer in futures::future::join_all(answers).await {
        assert!(matches!(answer, Ok(Registered::New(_))), "{answer:?}");
    }
    assert_eq!(
        registry.modes(&demo).await.unwrap().types.len(),
        schemas.len()
    );
}
