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
    /// Data that the log's items and those of dead letters do not hold.
    pub(crate) payload_bucket: String,
    /// In which hours there are events.
    pub(crate) outbox_table: String,
    /// Dead letters.
    pub(crate) dead_letter_table: String,
    /// What is given up.
    pub(crate) dead_letter_queue_url: String,
    /// Jobs.
    pub(crate) job_table: String,
    /// What calls workers.
    pub(crate) job_queue_url: String,
    /// Closed hours.
    pub(crate) archive_bucket: String,
    /// How old an hour is at the least that is read from the archive where it is there.
    pub(crate) archived_after: Duration,
}

impl Config {
    /// Reads it, or tells everything that is wrong with it.
    pub(crate) fn read(mut env: Env) -> Result<Self, BadConfiguration> {
        const SECONDS_AN_HOUR: u64 = 60 * 60;
        let process = Process::read(&mut env);
        let registry_table = env.required("REGISTRY_TABLE");
        let event_log_table = env.required("EVENT_LOG_TABLE");
        let payload_bucket = env.required("PAYLOAD_BUCKET");
        let outbox_table = env.required("OUTBOX_TABLE");
        let dead_letter_table = env.required("DEAD_LETTER_TABLE");
        let dead_letter_queue_url = env.required("DEAD_LETTER_QUEUE_URL");
        let job_table = env.required("JOB_TABLE");
        let job_queue_url = env.required("JOB_QUEUE_URL");
        let archive_bucket = env.required("ARCHIVE_BUCKET");
        let archived_after_hours = env.required::<u32>("ARCHIVED_AFTER_HOURS");
        env.finish(|| {
            let hours = u64::from(archived_after_hours?);
            Some(Self {
                process: process?,
                registry_table: registry_table?,
                event_log_table: event_log_table?,
                payload_bucket: payload_bucket?,
                outbox_table: outbox_table?,
                dead_letter_table: dead_letter_table?,
                dead_letter_queue_url: dead_letter_queue_url?,
                job_table: job_table?,
                job_queue_url: job_queue_url?,
                archive_bucket: archive_bucket?,
                archived_after: Duration::from_secs(hours * SECONDS_AN_HOUR),
            })
        })
    }
}
