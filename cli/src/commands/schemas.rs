//! `pillarbox schemas …`

use clap::{Args, Subcommand, ValueEnum};
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::arguments::Global;
use crate::error::Error;
use crate::input::{json_of, text_of};
use crate::output;
use crate::problem::{FieldError, shown};

#[derive(Debug, Subcommand)]
pub enum SchemasCommand {
    /// Register a version of a type's data; the same version again changes nothing
    Put(PutArgs),
    /// Show a version's JSON Schema
    Get(GetArgs),
    /// List the types that have schemas
    Ls,
    /// Hold data against a version; ends with 1 when they do not fit
    Check(CheckArgs),
    /// Show or set what is done with events whose data do not fit
    Mode(ModeArgs),
}

/// A version of a type.
#[derive(Debug, Args)]
struct Named {
    /// Event type, such as order.created
    #[arg(value_name = "TYPE", value_parser = event_type)]
    event_type: String,
    /// Version of its data, from 1
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    version: u32,
}

#[derive(Debug, Args)]
pub struct PutArgs {
    #[command(flatten)]
    named: Named,
    /// File of the JSON Schema (2020-12); - is standard input
    file: String,
    /// File of the jq filter that makes data of this version out of data of the version before
    #[arg(long, value_name = "FILE")]
    upcaster: Option<String>,
}

#[derive(Debug, Args)]
pub struct GetArgs {
    #[command(flatten)]
    named: Named,
    /// Show the upcaster instead
    #[arg(long, conflicts_with = "json")]
    upcaster: bool,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    named: Named,
    /// File of the data, which is JSON; - is standard input
    file: String,
}

#[derive(Debug, Args)]
pub struct ModeArgs {
    /// Event type, such as order.created
    #[arg(value_name = "TYPE", value_parser = event_type)]
    event_type: String,
    /// What to do from now on; without it the mode is shown
    mode: Option<Mode>,
}

#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// Do not look at the data
    Off,
    /// Store events whose data do not fit, and log that
    Warn,
    /// Refuse them
    Enforce,
}

/// A version as the API takes it, the schema in its own spelling.
#[derive(Serialize)]
struct NewSchema<'a> {
    schema: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    upcaster: Option<&'a str>,
}

#[derive(Serialize)]
struct Registered<'a> {
    #[serde(rename = "type")]
    event_type: &'a str,
    version: u32,
    /// False when the same version was there before.
    created: bool,
}

/// What is shown of a version.
#[derive(Deserialize)]
struct Schema {
    schema: serde_json::Value,
    upcaster: Option<String>,
}

#[derive(Deserialize)]
struct Types {
    schemas: Vec<TypeSchemas>,
}

#[derive(Serialize, Deserialize)]
struct TypeSchemas {
    #[serde(rename = "type")]
    event_type: String,
    mode: String,
    latest_version: u32,
}

#[derive(Serialize, Deserialize)]
struct Checked {
    valid: bool,
    #[serde(default)]
    errors: Vec<FieldError>,
}

pub async fn run(command: &SchemasCommand, global: &Global) -> Result<(), Error> {
    match command {
        SchemasCommand::Put(args) => put(args, global).await,
        SchemasCommand::Get(args) => get(args, global).await,
        SchemasCommand::Ls => list(global).await,
        SchemasCommand::Check(args) => check(args, global).await,
        SchemasCommand::Mode(args) => mode(args, global).await,
    }
}

async fn put(args: &PutArgs, global: &Global) -> Result<(), Error> {
    let schema = json_of(&args.file)?;
    let upcaster = args.upcaster.as_deref().map(text_of).transpose()?;
    let new_schema = NewSchema {
        schema: &schema,
        upcaster: upcaster.as_deref(),
    };
    let version = args.named.version.to_string();
    let path = ["v1", "schemas", &args.named.event_type, &version];
    let answer = global.client()?.put(&path, &new_schema).await?;
    let registered = Registered {
        event_type: &args.named.event_type,
        version: args.named.version,
        created: answer.status == StatusCode::CREATED,
    };
    global.output().print(&registered, Registered::text)
}

async fn get(args: &GetArgs, global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    let version = args.named.version.to_string();
    let path = ["v1", "schemas", &args.named.event_type, &version];
    let answer = client.get(&path).await?;
    if args.upcaster {
        let read: Schema = client.read(&answer)?;
        return output::print_line(&read.upcaster.unwrap_or_default());
    }
    let whole: Box<RawValue> = client.read(&answer)?;
    let read: Schema = client.read(&answer)?;
    let pretty = serde_json::to_string_pretty(&read.schema);
    let pretty = pretty.map_err(|error| Error::Output(error.into()))?;
    global.output().print(&whole, |_| pretty)
}

async fn list(global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    let answer = client.get(&["v1", "schemas"]).await?;
    let whole: Box<RawValue> = client.read(&answer)?;
    let types: Types = client.read(&answer)?;
    global.output().print(&whole, |_| types.text())
}

async fn check(args: &CheckArgs, global: &Global) -> Result<(), Error> {
    let data = json_of(&args.file)?;
    let client = global.client()?;
    let version = args.named.version.to_string();
    let path = ["v1", "schemas", &args.named.event_type, &version, "check"];
    let answer = client.post(&path, &data).await?;
    let checked: Checked = client.read(&answer)?;
    global.output().print(&checked, Checked::text)?;
    if checked.valid {
        Ok(())
    } else {
        Err(Error::Unfit {
            event_type: args.named.event_type.clone(),
            version: args.named.version,
        })
    }
}

async fn mode(args: &ModeArgs, global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    let path = ["v1", "schemas", &args.event_type];
    let answer = match args.mode {
        Some(mode) => {
            client
                .put(&path, &serde_json::json!({ "mode": mode }))
                .await?
        }
        None => client.get(&path).await?,
    };
    let now: TypeSchemas = client.read(&answer)?;
    global.output().print(&now, |now| shown(&now.mode))
}

impl Registered<'_> {
    fn text(&self) -> String {
        let (event_type, version) = (self.event_type, self.version);
        if self.created {
            format!("version {version} of {event_type} registered")
        } else {
            format!("version {version} of {event_type} is registered already; nothing changed")
        }
    }
}

impl Types {
    fn text(&self) -> String {
        let mut table = Table::new();
        table.load_style(NOTHING);
        table.set_header(["type", "mode", "latest version"]);
        for of in &self.schemas {
            let version = of.latest_version.to_string();
            table.add_row([shown(&of.event_type), shown(&of.mode), version]);
        }
        table.trim_fmt()
    }
}

impl Checked {
    fn text(&self) -> String {
        if self.valid {
            return "the data fit".to_owned();
        }
        let errors = self.errors.iter().map(|error| error.shown().to_string());
        errors.collect::<Vec<_>>().join("\n")
    }
}

/// Checks a type on the command line. The bus checks it again; here it keeps a slip from becoming a path to
/// another route.
fn event_type(value: &str) -> Result<String, &'static str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
    if !value.is_empty() && value.bytes().all(allowed) && !matches!(value, "." | "..") {
        Ok(value.to_owned())
    } else {
        Err("a type that has schemas is made of A-Z, a-z, 0-9 and . _ ~ -")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_checked() {
        for valid in ["order.created", "a", "A_~-9"] {
            assert_eq!(event_type(valid).as_deref(), Ok(valid));
        }
        for invalid in ["", ".", "..", "a/b", "a b", "a%2Fb", "ä"] {
            assert!(event_type(invalid).is_err(), "{invalid}");
        }
    }
}
