//! `pillarbox redrive`: by filter, as a job of the bus.

use clap::Args;
use serde_json::{Map, Value};

use super::jobs::start::{JobArgs, RangeArgs, given, list, start};
use crate::arguments::Global;
use crate::error::Error;

#[derive(Debug, Args)]
pub struct RedriveArgs {
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    range: RangeArgs,
    /// All that are open
    #[arg(
        long,
        required_unless_present_any = ["types", "subscription", "error_class", "text", "from", "to", "last"]
    )]
    all: bool,
    #[command(flatten)]
    job: JobArgs,
}

/// As of `pillarbox dead-letters`.
#[derive(Debug, Args)]
pub struct FilterArgs {
    /// Event type, or the beginning of one and a `*`; may be given more than once
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Subscription that they failed at
    #[arg(long, value_name = "ID")]
    subscription: Option<String>,
    /// Class of the error
    #[arg(long, value_name = "CLASS")]
    error_class: Option<String>,
    /// Text in the error's message, in any case
    #[arg(long)]
    text: Option<String>,
}

pub async fn run(args: &RedriveArgs, global: &Global) -> Result<(), Error> {
    let text = |text: &Option<String>| text.clone().map(Value::from);
    let mut filter = given([
        ("types", list(&args.filter.types)),
        ("subscription", text(&args.filter.subscription)),
        ("error_class", text(&args.filter.error_class)),
        ("text", text(&args.filter.text)),
    ]);
    filter.extend(given(args.range.members()));
    start("redrives", filter, Map::new(), &args.job, global).await
}
