//! The receipts of an hour, of every tenant: which events are in one, and what each tells.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use time::UtcDateTime;
use time::format_description::well_known::Rfc3339;

use crate::event_id::EventId;
use crate::log_hour::LogHour;
use crate::receipt::{BUCKET_SECONDS, Bucket, Receipt, ReceiptLedger};
use crate::store_error::StoreError;
use crate::subscription::SubscriptionId;
use crate::tenant::TenantId;

/// Buckets of an hour.
const BUCKETS: usize = 60 * 60 / BUCKET_SECONDS.unsigned_abs() as usize;

/// Buckets that are read at a time.
const BUCKETS_AT_A_TIME: usize = 16;

/// What receipts tell of the events of an hour. An event takes about 24 bytes.
#[derive(Debug, Default)]
pub struct HourReceipts(BTreeMap<TenantId, TenantReceipts>);

/// What receipts tell of a tenant's events of an hour.
#[derive(Debug, Default)]
pub struct TenantReceipts {
    told: Vec<Told>,
    /// In the order of ids; an event of a batch that came again is there more than once.
    events: Vec<(EventId, usize)>,
}

/// What a receipt tells of the events of a group.
#[derive(Debug)]
struct Told {
    event_type: String,
    subscriptions: Vec<SubscriptionId>,
    withheld: Vec<SubscriptionId>,
    handed_over_at: UtcDateTime,
}

/// Of a tenant that has none.
static NONE: TenantReceipts = TenantReceipts {
    told: Vec::new(),
    events: Vec::new(),
};

impl HourReceipts {
    /// Reads every bucket of the hour.
    pub async fn read<R: ReceiptLedger>(ledger: &R, hour: LogHour) -> Result<Self, StoreError> {
        let mut reads = Vec::new();
        let mut bucket = Bucket::at(hour.start());
        for _ in 0..BUCKETS {
            reads.push(ledger.in_bucket(bucket));
            bucket = bucket.next();
        }
        let mut buckets = stream::iter(reads).buffered(BUCKETS_AT_A_TIME);
        let mut read = Self::default();
        while let Some(mut receipts) = buckets.try_next().await? {
            receipts.sort_by_key(|receipt| (receipt.batch.id, receipt.batch.part));
            receipts.into_iter().for_each(|receipt| read.add(receipt));
        }
        read.0.values_mut().for_each(TenantReceipts::sort);
        Ok(read)
    }

    /// Those of a tenant.
    pub fn of(&self, tenant: &TenantId) -> &TenantReceipts {
        self.0.get(tenant).unwrap_or(&NONE)
    }

    /// Whose events are in any.
    pub fn tenants(&self) -> impl Iterator<Item = &TenantId> {
        self.0.keys()
    }

    fn add(&mut self, receipt: Receipt) {
        for group in receipt.groups {
            let of_tenant = self.0.entry(group.tenant).or_default();
            let told = of_tenant.told.len();
            of_tenant.told.push(Told {
                event_type: group.event_type,
                subscriptions: group.subscriptions,
                withheld: group.withheld,
                handed_over_at: receipt.handed_over_at,
            });
            let events = group.event_ids.into_iter();
            of_tenant.events.extend(events.map(|id| (id, told)));
        }
    }
}

impl TenantReceipts {
    fn sort(&mut self) {
        let told = &self.told;
        self.events
            .sort_unstable_by_key(|(id, place)| (*id, told[*place].handed_over_at, *place));
    }

    /// Whether an event is in a receipt.
    pub fn has(&self, event_id: EventId) -> bool {
        let found = self.events.binary_search_by_key(&event_id, |(id, _)| *id);
        found.is_ok()
    }

    /// A line for every receipt of an event, without what ends it, the earliest first.
    pub(super) fn lines(&self, event_id: EventId) -> Vec<String> {
        let first = self.events.partition_point(|(id, _)| *id < event_id);
        let of_event = self.events[first..].iter();
        let of_event = of_event.take_while(|(id, _)| *id == event_id);
        of_event
            .map(|(_, told)| self.told[*told].line(event_id))
            .collect()
    }
}

/// A line of an object of receipts.
#[derive(Serialize)]
struct Line<'a> {
    event_id: EventId,
    r#type: &'a str,
    subscriptions: Vec<&'a str>,
    withheld: Vec<&'a str>,
    handed_over_at: String,
}

impl Told {
    fn line(&self, event_id: EventId) -> String {
        let line = Line {
            event_id,
            r#type: &self.event_type,
            subscriptions: names(&self.subscriptions),
            withheld: names(&self.withheld),
            handed_over_at: self.handed_over_at.format(&Rfc3339).unwrap_or_default(),
        };
        // Strings cannot fail to be written to memory.
        serde_json::to_string(&line).unwrap_or_default()
    }
}

fn names(ids: &[SubscriptionId]) -> Vec<&str> {
    ids.iter().map(SubscriptionId::as_str).collect()
}
