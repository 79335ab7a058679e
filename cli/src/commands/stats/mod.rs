//! `pillarbox stats …`: what events of a time came to.

mod chart;
mod lists;
mod model;
mod text;

use clap::{Args, Subcommand};
use time::Duration;

use self::lists::{FailedArgs, SlowArgs};
use self::model::Stats;
use crate::arguments::{Global, tenant_id};
use crate::error::Error;
use crate::pages::{self, Query};
use crate::paint::Paint;
use crate::times;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct StatsArgs {
    #[command(subcommand)]
    list: Option<StatsCommand>,
    #[command(flatten)]
    window: WindowArgs,
    /// How long a column of the chart is, such as 5m or 1h; chosen to fit the screen without it
    #[arg(long)]
    step: Option<String>,
}

#[derive(Debug, Subcommand)]
enum StatsCommand {
    /// List events that took long to be handed over, the latest first
    Slow(SlowArgs),
    /// List deliveries that failed for good, those of the latest events first
    Failed(FailedArgs),
}

#[derive(Debug, Args)]
pub struct WindowArgs {
    /// Accepted at this time (RFC 3339) or later
    #[arg(long, value_name = "TIME", conflicts_with = "last")]
    from: Option<String>,
    /// Accepted before this time (RFC 3339)
    #[arg(long, value_name = "TIME", conflicts_with = "last")]
    to: Option<String>,
    /// Within so long until now, such as 15m or 24h, up to 7d; 1h without any of the three
    #[arg(long, value_name = "SPAN", value_parser = times::parse_span)]
    last: Option<Duration>,
    /// Event type, or the beginning of one and a `*`; may be given several times
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// The tenant that is meant (administrators only)
    #[arg(long, value_parser = tenant_id)]
    tenant: Option<String>,
}

/// # Errors
/// When the bus refuses, or standard output cannot be written.
pub async fn run(args: &StatsArgs, global: &Global) -> Result<(), Error> {
    match &args.list {
        Some(StatsCommand::Slow(args)) => lists::slow(args, global).await,
        Some(StatsCommand::Failed(args)) => lists::failed(args, global).await,
        None => show(args, global).await,
    }
}

async fn show(args: &StatsArgs, global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    let mut query = args.window.query();
    query.extend(pages::query([("step", args.step.as_deref())]));
    let answer = client.get_with(&["v1", "stats"], &query).await?;
    let paint = Paint::of_stdout();
    let draw = |stats: &Stats| text::of_stats(stats, text::width(), paint);
    global.output().print_answer(&client, &answer, draw)
}

impl WindowArgs {
    fn query(&self) -> Query {
        let last = self.last.map(|span| {
            let from = times::now().saturating_sub(span);
            times::to_text(from)
        });
        let types = self.types.join(",");
        pages::query([
            ("from", self.from.as_deref().or(last.as_deref())),
            ("to", self.to.as_deref()),
            ("types", Some(&*types).filter(|types| !types.is_empty())),
            ("tenant", self.tenant.as_deref()),
        ])
    }
}
