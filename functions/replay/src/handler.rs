//! From calls of workers to the domain and back.

mod call;
mod message;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures::future::join_all;
use pillarbox_domain::dead_letter::{DeadLetterQueue, Failure, GivenUp, Origin};
use pillarbox_domain::delivery::Message;
use pillarbox_domain::job::{Holder, JobId, JobQueue, JobStore, LEASE, Ports, Ran, Run, Worker};
use pillarbox_domain::schedule::{ScheduledCall, Started, Starter};
use pillarbox_domain::visibility::Visibility;
use pillarbox_domain::{Clock, ErrorChain, StoreError, TenantId};
use pillarbox_runtime::batch::{BatchAnswer, Panicked, guarded};
use pillarbox_runtime::metrics::Metrics;
use pillarbox_runtime::metrics::catalogue::BATCH_SIZE;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use call::KeptCall;
use message::{CallMessage, NotAMessage};

/// How long one call works, done or not: within the function's time-out there is room for what was begun before its
/// end.
pub(crate) const BUDGET: Duration = Duration::from_secs(45);

/// How long nothing was written of a job whose workers are taken for gone.
const IDLE: Duration = Duration::from_secs(10 * 60);

/// Jobs that one pass calls a worker for. What is left over is found by the next.
const MAX_IDLE_JOBS: usize = 100;

/// How long after a call that failed it comes again: what it held can be taken over by then.
const AFTER_A_FAILURE: Duration = Duration::from_secs(LEASE.as_secs() + 1);

/// Receives after which a message is replaced by a new one. Its queue gives up on it after a thousand, and a long job
/// receives it every 45 s; a new one each time would be taken for a loop
/// (<https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html>).
const MAX_RECEIVES: u32 = 900;

/// Workers of jobs.
pub(crate) struct Replay<P, V> {
    /// Everything that they work with.
    pub(crate) parts: P,
    /// The queue that calls came from.
    pub(crate) visibility: V,
    /// How old an hour is at the least that is read from the archive where it is there.
    pub(crate) archived_after: Duration,
    /// How long one call works, see [`BUDGET`].
    pub(crate) budget: Duration,
    /// What is measured.
    pub(crate) metrics: Metrics,
}

/// Who calls.
enum Input {
    /// The job queue: each record calls a worker.
    Workers(Vec<Box<RawValue>>),
    /// A tenant's schedule: it asks for a job.
    Schedule,
    /// The function's own schedule: for a pass over jobs that nobody works for.
    Pass,
}

