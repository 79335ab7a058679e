//! Deliveries that failed for good, one by one, and why.

use std::collections::BTreeMap;

use super::failures::Failures;
use super::query::FailedQuery;
use super::reader::StatsReader;
use super::rollup::RollupStore;
use crate::event_id::EventId;
use crate::letters::{DeadLetter, LetterStore};
use crate::log_hour::{Order, Position};
use crate::receipt::ReceiptLedger;
use crate::store_error::StoreError;
use crate::subscription::SubscriptionId;
use crate::tenant::TenantId;
use crate::trouble::{TroubleLedger, TroubledDeliveries};

/// Reasons that one answer tells of.
const MAX_REASONS: usize = 100;

/// A page of failed deliveries, those of the latest accepted events first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailedPage {
    /// The last dead letter of each delivery, as it counts now.
    pub letters: Vec<DeadLetter>,
    /// How many match, on all pages together.
    pub total: usize,
    /// Whether there may be more than `total`: the bound was reached.
    pub total_is_at_least: bool,
    /// Why those on all pages failed, the most frequent first.
    pub reasons: Vec<Reason>,
    /// Where the next page begins. None when there is nothing more.
    pub next_cursor: Option<String>,
}

/// Why deliveries failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Of events of this type.
    pub event_type: String,
    /// To this subscription.
    pub subscription: SubscriptionId,
    /// With a last error of this class.
    pub error_class: String,
    /// How many.
    pub deliveries: usize,
}

impl<R, S, L, T> StatsReader<'_, R, S, L, T>
where
    R: ReceiptLedger + Sync,
    S: RollupStore + Sync,
    L: LetterStore + Sync,
    T: TroubledDeliveries + TroubleLedger + Sync,
{
    /// The deliveries of a window's events that failed for good: those that [`super::Stats`] counts as dead-lettered.
    pub async fn failed(
        &self,
        tenant: &TenantId,
        query: &FailedQuery,
    ) -> Result<FailedPage, StoreError> {
        let reader = self.failures(tenant, query.window, &query.types);
        let Failures { deliveries, is_cut } = reader.read_letters().await?;
        let found = deliveries.into_iter().rev();
        let found = found.filter_map(|((event_id, subscription), delivery)| {
            let letter = delivery.letter.filter(|letter| query.takes(letter))?;
            Some((event_id, subscription, letter))
        });
        let found: Vec<(EventId, SubscriptionId, DeadLetter)> = found.collect();
        let reasons = reasons(&found);
        let total = found.len();
        let (letters, next) = page(found, query);
        Ok(FailedPage {
            letters: letters.into_iter().map(|it| it.as_of(self.now)).collect(),
            total,
            total_is_at_least: is_cut,
            reasons,
            next_cursor: next.map(|next| query.cursor(tenant, next)),
        })
    }
}

impl FailedQuery {
    fn takes(&self, letter: &DeadLetter) -> bool {
        let delivery = letter.delivery.as_ref();
        let is_of = |wanted: &SubscriptionId| {
            delivery.is_some_and(|delivery| delivery.subscription == *wanted)
        };
        let is_of_class = |class: &String| letter.error.class == *class;
        self.subscription.as_ref().is_none_or(is_of)
            && self.error_class.as_ref().is_none_or(is_of_class)
    }
}

/// The letters of a page, all of one event together, and where the next page begins.
fn page(
    found: Vec<(EventId, SubscriptionId, DeadLetter)>,
    query: &FailedQuery,
) -> (Vec<DeadLetter>, Option<Position>) {
    let is_before = |event_id: EventId| {
        let position = Position::of(event_id);
        let is_passed = |start| Order::Newest.is_before(position, start);
        query.start.is_some_and(is_passed)
    };
    let mut letters = Vec::new();
    let mut last = None;
    for (event_id, _, letter) in found {
        if is_before(event_id) {
            continue;
        }
        if letters.len() >= query.limit && last != Some(event_id) {
            return (letters, Some(Position::of(event_id)));
        }
        letters.push(letter);
        last = Some(event_id);
    }
    (letters, None)
}

fn reasons(found: &[(EventId, SubscriptionId, DeadLetter)]) -> Vec<Reason> {
    let mut counts: BTreeMap<(&str, &SubscriptionId, &str), usize> = BTreeMap::new();
    for (_, subscription, letter) in found {
        let event_type = letter.delivery.as_ref().map(|it| it.event_type.as_str());
        let key = (
            event_type.unwrap_or_default(),
            subscription,
            letter.error.class.as_str(),
        );
        *counts.entry(key).or_default() += 1;
    }
    let counts = counts.into_iter();
    let mut reasons: Vec<Reason> = counts
        .map(|((event_type, subscription, class), deliveries)| Reason {
            event_type: event_type.to_owned(),
            subscription: subscription.clone(),
            error_class: class.to_owned(),
            deliveries,
        })
        .collect();
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.deliveries));
    reasons.truncate(MAX_REASONS);
    reasons
}
