//! What the function is told by its environment.

use pillarbox_runtime::env::{BadConfiguration, Env};

/// All of it.
#[derive(Debug)]
pub(crate) struct Config {
    /// What this subscriber has done.
    pub(crate) inbox_table: String,
}

impl Config {
    /// Reads it, or tells everything that is wrong with it.
    pub(crate) fn read(mut env: Env) -> Result<Self, BadConfiguration> {
        let inbox_table = env.required("INBOX_TABLE");
        env.finish(|| {
            Some(Self {
                inbox_table: inbox_table?,
            })
        })
    }
}
