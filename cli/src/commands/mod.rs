//! One file per command group: its arguments, what it sends, what it prints.

pub mod archive;
pub mod correlate;
pub mod dead_letters;
pub mod dispatch;
pub mod doctor;
pub mod events;
pub mod health;
pub mod jobs;
pub mod journey;
pub mod keys;
pub mod outbox;
pub mod publish;
pub mod redrive;
pub mod replay;
pub mod schedules;
pub mod schemas;
pub mod stats;
pub mod subscriptions;
pub mod tail;
pub mod tenants;
pub mod top;
pub mod verify;

use crate::arguments::{Cli, Command};
use crate::error::Error;

/// Runs the command that was asked for.
///
/// # Errors
/// Whatever kept it from success, as a message for the person at the terminal.
pub async fn run(cli: Cli) -> Result<(), Error> {
    let global = &cli.global;
    match &cli.command {
        Command::Publish(args) => publish::run(args, global).await,
        Command::Events(command) => events::run(command, global).await,
        Command::Tenants(command) => tenants::run(command, global).await,
        Command::Keys(command) => keys::run(command, global).await,
        Command::Subscriptions(command) => subscriptions::run(command, global).await,
        Command::DeadLetters(command) => dead_letters::run(command, global).await,
        Command::Stats(args) => stats::run(args, global).await,
        Command::Correlate(args) => correlate::run(args, global).await,
        Command::Journey(args) => journey::run(args, global).await,
        Command::Replay(args) => replay::run(args, global).await,
        Command::Redrive(args) => redrive::run(args, global).await,
        Command::Jobs(command) => jobs::run(command, global).await,
        Command::Dispatch(command) => dispatch::run(command, global).await,
        Command::Outbox(command) => outbox::run(command, global).await,
        Command::Schedules(command) => schedules::run(command, global).await,
        Command::Schemas(command) => schemas::run(command, global).await,
        Command::Verify(args) => verify::run(args, global).await,
        Command::Archive(command) => archive::run(command, global).await,
        Command::Health => health::run(global).await,
        Command::Doctor(args) => doctor::run(args, global).await,
        Command::Top(args) => top::run(args, global).await,
        Command::Tail(args) => tail::run(args, global).await,
    }
}
