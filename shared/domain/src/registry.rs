//! Configuration that people change: tenants, their keys, their subscriptions.

use time::UtcDateTime;

use crate::credential::StoredKey;
use crate::store_error::StoreError;
use crate::subscription::{QueueUrl, Registered, Subscription, SubscriptionId};
use crate::tenant::TenantId;

/// Where tenants and keys are written. Each write is conditional; none replaces what is there.
pub trait Registry {
    /// Registers a tenant.
    fn add_tenant(
        &self,
        tenant: &TenantId,
        name: Option<&str>,
    ) -> impl Future<Output = Result<Added, StoreError>> + Send;

    /// Whether the tenant is registered.
    fn has_tenant(
        &self,
        tenant: &TenantId,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Stores a new key's digest. A key's secret is random, so its place is never taken.
    fn add_key(&self, key: &StoredKey) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Who is registered.
pub trait Tenants {
    /// Tenants in the order of their ids, from the one after `after` on; when there are less than `limit`, there
    /// are no more. The bus itself is none of them.
    fn tenants(
        &self,
        after: Option<&TenantId>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<TenantId>, StoreError>> + Send;
}

/// What a registration found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// Nothing was there; it is now.
    New,
    /// The same was there before; nothing was written.
    Unchanged,
    /// Something else was there under that name; nothing was written.
    Differs,
}

/// Where subscriptions are read and written one by one. Every write that changes something is another revision
/// for whoever keeps copies ([`crate::subscription_cache::SubscriptionSource`]).
pub trait SubscriptionRegistry {
    /// Registers a subscription under its owner and id, and answers with the one that is there now. Whether it is
    /// paused makes no difference to whether it is the same.
    fn add_subscription(
        &self,
        wanted: &Subscription,
        now: UtcDateTime,
    ) -> impl Future<Output = Result<(Added, Registered), StoreError>> + Send;

    /// The subscription of this owner and id, as it is now.
    fn subscription(
        &self,
        owner: &TenantId,
        id: &SubscriptionId,
    ) -> impl Future<Output = Result<Option<Registered>, StoreError>> + Send;

    /// The owner's subscriptions in the order of their ids, from the one after `after` on; when there are less than
    /// `limit`, there are no more.
    fn subscriptions(
        &self,
        owner: &TenantId,
        after: Option<&SubscriptionId>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Registered>, StoreError>> + Send;

    /// Puts this in the place of the version that was seen.
    fn replace_subscription(
        &self,
        wanted: &Subscription,
        seen: u64,
        now: UtcDateTime,
    ) -> impl Future<Output = Result<Replaced, StoreError>> + Send;

    /// Takes the subscription away: the version that was seen, or whichever there is.
    fn remove_subscription(
        &self,
        owner: &TenantId,
        id: &SubscriptionId,
        seen: Option<u64>,
    ) -> impl Future<Output = Result<Removed, StoreError>> + Send;
}

/// What a change found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// The version that was seen; this is there now.
    Done(Box<Registered>),
    /// Nothing.
    Gone,
    /// Another version, this one; nothing was written.
    Changed(u64),
}

/// What a removal found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// The version that was seen, or any if none was named; it is gone now.
    Done,
    /// Nothing.
    Gone,
    /// Another version, this one; nothing was removed.
    Changed(u64),
}

/// Stops deliveries to queues that are gone or refuse the bus.
pub trait Suspensions {
    /// Suspends a subscription. When it is suspended or paused already, `since` moves back to the earlier time.
    fn suspend(
        &self,
        suspension: &Suspension,
    ) -> impl Future<Output = Result<Suspended, StoreError>> + Send;
}

/// A subscription whose queue took nothing, and will not until a person has done something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspension {
    /// Whose subscription it is.
    pub owner: TenantId,
    /// Which it is.
    pub id: SubscriptionId,
    /// The queue that was tried. A subscription that has another one by now is not suspended.
    pub queue_url: QueueUrl,
    /// When the first event was accepted that the queue did not take.
    pub since: UtcDateTime,
    /// The queue's own words.
    pub reason: String,
}

impl Suspension {
    /// Suspends this subscription.
    pub fn of(subscription: &Subscription, since: UtcDateTime, reason: String) -> Self {
        Self {
            owner: subscription.tenant.clone(),
            id: subscription.id.clone(),
            queue_url: subscription.queue_url.clone(),
            since,
            reason,
        }
    }
}

/// What a suspension found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspended {
    /// An active subscription; it is suspended now.
    Now,
    /// One that was suspended or paused before.
    Already,
    /// None with this queue: it was removed, or has another one by now.
    NotThere,
}
