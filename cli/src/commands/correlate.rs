//! `pillarbox correlate`: all events of one operation.

use clap::Args;
use serde::Deserialize;

use crate::arguments::{Global, path_segment, tenant_id};
use crate::error::Error;
use crate::pages::{self, Listed, PageArgs};
use crate::problem::shown;

#[derive(Debug, Args)]
pub struct CorrelateArgs {
    /// Correlation id, as its events carry it
    #[arg(value_parser = path_segment)]
    correlation_id: String,
    /// The tenant that is meant (administrators only)
    #[arg(long, value_parser = tenant_id)]
    tenant: Option<String>,
    #[command(flatten)]
    page: PageArgs,
}

/// What a line of the table shows of an event.
#[derive(Deserialize)]
struct Row {
    event_id: String,
    state: String,
    #[serde(rename = "type")]
    event_type: String,
    source: String,
    accepted_at: String,
    latency_ms: Option<u64>,
    #[serde(default)]
    deliveries: Vec<Delivery>,
}

#[derive(Deserialize)]
struct Delivery {
    subscription: String,
    state: String,
}

/// # Errors
/// When the bus refuses, or standard output cannot be written.
pub async fn run(args: &CorrelateArgs, global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    let path = ["v1", "correlations", &args.correlation_id];
    let query = pages::query([("tenant", args.tenant.as_deref())]);
    pages::list::<Row>(&client, &path, &query, &args.page, global.output()).await
}

impl Listed for Row {
    const NAMES: (&'static str, &'static str) = ("event", "events");
    const HEADER: &'static [&'static str] = &[
        "accepted",
        "event id",
        "type",
        "source",
        "state",
        "ms",
        "deliveries",
    ];

    fn cells(&self) -> Vec<String> {
        let latency = self.latency_ms.map(|millis| millis.to_string());
        let deliveries: Vec<String> = self.deliveries.iter().map(Delivery::text).collect();
        vec![
            shown(&self.accepted_at),
            shown(&self.event_id),
            shown(&self.event_type),
            shown(&self.source),
            shown(&self.state),
            latency.unwrap_or_else(|| "-".to_owned()),
            shown(&deliveries.join(", ")),
        ]
    }
}

impl Delivery {
    /// Its state where it is another than what is meant to be.
    fn text(&self) -> String {
        match self.state.as_str() {
            "HANDED_OVER" => self.subscription.clone(),
            state => format!("{} {state}", self.subscription),
        }
    }
}
