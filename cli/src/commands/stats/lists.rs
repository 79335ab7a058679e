//! `pillarbox stats slow` and `pillarbox stats failed`.

use clap::Args;
use serde::Deserialize;

use super::WindowArgs;
use crate::arguments::Global;
use crate::error::Error;
use crate::pages::{self, Listed, PageArgs};
use crate::problem::shown;

#[derive(Debug, Args)]
pub struct SlowArgs {
    #[command(flatten)]
    window: WindowArgs,
    /// Milliseconds above which an event is slow; 2000 without it
    #[arg(long, value_name = "MS")]
    over_ms: Option<u64>,
    #[command(flatten)]
    page: PageArgs,
}

#[derive(Debug, Args)]
pub struct FailedArgs {
    #[command(flatten)]
    window: WindowArgs,
    /// Deliveries to this subscription
    #[arg(long)]
    subscription: Option<String>,
    /// Deliveries whose last error is of this class
    #[arg(long, value_name = "CLASS")]
    error_class: Option<String>,
    #[command(flatten)]
    page: PageArgs,
}

#[derive(Deserialize)]
struct SlowRow {
    event_id: String,
    #[serde(rename = "type")]
    event_type: String,
    accepted_at: String,
    latency_ms: u64,
    subscriptions: Vec<String>,
}

#[derive(Deserialize)]
struct FailedRow {
    dead_letter_id: String,
    event_id: Option<String>,
    #[serde(rename = "type")]
    event_type: Option<String>,
    subscription: Option<String>,
    attempts: Option<u64>,
    state: String,
    error: RowError,
}

#[derive(Deserialize)]
struct RowError {
    class: String,
}

pub async fn slow(args: &SlowArgs, global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    let mut query = args.window.query();
    let over_ms = args.over_ms.map(|millis| millis.to_string());
    query.extend(pages::query([("over_ms", over_ms.as_deref())]));
    let path = ["v1", "stats", "slow"];
    pages::list::<SlowRow>(&client, &path, &query, &args.page, global.output()).await
}

pub async fn failed(args: &FailedArgs, global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    let mut query = args.window.query();
    query.extend(pages::query([
        ("subscription", args.subscription.as_deref()),
        ("error_class", args.error_class.as_deref()),
    ]));
    let path = ["v1", "stats", "failed"];
    pages::list::<FailedRow>(&client, &path, &query, &args.page, global.output()).await
}

impl Listed for SlowRow {
    const NAMES: (&'static str, &'static str) = ("slow event", "slow events");
    const HEADER: &'static [&'static str] = &["accepted", "event id", "type", "ms", "to"];

    fn cells(&self) -> Vec<String> {
        vec![
            shown(&self.accepted_at),
            shown(&self.event_id),
            shown(&self.event_type),
            self.latency_ms.to_string(),
            shown(&self.subscriptions.join(", ")),
        ]
    }
}

impl Listed for FailedRow {
    const NAMES: (&'static str, &'static str) = ("failed delivery", "failed deliveries");
    const HEADER: &'static [&'static str] = &[
        "event id",
        "type",
        "subscription",
        "error",
        "attempts",
        "dead letter id",
        "state",
    ];

    fn cells(&self) -> Vec<String> {
        let text = |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), shown);
        let attempts = self.attempts.map(|attempts| attempts.to_string());
        vec![
            text(&self.event_id),
            text(&self.event_type),
            text(&self.subscription),
            shown(&self.error.class),
            attempts.unwrap_or_else(|| "-".to_owned()),
            shown(&self.dead_letter_id),
            shown(&self.state),
        ]
    }
}
