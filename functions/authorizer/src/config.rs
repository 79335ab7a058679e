//! What the function is told by its environment.

use pillarbox_aws::AwsEnvironment;
use pillarbox_domain::credential::KeyDigest;
use pillarbox_runtime::env::{BadConfiguration, Env};
use pillarbox_runtime::telemetry::Level;

/// All of it.
pub(crate) struct Config {
    /// Where AWS is.
    pub(crate) aws: AwsEnvironment,
    /// From which level on it logs.
    pub(crate) log_level: Level,
    /// Where keys are.
    pub(crate) registry_table: String,
    /// SHA-256 of the administrators' first key.
    pub(crate) administrator: KeyDigest,
}

impl Config {
    /// Reads it, or tells everything that is wrong with it.
    pub(crate) fn read(mut env: Env) -> Result<Self, BadConfiguration> {
        let aws = env.aws();
        let log_level = env.required("LOG_LEVEL");
        let registry_table = env.required("REGISTRY_TABLE");
        let administrator = env.required("ADMIN_KEY_SHA256");
        env.finish(|| {
            Some(Self {
                aws: aws?,
                log_level: log_level?,
                registry_table: registry_table?,
                administrator: administrator?,
            })
        })
    }
}
