//! Slow events, one by one.

use futures::{StreamExt, TryStreamExt, stream};
use time::UtcDateTime;

use super::figures::Figures;
use super::minute::{Minute, MinuteRange};
use super::query::{SlowQuery, Window, is_wanted};
use super::reader::StatsReader;
use super::rollup::RollupStore;
use super::source::Known;
use super::tally::{Tallied, Tally};
use crate::event_id::EventId;
use crate::letters::LetterStore;
use crate::log_hour::{IdRange, Order, Position};
use crate::receipt::ReceiptLedger;
use crate::store_error::StoreError;
use crate::subscription::SubscriptionId;
use crate::tenant::TenantId;
use crate::trouble::{TroubleLedger, TroubledDeliveries};

/// Hours of rollups that are read ahead.
const MAX_HOUR_READS: usize = 4;

/// An event that took long from accepted to handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowEvent {
    /// Which.
    pub event_id: EventId,
    /// What happened.
    pub event_type: String,
    /// When it was handed over first.
    pub handed_over_at: UtcDateTime,
    /// How long that took, in milliseconds.
    pub latency_ms: u64,
    /// Active subscriptions that asked for it.
    pub subscriptions: Vec<SubscriptionId>,
}

/// A page of them, the latest accepted first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlowPage {
    /// As many as were asked for, or fewer where the bound was reached; then there is a cursor.
    pub events: Vec<SlowEvent>,
    /// Where the next page begins. None when there is nothing more.
    pub next_cursor: Option<String>,
}

impl<R, S, L, T> StatsReader<'_, R, S, L, T>
where
    R: ReceiptLedger + Sync,
    S: RollupStore + Sync,
    L: LetterStore + Sync,
    T: TroubledDeliveries + TroubleLedger + Sync,
{
    /// The slow events of a window. Receipts are read of those minutes alone whose rollups have any.
    pub async fn slow(&self, tenant: &TenantId, query: &SlowQuery) -> Result<SlowPage, StoreError> {
        let mut page = Filling {
            query,
            events: vec![],
            next: None,
        };
        self.fill(tenant, &mut page).await?;
        Ok(SlowPage {
            next_cursor: page.next.map(|next| query.cursor(tenant, next)),
            events: page.events,
        })
    }

    async fn fill(&self, tenant: &TenantId, page: &mut Filling<'_>) -> Result<(), StoreError> {
        let query = page.query;
        let Some(ids) = left(query) else {
            return Ok(());
        };
        let source = self.source(tenant, query.window);
        let minutes = MinuteRange::of(Minute::at(query.window.from), Minute::at(ids.last().time()));
        let state = self.rollups.state().await?;
        let hours = minutes.into_iter().flat_map(MinuteRange::by_hour).rev();
        let hours = hours.map(|part| source.hour(state.as_ref(), part));
        let mut hours = stream::iter(hours).buffered(MAX_HOUR_READS);
        let mut budget = source.raw_minutes;
        while let Some(hour) = hours.try_next().await? {
            for known in hour.into_iter().rev() {
                let Some(from) = page.to_read(&known) else {
                    continue;
                };
                if budget == 0 {
                    page.next = last_of(known.minute, ids);
                    return Ok(());
                }
                budget -= 1;
                let receipts = source.raw(known.minute, from).await?;
                if !page.take(&source.tally(&receipts), ids) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// The ids that are left to look at.
fn left(query: &SlowQuery) -> Option<IdRange> {
    let ids = query.window.ids()?;
    match query.start {
        Some(start) => ids.starting_at(start, Order::Newest),
        None => Some(ids),
    }
}

/// Where a minute begins for who comes from its end.
fn last_of(minute: Minute, ids: IdRange) -> Option<Position> {
    let window = Window {
        from: minute.start(),
        to: minute.end(),
    };
    let ids = window.ids()?.intersection(ids)?;
    Some(ids.last())
}

/// A page that is being filled.
struct Filling<'a> {
    query: &'a SlowQuery,
    events: Vec<SlowEvent>,
    next: Option<Position>,
}

impl Filling<'_> {
    /// From when on the receipts of a minute have to be read.
    fn to_read(&self, known: &Known) -> Option<UtcDateTime> {
        let figures = known.figures.as_ref();
        match figures.is_some_and(|figures| self.may_have(figures)) {
            true => Some(known.minute.start()),
            false => known.unknown_from,
        }
    }

    fn may_have(&self, figures: &Figures) -> bool {
        let mut figures = figures.iter();
        figures.any(|(event_type, figures)| {
            let slowest = figures.latencies.max();
            is_wanted(&self.query.types, event_type)
                && slowest.is_some_and(|slowest| slowest > self.query.over_ms)
        })
    }

    /// Takes the slow events of a minute. `false` when the page is full.
    fn take(&mut self, tally: &Tally<'_>, ids: IdRange) -> bool {
        for event in tally.events().rev() {
            let position = Position::of(event.event_id);
            let slow = ids.contains(position).then(|| self.slow(&event)).flatten();
            match slow {
                Some(_) if self.events.len() >= self.query.limit => {
                    self.next = Some(position);
                    return false;
                }
                slow => self.events.extend(slow),
            }
        }
        true
    }

    fn slow(&self, event: &Tallied<'_>) -> Option<SlowEvent> {
        let latency_ms = event.latency_ms()?;
        let is_meant =
            latency_ms > self.query.over_ms && is_wanted(&self.query.types, event.event_type);
        let slow = SlowEvent {
            event_id: event.event_id,
            event_type: event.event_type.to_owned(),
            handed_over_at: event.handed_over_at?,
            latency_ms,
            subscriptions: event.subscriptions.iter().copied().cloned().collect(),
        };
        is_meant.then_some(slow)
    }
}
