//! `pillarbox dead-letters …`

mod filter;
mod letter;
mod progress;
mod redrive;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

pub use self::letter::{Failure, Letter};

use self::filter::FilterArgs;
use self::redrive::RedriveArgs;
use crate::arguments::{Global, path_segment};
use crate::commands::events::Order;
use crate::error::Error;
use crate::output::{self, Output};
use crate::pages::{self, PageArgs};

#[derive(Debug, Subcommand)]
pub enum DeadLettersCommand {
    /// List dead letters, the newest first
    Ls(LsArgs),
    /// Show a dead letter, and the event in it
    Get(GetArgs),
    /// Hand dead letters over again, each to the subscription that it failed at; for many, `pillarbox redrive` leaves the
    /// work to the bus
    Redrive(RedriveArgs),
    /// Put a dead letter aside for good
    Discard(DiscardArgs),
}

#[derive(Debug, Args)]
pub struct LsArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// What has become of them
    #[arg(long, ignore_case = true)]
    state: Option<State>,
    /// Which come first
    #[arg(long, default_value = "newest")]
    order: Order,
    #[command(flatten)]
    page: PageArgs,
}

#[derive(Debug, Args)]
pub struct GetArgs {
    /// Id of the dead letter
    #[arg(value_parser = path_segment)]
    dead_letter_id: String,
}

#[derive(Debug, Args)]
pub struct DiscardArgs {
    /// Id of the dead letter
    #[arg(value_parser = path_segment)]
    dead_letter_id: String,
    /// Why it need not be delivered, 256 characters at most
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum State {
    Open,
    Redriving,
    Redriven,
    Discarded,
}

pub async fn run(command: &DeadLettersCommand, global: &Global) -> Result<(), Error> {
    match command {
        DeadLettersCommand::Ls(args) => list(args, global).await,
        DeadLettersCommand::Get(args) => get(args, global).await,
        DeadLettersCommand::Redrive(args) => redrive::run(args, global).await,
        DeadLettersCommand::Discard(args) => discard(args, global).await,
    }
}

async fn list(args: &LsArgs, global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    let mut query = args.filter.query();
    query.extend(pages::query([
        ("state", args.state.map(State::as_str)),
        ("order", Some(args.order.as_str())),
    ]));
    let path = ["v1", "dead-letters"];
    pages::list::<Letter>(&client, &path, &query, &args.page, global.output()).await
}

async fn get(args: &GetArgs, global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    let path = ["v1", "dead-letters", &args.dead_letter_id];
    let answer = client.get(&path).await?;
    match global.output() {
        json @ Output::Json => json.print_answer(&client, &answer, |_: &Letter| String::new()),
        Output::Text => {
            let letter: Letter = client.read(&answer)?;
            output::print_line(&letter.text_with_content()?)
        }
    }
}

async fn discard(args: &DiscardArgs, global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    let path = ["v1", "dead-letters", &args.dead_letter_id, "discard"];
    let answer = client
        .post(&path, &json!({ "reason": args.reason }))
        .await?;
    let output = global.output();
    output.print_answer(&client, &answer, Letter::state_text)
}

impl State {
    /// As the API spells it.
    fn as_str(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Redriving => "REDRIVING",
            Self::Redriven => "REDRIVEN",
            Self::Discarded => "DISCARDED",
        }
    }
}
