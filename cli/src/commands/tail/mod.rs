//! `pillarbox tail`: events as they come.

mod follower;

use std::time::Instant;

use clap::Args;
use pillarbox_domain::EventId;
use pillarbox_domain::subscription::TypePattern;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::value::RawValue;
use time::{Duration, UtcDateTime};

use self::follower::Follower;
use crate::arguments::Global;
use crate::client::{Answer, BusClient};
use crate::error::Error;
use crate::output::{self, Output};
use crate::pages::{self, Page, Query};
use crate::patience::{self, interrupted};
use crate::problem::shown;
use crate::times;

/// Events of one request: as many as the bus answers with.
const PAGE_EVENTS: &str = "100";

#[derive(Debug, Args)]
pub struct TailArgs {
    /// Event types, or the beginning of one and a `*`; may be given more than once
    #[arg(long, value_name = "TYPE")]
    types: Vec<TypePattern>,
    /// Source of the events
    #[arg(long)]
    source: Option<String>,
    /// Events of one operation
    #[arg(long, value_name = "ID")]
    correlation: Option<String>,
    /// Begin with events of so long ago, such as 5m
    #[arg(long, value_name = "SPAN", value_parser = times::parse_span)]
    since: Option<Duration>,
    /// End after so many events
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// How long to wait before asking again
    #[arg(long, value_name = "SPAN", default_value = "1s", value_parser = times::parse_span)]
    every: Duration,
    /// How late an event may be found after it was accepted, and is printed all the same
    #[arg(long, value_name = "SPAN", default_value = "10s", value_parser = times::parse_span)]
    overlap: Duration,
}

/// What a line shows of an event.
#[derive(Deserialize)]
struct Row {
    #[serde(deserialize_with = "event_id")]
    pbeventid: EventId,
    #[serde(rename = "type")]
    event_type: String,
    source: String,
    id: String,
    correlationid: Option<String>,
}

fn event_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<EventId, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(D::Error::custom)
}

/// Prints events until somebody presses Ctrl-C, or as many as were asked for.
///
/// # Errors
/// When the bus refuses or does not answer any more, or standard output is closed.
pub async fn run(args: &TailArgs, global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    tokio::select! {
        followed = follow(&client, args, global.output()) => followed,
        () = interrupted() => Ok(()),
    }
}

async fn follow(client: &BusClient, args: &TailArgs, output: Output) -> Result<(), Error> {
    let now = bus_time(client).await?;
    let start = now.saturating_sub(args.since.unwrap_or_default());
    let mut follower = Follower::new(start, args.overlap);
    let mut left = args.count.unwrap_or(u64::MAX);
    loop {
        let asked_at = look(client, args, output, &mut follower, &mut left).await?;
        if left == 0 {
            return Ok(());
        }
        follower.looked(asked_at);
        tokio::time::sleep(args.every.unsigned_abs()).await;
    }
}

/// The time by the bus's clock, by which its events have their ids.
async fn bus_time(client: &BusClient) -> Result<UtcDateTime, Error> {
    let answer = patience::get(client, &["v1", "health"], &vec![]).await?;
    Ok(answer.date.unwrap_or_else(times::now))
}

/// Reads everything from where events may be new, page by page; and tells when that was begun.
async fn look(
    client: &BusClient,
    args: &TailArgs,
    output: Output,
    follower: &mut Follower,
    left: &mut u64,
) -> Result<UtcDateTime, Error> {
    let filter = args.query(follower.from());
    let (mut cursor, mut first) = (None::<String>, None);
    loop {
        let mut query = filter.clone();
        query.extend(pages::query([("cursor", cursor.as_deref())]));
        let begun = Instant::now();
        let answer = patience::get(client, &["v1", "events"], &query).await?;
        let asked_at = *first.get_or_insert(sent_at(&answer, begun));
        let page: Page<Box<RawValue>> = client.read(&answer)?;
        let rows: Page<Row> = client.read(&answer)?;
        for (row, whole) in rows.entries.iter().zip(&page.entries) {
            if *left > 0 && args.takes(row) && follower.is_new(row.pbeventid) {
                *left -= 1;
                print(row, whole, output)?;
            }
        }
        match page.next_cursor {
            Some(next) if *left > 0 => cursor = Some(next),
            _ => return Ok(asked_at),
        }
    }
}

/// When a request was sent, by the bus's clock where it tells.
fn sent_at(answer: &Answer, begun: Instant) -> UtcDateTime {
    let answered_at = answer.date.unwrap_or_else(times::now);
    let took = Duration::try_from(begun.elapsed()).unwrap_or_default();
    answered_at.saturating_sub(took)
}

fn print(row: &Row, whole: &RawValue, output: Output) -> Result<(), Error> {
    match output {
        Output::Json => output::print_line(whole.get()),
        Output::Text => output::print_line(&row.text()),
    }
}

impl TailArgs {
    /// One type is asked for; of several the bus sends all, and they are told apart here.
    fn query(&self, from: UtcDateTime) -> Query {
        let one = match self.types.as_slice() {
            [one] => Some(one.as_str()),
            _ => None,
        };
        pages::query([
            ("type", one),
            ("source", self.source.as_deref()),
            ("correlation_id", self.correlation.as_deref()),
            ("from", Some(&times::to_text(from))),
            ("order", Some("oldest")),
            ("limit", Some(PAGE_EVENTS)),
        ])
    }

    fn takes(&self, row: &Row) -> bool {
        let is_of = |pattern: &TypePattern| pattern.matches(&row.event_type);
        self.types.is_empty() || self.types.iter().any(is_of)
    }
}

impl Row {
    fn text(&self) -> String {
        let at = times::to_text(self.pbeventid.accepted_at());
        let correlation = self.correlationid.as_deref().map(shown);
        let correlation = correlation.map(|id| format!("  {id}")).unwrap_or_default();
        format!(
            "{at}  {}  {}  {}  {}{correlation}",
            self.pbeventid,
            shown(&self.event_type),
            shown(&self.source),
            shown(&self.id)
        )
    }
}
