//! `/v1/schemas`: what the data of a tenant's types of events look like, in versions.

use aws_lambda_events::http::StatusCode;
use pillarbox_domain::credential::Scope;
use pillarbox_domain::schema::registration::{
    RegisterError, Registered, Schema, SchemaReader, SchemaWriter, register, set_mode,
};
use pillarbox_domain::schema::{
    DataViolations, SchemaMode, SchemaType, SchemaVersion, TypeSchemas,
};
use pillarbox_domain::{StoreError, TenantId};
use pillarbox_runtime::http::{Caller, FieldError, Problem, Request, Response, body, json};
use serde::Deserialize;
use serde_json::{Value, json as object};

use crate::requests;

/// `PUT /v1/schemas/{type}/{version}`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SchemaBody {
    schema: Value,
    upcaster: Option<String>,
}

/// `PUT /v1/schemas/{type}`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModeBody {
    mode: String,
}

/// A version of a type, as the path names it.
struct Named {
    event_type: SchemaType,
    version: SchemaVersion,
}

/// `GET /v1/schemas`
pub(crate) async fn list<S: SchemaReader>(
    store: &S,
    request: &Request,
) -> Result<Response, Problem> {
    let caller = Caller::of(request)?;
    let modes = store.modes(caller.require(Scope::Read)?).await?;
    let types = modes.types.iter();
    let schemas: Vec<Value> = types
        .map(|(name, there)| shown_type(name, *there))
        .collect();
    let listed = object!({ "schemas": schemas, "next_cursor": null });
    Ok(json(StatusCode::OK, &listed))
}

/// `GET /v1/schemas/{type}`
pub(crate) async fn show_type<S: SchemaReader>(
    store: &S,
    request: &Request,
) -> Result<Response, Problem> {
    let caller = Caller::of(request)?;
    let tenant = caller.require(Scope::Read)?;
    let event_type = named_type(request)?;
    let there = store.modes(tenant).await?.of(event_type.as_str());
    let there = there.ok_or_else(|| no_schemas(&event_type))?;
    let mut shown = shown_type(&event_type, there);
    shown["versions"] = (1..=there.latest.number()).collect();
    Ok(json(StatusCode::OK, &shown))
}

/// `PUT /v1/schemas/{type}`
pub(crate) async fn change_mode<S: SchemaReader + SchemaWriter>(
    store: &S,
    request: &Request,
) -> Result<Response, Problem> {
    let caller = Caller::of(request)?;
    let tenant = caller.require(Scope::Operate)?;
    let event_type = named_type(request)?;
    let ModeBody { mode } = requests::parse(request)?;
    let mode: SchemaMode = mode
        .parse()
        .map_err(|error| Problem::invalid_field("mode", error))?;
    let set = set_mode(store, tenant, &event_type, mode).await;
    let there = set
        .map_err(refusal)?
        .ok_or_else(|| no_schemas(&event_type))?;
    Ok(json(StatusCode::OK, &shown_type(&event_type, there)))
}

/// `PUT /v1/schemas/{type}/{version}`
pub(crate) async fn add<S: SchemaReader + SchemaWriter>(
    store: &S,
    request: &Request,
) -> Result<Response, Problem> {
    let caller = Caller::of(request)?;
    let tenant = caller.require(Scope::Operate)?;
    if tenant.is_bus() {
        let detail = "Schemas belong to tenants, and this key to the bus.";
        return Err(Problem::forbidden(detail));
    }
    let Named {
        event_type,
        version,
    } = named(request)?;
    let SchemaBody { schema, upcaster } = requests::parse(request)?;
    let schema = Schema {
        event_type,
        version,
        document: schema,
        upcaster,
    };
    let registered = register(store, tenant, &schema).await.map_err(refusal)?;
    let (status, there) = match registered {
        Registered::New(there) => (StatusCode::CREATED, there),
        Registered::Unchanged(there) => (StatusCode::OK, there),
    };
    Ok(json(status, &shown(&schema, there)))
}

/// `GET /v1/schemas/{type}/{version}`
pub(crate) async fn show<S: SchemaReader>(
    store: &S,
    request: &Request,
) -> Result<Response, Problem> {
    let caller = Caller::of(request)?;
    let tenant = caller.require(Scope::Read)?;
    let named = named(request)?;
    let schema = registered(store, tenant, &named).await?;
    let there = store.modes(tenant).await?.of(named.event_type.as_str());
    let there = there.ok_or_else(|| no_schemas(&named.event_type))?;
    Ok(json(StatusCode::OK, &shown(&schema, there)))
}

