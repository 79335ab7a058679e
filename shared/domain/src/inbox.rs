//! How a subscriber's effect happens once although its deliveries may repeat (P3).
//!
//! A claim is taken before the effect and closed with its result after it. While it is open, a repeat
//! waits; once it has run out, because its holder died, the next delivery takes it over.

use std::time::Duration;

use crate::event_id::EventId;
use crate::store_error::StoreError;
use crate::subscription::SubscriptionId;
use crate::tenant::TenantId;

/// Whose effect, of which event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InboxKey {
    /// Whose event it is.
    pub tenant: TenantId,
    /// Who consumes it.
    pub subscription: SubscriptionId,
    /// Which event it is.
    pub event_id: EventId,
}

/// What a consumer finds when it wants to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The effect is the caller's to make, until the claim runs out.
    Granted(ClaimToken),
    /// Another consumer is at it.
    Held,
    /// It has happened; this was its result, JSON text.
    Done(String),
}

/// Proves a claim, so that one who lost it by being late cannot close it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimToken(pub EventId);

/// Where claims and results are kept.
pub trait Inbox {
    /// Takes the claim, for `hold`, unless it is held or done.
    fn claim(
        &self,
        key: &InboxKey,
        hold: Duration,
    ) -> impl Future<Output = Result<Claim, StoreError>> + Send;

    /// Closes the claim with the effect's result. `Ok(false)` means that the claim had run out and was
    /// taken over: the effect may happen a second time.
    fn done(
        &self,
        key: &InboxKey,
        token: ClaimToken,
        result: &str,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Gives the claim back, so that the next delivery need not wait for it to run out.
    fn release(
        &self,
        key: &InboxKey,
        token: ClaimToken,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}
