//! What callers send, checked field by field.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;

use pillarbox_domain::TenantId;
use pillarbox_domain::credential::Scope;
use pillarbox_domain::log_shard::LogShards;
use pillarbox_domain::subscription::request::Whole;
use pillarbox_domain::tenant_settings::{Retention, SettingsChange};
use pillarbox_runtime::http::{FieldError, Problem, Request, body};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Number;

/// Characters of a tenant's or a key's descriptive name.
const MAX_TITLE_CHARS: usize = 128;

/// `POST /v1/tenants`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TenantBody {
    tenant: String,
    name: Option<String>,
}

/// `PATCH /v1/tenants/{tenant}`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SettingsBody {
    name: Option<String>,
    retention_days: Option<Number>,
    log_shards: Option<Number>,
}

/// `POST /v1/tenants/{tenant}/keys`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyBody {
    scopes: Vec<String>,
    name: Option<String>,
}

/// A tenant to register.
pub(crate) struct NewTenant {
    pub(crate) tenant: TenantId,
    pub(crate) name: Option<String>,
}

/// A key to make.
pub(crate) struct NewKey {
    pub(crate) scopes: BTreeSet<Scope>,
    pub(crate) name: Option<String>,
}

pub(crate) fn new_tenant(request: &Request) -> Result<NewTenant, Problem> {
    let TenantBody { tenant, name } = parse(request)?;
    let mut errors = vec![];
    let tenant = field::<TenantId>("tenant", &tenant, &mut errors);
    let tenant = tenant.filter(|tenant| !tenant.is_bus());
    let name = title(name, &mut errors);
    match (tenant, errors.is_empty()) {
        (Some(tenant), true) => Ok(NewTenant { tenant, name }),
        (None, true) => Err(Problem::invalid_field("tenant", "is the bus itself")),
        _ => Err(Problem::invalid(errors)),
    }
}

pub(crate) fn settings_change(request: &Request) -> Result<SettingsChange, Problem> {
    let body: SettingsBody = parse(request)?;
    let mut errors = vec![];
    let retention = number(
        "retention_days",
        body.retention_days,
        Retention::from_days,
        &mut errors,
    );
    let log_shards = number("log_shards", body.log_shards, LogShards::new, &mut errors);
    let name = title(body.name, &mut errors);
    if errors.is_empty() {
        Ok(SettingsChange {
            name,
            retention,
            log_shards,
        })
    } else {
        Err(Problem::invalid(errors))
    }
}

pub(crate) fn new_key(request: &Request) -> Result<NewKey, Problem> {
    let KeyBody { scopes, name } = parse(request)?;
    let mut errors = vec![];
    let scopes: Vec<Scope> = fields("scopes", &scopes, &mut errors);
    let name = title(name, &mut errors);
    if scopes.is_empty() && errors.is_empty() {
        return Err(Problem::invalid_field(
            "scopes",
            "must name at least one scope",
        ));
    }
    if errors.is_empty() {
        Ok(NewKey {
            scopes: scopes.into_iter().collect(),
            name,
        })
    } else {
        Err(Problem::invalid(errors))
    }
}

pub(crate) fn parse<T: DeserializeOwned>(request: &Request) -> Result<T, Problem> {
    let body = body(request)?;
    // An array of the members' values would do for serde.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(Problem::malformed("The body must be a JSON object."));
    }
    serde_json::from_slice(&body).map_err(|error| Problem::malformed(error.to_string()))
}

/// A body that may be left out.
pub(crate) fn parse_optional<T: DeserializeOwned + Default>(
    request: &Request,
) -> Result<T, Problem> {
    match body(request)?.trim_ascii().is_empty() {
        true => Ok(T::default()),
        false => parse(request),
    }
}

pub(crate) fn field<T: FromStr<Err: Display>>(
    name: &str,
    text: &str,
    errors: &mut Vec<FieldError>,
) -> Option<T> {
    let parsed = text.parse().map_err(|error: T::Err| FieldError {
        field: name.to_owned(),
        detail: error.to_string(),
    });
    parsed.map_err(|error| errors.push(error)).ok()
}

pub(crate) fn fields<T: FromStr<Err: Display>>(
    name: &str,
    texts: &[String],
    errors: &mut Vec<FieldError>,
) -> Vec<T> {
    let named = texts.iter().enumerate();
    named
        .filter_map(|(index, text)| field(&format!("{name}[{index}]"), text, errors))
        .collect()
}

pub(crate) fn number<T, E: Display>(
    name: &str,
    number: Option<Number>,
    read: impl Fn(u64) -> Result<T, E>,
    errors: &mut Vec<FieldError>,
) -> Option<T> {
    let number = number?;
    let read = match whole(&number) {
        Some(number) => read(number).map_err(|error| error.to_string()),
        None => Err("must be a whole number".to_owned()),
    };
    let named = |detail| FieldError {
        field: name.to_owned(),
        detail,
    };
    read.map_err(|detail| errors.push(named(detail))).ok()
}

/// The number, if it is a whole one.
pub(crate) fn whole(number: &Number) -> Option<u64> {
    Whole::of(number).0
}

fn title(name: Option<String>, errors: &mut Vec<FieldError>) -> Option<String> {
    if name
        .as_ref()
        .is_some_and(|name| name.chars().count() > MAX_TITLE_CHARS)
    {
        let detail = format!("must be {MAX_TITLE_CHARS} characters at most");
        errors.push(FieldError {
            field: "name".to_owned(),
            detail,
        });
    }
    name.filter(|name| !name.is_empty())
}
