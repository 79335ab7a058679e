//! `pillarbox archive …`

use clap::{Args, Subcommand};
use serde::Deserialize;

use crate::arguments::Global;
use crate::error::Error;
use crate::pages::{self, Listed, PageArgs, Query};
use crate::problem::shown;

#[derive(Debug, Subcommand)]
pub enum ArchiveCommand {
    /// List archived hours, the oldest first
    Ls(LsArgs),
}

#[derive(Debug, Args)]
pub struct LsArgs {
    /// From the hour of this time (RFC 3339) on
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// To the hour before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    #[command(flatten)]
    page: PageArgs,
}

/// What a line of the table shows of an hour.
#[derive(Deserialize)]
struct Row {
    hour: String,
    events: u64,
    bytes: u64,
    stored_bytes: u64,
    objects: Vec<Object>,
    revision: u32,
}

#[derive(Deserialize)]
struct Object {}

pub async fn run(command: &ArchiveCommand, global: &Global) -> Result<(), Error> {
    match command {
        ArchiveCommand::Ls(args) => list(args, global).await,
    }
}

async fn list(args: &LsArgs, global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    let path = ["v1", "archive"];
    pages::list::<Row>(&client, &path, &args.query(), &args.page, global.output()).await
}

impl LsArgs {
    fn query(&self) -> Query {
        pages::query([("from", self.from.as_deref()), ("to", self.to.as_deref())])
    }
}

impl Listed for Row {
    const NAMES: (&'static str, &'static str) = ("hour", "hours");
    const HEADER: &'static [&'static str] =
        &["hour", "events", "bytes", "stored", "objects", "revision"];

    fn cells(&self) -> Vec<String> {
        vec![
            shown(&self.hour),
            self.events.to_string(),
            self.bytes.to_string(),
            self.stored_bytes.to_string(),
            self.objects.len().to_string(),
            self.revision.to_string(),
        ]
    }
}
