//! Lists of the bus, a page or all of them: as tables, or as JSON.

use clap::Args;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::client::BusClient;
use crate::error::Error;
use crate::output::{self, Output};

#[derive(Debug, Args)]
pub struct PageArgs {
    /// Entries of a page, 1 to 100
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Where to go on: the cursor of the page before
    #[arg(long)]
    cursor: Option<String>,
    /// Go on to the last page
    #[arg(long)]
    all: bool,
}

/// What is listed, as its table shows it.
pub trait Listed: DeserializeOwned {
    /// What one is called, and several.
    const NAMES: (&'static str, &'static str);
    const HEADER: &'static [&'static str];

    /// One text for each column of the header, fit for a terminal.
    fn cells(&self) -> Vec<String>;
}

/// A page as the bus answers it.
#[derive(Deserialize)]
pub struct Page<T> {
    #[serde(
        alias = "events",
        alias = "subscriptions",
        alias = "dead_letters",
        alias = "jobs",
        alias = "failures",
        alias = "failed",
        alias = "hours"
    )]
    pub entries: Vec<T>,
    pub next_cursor: Option<String>,
    /// How many there are on all pages, of what the bus counts.
    pub total: Option<u64>,
}

/// Parameters of a query: those that have a value.
pub type Query = Vec<(&'static str, String)>;

/// The parameters that are given.
pub fn query<const N: usize>(given: [(&'static str, Option<&str>); N]) -> Query {
    let given = given.into_iter();
    given
        .filter_map(|(name, value)| Some((name, value?.to_owned())))
        .collect()
}

/// Prints what is at this path. With `--all` every page is printed as it comes: as a table of its own lines, or
/// an entry a line.
///
/// # Errors
/// When the bus refuses a page, or standard output is closed.
pub async fn list<T: Listed>(
    client: &BusClient,
    path: &[&str],
    filter: &Query,
    args: &PageArgs,
    output: Output,
) -> Result<(), Error> {
    let mut cursor = args.cursor.clone();
    let mut listed = 0;
    loop {
        let query = args.query(filter, cursor.as_deref());
        let answer = client.get_with(path, &query).await?;
        let page: Page<Box<RawValue>> = client.read(&answer)?;
        let is_first = listed == 0;
        listed += page.entries.len();
        match (output, args.all) {
            (Output::Json, true) => print_lines(&page.entries)?,
            (Output::Json, false) => {
                let whole: Box<RawValue> = client.read(&answer)?;
                return output::print_line(whole.get());
            }
            (Output::Text, _) => {
                let rows: Page<T> = client.read(&answer)?;
                print_table(&rows.entries, is_first)?;
            }
        }
        match page.next_cursor {
            Some(next) if args.all => cursor = Some(next),
            next => {
                complain_end::<T>(output, listed, page.total, next.as_deref());
                return Ok(());
            }
        }
    }
}

impl PageArgs {
    fn query(&self, filter: &Query, cursor: Option<&str>) -> Query {
        let limit = self.limit.map(|limit| limit.to_string());
        let place = query([("limit", limit.as_deref()), ("cursor", cursor)]);
        filter.iter().cloned().chain(place).collect()
    }
}

fn print_lines(entries: &[Box<RawValue>]) -> Result<(), Error> {
    let mut entries = entries.iter();
    entries.try_for_each(|entry| output::print_line(entry.get()))
}

fn print_table<T: Listed>(rows: &[T], is_first: bool) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let header = if is_first { T::HEADER } else { &[] };
    output::print_line(&table(header, rows.iter().map(T::cells)))
}

/// Columns without lines between them.
pub fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    if !header.is_empty() {
        table.set_header(header.to_vec());
    }
    table.add_rows(rows);
    table.trim_fmt()
}

/// The last words, on standard error: a table is made of nothing but its entries.
fn complain_end<T: Listed>(output: Output, listed: usize, total: Option<u64>, next: Option<&str>) {
    if output == Output::Json {
        return;
    }
    let (one, several) = T::NAMES;
    let of_all = total
        .map(|total| format!(" of {total}"))
        .unwrap_or_default();
    let name = if listed == 1 && total.is_none_or(|total| total == 1) {
        one
    } else {
        several
    };
    let more = next.map(|cursor| format!("; more with --all, or --cursor {cursor}"));
    let more = more.unwrap_or_default();
    output::complain(&format!("{listed}{of_all} {name}{more}"));
}
