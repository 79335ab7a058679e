//! Who asked for which events.

mod message_group;
mod names;
mod query;
pub mod request;
mod roster;
mod state;

pub use message_group::{InvalidMessageGroup, MessageGroup};
pub use names::{InvalidQueueUrl, InvalidTypePattern, QueueUrl, SubscriptionId, TypePattern};
pub use query::SubscriptionQuery;
pub use roster::Roster;
pub use state::SubscriptionState;

use time::UtcDateTime;

use crate::delivery::{Delivery, Message};
use crate::logged_event::LoggedEvent;
use crate::pattern::Pattern;
use crate::retry_policy::RetryPolicy;
use crate::schema::SchemaVersion;
use crate::tenant::TenantId;

/// A queue that wants some of a tenant's events, or, when the bus owns it, of every tenant's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name.
    pub id: SubscriptionId,
    /// The events it wants.
    pub pattern: Pattern,
    /// Where its deliveries go.
    pub queue_url: QueueUrl,
    /// The version that older data are brought up to; without one they are delivered as they were published.
    pub target_version: Option<SchemaVersion>,
    /// How often and when a delivery is tried again that its queue refused.
    pub retry: RetryPolicy,
    /// Which deliveries share the queue fairly, or on a FIFO queue keep their order.
    pub message_group: MessageGroup,
    /// Whether deliveries are made.
    pub state: SubscriptionState,
}

/// A subscription as it is registered, and what the registry knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The subscription.
    pub subscription: Subscription,
    /// Counts its changes, from 1. Whoever changes it says which one they saw.
    pub version: u64,
    /// When it was registered.
    pub created_at: UtcDateTime,
    /// When it was changed last.
    pub updated_at: UtcDateTime,
}

/// `_` and the owner of a subscription do not go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must begin with _ when the bus owns the subscription, and must not otherwise")]
pub struct ForeignName;

impl Subscription {
    /// Checks what its parts cannot check alone.
    pub fn check(&self) -> Result<(), ForeignName> {
        if self.id.is_of_the_bus() == self.tenant.is_bus() {
            Ok(())
        } else {
            Err(ForeignName)
        }
    }

    /// Whether its owner may see this tenant's events.
    pub fn spans(&self, tenant: &TenantId) -> bool {
        self.tenant.is_bus() || self.tenant == *tenant
    }

    /// The message that brings this event to it.
    pub fn message(&self, event: &LoggedEvent, attempt: i32, job: Option<&str>) -> Message {
        let delivery = Delivery {
            event,
            subscription: &self.id,
            attempt,
            job,
        };
        Message {
            group: self.message_group.of(event, job),
            ..delivery.to_message()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription(tenant: &str, id: &str) -> Subscription {
        Subscription {
            tenant: tenant.parse().unwrap(),
            id: id.parse().unwrap(),
            pattern: Pattern::of_types(&["*".parse().unwrap()]),
            queue_url: "https://sqs/1/q".parse().unwrap(),
            target_version: None,
            retry: RetryPolicy::default(),
            message_group: MessageGroup::default(),
            state: SubscriptionState::default(),
        }
    }

    #[test]
    fn only_the_bus_subscribes_across_tenants() {
        let demo = "demo".parse().unwrap();
        assert!(subscription("demo", "a").spans(&demo));
        assert!(!subscription("other", "a").spans(&demo));
        assert!(subscription("_bus", "_audit").spans(&demo));
    }

    #[test]
    fn a_tenant_cannot_name_a_subscription_like_the_bus() {
        assert_eq!(subscription("demo", "_a").check(), Err(ForeignName));
        assert_eq!(subscription("_bus", "a").check(), Err(ForeignName));
        assert_eq!(subscription("_bus", "_a").check(), Ok(()));
    }
}
