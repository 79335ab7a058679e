//! `pillarbox keys …`

use clap::{Args, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::admin_key::AdminKey;
use crate::arguments::{Global, tenant_id};
use crate::error::Error;
use crate::output::{self, Output};

#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make an API key for a tenant (administrators only); it is shown once
    Add(AddArgs),
    /// Make the administrators' key and its hash, offline, for the template's AdminKeySha256
    GenerateAdmin(GenerateAdminArgs),
}

#[derive(Debug, Args)]
pub struct AddArgs {
    /// Tenant that the key acts for
    #[arg(long, value_parser = tenant_id)]
    tenant: String,
    /// What the key may do; may be given several times
    #[arg(long = "scope", required = true, value_name = "SCOPE")]
    scopes: Vec<Scope>,
    /// Name for people, such as the service that will hold it
    #[arg(long)]
    name: Option<String>,
    /// Print the key alone, for a script
    #[arg(long, conflicts_with = "json")]
    print: bool,
}

#[derive(Debug, Args)]
pub struct GenerateAdminArgs {
    /// Print two bare lines for a script: the key, then its hash
    #[arg(long, conflicts_with = "json")]
    print_hash: bool,
}

/// What a key may do.
#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Scope {
    /// Publish events
    Publish,
    /// Read events and what became of them
    Read,
    /// Manage subscriptions, replays and dead letters
    Operate,
    /// Manage tenants and keys
    Admin,
}

#[derive(Serialize)]
struct NewKey<'a> {
    scopes: &'a [Scope],
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

/// The only answer that ever holds the key itself.
#[derive(Serialize, Deserialize)]
struct CreatedKey {
    key: String,
    key_id: String,
    tenant: String,
    scopes: Vec<String>,
}

pub async fn run(command: &KeysCommand, global: &Global) -> Result<(), Error> {
    match command {
        KeysCommand::Add(args) => add(args, global).await,
        KeysCommand::GenerateAdmin(args) => generate_admin(args, global.output()),
    }
}

async fn add(args: &AddArgs, global: &Global) -> Result<(), Error> {
    let new_key = NewKey {
        scopes: &args.scopes,
        name: args.name.as_deref(),
    };
    let client = global.client()?;
    let answer = client
        .post(&["v1", "tenants", &args.tenant, "keys"], &new_key)
        .await?;
    let created: CreatedKey = client.read(&answer)?;
    if args.print {
        output::print_line(&created.key)
    } else {
        global.output().print(&created, CreatedKey::text)
    }
}

fn generate_admin(args: &GenerateAdminArgs, output: Output) -> Result<(), Error> {
    let made = AdminKey::generate()?;
    if args.print_hash {
        output::print_line(&format!("{}\n{}", made.key, made.sha256))
    } else {
        output.print(&made, admin_text)
    }
}

impl CreatedKey {
    fn text(&self) -> String {
        format!(
            "key     {}\nkey id  {}\ntenant  {}\nscopes  {}\n\n\
             This key is shown once: the bus stores only its hash. Put it where its holder reads\n\
             PILLARBOX_API_KEY; should it be lost, make another.",
            self.key,
            self.key_id,
            self.tenant,
            self.scopes.join(", ")
        )
    }
}

fn admin_text(made: &AdminKey) -> String {
    format!(
        "key     {}\nsha256  {}\n\n\
         The key is the administrators' own: it makes tenants and their keys. Keep it in a secret\n\
         store and give it as PILLARBOX_API_KEY; it is shown once and cannot be worked out again.\n\
         The SHA-256 is no secret. Deploy with it: sam deploy --parameter-overrides AdminKeySha256={}",
        made.key, made.sha256, made.sha256
    )
}
