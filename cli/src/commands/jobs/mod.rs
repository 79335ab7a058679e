//! `pillarbox jobs …`

mod follow;
mod job;
mod progress;
pub mod start;

use clap::{Args, Subcommand, ValueEnum};

use self::job::{Job, JobFailure};
use crate::arguments::{Global, path_segment};
use crate::error::Error;
use crate::pages::{self, PageArgs};

#[derive(Debug, Subcommand)]
pub enum JobsCommand {
    /// List replays and redrives, the latest first
    Ls(LsArgs),
    /// Show how far a job is
    Show(JobIdArgs),
    /// Watch a job until it is over
    Follow(JobIdArgs),
    /// Let a job wait
    Pause(JobIdArgs),
    /// Go on with a job that was paused
    Resume(JobIdArgs),
    /// Give a job up
    Cancel(JobIdArgs),
    /// List what a job could not send, and why
    Failures(FailuresArgs),
}

#[derive(Debug, Args)]
pub struct LsArgs {
    /// Only those of this kind
    #[arg(long, ignore_case = true)]
    kind: Option<Kind>,
    /// Only those in this state
    #[arg(long, ignore_case = true)]
    state: Option<State>,
    #[command(flatten)]
    page: PageArgs,
}

#[derive(Debug, Args)]
pub struct JobIdArgs {
    /// Id of the job
    #[arg(value_parser = path_segment)]
    job_id: String,
}

#[derive(Debug, Args)]
pub struct FailuresArgs {
    /// Id of the job
    #[arg(value_parser = path_segment)]
    job_id: String,
    #[command(flatten)]
    page: PageArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Replay,
    Redrive,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum State {
    Planning,
    Running,
    Paused,
    Completed,
    Cancelled,
    Counted,
}

pub async fn run(command: &JobsCommand, global: &Global) -> Result<(), Error> {
    match command {
        JobsCommand::Ls(args) => list(args, global).await,
        JobsCommand::Show(args) => show(args, global).await,
        JobsCommand::Follow(args) => follow::follow(&args.job_id, &global.client()?, global).await,
        JobsCommand::Pause(args) => step(args, "pause", global).await,
        JobsCommand::Resume(args) => step(args, "resume", global).await,
        JobsCommand::Cancel(args) => step(args, "cancel", global).await,
        JobsCommand::Failures(args) => failures(args, global).await,
    }
}

async fn list(args: &LsArgs, global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    let query = pages::query([
        ("kind", args.kind.map(Kind::as_str)),
        ("state", args.state.map(State::as_str)),
    ]);
    let path = ["v1", "jobs"];
    pages::list::<Job>(&client, &path, &query, &args.page, global.output()).await
}

async fn show(args: &JobIdArgs, global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    let answer = client.get(&["v1", "jobs", &args.job_id]).await?;
    global.output().print_answer(&client, &answer, Job::text)
}

async fn step(args: &JobIdArgs, step: &str, global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    let path = ["v1", "jobs", &args.job_id, step];
    let answer = client.post_nothing(&path).await?;
    let output = global.output();
    output.print_answer(&client, &answer, Job::state_text)
}

async fn failures(args: &FailuresArgs, global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    let path = ["v1", "jobs", &args.job_id, "failures"];
    pages::list::<JobFailure>(&client, &path, &vec![], &args.page, global.output()).await
}

impl Kind {
    /// As the API spells it.
    fn as_str(self) -> &'static str {
        match self {
            Self::Replay => "REPLAY",
            Self::Redrive => "REDRIVE",
        }
    }
}

impl State {
    /// As the API spells it.
    fn as_str(self) -> &'static str {
        match self {
            Self::Planning => "PLANNING",
            Self::Running => "RUNNING",
            Self::Paused => "PAUSED",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
            Self::Counted => "COUNTED",
        }
    }
}
