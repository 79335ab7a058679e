//! What the function is told by its environment.

use pillarbox_runtime::env::{BadConfiguration, Env};
use pillarbox_runtime::process::Process;

/// All of it.
pub(crate) struct Config {
    /// What every function is told.
    pub(crate) process: Process,
    /// Subscriptions.
    pub(crate) registry_table: String,
    /// Data that the log's items do not hold.
    pub(crate) payload_bucket: String,
    /// Receipts, marks of hours, and rows of deliveries in trouble.
    pub(crate) outbox_table: String,
    /// Reminders of deliveries that a queue did not take.
    pub(crate) retry_queue_url: String,
    /// What can never be dispatched.
    pub(crate) dead_letter_queue_url: String,
}

impl Config {
    /// Reads it, or tells everything that is wrong with it.
    pub(crate) fn read(mut env: Env) -> Result<Self, BadConfiguration> {
        let process = Process::read(&mut env);
        let registry_table = env.required("REGISTRY_TABLE");
        let payload_bucket = env.required("PAYLOAD_BUCKET");
        let outbox_table = env.required("OUTBOX_TABLE");
        let retry_queue_url = env.required("RETRY_QUEUE_URL");
        let dead_letter_queue_url = env.required("DEAD_LETTER_QUEUE_URL");
        env.finish(|| {
            Some(Self {
                process: process?,
                registry_table: registry_table?,
                payload_bucket: payload_bucket?,
                outbox_table: outbox_table?,
                retry_queue_url: retry_queue_url?,
                dead_letter_queue_url: dead_letter_queue_url?,
            })
        })
    }
}