/// `POST /v1/schemas/{type}/{version}/check`: nothing is published.
pub(crate) async fn check<S: SchemaReader>(
    store: &S,
    request: &Request,
) -> Result<Response, Problem> {
    let caller = Caller::of(request)?;
    let tenant = caller.require(Scope::Read)?;
    let named = named(request)?;
    let data = parse_data(request)?;
    let schema = registered(store, tenant, &named).await?;
    let compiled = schema.check().map_err(|error| {
        Problem::from(StoreError::Malformed {
            what: "schema",
            detail: error.to_string(),
        })
    })?;
    let found = compiled.violations(&data);
    let answer =
        object!({ "valid": found.is_empty(), "errors": errors(&found), "more": found.more });
    Ok(json(StatusCode::OK, &answer))
}

fn errors(found: &DataViolations) -> Vec<Value> {
    let told = found.told.iter();
    told.map(|it| object!({ "field": it.field, "detail": it.detail }))
        .collect()
}

async fn registered<S: SchemaReader>(
    store: &S,
    tenant: &TenantId,
    named: &Named,
) -> Result<Schema, Problem> {
    let Named {
        event_type,
        version,
    } = named;
    let found = store.schema(tenant, event_type, *version).await?;
    found.ok_or_else(|| {
        Problem::not_found(format!(
            "There is no version {version} of a schema for '{event_type}'."
        ))
    })
}

fn named_type(request: &Request) -> Result<SchemaType, Problem> {
    let named = request.path_parameters.get("type");
    let event_type = named.map(String::as_str).unwrap_or_default().parse();
    event_type.map_err(|error| Problem::invalid_field("type", error))
}

fn named(request: &Request) -> Result<Named, Problem> {
    let event_type = named_type(request)?;
    let named = request.path_parameters.get("version");
    let version = named.map(String::as_str).unwrap_or_default().parse();
    let version = version.map_err(|error| Problem::invalid_field("version", error))?;
    Ok(Named {
        event_type,
        version,
    })
}

/// Any JSON value, not only an object.
fn parse_data(request: &Request) -> Result<Value, Problem> {
    serde_json::from_slice(&body(request)?).map_err(|error| Problem::malformed(error.to_string()))
}

fn shown_type(event_type: &SchemaType, there: TypeSchemas) -> Value {
    object!({
        "type": event_type.as_str(),
        "mode": there.mode.as_str(),
        "latest_version": there.latest.number(),
    })
}

fn shown(schema: &Schema, there: TypeSchemas) -> Value {
    let mut shown = object!({
        "type": schema.event_type.as_str(),
        "version": schema.version.number(),
        "mode": there.mode.as_str(),
        "schema": schema.document,
    });
    if let Some(upcaster) = &schema.upcaster {
        shown["upcaster"] = upcaster.as_str().into();
    }
    shown
}

fn no_schemas(event_type: &SchemaType) -> Problem {
    Problem::not_found(format!("There is no schema for '{event_type}'."))
}

/// Why a version is not registered, or a mode not set.
fn refusal(error: RegisterError) -> Problem {
    match error {
        RegisterError::Invalid(invalid) => Problem::invalid_field(invalid.field(), invalid),
        RegisterError::Conflict(_) => Problem::conflict(format!("{}.", capitalized(&error))),
        RegisterError::Gap { .. } => Problem::invalid_field("version", error),
        RegisterError::TooManyTypes => Problem::invalid_field("type", error),
        RegisterError::TooManyVersions => Problem::invalid_field("version", error),
        RegisterError::Incompatible { before, breaches } => {
            let told = breaches.told.into_iter().map(|breach| FieldError {
                field: format!("schema{}", breach.pointer),
                detail: breach.detail,
            });
            let more = match breaches.more {
                0 => String::new(),
                more => format!("; and {more} more breaches"),
            };
            let advice = format!(
                "must take whatever version {before} takes, or come with an upcaster ('.' where data stay as they are){more}"
            );
            let whole = FieldError {
                field: "schema".to_owned(),
                detail: advice,
            };
            Problem::invalid(std::iter::once(whole).chain(told).collect())
        }
        RegisterError::Busy => Problem::unavailable(StoreError::RETRY_AFTER),
        RegisterError::Store(error) => error.into(),
    }
}

/// An error as a sentence begins.
fn capitalized(error: &RegisterError) -> String {
    let text = error.to_string();
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => text,
    }
}

#[cfg(test)]
mod tests;
