//! `pillarbox events …`

use std::fmt;

use clap::{Args, Subcommand, ValueEnum};
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::arguments::Global;
use crate::error::Error;
use crate::output::{self, Output};
use crate::problem::shown;

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
    /// Events of a page, 1 to 100
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Where to go on: the cursor of the page before
    #[arg(long)]
    cursor: Option<String>,
    /// Go on to the last page
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Args)]
pub struct GetArgs {
    /// Event id, as a publish answers with it
    event_id: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Order {
    Newest,
    Oldest,
}

/// A page as the bus answers it, each event as it came.
#[derive(Serialize, Deserialize)]
struct Page {
    events: Vec<Box<RawValue>>,
    next_cursor: Option<String>,
}

/// The same, as the table shows it.
#[derive(Deserialize)]
struct Rows {
    events: Vec<Row>,
}

/// An event, a member a line, each value in its own spelling: `12.50` stays what it is.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visit)
    }
}

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
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

/// With `--all` every page is printed as it comes: as a table of its own lines, or an event a line.
async fn list(args: &LsArgs, global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    let mut cursor = args.cursor.clone();
    let mut listed = 0;
    loop {
        let query = args.query(cursor.as_deref());
        let answer = client.get_with(&["v1", "events"], &query).await?;
        let page: Page = client.read(&answer)?;
        let is_first = listed == 0;
        listed += page.events.len();
        match (global.output(), args.all) {
            (Output::Json, true) => page.print_lines()?,
            (Output::Json, false) => return Output::Json.print(&page, |_| String::new()),
            (Output::Text, _) => {
                let page: Rows = client.read(&answer)?;
                print_table(&page.events, is_first)?;
            }
        }
        match page.next_cursor {
            Some(next) if args.all => cursor = Some(next),
            next => {
                complain_end(global.output(), listed, next.as_deref());
                return Ok(());
            }
        }
    }
}

/// The last words, on standard error: a table is made of nothing but events.
fn complain_end(output: Output, listed: usize, next: Option<&str>) {
    let more = next.map(|cursor| format!("; more with --all, or --cursor {cursor}"));
    if output == Output::Text {
        let events = if listed == 1 { "event" } else { "events" };
        output::complain(&format!("{listed} {events}{}", more.unwrap_or_default()));
    }
}

async fn get(args: &GetArgs, global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    let answer = client.get(&["v1", "events", &args.event_id]).await?;
    match global.output() {
        Output::Json => {
            let event: Box<RawValue> = client.read(&answer)?;
            output::print_line(event.get())
        }
        Output::Text => {
            let event: Members = client.read(&answer)?;
            let pretty = serde_json::to_string_pretty(&event);
            output::print_line(&pretty.map_err(|error| Error::Output(error.into()))?)
        }
    }
}

impl LsArgs {
    fn query<'a>(&'a self, cursor: Option<&'a str>) -> Vec<(&'static str, String)> {
        let order = match self.order {
            Order::Newest => "newest",
            Order::Oldest => "oldest",
        };
        let limit = self.limit.map(|limit| limit.to_string());
        let given = [
            ("type", self.event_type.as_deref()),
            ("source", self.source.as_deref()),
            ("from", self.from.as_deref()),
            ("to", self.to.as_deref()),
            ("correlation_id", self.correlation_id.as_deref()),
            ("order", Some(order)),
            ("limit", limit.as_deref()),
            ("cursor", cursor),
        ];
        let given = given.into_iter();
        given
            .filter_map(|(name, value)| Some((name, value?.to_owned())))
            .collect()
    }
}

impl Page {
    fn print_lines(&self) -> Result<(), Error> {
        let mut lines = self.events.iter();
        lines.try_for_each(|event| output::print_line(event.get()))
    }
}

fn print_table(rows: &[Row], is_first: bool) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    if is_first {
        table.set_header(["accepted", "event id", "type", "source", "id"]);
    }
    for row in rows {
        table.add_row([
            accepted_at(&row.pbeventid),
            shown(&row.pbeventid),
            shown(&row.event_type),
            shown(&row.source),
            shown(&row.id),
        ]);
    }
    output::print_line(&table.trim_fmt())
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
    let (hour, minute, second, milli) = time.time().as_hms_milli();
    format!(
        "{}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z",
        time.date()
    )
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
