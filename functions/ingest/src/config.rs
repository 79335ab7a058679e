//! What the function is told by its environment.

use pillarbox_runtime::env::{BadConfiguration, Env};
use pillarbox_runtime::process::Process;

/// All of it.
pub(crate) struct Config {
    /// What every function is told.
    pub(crate) process: Process,
    /// The log.
    pub(crate) event_log_table: String,
}

impl Config {
    /// Reads it, or tells everything that is wrong with it.
    pub(crate) fn read(mut env: Env) -> Result<Self, BadConfiguration> {
        let process = Process::read(&mut env);
        let event_log_table = env.required("EVENT_LOG_TABLE");
        env.finish(|| {
            Some(Self {
                process: process?,
                event_log_table: event_log_table?,
            })
        })
    }
}
