//! `pillarbox tenants …`

use clap::{Args, Subcommand};
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};

use crate::arguments::{Global, tenant_id};
use crate::error::Error;

#[derive(Debug, Subcommand)]
pub enum TenantsCommand {
    /// Add a tenant; one that is there already is left as it is
    Add(AddArgs),
    /// Show what is set for a tenant
    Show(ShowArgs),
    /// Change what is set for a tenant; what is not given stays
    Set(SetArgs),
}

#[derive(Debug, Args)]
pub struct AddArgs {
    /// Tenant id: 1 to 63 of a-z, 0-9 and -
    #[arg(value_parser = tenant_id)]
    tenant: String,
    /// Name for people
    #[arg(long)]
    name: Option<String>,
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Tenant id
    #[arg(value_parser = tenant_id)]
    tenant: String,
}

#[derive(Debug, Args)]
pub struct SetArgs {
    /// Tenant id
    #[arg(value_parser = tenant_id)]
    tenant: String,
    /// Name for people
    #[arg(long)]
    name: Option<String>,
    /// Days that events are kept from now on, 7 to 3650
    #[arg(long, value_name = "DAYS", required_unless_present_any = ["name", "log_shards"])]
    retention_days: Option<u64>,
    /// Shards of the log, 1 to 64: one for each 1,000 events a second; never less than there are
    #[arg(long, value_name = "N")]
    log_shards: Option<u64>,
}

/// What is set for a tenant, as the bus tells it.
#[derive(Serialize, Deserialize)]
struct Settings {
    tenant: String,
    name: Option<String>,
    retention_days: u64,
    log_shards: u64,
}

#[derive(Serialize)]
struct SettingsChange<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retention_days: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_shards: Option<u64>,
}

#[derive(Serialize)]
struct NewTenant<'a> {
    tenant: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

#[derive(Serialize)]
struct Added<'a> {
    tenant: &'a str,
    /// False when the tenant was there before.
    created: bool,
}

pub async fn run(command: &TenantsCommand, global: &Global) -> Result<(), Error> {
    match command {
        TenantsCommand::Add(args) => add(args, global).await,
        TenantsCommand::Show(args) => show(args, global).await,
        TenantsCommand::Set(args) => set(args, global).await,
    }
}

async fn show(args: &ShowArgs, global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    let answer = client.get(&["v1", "tenants", &args.tenant]).await?;
    let settings: Settings = client.read(&answer)?;
    global.output().print(&settings, Settings::text)
}

async fn set(args: &SetArgs, global: &Global) -> Result<(), Error> {
    let change = SettingsChange {
        name: args.name.as_deref(),
        retention_days: args.retention_days,
        log_shards: args.log_shards,
    };
    let client = global.client()?;
    let path = ["v1", "tenants", &args.tenant];
    let answer = client.patch(&path, &change).await?;
    let settings: Settings = client.read(&answer)?;
    global.output().print(&settings, Settings::text)
}

async fn add(args: &AddArgs, global: &Global) -> Result<(), Error> {
    let new_tenant = NewTenant {
        tenant: &args.tenant,
        name: args.name.as_deref(),
    };
    let answer = global
        .client()?
        .post(&["v1", "tenants"], &new_tenant)
        .await?;
    let added = Added {
        tenant: &args.tenant,
        created: answer.status == StatusCode::CREATED,
    };
    global.output().print(&added, Added::text)
}

impl Settings {
    fn text(&self) -> String {
        let Self {
            tenant,
            name,
            retention_days,
            log_shards,
        } = self;
        let name = name.as_deref().unwrap_or("-");
        format!(
            "tenant          {tenant}\nname            {name}\nretention days  {retention_days}\nlog shards      {log_shards}"
        )
    }
}

impl Added<'_> {
    fn text(&self) -> String {
        let tenant = self.tenant;
        if self.created {
            format!(
                "tenant {tenant} added; next: pillarbox keys add --tenant {tenant} --scope publish"
            )
        } else {
            format!("tenant {tenant} already exists; nothing changed")
        }
    }
}
