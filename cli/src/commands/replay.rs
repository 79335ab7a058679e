//! `pillarbox replay`

use clap::Args;
use serde_json::{Map, Value};

use super::jobs::start::{JobArgs, RangeArgs, given, list, start};
use crate::arguments::Global;
use crate::error::Error;

#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Event type, or the beginning of one and a `*`; may be given more than once
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Source of the events
    #[arg(long)]
    source: Option<String>,
    /// Events of one operation
    #[arg(
        long,
        value_name = "ID",
        required_unless_present_any = ["from", "last"]
    )]
    correlation_id: Option<String>,
    #[command(flatten)]
    range: RangeArgs,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    job: JobArgs,
}

/// To whom they go.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct TargetArgs {
    /// To this subscription, where its pattern matches
    #[arg(
        long,
        value_name = "ID",
        required_unless_present_any = ["to_queue", "all", "dry_run"]
    )]
    to_subscription: Option<String>,
    /// To this queue, whatever they are
    #[arg(long, value_name = "URL")]
    to_queue: Option<String>,
    /// To every subscription that matches
    #[arg(long)]
    all: bool,
}

pub async fn run(args: &ReplayArgs, global: &Global) -> Result<(), Error> {
    let mut filter = given([
        ("types", list(&args.types)),
        ("source", args.source.clone().map(Value::from)),
        (
            "correlation_id",
            args.correlation_id.clone().map(Value::from),
        ),
    ]);
    filter.extend(given(args.range.members()));
    start("replays", filter, args.target.member(), &args.job, global).await
}

impl TargetArgs {
    fn member(&self) -> Map<String, Value> {
        let target = given([
            (
                "subscription",
                self.to_subscription.clone().map(Value::from),
            ),
            ("queue_url", self.to_queue.clone().map(Value::from)),
            ("all", self.all.then_some(Value::Bool(true))),
        ]);
        let is_given = !target.is_empty();
        given([("target", is_given.then_some(Value::Object(target)))])
    }
}
