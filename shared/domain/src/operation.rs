//! All events of one operation, by their correlation id, in order, each with its state.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};

use crate::active_hours::MarkedHours;
use crate::event_id::EventId;
use crate::event_query::{EventBodies, EventQuery, LogIndex, LogReader, Page};
use crate::logged_event::LoggedEvent;
use crate::receipt::{Bucket, Receipt, ReceiptLedger, Receipted};
use crate::store_error::StoreError;
use crate::tenant::TenantId;
use crate::tenant_settings::TenantSettingsReader;
use crate::trouble::{TroubledDeliveries, TroubledDelivery};

/// Calls under way at a time.
const MAX_READS: usize = 16;

/// Reads operations.
pub struct OperationReader<'a, S, H, I, R, T> {
    /// The log.
    pub log: LogReader<'a, S, H, I>,
    /// What was handed over.
    pub receipts: &'a R,
    /// What is in trouble.
    pub rows: &'a T,
}

/// An event of an operation, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The event.
    pub event: LoggedEvent,
    /// Its receipts, the earliest first.
    pub receipts: Vec<Receipted>,
    /// Its deliveries in trouble.
    pub rows: Vec<TroubledDelivery>,
}

/// Some of an operation's events, in the order in which they were accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct OperationPage {
    /// As many as were asked for, or fewer where a bound was reached; then there is a cursor.
    pub steps: Vec<Step>,
    /// Where the next page begins. None when there is nothing more.
    pub next_cursor: Option<String>,
}

impl<S, H, I, R, T> OperationReader<'_, S, H, I, R, T>
where
    S: TenantSettingsReader + Sync,
    H: MarkedHours + Sync,
    I: LogIndex + EventBodies + Sync,
    R: ReceiptLedger + Sync,
    T: TroubledDeliveries + Sync,
{
    /// A page of the events that a query by correlation id asks for.
    pub async fn page(
        &self,
        tenant: &TenantId,
        query: &EventQuery,
    ) -> Result<OperationPage, StoreError> {
        let Page {
            events,
            next_cursor,
        } = self.log.list(tenant, query).await?;
        let ids = events.iter().map(|event| event.event_id);
        let receipts = self.receipts(ids.clone().collect()).await?;
        let rows = ids.map(|event_id| self.rows.of_event(tenant, event_id));
        let rows: Vec<Vec<TroubledDelivery>> =
            stream::iter(rows).buffered(MAX_READS).try_collect().await?;
        let steps = events.into_iter().zip(rows).map(|(event, rows)| Step {
            receipts: receipted(receipts.get(&Bucket::of(event.event_id)), &event),
            event,
            rows,
        });
        Ok(OperationPage {
            steps: steps.collect(),
            next_cursor,
        })
    }

    /// The receipts of the times of these events: events of one operation often share them.
    async fn receipts(
        &self,
        ids: Vec<EventId>,
    ) -> Result<BTreeMap<Bucket, Vec<Receipt>>, StoreError> {
        let buckets: BTreeSet<Bucket> = ids.into_iter().map(Bucket::of).collect();
        let reads = buckets.into_iter().map(|bucket| async move {
            let receipts = self.receipts.in_bucket(bucket).await?;
            Ok((bucket, receipts))
        });
        stream::iter(reads)
            .buffer_unordered(MAX_READS)
            .try_collect()
            .await
    }
}

/// What receipts tell of an event, the earliest first.
fn receipted(receipts: Option<&Vec<Receipt>>, event: &LoggedEvent) -> Vec<Receipted> {
    let receipts = receipts.into_iter().flatten();
    let mut told: Vec<Receipted> = receipts
        .filter_map(|receipt| {
            let mut groups = receipt.groups.iter();
            let group = groups.find(|group| {
                group.tenant == event.tenant && group.event_ids.contains(&event.event_id)
            })?;
            Some(Receipted {
                subscriptions: group.subscriptions.clone(),
                withheld: group.withheld.clone(),
                handed_over_at: receipt.handed_over_at,
            })
        })
        .collect();
    told.sort_by_key(|told| told.handed_over_at);
    told
}
