//! What the function is told by its environment.

use pillarbox_domain::letters::LetterRetention;
use pillarbox_runtime::env::{BadConfiguration, Env};
use pillarbox_runtime::process::Process;

/// All of it.
pub(crate) struct Config {
    /// What every function is told.
    pub(crate) process: Process,
    /// Where dead letters are kept.
    pub(crate) dead_letter_table: String,
    /// Bodies that the table's items do not hold.
    pub(crate) payload_bucket: String,
    /// For how long.
    pub(crate) retention: LetterRetention,
}

impl Config {
    /// Reads it, or tells everything that is wrong with it.
    pub(crate) fn read(mut env: Env) -> Result<Self, BadConfiguration> {
        let process = Process::read(&mut env);
        let dead_letter_table = env.required("DEAD_LETTER_TABLE");
        let payload_bucket = env.required("PAYLOAD_BUCKET");
        let retention = env.required("DEAD_LETTER_RETENTION_DAYS");
        env.finish(|| {
            Some(Self {
                process: process?,
                dead_letter_table: dead_letter_table?,
                payload_bucket: payload_bucket?,
                retention: retention?,
            })
        })
    }
}
