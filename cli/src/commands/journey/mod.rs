//! `pillarbox journey`: what became of an event.

mod model;
mod steps;
mod timeline;

use clap::Args;

use self::model::Journey;
use crate::arguments::{Global, path_segment};
use crate::error::Error;
use crate::paint::Paint;

#[derive(Debug, Args)]
pub struct JourneyArgs {
    /// Event id, as a publish answers with it
    #[arg(value_parser = path_segment)]
    event_id: String,
}

/// # Errors
/// When the bus refuses, as it does for an event that is not in the log, or standard output cannot be written.
pub async fn run(args: &JourneyArgs, global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    let path = ["v1", "events", &args.event_id, "journey"];
    let answer = client.get(&path).await?;
    let draw = |journey: &Journey| timeline::draw(journey, Paint::of_stdout());
    global.output().print_answer(&client, &answer, draw)
}
