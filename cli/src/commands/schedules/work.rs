//! What each time of a schedule asks for, as arguments and as the API takes it.

use clap::{Args, Subcommand};
use serde::Serialize;

#[derive(Debug, Subcommand, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    /// Send events of the log again
    Replay(ReplayArgs),
    /// Send dead letters again that are open then
    Redrive(RedriveArgs),
}

#[derive(Debug, Args, Serialize)]
pub struct ReplayArgs {
    #[command(flatten)]
    filter: EventFilter,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    #[serde(flatten)]
    pace: Pace,
}

#[derive(Debug, Args, Serialize)]
pub struct RedriveArgs {
    #[command(flatten)]
    filter: LetterFilter,
    #[command(flatten)]
    #[serde(flatten)]
    pace: Pace,
}

#[derive(Debug, Args, Serialize)]
#[group(multiple = true)]
struct EventFilter {
    /// Accepted then, told from each scheduled time: `last 24h`, `last 7d`, `last 90m`, `previous hour`, yesterday
    #[arg(long, required_unless_present = "correlation_id")]
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<String>,
    /// Event type, or the beginning of one and a `*`; may be given several times
    #[arg(long, value_name = "TYPE")]
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    types: Vec<String>,
    /// Of this source
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    /// Of this operation
    #[arg(long, value_name = "ID")]
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
}

#[derive(Debug, Args, Serialize)]
#[group(multiple = true)]
struct LetterFilter {
    /// Dead since then, told from each scheduled time: `last 24h`, `last 7d`, `previous hour`, yesterday; all without it
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<String>,
    /// Event type, or the beginning of one and a `*`; may be given several times
    #[arg(long, value_name = "TYPE")]
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    types: Vec<String>,
    /// Of this subscription
    #[arg(long, value_name = "ID")]
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription: Option<String>,
    /// Of this class of errors
    #[arg(long, value_name = "CLASS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    error_class: Option<String>,
    /// Whose error message holds this
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// To whom: one of them.
#[derive(Debug, Args, Serialize)]
#[group(required = true, multiple = false)]
struct Target {
    /// To every active subscription that matches
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    all: bool,
    /// To this subscription, where it matches
    #[arg(long, value_name = "ID")]
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription: Option<String>,
    /// To this queue, whatever the event is
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_url: Option<String>,
}

#[derive(Debug, Args, Serialize)]
#[group(multiple = true)]
struct Pace {
    /// No faster than this
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    max_events_per_second: Option<u32>,
    /// For how long it comes up to that speed
    #[arg(long, value_name = "N", requires = "max_events_per_second")]
    #[serde(skip_serializing_if = "Option::is_none")]
    ramp_seconds: Option<u32>,
}
