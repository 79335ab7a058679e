//! What the function is told by its environment.

use std::num::NonZeroU32;

use pillarbox_runtime::env::{BadConfiguration, Env};
use pillarbox_runtime::process::Process;

use crate::failing_types::FailingTypes;

/// All of it.
pub(crate) struct Config {
    /// What every function is told.
    pub(crate) process: Process,
    /// What this subscriber has done.
    pub(crate) inbox_table: String,
    /// Where its deliveries come from.
    pub(crate) queue_url: String,
    /// Where they go that fail for good.
    pub(crate) dead_letter_queue_url: String,
    /// How often a delivery can be received: `maxReceiveCount` of the queue's redrive policy.
    pub(crate) max_receives: NonZeroU32,
    /// Types of events that are to fail, so that a person can watch what becomes of them.
    pub(crate) failing_types: FailingTypes,
}

impl Config {
    /// Reads it, or tells everything that is wrong with it.
    pub(crate) fn read(mut env: Env) -> Result<Self, BadConfiguration> {
        let process = Process::read(&mut env);
        let inbox_table = env.required("INBOX_TABLE");
        let queue_url = env.required("QUEUE_URL");
        let dead_letter_queue_url = env.required("DEAD_LETTER_QUEUE_URL");
        let max_receives = env.required("MAX_RECEIVES");
        let failing_types = env.optional("FAILING_TYPES").unwrap_or_default();
        env.finish(|| {
            Some(Self {
                process: process?,
                inbox_table: inbox_table?,
                queue_url: queue_url?,
                dead_letter_queue_url: dead_letter_queue_url?,
                max_receives: max_receives?,
                failing_types: FailingTypes::of(&failing_types),
            })
        })
    }
}
