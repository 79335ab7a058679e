//! One run of the sweep.

use std::collections::VecDeque;

use futures::{StreamExt, TryStreamExt, stream};
use time::UtcDateTime;

use super::hand_over::{HandOver, Handed};
use super::ledger::Survey;
use super::look::{Looked, Run};
use super::slice::{Slice, aligned};
use super::state::{MAX_OPEN, SweepState, SweepStore, signed};
use super::{End, Found, Rules, SweepQueue, Swept};
use crate::clock::Clock;
use crate::dead_letter::DeadLetterQueue;
use crate::dispatch::Dispatching;
use crate::dispatch_switch::{DispatchSwitch, SwitchState};
use crate::event_query::{EventBodies, LogIndex};
use crate::limits::MAX_LOG_SHARDS;
use crate::log_shard::LogShards;
use crate::receipt::{ReceiptLedger, Receipts};
use crate::registry::Tenants;
use crate::store_error::{Disposition, StoreError};
use crate::tenant::TenantId;
use crate::tenant_settings::TenantSettingsReader;

/// Tenants that one call brings.
const TENANTS_A_PAGE: usize = 1_000;

/// Tenants whose settings are read at a time.
const MAX_READS: usize = 16;

/// Where the parts of a sweep are.
pub struct Sweep<'a, W, S, G, Q, R, L, D, X, C> {
    /// How far it has come.
    pub store: &'a W,
    /// Whether dispatch is on.
    pub switch: &'a S,
    /// Who has a log, and how it is spread.
    pub registry: &'a G,
    /// Where events go that are too many for one run.
    pub queue: &'a Q,
    /// What hands over.
    pub hand_over: HandOver<'a, R, L, D, X, C>,
}

/// What is left to look at.
struct Agenda {
    /// Open slices, the earliest first.
    due: VecDeque<Slice>,
    /// The end of what is closed.
    end: UtcDateTime,
}

impl Agenda {
    fn of(state: &SweepState, now: UtcDateTime, rules: &Rules) -> Self {
        Self {
            due: state.due(now).into(),
            end: aligned(now.saturating_sub(signed(rules.settle))),
        }
    }

    /// Open slices lie before all that was never looked at, so the oldest come first.
    fn next(&mut self, state: &SweepState, survey: &Survey) -> Option<Slice> {
        let from = aligned(state.looked_before);
        let next = || Slice::next(from, self.end, |slice| survey.is_sparse(slice));
        self.due.pop_front().or_else(next)
    }

    fn is_empty(&self, state: &SweepState) -> bool {
        self.due.is_empty() && state.looked_before >= self.end
    }
}

