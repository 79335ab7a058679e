//! What the function is told by its environment.

use pillarbox_runtime::env::{BadConfiguration, Env};
use pillarbox_runtime::process::Process;

/// All of it.
pub(crate) struct Config {
    /// What every function is told.
    pub(crate) process: Process,
    /// Tenants and subscriptions.
    pub(crate) registry_table: String,
    /// The log, of which only the index is read.
    pub(crate) event_log_table: String,
    /// Data that the log's items do not hold. Nothing is read of them here.
    pub(crate) payload_bucket: String,
    /// Receipts and their rollups, rows of deliveries in trouble, and how far the sweep is.
    pub(crate) outbox_table: String,
    /// What failed for good.
    pub(crate) dead_letter_table: String,
}

impl Config {
    /// Reads it, or tells everything that is wrong with it.
    pub(crate) fn read(mut env: Env) -> Result<Self, BadConfiguration> {
        let process = Process::read(&mut env);
        let registry_table = env.required("REGISTRY_TABLE");
        let event_log_table = env.required("EVENT_LOG_TABLE");
        let payload_bucket = env.required("PAYLOAD_BUCKET");
        let outbox_table = env.required("OUTBOX_TABLE");
        let dead_letter_table = env.required("DEAD_LETTER_TABLE");
        env.finish(|| {
            Some(Self {
                process: process?,
                registry_table: registry_table?,
                event_log_table: event_log_table?,
                payload_bucket: payload_bucket?,
                outbox_table: outbox_table?,
                dead_letter_table: dead_letter_table?,
            })
        })
    }
}
