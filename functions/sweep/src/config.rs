//! What the function is told by its environment.

use std::time::Duration;

use pillarbox_runtime::env::{BadConfiguration, Env};
use pillarbox_runtime::process::Process;

/// All of it.
pub(crate) struct Config {
    /// What every function is told.
    pub(crate) process: Process,
    /// Tenants, subscriptions and schemas.
    pub(crate) registry_table: String,
    /// The log.
    pub(crate) event_log_table: String,
    /// Data that the log's items do not hold.
    pub(crate) payload_bucket: String,
    /// Receipts, the watermark, and rows of deliveries in trouble.
    pub(crate) outbox_table: String,
    /// Reminders of deliveries that a queue did not take.
    pub(crate) retry_queue_url: String,
    /// What can never be dispatched.
    pub(crate) dead_letter_queue_url: String,
    /// What was found, where it is too much for one run.
    pub(crate) sweep_queue_url: String,
    /// The mapping that dispatch is switched by.
    pub(crate) dispatch_mapping_id: String,
    /// Closed hours.
    pub(crate) archive_bucket: String,
    /// How old a slice of the log is when it is looked at.
    pub(crate) settle: Duration,
}

impl Config {
    /// Reads it, or tells everything that is wrong with it.
    pub(crate) fn read(mut env: Env) -> Result<Self, BadConfiguration> {
        let process = Process::read(&mut env);
        let registry_table = env.required("REGISTRY_TABLE");
        let event_log_table = env.required("EVENT_LOG_TABLE");
        let payload_bucket = env.required("PAYLOAD_BUCKET");
        let outbox_table = env.required("OUTBOX_TABLE");
        let retry_queue_url = env.required("RETRY_QUEUE_URL");
        let dead_letter_queue_url = env.required("DEAD_LETTER_QUEUE_URL");
        let sweep_queue_url = env.required("SWEEP_QUEUE_URL");
        let dispatch_mapping_id = env.required("DISPATCH_MAPPING_ID");
        let archive_bucket = env.required("ARCHIVE_BUCKET");
        let settle_seconds = env.required::<u32>("SWEEP_SETTLE_SECONDS");
        env.finish(|| {
            Some(Self {
                process: process?,
                registry_table: registry_table?,
                event_log_table: event_log_table?,
                payload_bucket: payload_bucket?,
                outbox_table: outbox_table?,
                retry_queue_url: retry_queue_url?,
                dead_letter_queue_url: dead_letter_queue_url?,
                sweep_queue_url: sweep_queue_url?,
                dispatch_mapping_id: dispatch_mapping_id?,
                archive_bucket: archive_bucket?,
                settle: Duration::from_secs(settle_seconds?.into()),
            })
        })
    }
}
