//! `pillarbox schedules …`

mod schedule;
mod work;

use clap::{Args, Subcommand};
use reqwest::StatusCode;
use serde::Serialize;

use self::schedule::{Schedule, Schedules};
use self::work::Work;
use crate::arguments::{Global, path_segment};
use crate::error::Error;
use crate::members::Members;
use crate::output::{self, Output};

#[derive(Debug, Subcommand)]
pub enum SchedulesCommand {
    /// Ask for a replay or redrive again and again; the same schedule again changes nothing
    Add(Box<AddArgs>),
    /// List schedules
    Ls,
    /// Show one schedule
    Show(NamedArgs),
    /// Remove a schedule; jobs that it made go on
    Rm(NamedArgs),
}

#[derive(Debug, Args)]
pub struct AddArgs {
    /// Name of the schedule, unique within the tenant
    name: String,
    /// Its times, as EventBridge Scheduler has them: `cron(0 3 * * ? *)` (minutes hours day-of-month month day-of-week
    /// year) or `rate(6 hours)`
    expression: String,
    /// Where its times and the days of a range are the clock's, such as Europe/Vienna; UTC without it
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    #[command(subcommand)]
    work: Work,
}

#[derive(Debug, Args)]
pub struct NamedArgs {
    /// Name of the schedule
    #[arg(value_parser = path_segment)]
    name: String,
}

/// A schedule as the API takes it.
#[derive(Serialize)]
struct NewSchedule<'a> {
    name: &'a str,
    expression: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    timezone: Option<&'a str>,
    #[serde(flatten)]
    work: &'a Work,
}

#[derive(Serialize)]
struct Removed<'a> {
    name: &'a str,
    removed: bool,
}

pub async fn run(command: &SchedulesCommand, global: &Global) -> Result<(), Error> {
    match command {
        SchedulesCommand::Add(args) => add(args, global).await,
        SchedulesCommand::Ls => list(global).await,
        SchedulesCommand::Show(args) => show(args, global).await,
        SchedulesCommand::Rm(args) => remove(args, global).await,
    }
}

async fn add(args: &AddArgs, global: &Global) -> Result<(), Error> {
    let new_schedule = NewSchedule {
        name: &args.name,
        expression: &args.expression,
        timezone: args.timezone.as_deref(),
        work: &args.work,
    };
    let client = global.client()?;
    let answer = client.post(&["v1", "schedules"], &new_schedule).await?;
    let created = answer.status == StatusCode::CREATED;
    match global.output() {
        Output::Text => {
            let schedule: Schedule = client.read(&answer)?;
            output::print_line(&schedule.added_text(created))
        }
        json @ Output::Json => {
            let schedule: Members = client.read(&answer)?;
            json.print(&schedule.with("created", &created)?, |_| String::new())
        }
    }
}

async fn list(global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    let answer = client.get(&["v1", "schedules"]).await?;
    let output = global.output();
    output.print_answer(&client, &answer, Schedules::text)
}

async fn show(args: &NamedArgs, global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    let answer = client.get(&["v1", "schedules", &args.name]).await?;
    let output = global.output();
    output.print_answer(&client, &answer, Schedule::text)
}

async fn remove(args: &NamedArgs, global: &Global) -> Result<(), Error> {
    let name = args.name.as_str();
    let client = global.client()?;
    client.delete(&["v1", "schedules", name], &[]).await?;
    let removed = Removed {
        name,
        removed: true,
    };
    let output = global.output();
    output.print(&removed, |_| format!("schedule {name} removed"))
}
