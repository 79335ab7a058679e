//! What the function is told by its environment.

use pillarbox_runtime::env::{BadConfiguration, Env};
use pillarbox_runtime::process::Process;

/// All of it.
pub(crate) struct Config {
    /// What every function is told.
    pub(crate) process: Process,
    /// The log.
    pub(crate) event_log_table: String,
    /// Data that the log's items cannot hold.
    pub(crate) payload_bucket: String,
    /// What is set per tenant.
    pub(crate) registry_table: String,
}

impl Config {
    /// Reads it, or tells everything that is wrong with it.
    pub(crate) fn read(mut env: Env) -> Result<Self, BadConfiguration> {
        let process = Process::read(&mut env);
        let event_log_table = env.required("EVENT_LOG_TABLE");
        let payload_bucket = env.required("PAYLOAD_BUCKET");
        let registry_table = env.required("REGISTRY_TABLE");
        env.finish(|| {
            Some(Self {
                process: process?,
                event_log_table: event_log_table?,
                payload_bucket: payload_bucket?,
                registry_table: registry_table?,
            })
        })
    }
}
