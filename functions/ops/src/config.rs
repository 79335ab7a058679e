//! What the function is told by its environment.

use pillarbox_aws::ScheduleTarget;
use pillarbox_runtime::env::{BadConfiguration, Env};
use pillarbox_runtime::process::Process;

/// All of it.
pub(crate) struct Config {
    /// What every function is told.
    pub(crate) process: Process,
    /// What this one works with.
    pub(crate) names: Names,
}

/// Tables, buckets and queues, by their names and addresses.
pub(crate) struct Names {
    /// Tenants, keys and subscriptions.
    pub(crate) registry_table: String,
    /// The log.
    pub(crate) event_log_table: String,
    /// Data that the log's items do not hold.
    pub(crate) payload_bucket: String,
    /// Receipts, deliveries in trouble, and in which hours the log has events.
    pub(crate) outbox_table: String,
    /// The mapping from the log's stream to dispatch.
    pub(crate) dispatch_mapping_id: String,
    /// What failed for good.
    pub(crate) dead_letter_table: String,
    /// Where schedules are, and what they call.
    pub(crate) schedule_target: ScheduleTarget,
    /// Closed hours.
    pub(crate) archive_bucket: String,
    /// Replays and redrives.
    pub(crate) job_table: String,
    /// What calls their workers.
    pub(crate) job_queue_url: String,
    /// What failed for good, on its way to its table.
    pub(crate) dead_letter_queue_url: String,
    /// Reminders of deliveries that are tried again.
    pub(crate) retry_queue_url: String,
    /// Events that the sweep found.
    pub(crate) sweep_queue_url: String,
    /// What a subscriber queue's name begins with; dispatch may send to no other.
    pub(crate) subscriber_queue_prefix: String,
}

impl Config {
    /// Reads it, or tells everything that is wrong with it.
    pub(crate) fn read(mut env: Env) -> Result<Self, BadConfiguration> {
        let process = Process::read(&mut env);
        let registry_table = env.required("REGISTRY_TABLE");
        let event_log_table = env.required("EVENT_LOG_TABLE");
        let payload_bucket = env.required("PAYLOAD_BUCKET");
        let outbox_table = env.required("OUTBOX_TABLE");
        let dispatch_mapping_id = env.required("DISPATCH_MAPPING_ID");
        let dead_letter_table = env.required("DEAD_LETTER_TABLE");
        let schedule_target = schedule_target(&mut env);
        let archive_bucket = env.required("ARCHIVE_BUCKET");
        let job_table = env.required("JOB_TABLE");
        let job_queue_url = env.required("JOB_QUEUE_URL");
        let dead_letter_queue_url = env.required("DEAD_LETTER_QUEUE_URL");
        let retry_queue_url = env.required("RETRY_QUEUE_URL");
        let sweep_queue_url = env.required("SWEEP_QUEUE_URL");
        let subscriber_queue_prefix = env.required("SUBSCRIBER_QUEUE_PREFIX");
        env.finish(|| {
            let names = Names {
                registry_table: registry_table?,
                event_log_table: event_log_table?,
                payload_bucket: payload_bucket?,
                outbox_table: outbox_table?,
                dispatch_mapping_id: dispatch_mapping_id?,
                dead_letter_table: dead_letter_table?,
                schedule_target: schedule_target?,
                archive_bucket: archive_bucket?,
                job_table: job_table?,
                job_queue_url: job_queue_url?,
                dead_letter_queue_url: dead_letter_queue_url?,
                retry_queue_url: retry_queue_url?,
                sweep_queue_url: sweep_queue_url?,
                subscriber_queue_prefix: subscriber_queue_prefix?,
            };
            Some(Self {
                process: process?,
                names,
            })
        })
    }
}

fn schedule_target(env: &mut Env) -> Option<ScheduleTarget> {
    let group = env.required("SCHEDULE_GROUP");
    let function_arn = env.required("SCHEDULE_TARGET_ARN");
    let role_arn = env.required("SCHEDULE_ROLE_ARN");
    Some(ScheduleTarget {
        group: group?,
        function_arn: function_arn?,
        role_arn: role_arn?,
    })
}
