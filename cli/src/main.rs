//! `pillarbox`: publish events, see what became of them, send them again, and set up tenants, keys and subscriptions of a
//! Pillarbox bus.
//!
//! It speaks HTTP to the bus and to nothing else: it needs no AWS credentials. What it checks offline, it checks by
//! the bus's own code.

mod admin_key;
mod arguments;
mod client;
mod commands;
mod dice;
mod error;
mod input;
mod members;
mod output;
mod pages;
mod paint;
mod patience;
mod problem;
mod retry;
mod times;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::Cli;
use crate::error::Error;

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&format!("error: {}", error.report()));
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(cli: Cli) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    let outcome = runtime.block_on(commands::run(cli));
    // A read of standard input that has begun cannot be cancelled; waiting for it would keep a stopped
    // command open until the other end of the pipe closes.
    runtime.shutdown_background();
    outcome
}
