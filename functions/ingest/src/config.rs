//! What the function is told by its environment.

use pillarbox_runtime::env::{BadConfiguration, Env};

/// All of it.
#[derive(Debug)]
pub(crate) struct Config {
    /// The log.
    pub(crate) event_log_table: String,
}

impl Config {
    /// Reads it, or tells everything that is wrong with it.
    pub(crate) fn read(mut env: Env) -> Result<Self, BadConfiguration> {
        let event_log_table = env.required("EVENT_LOG_TABLE");
        env.finish(|| {
            Some(Self {
                event_log_table: event_log_table?,
            })
        })
    }
}
