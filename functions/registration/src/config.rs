//! What the function is told by its environment.

use pillarbox_domain::credential::KeyDigest;
use pillarbox_runtime::env::{BadConfiguration, Env};
use pillarbox_runtime::process::Process;

/// All of it.
pub(crate) struct Config {
    /// What every function is told.
    pub(crate) process: Process,
    /// Keys and subscriptions.
    pub(crate) registry_table: String,
    /// SHA-256 of the administrators' first key.
    pub(crate) administrator: KeyDigest,
    /// What a subscriber queue's name begins with; dispatch may send to no other.
    pub(crate) subscriber_queue_prefix: String,
}

impl Config {
    /// Reads it, or tells everything that is wrong with it.
    pub(crate) fn read(mut env: Env) -> Result<Self, BadConfiguration> {
        let process = Process::read(&mut env);
        let registry_table = env.required("REGISTRY_TABLE");
        let administrator = env.required("ADMIN_KEY_SHA256");
        let subscriber_queue_prefix = env.required("SUBSCRIBER_QUEUE_PREFIX");
        env.finish(|| {
            Some(Self {
                process: process?,
                registry_table: registry_table?,
                administrator: administrator?,
                subscriber_queue_prefix: subscriber_queue_prefix?,
            })
        })
    }
}
