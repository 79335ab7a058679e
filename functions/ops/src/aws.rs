//! The API on the stack's own tables, queues and buckets.

use pillarbox_aws::{
    Clients, DynamoActiveHours, DynamoJobs, DynamoLetters, DynamoLogIndex, DynamoReceipts,
    DynamoRegistry, DynamoRollups, DynamoSeals, DynamoTroubledDeliveries, LambdaDispatchSwitch,
    S3Archive, S3Payloads, SchedulerSchedules, SqsDeliveryQueues, SqsJobQueue,
};
use pillarbox_domain::schema::delivery::Upcasting;
use pillarbox_runtime::clock::SystemClock;

use crate::config::Names;
use crate::dead_letters::DeadLetters;
use crate::events::Events;
use crate::handler::Ops;
use crate::health::{AwsExaminer, examiner};
use crate::integrity::Vault;
use crate::jobs::Jobs;
use crate::journey::Deliveries;
use crate::stats::Statistics;

/// The API as it is deployed.
pub(crate) type AwsOps = Ops<
    DynamoRegistry,
    DynamoLogIndex<S3Payloads>,
    DynamoActiveHours,
    SystemClock,
    fn(&mut [u8]) -> Result<(), getrandom::Error>,
    DynamoLetters<S3Payloads>,
    SqsDeliveryQueues,
    Upcasting<DynamoRegistry, SystemClock>,
    DynamoReceipts,
    DynamoTroubledDeliveries,
    LambdaDispatchSwitch,
    SchedulerSchedules,
    DynamoSeals,
    S3Archive,
    DynamoJobs,
    SqsJobQueue,
    DynamoRollups,
    AwsExaminer,
>;

/// Everything that the API is made of.
pub(crate) fn ops(clients: &Clients, names: &Names) -> AwsOps {
    let clock = SystemClock::default();
    let registry = DynamoRegistry::new(clients.dynamodb(), names.registry_table.clone());
    let payloads = S3Payloads::new(clients.s3(), names.payload_bucket.clone());
    Ops {
        events: Events::on_aws(clients, names, payloads.clone(), clock.clone()),
        dead_letters: DeadLetters::on_aws(
            clients,
            names,
            payloads,
            registry.clone(),
            clock.clone(),
        ),
        jobs: Jobs::on_aws(clients, names, clock.clone()),
        examiner: examiner(clients, names, &clock),
        deliveries: Deliveries::on_aws(clients, names),
        statistics: Statistics::on_aws(clients, names),
        vault: Vault::on_aws(clients, names),
        registry,
        switch: LambdaDispatchSwitch::new(clients.lambda(), names.dispatch_mapping_id.clone()),
        schedules: SchedulerSchedules::new(clients.scheduler(), names.schedule_target.clone()),
        queue_prefix: names.subscriber_queue_prefix.clone(),
        random: getrandom::fill,
    }
}
