//! From calls and messages to the domain and back.

use std::time::Instant;

use aws_lambda_events::sqs::SqsMessage;
use pillarbox_domain::archive::{ArchiveReader, ArchiveWriter};
use pillarbox_domain::dead_letter::DeadLetterQueue;
use pillarbox_domain::dispatch::Dispatching;
use pillarbox_domain::dispatch_switch::DispatchSwitch;
use pillarbox_domain::event_query::{EventBodies, LogIndex};
use pillarbox_domain::receipt::{ReceiptLedger, Receipts};
use pillarbox_domain::registry::Tenants;
use pillarbox_domain::seal::{SealSettings, SealStore, Sealer};
use pillarbox_domain::sweep::{
    Asking, Handed, MalformedFound, Rules, Sweep, SweepQueue, SweepStore, read_message,
};
use pillarbox_domain::tenant_settings::TenantSettingsReader;
use pillarbox_domain::{Clock, StoreError};
use pillarbox_runtime::batch::{BatchAnswer, Panicked, guarded, read};
use pillarbox_runtime::metrics::Metrics;
use pillarbox_runtime::metrics::catalogue::{BATCH_SIZE, SEAL_LAG, SWEEP_FOUND};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::input::{Input, Request};
use crate::summary::Summary;
use crate::{lines, seal};

/// The sweep, what seals besides need, the rules that both go by when a call says nothing else, and what is measured.
pub(crate) struct Handler<'a, W, S, G, Q, R, L, D, X, C, A, K> {
    pub(crate) sweep: Sweep<'a, W, S, G, Q, R, L, D, X, C>,
    pub(crate) archive: &'a A,
    pub(crate) seals: &'a K,
    pub(crate) rules: Rules,
    pub(crate) metrics: Metrics,
}

/// What a call is told.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    /// Which messages have to come again.
    Batch(BatchAnswer),
    /// What a run came to.
    Swept(Summary),
    /// What a pass over closed hours came to.
    Sealed(seal::Summary),
}

/// Why a message has to come again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the message is none of the sweep's")]
    Malformed(#[from] MalformedFound),
    #[error("it is not known whether dispatch is on")]
    Switch(#[from] StoreError),
    #[error("handing over panicked")]
    Panicked(#[from] Panicked),
    #[error("{0} of its events are missing still")]
    Missing(usize),
}

/// Why an invocation as a whole has failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvocationError {
    /// Lambda itself malformed a message: it has no id by which its failure could be reported.
    #[error("a record of the batch is not an SQS message with an id")]
    NotAMessage(#[source] Option<serde_json::Error>),
    #[error("the sweep could not be finished")]
    Sweep(#[source] StoreError),
    #[error("closed hours could not be looked through")]
    Seal(#[source] StoreError),
}

impl<W, S, G, Q, R, L, D, X, C, A, K> Handler<'_, W, S, G, Q, R, L, D, X, C, A, K>
where
    W: SweepStore + Sync,
    S: DispatchSwitch + Sync,
    G: Tenants + TenantSettingsReader + Sync,
    Q: SweepQueue + Sync,
    R: ReceiptLedger + Receipts + Sync,
    L: LogIndex + EventBodies + Sync,
    D: Dispatching,
    X: DeadLetterQueue + Sync,
    C: Clock + Sync,
    A: ArchiveReader + ArchiveWriter,
    K: SealStore,
{
    /// Runs the sweep or seals hours, or hands over what an earlier run found.
    pub(crate) async fn handle(&self, input: Input) -> Result<Answer, InvocationError> {
        match input.request(self.rules) {
            Request::Take(records) => self.take_all(&records).await.map(Answer::Batch),
            Request::Sweep(rules) => self.run(&rules).await.map(Answer::Swept),
            Request::Seal(settings) => self.seal(settings).await.map(Answer::Sealed),
        }
    }

    async fn run(&self, rules: &Rules) -> Result<Summary, InvocationError> {
        let started = Instant::now();
        let swept = self.sweep.run(rules).await;
        let mut swept = swept.map_err(InvocationError::Sweep)?;
        let summary = Summary::of(&swept);
        lines::swept(&swept, &summary, self.sweep.hand_over.clock.now(), started);
        self.metrics.add(&SWEEP_FOUND, (), summary.missing);
        self.measure(&swept.handed);
        match swept.fault.take() {
            Some(fault) => Err(InvocationError::Sweep(fault)),
            None => Ok(summary),
        }
    }

    async fn seal(&self, settings: SealSettings) -> Result<seal::Summary, InvocationError> {
        let started = Instant::now();
        let hand_over = &self.sweep.hand_over;
        let sealer = Sealer {
            tenants: self.sweep.registry,
            log: hand_over.log,
            receipts: hand_over.receipts,
            archive: self.archive,
            seals: self.seals,
            redispatch: &Asking(self.sweep.queue),
            clock: hand_over.clock,
            settings,
        };
        let mut pass = sealer.run().await.map_err(InvocationError::Seal)?;
        let summary = seal::Summary::of(&pass);
        seal::tell(&pass, &summary, started);
        self.metrics.record(&SEAL_LAG, (), pass.lag.as_secs_f64());
        match pass.fault.take() {
            Some(fault) => Err(InvocationError::Seal(fault)),
            None => Ok(summary),
        }
    }

    fn measure(&self, handed: &Handed) {
        let now = self.sweep.hand_over.clock.now();
        self.metrics.suspended(handed.suspended.len());
        for event in &handed.dispatched {
            self.metrics.handed_over(event, now);
        }
    }

    /// One after the other: each brings its events into memory.
    async fn take_all(&self, records: &[Box<RawValue>]) -> Result<BatchAnswer, InvocationError> {
        self.metrics.record(&BATCH_SIZE, (), records.len() as f64);
        let messages = records.iter().map(|record| message(record));
        let mut failed = Vec::new();
        for (id, body) in messages.collect::<Result<Vec<_>, _>>()? {
            let started = Instant::now();
            let taken = self.take(&body).await;
            let now = self.sweep.hand_over.clock.now();
            lines::taken(&id, &taken, (started, now));
            failed.extend(taken.err().map(|_| id));
        }
        Ok(failed.into_iter().collect())
    }

    async fn take(&self, body: &str) -> Result<Option<Handed>, Failure> {
        let found = read_message(body)?;
        let Some(handed) = guarded(self.sweep.take(found)).await?? else {
            return Ok(None);
        };
        self.measure(&handed);
        match handed.failed.len() {
            0 => Ok(Some(handed)),
            missing => {
                lines::handed(&handed, self.sweep.hand_over.clock.now());
                Err(Failure::Missing(missing))
            }
        }
    }
}

fn message(record: &RawValue) -> Result<(String, String), InvocationError> {
    let message = read::<SqsMessage>(record);
    let message = message.map_err(|error| InvocationError::NotAMessage(Some(error)))?;
    let id = message
        .message_id
        .ok_or(InvocationError::NotAMessage(None))?;
    Ok((id, message.body.unwrap_or_default()))
}

#[cfg(test)]
mod tests;
