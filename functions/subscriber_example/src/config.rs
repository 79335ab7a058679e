//! What the function is told by its environment.

use pillarbox_aws::AwsEnvironment;
use pillarbox_runtime::env::{BadConfiguration, Env};
use pillarbox_runtime::telemetry::Level;

/// All of it.
pub(crate) struct Config {
    /// Where AWS is.
    pub(crate) aws: AwsEnvironment,
    /// From which level on it logs.
    pub(crate) log_level: Level,
    /// What this subscriber has done.
    pub(crate) inbox_table: String,
}

impl Config {
    /// Reads it, or tells everything that is wrong with it.
    pub(crate) fn read(mut env: Env) -> Result<Self, BadConfiguration> {
        let aws = env.aws();
        let log_level = env.required("LOG_LEVEL");
        let inbox_table = env.required("INBOX_TABLE");
        env.finish(|| {
            Some(Self {
                aws: aws?,
                log_level: log_level?,
                inbox_table: inbox_table?,
            })
        })
    }
}
