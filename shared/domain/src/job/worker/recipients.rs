//! To whom a replay's events go.

use std::sync::Arc;

use crate::dispatch::Subscriptions;
use crate::job::ports::Ports;
use crate::job::{Job, QUEUE_SUBSCRIPTION, Target};
use crate::logged_event::LoggedEvent;
use crate::pattern::{EventDocument, Pattern};
use crate::retry_policy::RetryPolicy;
use crate::store_error::StoreError;
use crate::subscription::{
    MessageGroup, QueueUrl, Roster, Subscription, SubscriptionId, SubscriptionState,
};

/// Who is to get events, as of now.
pub(super) enum Recipients {
    /// Whoever of them is active and wants it.
    All(Arc<Roster>),
    /// This one, where it wants it.
    One(Subscription),
    /// This one, whatever it is.
    Queue(Subscription),
}

impl Recipients {
    /// Reads them. `Err` within is why a person has to do something first.
    pub(super) async fn read<P: Ports>(
        ports: &P,
        job: &Job,
        target: &Target,
    ) -> Result<Result<Self, String>, StoreError> {
        let subscriptions = &ports.parts().subscriptions;
        match target {
            Target::All => Ok(Ok(Self::All(subscriptions.of(&job.tenant).await?))),
            Target::Subscription(id) => {
                let roster = subscriptions.of(&id.owner(&job.tenant)).await?;
                Ok(one(&roster, id))
            }
            Target::Queue(queue) => Ok(Ok(Self::Queue(of_queue(job, queue)?))),
        }
    }

    /// Those of them that are to get this event.
    pub(super) fn of(&self, event: &LoggedEvent) -> Vec<&Subscription> {
        let document = EventDocument::of(&event.event);
        match self {
            Self::All(roster) => {
                let mut matching = roster.matching(&document);
                matching.retain(|subscription| subscription.state.is_active());
                matching
            }
            Self::One(subscription) if subscription.pattern.matches(&document) => {
                vec![subscription]
            }
            Self::One(_) => vec![],
            Self::Queue(subscription) => vec![subscription],
        }
    }
}

fn one(roster: &Roster, id: &SubscriptionId) -> Result<Recipients, String> {
    let Some(subscription) = roster.find(id) else {
        return Err(format!("the subscription {id} was removed"));
    };
    if subscription.state.is_active() {
        return Ok(Recipients::One(subscription.clone()));
    }
    let state = subscription.state.name().to_lowercase();
    Err(match subscription.state.reason() {
        Some(reason) => format!("the subscription {id} is {state}: {reason}"),
        None => format!("the subscription {id} is {state}"),
    })
}

/// A queue of no subscription, as if it were one of everything.
fn of_queue(job: &Job, queue: &QueueUrl) -> Result<Subscription, StoreError> {
    let id = QUEUE_SUBSCRIPTION
        .parse()
        .map_err(|error: crate::tenant::InvalidName| StoreError::Malformed {
            what: "job",
            detail: error.to_string(),
        })?;
    Ok(Subscription {
        tenant: job.tenant.clone(),
        id,
        pattern: Pattern::of_types(&[]),
        queue_url: queue.clone(),
        target_version: None,
        retry: RetryPolicy::default(),
        message_group: MessageGroup::Tenant,
        state: SubscriptionState::Active,
    })
}
