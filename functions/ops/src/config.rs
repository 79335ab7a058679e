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
    /// Tenants, keys and subscriptions.
    pub(crate) registry_table: String,
    /// What a subscriber queue's name begins with; dispatch may send to no other.
    pub(crate) subscriber_queue_prefix: String,
}

impl Config {
    /// Reads it, or tells everything that is wrong with it.
    pub(crate) fn read(mut env: Env) -> Result<Self, BadConfiguration> {
        let aws = env.aws();
        let log_level = env.required("LOG_LEVEL");
        let registry_table = env.required("REGISTRY_TABLE");
        let subscriber_queue_prefix = env.required("SUBSCRIBER_QUEUE_PREFIX");
        env.finish(|| {
            Some(Self {
                aws: aws?,
                log_level: log_level?,
                registry_table: registry_table?,
                subscriber_queue_prefix: subscriber_queue_prefix?,
            })
        })
    }
}
