//! `pillarbox events …`

use clap::{Args, Subcommand, ValueEnum};
use serde::Deserialize;

use crate::arguments::{Global, path_segment};
use crate::error::Error;
use crate::members::Members;
use crate::pages::{self, Listed, PageArgs, Query};
use crate::problem::shown;
use crate::times;

#[derive(Debug, Subcommand)]
pub enum EventsCommand {
    /// List events of the log, the newest first
    Ls(LsArgs),
    /// Show one event as its CloudEvent
    Get(GetArgs),
}

#[derive(Debug, Args)]
pub struct LsArgs {
    /// Event type, or the beginning of one and a `*`
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// Source of the events
    #[arg(long)]
    source: Option<String>,
    /// Accepted at this time (RFC 3339) or later
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Accepted before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Events of one operation
    #[arg(long, value_name = "ID")]
    correlation_id: Option<String>,
    /// Which events come first
    #[arg(long, default_value = "newest")]
    order: Order,
    #[command(flatten)]
    page: PageArgs,
}

#[derive(Debug, Args)]
pub struct GetArgs {
    /// Event id, as a publish answers with it
    #[arg(value_parser = path_segment)]
    event_id: String,
}

/// Which come first.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Order {
    Newest,
    Oldest,
}

impl Order {
    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Oldest => "oldest",
        }
    }
}

/// What a line of the table shows of an event.
#[derive(Deserialize)]
struct Row {
    pbeventid: String,
    #[serde(rename = "type")]
    event_type: String,
    source: String,
    id: String,
}

pub async fn run(command: &EventsCommand, global: &Global) -> Result<(), Error> {
    match command {
        EventsCommand::Ls(args) => list(args, global).await,
        EventsCommand::Get(args) => get(args, global).await,
    }
}

async fn list(args: &LsArgs, global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    let path = ["v1", "events"];
    pages::list::<Row>(&client, &path, &args.query(), &args.page, global.output()).await
}

async fn get(args: &GetArgs, global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    let answer = client.get(&["v1", "events", &args.event_id]).await?;
    let event: Members = client.read(&answer)?;
    let pretty = event.pretty()?;
    global
        .output()
        .print_answer(&client, &answer, |_: &Members| pretty)
}

impl LsArgs {
    fn query(&self) -> Query {
        pages::query([
            ("type", self.event_type.as_deref()),
            ("source", self.source.as_deref()),
            ("from", self.from.as_deref()),
            ("to", self.to.as_deref()),
            ("correlation_id", self.correlation_id.as_deref()),
            ("order", Some(self.order.as_str())),
        ])
    }
}

impl Listed for Row {
    const NAMES: (&'static str, &'static str) = ("event", "events");
    const HEADER: &'static [&'static str] = &["accepted", "event id", "type", "source", "id"];

    fn cells(&self) -> Vec<String> {
        vec![
            accepted_at(&self.pbeventid),
            shown(&self.pbeventid),
            shown(&self.event_type),
            shown(&self.source),
            shown(&self.id),
        ]
    }
}

/// When an event was accepted: its id is a UUIDv7, whose first 48 bits are the milliseconds since 1970.
fn accepted_at(event_id: &str) -> String {
    let digits: String = event_id
        .chars()
        .filter(char::is_ascii_hexdigit)
        .take(12)
        .collect();
    let millis = i128::from_str_radix(&digits, 16).unwrap_or_default();
    let time = time::UtcDateTime::from_unix_timestamp_nanos(millis * 1_000_000);
    let (Ok(time), 12) = (time, digits.len()) else {
        return "-".to_owned();
    };
    times::to_text(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_when_its_event_was_accepted() {
        // The example of RFC 9562, appendix A.6.
        let id = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";
        assert_eq!(accepted_at(id), "2022-02-22T19:22:22.000Z");
        assert_eq!(accepted_at("nonsense"), "-");
    }
}
