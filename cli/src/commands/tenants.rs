//! `pillarbox tenants …`

use clap::{Args, Subcommand};
use reqwest::StatusCode;
use serde::Serialize;

use crate::arguments::{Global, tenant_id};
use crate::error::Error;

#[derive(Debug, Subcommand)]
pub enum TenantsCommand {
    /// Add a tenant; one that is there already is left as it is
    Add(AddArgs),
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
    }
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
