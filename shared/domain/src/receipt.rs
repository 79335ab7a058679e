//! What is written down when events were handed over: one small item per batch and time slice, instead
//! of a status on every event (`docs/adr/0003-receipts.md`).

use std::collections::BTreeMap;

use time::UtcDateTime;

use crate::event_id::EventId;
use crate::store_error::StoreError;
use crate::subscription::SubscriptionId;
use crate::tenant::TenantId;

/// Seconds of event time that one receipt covers.
pub const BUCKET_SECONDS: i64 = 10;

/// Bytes of groups that go into one receipt before the next is begun; an item holds 409,600.
const MAX_GROUP_BYTES: usize = 300_000;

/// Ten seconds of event time: a receipt is found by the time at which its events were accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bucket(i64);

impl Bucket {
    /// The bucket that this event falls into.
    pub fn of(event_id: EventId) -> Self {
        Self(
            event_id
                .accepted_at()
                .unix_timestamp()
                .div_euclid(BUCKET_SECONDS),
        )
    }

    /// The bucket at this time.
    pub fn at(time: UtcDateTime) -> Self {
        Self(time.unix_timestamp().div_euclid(BUCKET_SECONDS))
    }

    /// The one after it.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The one before it.
    pub fn previous(self) -> Self {
        Self(self.0 - 1)
    }

    /// Its first second.
    pub fn start(self) -> UtcDateTime {
        UtcDateTime::from_unix_timestamp(self.0 * BUCKET_SECONDS).unwrap_or(UtcDateTime::MAX)
    }
}

/// An event that dispatch is done with: every delivery is with its queue, in a row, or withheld.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandedOver {
    /// Whose it is.
    pub tenant: TenantId,
    /// What happened.
    pub event_type: String,
    /// Which it is.
    pub event_id: EventId,
    /// Who asked for it, in order, and got it or has a row of a delivery in trouble.
    pub subscriptions: Vec<SubscriptionId>,
    /// Who asked for it and was paused or suspended.
    pub withheld: Vec<SubscriptionId>,
    /// For how many it is tried again.
    pub retrying: usize,
    /// For how many it is in the dead letter queue instead.
    pub dead_lettered: usize,
}

/// Events of one batch and one bucket, and when they were handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// When its events were accepted.
    pub bucket: Bucket,
    /// Which hand-over it tells of. A repeated batch makes another receipt; readers merge them.
    pub batch: BatchId,
    /// When every queue had been asked.
    pub handed_over_at: UtcDateTime,
    /// From when on the store may forget it.
    pub expires_at: UtcDateTime,
    /// Its events.
    pub groups: Vec<Group>,
}

/// Names a receipt within its bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchId {
    /// A UUIDv7, new for every hand-over.
    pub id: EventId,
    /// From 0; above it only when the groups do not fit one item.
    pub part: usize,
}

/// Events that share tenant, type and who asked for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Whose they are.
    pub tenant: TenantId,
    /// What happened.
    pub event_type: String,
    /// Who asked for them: each has them, or a row of a delivery in trouble.
    pub subscriptions: Vec<SubscriptionId>,
    /// Who asked for them while they were paused or suspended, and does not have them.
    pub withheld: Vec<SubscriptionId>,
    /// Which they are; 16 bytes each when stored.
    pub event_ids: Vec<EventId>,
}

impl Group {
    fn byte_len(&self) -> usize {
        let names: usize = self
            .subscriptions
            .iter()
            .chain(&self.withheld)
            .map(|id| id.as_str().len() + 1)
            .sum();
        let fields = 64 + self.tenant.as_str().len() + self.event_type.len();
        fields + names + 16 * self.event_ids.len()
    }
}

/// Where receipts are kept.
pub trait Receipts {
    /// Writes one receipt. `Ok` means that it is durable.
    fn put(&self, receipt: &Receipt) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What a receipt tells of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipted {
    /// Who asked for it, see [`Group::subscriptions`].
    pub subscriptions: Vec<SubscriptionId>,
    /// Who asked for it and was not active, see [`Group::withheld`].
    pub withheld: Vec<SubscriptionId>,
    /// When every queue had been asked.
    pub handed_over_at: UtcDateTime,
}

/// Where receipts are read.
pub trait ReceiptReader {
    /// What every receipt of this tenant's event tells, the earliest first: a batch that came again made another.
    fn of_event(
        &self,
        tenant: &TenantId,
        event_id: EventId,
    ) -> impl Future<Output = Result<Vec<Receipted>, StoreError>> + Send;
}

/// Where all receipts of a time are read, of every tenant: what a sweep, a seal or a count needs.
pub trait ReceiptLedger {
    /// Every receipt of this bucket, in any order, as they are now.
    ///
    /// One that cannot be read fails the bucket, and is named: who went on without it would take its events for
    /// ones that were never handed over, or count them as lost.
    fn in_bucket(
        &self,
        bucket: Bucket,
    ) -> impl Future<Output = Result<Vec<Receipt>, StoreError>> + Send;
}

/// The receipts of one hand-over: one per bucket, or a few where one would not fit an item. They are kept as
/// long as the longest kept of their events.
pub fn receipts(
    events: &[HandedOver],
    batch: EventId,
    handed_over_at: UtcDateTime,
    expires_at: UtcDateTime,
) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    for (bucket, groups) in grouped(events) {
        for (part, groups) in split(groups).into_iter().enumerate() {
            receipts.push(Receipt {
                bucket,
                batch: BatchId { id: batch, part },
                handed_over_at,
                expires_at,
                groups,
            });
        }
    }
    receipts
}

type GroupKey<'a> = (
    &'a TenantId,
    &'a str,
    &'a [SubscriptionId],
    &'a [SubscriptionId],
);

fn grouped(events: &[HandedOver]) -> BTreeMap<Bucket, Vec<Group>> {
    let mut ids: BTreeMap<(Bucket, GroupKey<'_>), Vec<EventId>> = BTreeMap::new();
    for event in events {
        let key: GroupKey<'_> = (
            &event.tenant,
            &event.event_type,
            &event.subscriptions,
            &event.withheld,
        );
        ids.entry((Bucket::of(event.event_id), key))
            .or_default()
            .push(event.event_id);
    }
    let mut buckets: BTreeMap<Bucket, Vec<Group>> = BTreeMap::new();
    for ((bucket, (tenant, event_type, subscriptions, withheld)), event_ids) in ids {
        buckets.entry(bucket).or_default().push(Group {
            tenant: tenant.clone(),
            event_type: event_type.to_owned(),
            subscriptions: subscriptions.to_vec(),
            withheld: withheld.to_vec(),
            event_ids,
        });
    }
    buckets
}

fn split(groups: Vec<Group>) -> Vec<Vec<Group>> {
    let mut parts: Vec<Vec<Group>> = Vec::new();
    let mut room = 0;
    for group in groups {
        let bytes = group.byte_len();
        match parts.last_mut() {
            Some(part) if bytes <= room => part.push(group),
            _ => {
                room = MAX_GROUP_BYTES;
                parts.push(vec![group]);
            }
        }
        room = room.saturating_sub(bytes);
    }
    parts
}
