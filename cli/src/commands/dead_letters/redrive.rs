//! `pillarbox dead-letters redrive`: one, several, or all that a filter finds.

use std::collections::HashSet;

use clap::Args;
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use super::filter::FilterArgs;
use super::letter::Letter;
use super::progress::Progress;
use crate::arguments::{Global, path_segment};
use crate::client::BusClient;
use crate::error::Error;
use crate::output::complain;
use crate::pages::{Page, Query};
use crate::problem::{Problem, shown};
use crate::times;

/// The most letters of a page, and of one request to redrive: `infra/openapi.yaml`.
const MAX_LETTERS: usize = 100;

#[derive(Debug, Args)]
pub struct RedriveArgs {
    /// Ids of dead letters
    #[arg(
        value_name = "ID",
        value_parser = path_segment,
        required_unless_present = "all",
        conflicts_with_all = ["all", "filter"]
    )]
    ids: Vec<String>,
    /// All that are open now, and that the filters find
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    filter: FilterArgs,
}

/// A list of redrives as the bus answers it.
#[derive(Deserialize)]
struct Batch {
    results: Vec<Box<RawValue>>,
    redriven: u64,
    refused: u64,
}

/// The same, as it is told.
#[derive(Deserialize)]
struct Outcomes {
    results: Vec<Outcome>,
}

#[derive(Deserialize)]
struct Outcome {
    dead_letter_id: String,
    status: u16,
    problem: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Found {
    dead_letter_id: String,
}

/// What has become of all lists so far.
#[derive(Default, Serialize)]
struct Tally {
    results: Vec<Box<RawValue>>,
    redriven: u64,
    refused: u64,
}

struct Redriving<'a> {
    client: &'a BusClient,
    progress: Progress,
    tally: Tally,
}

pub async fn run(args: &RedriveArgs, global: &Global) -> Result<(), Error> {
    match args.ids.as_slice() {
        [one] => redrive_one(one, global).await,
        _ => redrive_lists(args, global).await,
    }
}

async fn redrive_one(id: &str, global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    let path = ["v1", "dead-letters", id, "redrive"];
    let answer = client.post_nothing(&path).await?;
    let output = global.output();
    output.print_answer(&client, &answer, Letter::state_text)
}

/// The counts are printed whatever ended the run, once anything was redriven or refused.
async fn redrive_lists(args: &RedriveArgs, global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    let ids = without_repeats(&args.ids);
    let mut run = Redriving {
        client: &client,
        progress: Progress::of(ids.len().try_into().unwrap_or(u64::MAX)),
        tally: Tally::default(),
    };
    let ending = if args.all {
        run.all_found(args.frozen_query()).await
    } else {
        run.all_named(&ids).await
    };
    run.progress.finish();
    let tally = run.tally;
    if ending.is_ok() || tally.total() > 0 {
        global.output().print(&tally, Tally::text)?;
    }
    ending.and_then(|()| tally.verdict())
}

impl RedriveArgs {
    /// Those that are open when the command begins: a letter that fails again while it runs is not redriven again.
    fn frozen_query(&self) -> Query {
        let now = times::now();
        let given = self.filter.to.as_deref();
        // What is no time is for the bus to refuse.
        let to = given.filter(|to| times::parse(to).is_none_or(|to| to < now));
        let to = to.map_or_else(|| times::to_text(now), str::to_owned);
        let mut query = self.filter.query_until(Some(&to));
        query.extend([
            ("state", "OPEN".to_owned()),
            ("order", "oldest".to_owned()),
            ("limit", MAX_LETTERS.to_string()),
        ]);
        query
    }
}

impl Redriving<'_> {
    async fn all_named(&mut self, ids: &[&str]) -> Result<(), Error> {
        for list in ids.chunks(MAX_LETTERS) {
            self.redrive(list).await?;
        }
        Ok(())
    }

    /// The cursor is a place in the list and not a count, so redriving what is before it moves nothing.
    async fn all_found(&mut self, query: Query) -> Result<(), Error> {
        let mut cursor = None;
        loop {
            let place = cursor.into_iter().map(|cursor| ("cursor", cursor));
            let page = self
                .page(&query.iter().cloned().chain(place).collect())
                .await?;
            // Later pages count what is left of them.
            if let (Some(total), 0) = (page.total, self.tally.total()) {
                self.progress.expect(total);
            }
            let ids: Vec<_> = page
                .entries
                .iter()
                .map(|found| found.dead_letter_id.as_str())
                .collect();
            self.all_named(&ids).await?;
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn page(&self, query: &Query) -> Result<Page<Found>, Error> {
        let answer = self.client.get_with(&["v1", "dead-letters"], query).await?;
        self.client.read(&answer)
    }

    async fn redrive(&mut self, ids: &[&str]) -> Result<(), Error> {
        let path = ["v1", "dead-letters", "redrive"];
        let body = json!({ "dead_letter_ids": ids });
        let answer = self.client.post(&path, &body).await?;
        let batch: Batch = self.client.read(&answer)?;
        let outcomes: Outcomes = self.client.read(&answer)?;
        self.progress.advance(batch.redriven + batch.refused);
        self.tally.add(batch);
        let refusals: Vec<_> = outcomes
            .results
            .iter()
            .filter_map(Outcome::refusal)
            .collect();
        self.progress
            .above(|| refusals.iter().for_each(|refusal| complain(refusal)));
        Ok(())
    }
}

impl Outcome {
    /// What is said of one that was not redriven.
    fn refusal(&self) -> Option<String> {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if status.is_success() {
            return None;
        }
        let document = self.problem.as_deref().map_or("", RawValue::get);
        let problem = Problem::read(status, document.as_bytes());
        let (id, line) = (shown(&self.dead_letter_id), problem.one_line());
        Some(format!("dead letter {id}: {} {line}", self.status))
    }
}

impl Tally {
    fn add(&mut self, batch: Batch) {
        self.results.extend(batch.results);
        self.redriven += batch.redriven;
        self.refused += batch.refused;
    }

    fn total(&self) -> u64 {
        self.redriven + self.refused
    }

    fn verdict(&self) -> Result<(), Error> {
        match self.refused {
            0 => Ok(()),
            refused => Err(Error::NotAllRedriven {
                refused,
                total: self.total(),
            }),
        }
    }

    fn text(&self) -> String {
        format!("redriven  {}\nrefused   {}", self.redriven, self.refused)
    }
}

/// An id that was given twice would be refused the second time.
fn without_repeats(ids: &[String]) -> Vec<&str> {
    let mut seen = HashSet::new();
    let ids = ids.iter().map(String::as_str);
    ids.filter(|id| seen.insert(*id)).collect()
}
