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
    /// The log.
    pub(crate) event_log_table: String,
}

impl Config {
    /// Reads it, or tells everything that is wrong with it.
    pub(crate) fn read(mut env: Env) -> Result<Self, BadConfiguration> {
        let aws = env.aws();
        let log_level = env.required("LOG_LEVEL");
        let event_log_table = env.required("EVENT_LOG_TABLE");
        env.finish(|| {
            Some(Self {
                aws: aws?,
                log_level: log_level?,
                event_log_table: event_log_table?,
            })
        })
    }
}