/// Why a call has to come again.
#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error("a store failed")]
    Store(#[from] StoreError),
    #[error("the worker panicked")]
    Panicked(#[from] Panicked),
}

/// Why an invocation as a whole has to come again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvocationError {
    /// It is neither a batch nor a schedule's call.
    #[error("the input is not understood")]
    Input(#[source] serde_json::Error),
    /// Lambda itself malformed a message: it has no id by which its failure could be reported.
    #[error(transparent)]
    NotAMessage(#[from] NotAMessage),
    #[error("jobs that nobody works for could not be found, or nobody called for them")]
    Pass(#[source] StoreError),
    #[error("the schedule's job could not be made")]
    Schedule(#[source] StoreError),
}

impl Input {
    fn read(input: &RawValue) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Read {
            #[serde(rename = "Records")]
            records: Option<Vec<Box<RawValue>>>,
            schedule: Option<IgnoredAny>,
        }
        let read: Read = serde_json::from_str(input.get())?;
        Ok(match (read.records, read.schedule) {
            (Some(records), _) => Self::Workers(records),
            (None, Some(_)) => Self::Schedule,
            (None, None) => Self::Pass,
        })
    }
}

impl<P: Ports, V: Visibility + Sync> Replay<P, V> {
    /// Works for whoever calls.
    pub(crate) async fn handle(&self, input: &RawValue) -> Result<BatchAnswer, InvocationError> {
        match Input::read(input).map_err(InvocationError::Input)? {
            Input::Workers(records) => self.work_all(&records).await,
            Input::Schedule => {
                self.start(input).await?;
                Ok(BatchAnswer::default())
            }
            Input::Pass => {
                self.pass().await.map_err(InvocationError::Pass)?;
                Ok(BatchAnswer::default())
            }
        }
    }

    async fn work_all(&self, records: &[Box<RawValue>]) -> Result<BatchAnswer, InvocationError> {
        let messages = records.iter().map(|record| CallMessage::read(record));
        let messages = messages.collect::<Result<Vec<_>, _>>()?;
        self.metrics.record(&BATCH_SIZE, (), messages.len() as f64);
        let work = messages.iter().map(|message| self.answer(message));
        Ok(join_all(work).await.into_iter().flatten().collect())
    }

    /// Works for one message. Its id is returned when it has to come again.
    async fn answer(&self, message: &CallMessage) -> Option<String> {
        let (tenant, id) = match message.job() {
            Ok(job) => job,
            Err(reason) => return self.put_away(message, reason).await,
        };
        let started = Instant::now();
        let ran = self.work(message, &tenant, id).await;
        log(message, &tenant, id, &ran, started);
        let after = match ran {
            Ok(Ran::Finished) => return None,
            Ok(Ran::Again { after }) => after,
            Err(_) => AFTER_A_FAILURE,
        };
        self.come_again(message, &tenant, id, after).await
    }

    async fn work(
        &self,
        message: &CallMessage,
        tenant: &TenantId,
        id: JobId,
    ) -> Result<Ran, CallError> {
        let clock = &self.parts.parts().clock;
        let caller = KeptCall {
            visibility: &self.visibility,
            clock,
            metrics: &self.metrics,
            message,
            tenant,
            id,
            kept_at: Mutex::default(),
        };
        caller.keep().await;
        let worker = Worker {
            ports: &self.parts,
            archived_after: self.archived_after,
        };
        let run = Run {
            tenant,
            id,
            holder: Holder(clock.next_id()),
            until: clock.now() + self.budget,
            caller: &caller,
        };
        Ok(guarded(worker.run(&run)).await??)
    }

    /// A message that comes again is shown after a while. One that has come very often is replaced.
    async fn come_again(
        &self,
        message: &CallMessage,
        tenant: &TenantId,
        id: JobId,
        after: Duration,
    ) -> Option<String> {
        if message.receives >= MAX_RECEIVES {
            let calls = &self.parts.parts().calls;
            match calls.call(tenant, id, 1, after).await {
                Ok(()) => return None,
                Err(error) => tracing::error!(
                    tenant.id = %tenant, job.id = %id, message.id = message.id,
                    error = %ErrorChain(&error), "job.call_not_replaced"
                ),
            }
        }
        call::hide(&self.visibility, message, after).await;
        Some(message.id.clone())
    }

    /// What calls for no job will never do so: it is kept where a person finds it.
    async fn put_away(&self, message: &CallMessage, reason: String) -> Option<String> {
        let parts = self.parts.parts();
        let now = parts.clock.now();
        let given_up = GivenUp {
            origin: Origin::Replay,
            error: Failure::new("Malformed", reason.clone()),
            attempts: message.receives.max(1),
            first_failed_at: now,
            last_failed_at: now,
            message: Message {
                body: message.body.clone(),
                attributes: vec![],
                group: TenantId::bus().to_string(),
            },
        };
        let put = parts.dead_letters.put(&given_up).await;
        let error = put
            .as_ref()
            .err()
            .map(|error| ErrorChain(error).to_string());
        tracing::error!(message.id = message.id, reason, error, "job.call_malformed");
        put.is_err().then(|| message.id.clone())
    }

    /// Calls a worker for each job that nobody seems to work for.
    async fn pass(&self) -> Result<(), StoreError> {
        let parts = self.parts.parts();
        let now = parts.clock.now();
        for (tenant, id) in parts.jobs.take_idle(now, IDLE, MAX_IDLE_JOBS).await? {
            tracing::warn!(tenant.id = %tenant, job.id = %id, "job.idle");
            parts.calls.call(&tenant, id, 1, Duration::ZERO).await?;
        }
        Ok(())
    }

    /// Makes the job of a schedule's time. A call that can never make one is told of, and done with.
    async fn start(&self, input: &RawValue) -> Result<(), InvocationError> {
        let call = match ScheduledCall::read(input.get()) {
            Ok(call) => call,
            Err(invalid) => {
                log_refused(None, &invalid);
                return Ok(());
            }
        };
        let parts = self.parts.parts();
        let starter = Starter {
            jobs: &parts.jobs,
            calls: &parts.calls,
            registry: &parts.registry,
            clock: &parts.clock,
        };
        let started = starter.start(&call).await;
        match started.map_err(InvocationError::Schedule)? {
            Started::New(job) => tracing::info!(
                tenant.id = %call.tenant, schedule.name = call.name.as_str(), job.id = %job.id,
                is_new = true, "schedule.started"
            ),
            Started::Again(job) => tracing::info!(
                tenant.id = %call.tenant, schedule.name = call.name.as_str(), job.id = %job.id,
                is_new = false, "schedule.started"
            ),
            Started::Refused(refusal) => log_refused(Some(&call), &refusal),
        }
        Ok(())
    }
}

/// One line per call of a worker.
fn log(
    message: &CallMessage,
    tenant: &TenantId,
    id: JobId,
    ran: &Result<Ran, CallError>,
    started: Instant,
) {
    let (outcome, after, error) = match ran {
        Ok(Ran::Finished) => ("finished", None, None),
        Ok(Ran::Again { after }) => ("again", Some(after.as_secs_f64()), None),
        Err(error) => ("failed", None, Some(ErrorChain(error).to_string())),
    };
    tracing::info!(
        tenant.id = %tenant,
        job.id = %id,
        message.id = message.id,
        receives = message.receives,
        outcome,
        after_s = after,
        error,
        duration_ms = started.elapsed().as_secs_f64() * 1_000.0,
        "job.worked_on"
    );
}

fn log_refused(call: Option<&ScheduledCall>, refusal: &(dyn std::error::Error + 'static)) {
    tracing::error!(
        tenant.id = call.map(|call| call.tenant.to_string()),
        schedule.name = call.map(|call| call.name.to_string()),
        reason = %ErrorChain(refusal),
        "schedule.refused"
    );
}

#[cfg(test)]
mod tests;
