//! `pillarbox dispatch …`

use clap::Subcommand;
use serde::Deserialize;

use crate::arguments::Global;
use crate::error::Error;
use crate::problem::shown;

#[derive(Debug, Subcommand)]
pub enum DispatchCommand {
    /// Whether events are handed over
    Status,
    /// Stop handing events over, for all tenants; what is published is stored, and waits
    Pause,
    /// Hand events over again, those first that waited
    Resume,
}

#[derive(Deserialize)]
struct Dispatch {
    state: String,
}

/// Asks or tells the bus, and prints in which state dispatch is then.
///
/// # Errors
/// When the bus refuses, or standard output cannot be written.
pub async fn run(command: &DispatchCommand, global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    let answer = match command {
        DispatchCommand::Status => client.get(&["v1", "dispatch"]).await?,
        DispatchCommand::Pause => client.post_nothing(&["v1", "dispatch", "pause"]).await?,
        DispatchCommand::Resume => client.post_nothing(&["v1", "dispatch", "resume"]).await?,
    };
    let output = global.output();
    output.print_answer(&client, &answer, Dispatch::text)
}

impl Dispatch {
    fn text(&self) -> String {
        let meaning = match self.state.as_str() {
            "ENABLED" => ": events are handed over",
            "DISABLED" => ": events are stored, and handed over once it is resumed",
            "CHANGING" => ": ask again in a moment with `pillarbox dispatch status`",
            _ => "",
        };
        format!("dispatch is {}{meaning}", shown(&self.state))
    }
}
