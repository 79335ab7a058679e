//! What the function is told by its environment.

use pillarbox_runtime::env::{BadConfiguration, Env};

/// All of it.
#[derive(Debug)]
pub(crate) struct Config {
    /// Subscriptions.
    pub(crate) registry_table: String,
    /// Receipts.
    pub(crate) outbox_table: String,
    /// What can never be dispatched.
    pub(crate) dead_letter_queue_url: String,
}

impl Config {
    /// Reads it, or tells everything that is wrong with it.
    pub(crate) fn read(mut env: Env) -> Result<Self, BadConfiguration> {
        let registry_table = env.required("REGISTRY_TABLE");
        let outbox_table = env.required("OUTBOX_TABLE");
        let dead_letter_queue_url = env.required("DEAD_LETTER_QUEUE_URL");
        env.finish(|| {
            Some(Self {
                registry_table: registry_table?,
                outbox_table: outbox_table?,
                dead_letter_queue_url: dead_letter_queue_url?,
            })
        })
    }
}
