//! One call: the figures are read and told, and minutes are rolled up beside it. Neither keeps the other from its end.

use std::time::Instant;

use pillarbox_domain::dispatch::Subscriptions;
use pillarbox_domain::event_query::LogIndex;
use pillarbox_domain::gauges::{Found, Gauges};
use pillarbox_domain::letters::LetterStore;
use pillarbox_domain::receipt::ReceiptLedger;
use pillarbox_domain::registry::Tenants;
use pillarbox_domain::stats::{RollRules, Rolled, Roller, RollupStore};
use pillarbox_domain::sweep::SweepStore;
use pillarbox_domain::tenant_settings::TenantSettingsReader;
use pillarbox_domain::trouble::RetryingCount;
use pillarbox_domain::{Clock, ErrorChain, StoreError};
use pillarbox_runtime::metrics::Metrics;

use crate::summary::{Figures, Summary};

/// What figures are read from, where they are told, and what rolls minutes up.
pub(crate) struct Handler<'a, G, W, R, L, T, D, S, U, C> {
    pub(crate) gauges: Gauges<'a, G, W, R, L, T, D, S, C>,
    pub(crate) roller: Roller<'a, R, U, C>,
    pub(crate) metrics: Metrics,
}

/// Why a call has failed. What could be read is told all the same, and the next minute's call does all of it again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvocationError {
    #[error("a figure could not be read")]
    Gauges(#[source] StoreError),
    #[error("minutes could not be rolled up")]
    Roll(#[source] StoreError),
}

impl<G, W, R, L, T, D, S, U, C> Handler<'_, G, W, R, L, T, D, S, U, C>
where
    G: Tenants + TenantSettingsReader + Sync,
    W: SweepStore + Sync,
    R: ReceiptLedger + Sync,
    L: LogIndex + Sync,
    T: RetryingCount + Sync,
    D: LetterStore + Sync,
    S: Subscriptions + Sync,
    U: RollupStore + Sync,
    C: Clock + Sync,
{
    /// Does both.
    pub(crate) async fn run(&self) -> Result<Summary, InvocationError> {
        let rules = RollRules::default();
        let (figures, rolled) = futures::join!(self.figures(), self.roll(&rules));
        Ok(Summary::of(figures?, &rolled?))
    }

    async fn figures(&self) -> Result<Figures, InvocationError> {
        let started = Instant::now();
        let found = self.gauges.read().await.map_err(InvocationError::Gauges)?;
        let (figures, fault) = Figures::of(found, self.gauges.clock.now());
        figures.tell(&self.metrics, started);
        match fault {
            Some(fault) => Err(InvocationError::Gauges(fault)),
            None => Ok(figures),
        }
    }

    async fn roll(&self, rules: &RollRules) -> Result<Rolled, InvocationError> {
        let started = Instant::now();
        let rolled = self.roller.run(rules).await;
        let rolled = rolled.map_err(InvocationError::Roll)?;
        for (minute, error) in &rolled.blocked {
            tracing::error!(minute = ?minute, error = %ErrorChain(error), "minute.blocked");
        }
        tracing::info!(
            end = rolled.end.name(),
            minutes = rolled.minutes,
            again = rolled.again,
            rollups = rolled.rollups,
            stale = rolled.stale,
            blocked = rolled.blocked.len(),
            duration_ms = started.elapsed().as_secs_f64() * 1_000.0,
            "minutes.rolled"
        );
        Ok(rolled)
    }
}

impl Figures {
    /// What was found, and the first of what could not be.
    fn of(found: Found, now: time::UtcDateTime) -> (Self, Option<StoreError>) {
        let mut figures = Self::default();
        let backlog = found
            .backlog
            .map(|backlog| figures.take_backlog(&backlog, now));
        let retrying = found
            .retrying
            .map(|retrying| figures.take_retrying(retrying));
        let totals = found.totals.map(|totals| figures.take_totals(&totals, now));
        let read = [
            ("backlog", backlog),
            ("retrying", retrying),
            ("totals", totals),
        ];
        let faults = read.into_iter().filter_map(|(gauge, read)| {
            let log = |error: &StoreError| {
                tracing::error!(gauge, error = %ErrorChain(error), "gauge.failed");
            };
            read.inspect_err(log).err()
        });
        let faults: Vec<StoreError> = faults.collect();
        (figures, faults.into_iter().next())
    }
}

#[cfg(test)]
mod tests;
