//! What starting a replay and a redrive have in common.

use clap::Args;
use serde_json::{Map, Value, json};
use time::Duration;

use super::follow::{self, FollowArgs};
use super::job::Job;
use crate::arguments::Global;
use crate::error::Error;
use crate::output::Output;
use crate::times;

/// When events were accepted, or letters died.
#[derive(Debug, Args)]
pub struct RangeArgs {
    /// At this time (RFC 3339) or later
    #[arg(long, value_name = "TIME", conflicts_with = "last")]
    pub from: Option<String>,
    /// Before this time (RFC 3339); before now when it is not given
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Within this time before now: `90s`, `30m`, `24h`, `7d`
    #[arg(long, value_name = "TIME", value_parser = times::parse_span)]
    pub last: Option<Duration>,
}

#[derive(Debug, Args)]
pub struct JobArgs {
    /// Events a second, at the most
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// Come up to that rate within so many seconds
    #[arg(long, value_name = "SECONDS", requires = "rate")]
    ramp: Option<u32>,
    /// Only count them, and tell what sending them would cost
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    follow: FollowArgs,
}

impl RangeArgs {
    /// The members `from` and `to` of a filter.
    pub fn members(&self) -> [(&'static str, Option<Value>); 2] {
        let since = |last: Duration| times::to_text(times::now() - last);
        let from = self.from.clone().or_else(|| self.last.map(since));
        [
            ("from", from.map(Value::from)),
            ("to", self.to.clone().map(Value::from)),
        ]
    }
}

/// Starts the job of this path with this filter and the members in `more`, and watches it if that is wanted.
///
/// # Errors
/// When the bus refuses it; and as [`follow::follow`].
pub async fn start(
    path: &str,
    filter: Map<String, Value>,
    more: Map<String, Value>,
    args: &JobArgs,
    global: &Global,
) -> Result<(), Error> {
    let client = global.client()?;
    let mut body = given([
        ("filter", Some(Value::Object(filter))),
        ("max_events_per_second", args.rate.map(Value::from)),
        ("ramp_seconds", args.ramp.map(Value::from)),
        ("dry_run", args.dry_run.then_some(Value::Bool(true))),
    ]);
    body.extend(more);
    let answer = client.post(&["v1", path], &body).await?;
    let job: Job = client.read(&answer)?;
    if args.follow.is_wanted(job.dry_run) {
        return follow::follow(&job.job_id, &client, global).await;
    }
    let output = global.output();
    output.print_answer(&client, &answer, Job::state_text)?;
    if output == Output::Text {
        follow::complain_detached(&job.job_id);
    }
    Ok(())
}

/// The members that have a value.
pub fn given<const N: usize>(members: [(&str, Option<Value>); N]) -> Map<String, Value> {
    let members = members.into_iter();
    members
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

/// A list, unless there is nothing in it.
pub fn list(texts: &[String]) -> Option<Value> {
    (!texts.is_empty()).then(|| json!(texts))
}
