//! What the function is told by its environment.

use pillarbox_runtime::env::{BadConfiguration, Env};
use pillarbox_runtime::process::Process;

/// All of it.
pub(crate) struct Config {
    /// What every function is told.
    pub(crate) process: Process,
    /// What this subscriber has done.
    pub(crate) inbox_table: String,
}

impl Config {
    /// Reads it, or tells everything that is wrong with it.
    pub(crate) fn read(mut env: Env) -> Result<Self, BadConfiguration> {
        let process = Process::read(&mut env);
        let inbox_table = env.required("INBOX_TABLE");
        env.finish(|| {
            Some(Self {
                process: process?,
                inbox_table: inbox_table?,
            })
        })
    }
}
