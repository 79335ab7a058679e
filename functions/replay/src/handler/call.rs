//! A message that stays hidden as long as its worker is at it, and is seen soon when the worker dies.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pillarbox_domain::job::{Caller, HandledPage, JobId, LEASE};
use pillarbox_domain::letters::Redriven;
use pillarbox_domain::visibility::{Hidden, Visibility};
use pillarbox_domain::{Clock, TenantId};
use pillarbox_runtime::metrics::Metrics;
use pillarbox_runtime::metrics::catalogue::JOB_EVENTS;
use time::UtcDateTime;

use super::message::CallMessage;

/// How often a message is hidden anew, at the most.
const RENEWED_EVERY: Duration = Duration::from_secs(10);

/// The message that a worker works for.
pub(super) struct KeptCall<'a, V, C> {
    pub(super) visibility: &'a V,
    pub(super) clock: &'a C,
    pub(super) metrics: &'a Metrics,
    pub(super) message: &'a CallMessage,
    pub(super) tenant: &'a TenantId,
    pub(super) id: JobId,
    /// When it was hidden last.
    pub(super) kept_at: Mutex<Option<UtcDateTime>>,
}

impl<V: Visibility, C: Clock> KeptCall<'_, V, C> {
    /// Hides it for a worker's lease, unless that was done just now.
    pub(super) async fn keep(&self) {
        let now = self.clock.now();
        let is_due = {
            let mut kept_at = self.kept_at.lock().unwrap_or_else(PoisonError::into_inner);
            let is_due = kept_at.is_none_or(|kept_at| now - kept_at >= RENEWED_EVERY);
            if is_due {
                *kept_at = Some(now);
            }
            is_due
        };
        if is_due {
            hide(self.visibility, self.message, LEASE).await;
        }
    }
}

impl<V: Visibility + Sync, C: Clock + Sync> Caller for KeptCall<'_, V, C> {
    async fn is_worked_for(&self) {
        self.keep().await;
    }

    /// One line per page.
    fn page_handled(&self, page: &HandledPage) {
        let events = usize::try_from(page.done.events).unwrap_or(usize::MAX);
        self.metrics.add(&JOB_EVENTS, page.kind, events);
        tracing::info!(
            tenant.id = %self.tenant,
            job.id = %self.id,
            unit = page.unit,
            events = page.done.events,
            sent = page.done.sent,
            skipped = page.done.skipped,
            failed = page.done.failed,
            bytes = page.done.bytes,
            duration_ms = page.took.as_secs_f64() * 1_000.0,
            "job.page_sent"
        );
    }

    /// One line per letter: those of a page are each of another trace.
    fn letter_redriven(&self, redriven: &Redriven) {
        let letter = &redriven.letter;
        let delivery = letter.delivery.as_ref();
        tracing::info!(
            tenant.id = %self.tenant,
            trace.id = redriven.trace_id.map(|trace_id| trace_id.to_string()),
            dead_letter.id = %letter.id,
            event.id = delivery.map(|delivery| delivery.event_id.to_string()),
            event.r#type = delivery.map(|delivery| delivery.event_type.as_str()),
            subscription.id = delivery.map(|delivery| delivery.subscription.as_str()),
            job.id = %self.id,
            outcome = "redriven",
            "dead_letter.redriven"
        );
    }
}

/// Hides a message from now on. Where that fails it is seen when it would have been before, which is told of, and
/// does no harm: two workers never hold one unit.
pub(super) async fn hide<V: Visibility>(visibility: &V, message: &CallMessage, lasting: Duration) {
    let hidden = Hidden {
        receipt_handle: message.receipt_handle.clone(),
        lasting,
    };
    for answer in visibility.hide(&[hidden]).await {
        if let Err(error) = answer {
            tracing::warn!(message.id = message.id, error = %error, "job.call_not_hidden");
        }
    }
}