impl<W, S, G, Q, R, L, D, X, C> Sweep<'_, W, S, G, Q, R, L, D, X, C>
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
{
    /// Looks at every slice that is closed and was not clean before, the earliest first. What was done before a
    /// fault is saved, and told beside it.
    pub async fn run(&self, rules: &Rules) -> Result<Swept, StoreError> {
        let now = self.now();
        let state = self.store.read().await?;
        let mut state = state.unwrap_or_else(|| SweepState::beginning(now));
        if self.switch.state().await? != SwitchState::Enabled {
            return self.stand_back(state, now).await;
        }
        let agenda = Agenda::of(&state, now, rules);
        let mut swept = match agenda.is_empty(&state) {
            true => Swept::default(),
            false => self.work_off(&mut state, agenda, rules, now).await?,
        };
        swept.swept_before = Some(state.swept_before());
        swept.open = state.open.len();
        Ok(swept)
    }

    /// Events that a run found and did not hand over itself. `None` when dispatch is off: then nothing is done, and
    /// their slices stay open until a run has found their receipts.
    pub async fn take(&self, found: Vec<Found>) -> Result<Option<Handed>, StoreError> {
        match self.switch.state().await? {
            SwitchState::Enabled => Ok(Some(self.hand_over.hand_over(found).await)),
            SwitchState::Disabled | SwitchState::Changing => Ok(None),
        }
    }

    fn now(&self) -> UtcDateTime {
        self.hand_over.clock.now()
    }

    /// While dispatch is off, events wait in the log as its operator wants it.
    async fn stand_back(
        &self,
        mut state: SweepState,
        now: UtcDateTime,
    ) -> Result<Swept, StoreError> {
        state.off_at = Some(now);
        let is_saved = self.store.save(&state).await?;
        Ok(Swept {
            end: if is_saved { End::Off } else { End::Overtaken },
            swept_before: Some(state.swept_before()),
            open: state.open.len(),
            ..Swept::default()
        })
    }

    async fn work_off(
        &self,
        state: &mut SweepState,
        agenda: Agenda,
        rules: &Rules,
        now: UtcDateTime,
    ) -> Result<Swept, StoreError> {
        let mut run = self.begin(state, rules, now).await?;
        let over_at = now.saturating_add(signed(rules.budget));
        let end = self.look_at_all(&mut run, state, agenda, over_at).await;
        let (end, fault) = match end {
            Ok(end) => (end, None),
            Err(fault) => (End::Failed, Some(fault)),
        };
        Ok(Swept {
            end,
            fault,
            ..run.swept
        })
    }

    async fn begin(
        &self,
        state: &SweepState,
        rules: &Rules,
        now: UtcDateTime,
    ) -> Result<Run, StoreError> {
        let from = state.swept_before();
        let survey = Survey::read(self.hand_over.receipts, from, now).await?;
        Ok(Run {
            passed: survey.frontier.passed(now, state.off_at, rules),
            survey,
            logs: self.logs().await?,
            left: rules.at_once,
            swept: Swept::default(),
        })
    }

    async fn look_at_all(
        &self,
        run: &mut Run,
        state: &mut SweepState,
        mut agenda: Agenda,
        over_at: UtcDateTime,
    ) -> Result<End, StoreError> {
        while let Some(slice) = agenda.next(state, &run.survey) {
            let is_new = !state.is_open(slice);
            if is_new && state.open.len() >= MAX_OPEN {
                return Ok(End::Full);
            }
            if self.now() >= over_at {
                return Ok(End::OutOfTime);
            }
            let looked = self.look(run, slice).await?;
            let is_waiting = is_new && looked.only_waits();
            if !self.conclude(state, slice, &looked).await? {
                return Ok(End::Overtaken);
            }
            if is_waiting {
                return Ok(End::Waiting);
            }
        }
        Ok(End::Closed)
    }

    /// Writes down what a look came to. `false` when another run did meanwhile.
    async fn conclude(
        &self,
        state: &mut SweepState,
        slice: Slice,
        looked: &Looked,
    ) -> Result<bool, StoreError> {
        let before = state.clone();
        match looked.waits_from {
            _ if looked.has_failed => state.leave_open(slice, looked.asked_at(self.now())),
            _ if looked.asked > 0 => state.leave_open(slice, looked.asked_at(self.now())),
            Some(_) if state.is_open(slice) => state.leave_open(slice, None),
            Some(from) => state.looked_before = state.looked_before.max(aligned(from)),
            None => state.close(slice),
        }
        if *state == before {
            return Ok(true);
        }
        let is_saved = self.store.save(state).await?;
        state.version += 1;
        Ok(is_saved)
    }

    /// The log of every tenant, and of the bus itself.
    async fn logs(&self) -> Result<Vec<(TenantId, LogShards)>, StoreError> {
        let mut tenants = vec![TenantId::bus()];
        loop {
            let after = tenants.last().filter(|last| !last.is_bus()).cloned();
            let page = self
                .registry
                .tenants(after.as_ref(), TENANTS_A_PAGE)
                .await?;
            let is_last = page.len() < TENANTS_A_PAGE;
            tenants.extend(page);
            if is_last {
                break;
            }
        }
        let mut reads = Vec::new();
        for tenant in tenants {
            reads.push(self.log_of(tenant));
        }
        stream::iter(reads).buffered(MAX_READS).try_collect().await
    }

    /// A tenant whose settings cannot be read keeps no other from its events; of its log every shard is read that
    /// there can be.
    async fn log_of(&self, tenant: TenantId) -> Result<(TenantId, LogShards), StoreError> {
        let shards = match self.registry.settings(&tenant).await {
            Ok(settings) => settings.unwrap_or_default().log_shards,
            Err(error) if error.disposition() == Disposition::GiveUp => {
                LogShards::new(MAX_LOG_SHARDS.into()).unwrap_or_default()
            }
            Err(error) => return Err(error),
        };
        Ok((tenant, shards))
    }
}

impl Looked {
    /// Whether nothing is in the way but the stream.
    fn only_waits(&self) -> bool {
        self.waits_from.is_some() && !self.has_failed && self.asked == 0
    }

    fn asked_at(&self, now: UtcDateTime) -> Option<UtcDateTime> {
        (self.asked > 0).then_some(now)
    }
}
