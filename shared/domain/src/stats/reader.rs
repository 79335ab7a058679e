//! Answers to questions.

use std::collections::BTreeMap;

use futures::future::try_join;
use time::UtcDateTime;

use super::failures::{FailureBounds, FailureFigures, FailureReader, Failures};
use super::figures::{Figures, TypeFigures};
use super::minute::Minute;
use super::query::{StatsQuery, Window, is_wanted};
use super::rollup::RollupStore;
use super::source::Source;
use crate::letters::LetterStore;
use crate::receipt::ReceiptLedger;
use crate::store_error::StoreError;
use crate::subscription::TypePattern;
use crate::tenant::TenantId;
use crate::trouble::{TroubleLedger, TroubledDeliveries};

/// What one question may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatsBounds {
    /// Minutes that are not rolled up, or stale: six calls each, of the receipts of all tenants.
    pub raw_minutes: usize,
    /// Of failures.
    pub failures: FailureBounds,
}

impl Default for StatsBounds {
    /// Four hours of receipts: some seconds of an API's 30.
    fn default() -> Self {
        Self {
            raw_minutes: 240,
            failures: FailureBounds::default(),
        }
    }
}

/// Answers tenants' questions.
pub struct StatsReader<'a, R, S, L, T> {
    /// What was handed over.
    pub receipts: &'a R,
    /// The same, minute by minute.
    pub rollups: &'a S,
    /// What failed for good.
    pub letters: &'a L,
    /// What is in trouble.
    pub rows: &'a T,
    /// By this time letters are judged.
    pub now: UtcDateTime,
    /// What one question may read.
    pub bounds: StatsBounds,
}

/// What is counted of some events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Of receipts.
    pub figures: TypeFigures,
    /// Of rows and dead letters.
    pub failures: FailureFigures,
}

/// One step of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// Its first instant; the first and the last point may be cut by the window.
    pub from: UtcDateTime,
    /// The first instant after it.
    pub to: UtcDateTime,
    /// What is counted in it, of all types that are asked for.
    pub counted: Counted,
}

/// The answer of `GET /v1/stats`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// What was counted: all that was asked for, or its beginning, where more receipts would have had to be read than
    /// may be.
    pub window: Window,
    /// Up to which time was asked for.
    pub asked_to: UtcDateTime,
    /// Minutes of a point of the series.
    pub step_minutes: u32,
    /// By type.
    pub types: BTreeMap<String, Counted>,
    /// All of them together.
    pub total: Counted,
    /// One after the other, those without events, too.
    pub series: Vec<Point>,
    /// Whether there may be more failures than these.
    pub failures_are_at_least: bool,
}

impl<R, S, L, T> StatsReader<'_, R, S, L, T>
where
    R: ReceiptLedger + Sync,
    S: RollupStore + Sync,
    L: LetterStore + Sync,
    T: TroubledDeliveries + TroubleLedger + Sync,
{
    /// The statistics of a window.
    pub async fn stats(&self, tenant: &TenantId, query: &StatsQuery) -> Result<Stats, StoreError> {
        let mut counting = Counting::new(query);
        let source = self.source(tenant, query.window);
        let counted = source.figures(|minute, figures| counting.take(minute, figures));
        let failures = self.failures(tenant, query.window, &query.types);
        let (end, failures) = try_join(counted, async { failures.read().await }).await?;
        Ok(counting.finish(end, &failures))
    }

    pub(super) fn source<'s>(&'s self, tenant: &'s TenantId, window: Window) -> Source<'s, R, S> {
        Source {
            receipts: self.receipts,
            rollups: self.rollups,
            tenant,
            window,
            raw_minutes: self.bounds.raw_minutes,
        }
    }

    pub(super) fn failures<'s>(
        &'s self,
        tenant: &'s TenantId,
        window: Window,
        types: &'s [TypePattern],
    ) -> FailureReader<'s, L, T> {
        FailureReader {
            letters: self.letters,
            rows: self.rows,
            tenant,
            window,
            types,
            now: self.now,
            bounds: self.bounds.failures,
        }
    }
}

/// An answer in the making.
struct Counting<'a> {
    query: &'a StatsQuery,
    types: BTreeMap<String, Counted>,
    total: Counted,
    steps: BTreeMap<i64, Counted>,
}

impl<'a> Counting<'a> {
    fn new(query: &'a StatsQuery) -> Self {
        Self {
            query,
            types: BTreeMap::new(),
            total: Counted::default(),
            steps: BTreeMap::new(),
        }
    }

    fn take(&mut self, minute: Minute, figures: Figures) {
        for (event_type, figures) in figures {
            if !is_wanted(&self.query.types, &event_type) {
                continue;
            }
            self.total.figures += &figures;
            let step = minute.step(self.query.step_minutes);
            self.steps.entry(step).or_default().figures += &figures;
            self.types.entry(event_type).or_default().figures += &figures;
        }
    }

    fn take_failures(&mut self, failures: &Failures, window: Window) {
        for ((event_id, _), delivery) in &failures.deliveries {
            if event_id.accepted_at() >= window.to {
                continue;
            }
            let figures = delivery.figures();
            let step = Minute::of(*event_id).step(self.query.step_minutes);
            self.total.failures += figures;
            self.steps.entry(step).or_default().failures += figures;
            let of_type = self.types.entry(delivery.event_type.clone());
            of_type.or_default().failures += figures;
        }
    }

    fn finish(mut self, end: Option<Minute>, failures: &Failures) -> Stats {
        let Window { from, to } = self.query.window;
        let window = Window {
            from,
            to: end.map_or(to, |end| end.start().max(from)),
        };
        self.take_failures(failures, window);
        Stats {
            window,
            asked_to: to,
            step_minutes: self.query.step_minutes,
            series: self.series(window),
            types: self.types,
            total: self.total,
            failures_are_at_least: failures.is_cut,
        }
    }

    fn series(&mut self, window: Window) -> Vec<Point> {
        let minutes = self.query.step_minutes;
        let Some(range) = window.minutes() else {
            return vec![];
        };
        let steps = range.first().step(minutes)..=range.last().step(minutes);
        steps
            .map(|step| Point {
                from: Minute::step_start(step, minutes).max(window.from),
                to: Minute::step_start(step + 1, minutes).min(window.to),
                counted: self.steps.remove(&step).unwrap_or_default(),
            })
            .collect()
    }
}
