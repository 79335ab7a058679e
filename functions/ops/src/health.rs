//! `GET /v1/health/deep`: whether the bus is well, check by check, for administrators.

use aws_lambda_events::http::StatusCode;
use pillarbox_aws::{
    BusQueueUrls, Clients, DynamoJobs, DynamoLetters, DynamoLogIndex, DynamoReceipts,
    DynamoRegistry, DynamoSeals, DynamoSweepStore, DynamoTroubledDeliveries, LambdaDispatchSwitch,
    S3Payloads, SqsQueueDepths,
};
use pillarbox_domain::credential::Scope;
use pillarbox_domain::gauges::{KnownLogs, Standings};
use pillarbox_domain::health::{Examine, Examiner, ShownExamination, Status, Tables};
use pillarbox_domain::subscription_cache::CachedSubscriptions;
use pillarbox_runtime::clock::SystemClock;
use pillarbox_runtime::http::{Caller, Problem, Request, Response, json};
use pillarbox_runtime::sleeper::TokioSleeper;

use crate::config::Names;

/// What looks at the stack's own tables and queues.
pub(crate) type AwsExaminer = Examiner<
    Tables<
        DynamoRegistry,
        DynamoSweepStore,
        DynamoReceipts,
        DynamoLogIndex<S3Payloads>,
        DynamoTroubledDeliveries,
        DynamoLetters<S3Payloads>,
        CachedSubscriptions<DynamoRegistry, SystemClock>,
        DynamoSeals,
        DynamoJobs,
        SystemClock,
    >,
    SqsQueueDepths,
    LambdaDispatchSwitch,
    TokioSleeper,
    SystemClock,
>;

/// Looks at what the configuration names.
pub(crate) fn examiner(clients: &Clients, names: &Names, clock: &SystemClock) -> AwsExaminer {
    let urls = BusQueueUrls {
        dead_letters: names.dead_letter_queue_url.clone(),
        retries: names.retry_queue_url.clone(),
        jobs: names.job_queue_url.clone(),
        sweep: names.sweep_queue_url.clone(),
    };
    let dynamodb = || clients.dynamodb();
    let outbox = || names.outbox_table.clone();
    let payloads = S3Payloads::new(clients.s3(), names.payload_bucket.clone());
    let (log, letters) = (&names.event_log_table, &names.dead_letter_table);
    let registry = DynamoRegistry::new(dynamodb(), names.registry_table.clone());
    Examiner {
        tables: Tables {
            logs: KnownLogs::new(registry.clone(), clock.clone()),
            subscriptions: CachedSubscriptions::new(registry.clone(), clock.clone()),
            registry,
            sweep: DynamoSweepStore::new(dynamodb(), outbox()),
            receipts: DynamoReceipts::new(dynamodb(), outbox()),
            log: DynamoLogIndex::new(dynamodb(), log.clone(), payloads.clone()),
            rows: DynamoTroubledDeliveries::new(dynamodb(), outbox()),
            letters: DynamoLetters::new(dynamodb(), letters.clone(), payloads),
            seals: DynamoSeals::new(dynamodb(), outbox()),
            jobs: DynamoJobs::new(dynamodb(), names.job_table.clone()),
        },
        queues: SqsQueueDepths::new(clients.sqs(), urls),
        switch: LambdaDispatchSwitch::new(clients.lambda(), names.dispatch_mapping_id.clone()),
        sleeper: TokioSleeper,
        clock: clock.clone(),
        standings: Standings::default(),
    }
}

/// Always 200: whoever asks wants to know what is wrong, and not that something is.
pub(crate) async fn show<N: Examine>(examiner: &N, request: &Request) -> Result<Response, Problem> {
    Caller::of(request)?.require(Scope::Admin)?;
    let found = examiner.examine().await;
    for check in found
        .checks
        .iter()
        .filter(|check| check.status == Status::Fail)
    {
        tracing::warn!(
            check = check.name.as_str(),
            detail = check.message,
            "health.failed"
        );
    }
    Ok(json(StatusCode::OK, &ShownExamination(&found)))
}

#[cfg(test)]
pub(crate) mod tests;
