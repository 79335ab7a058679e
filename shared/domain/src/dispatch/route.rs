//! Who wants an event, and in which version.

use super::versions::{self, Form};
use super::{DispatchError, Rosters};
use crate::guarded::guarded;
use crate::logged_event::{LoggedEvent, OutboxMode};
use crate::pattern::EventDocument;
use crate::receipt::HandedOver;
use crate::schema::delivery::Upcasts;
use crate::subscription::{Subscription, SubscriptionId};
use crate::tenant::TenantId;

use std::sync::Arc;

/// What is known of an event before anything is sent.
pub(super) type Route<'r> = Result<Routed<'r>, DispatchError>;

/// Who wants an event.
#[derive(Default)]
pub(super) struct Routed<'r> {
    /// They are to get it.
    pub(super) wanted: Vec<Wanted<'r>>,
    /// They would, if they were active.
    withheld: Vec<&'r Subscription>,
}

/// A subscription that wants an event, and in which form.
pub(super) struct Wanted<'r> {
    pub(super) subscription: &'r Subscription,
    pub(super) form: Form,
}

/// What became of an event's deliveries that were not taken.
#[derive(Default)]
pub(super) struct Untaken {
    /// Their subscriptions are suspended.
    pub(super) withheld: Vec<SubscriptionId>,
    /// They are tried again.
    pub(super) retrying: usize,
    /// They are dead letters.
    pub(super) dead_lettered: usize,
}

/// The route of one event. A panic on the way is this event's failure alone.
pub(super) async fn route<'r, U: Upcasts + Sync>(
    rosters: &'r Rosters,
    event: &LoggedEvent,
    upcasts: &U,
) -> Route<'r> {
    let work = async {
        let mut routed = matched(rosters, event)?;
        versions::bring_up(upcasts, event, &mut routed.wanted).await?;
        Ok(routed)
    };
    guarded(work).await?
}

/// The subscriptions whose patterns match: the tenant's, then the bus's. The bus's own events have one owner.
fn matched<'r>(rosters: &'r Rosters, event: &LoggedEvent) -> Route<'r> {
    let mut routed = Routed::default();
    if event.outbox == OutboxMode::None {
        return Ok(routed);
    }
    let document = EventDocument::of(&event.event);
    let mut owners = vec![event.tenant.clone(), TenantId::bus()];
    owners.dedup();
    for owner in owners {
        match rosters.get(&owner) {
            Some(Ok(roster)) => routed.take(roster.matching(&document)),
            Some(Err(source)) => {
                return Err(DispatchError::Subscriptions {
                    tenant: owner,
                    source: Arc::clone(source),
                });
            }
            None => {}
        }
    }
    Ok(routed)
}

impl<'r> Routed<'r> {
    fn take(&mut self, matching: Vec<&'r Subscription>) {
        for subscription in matching {
            if subscription.state.is_active() {
                self.wanted.push(Wanted {
                    subscription,
                    form: Form::AsLogged,
                });
            } else {
                self.withheld.push(subscription);
            }
        }
    }

    /// What is written down of the event.
    pub(super) fn handed_over(&self, event: &LoggedEvent, untaken: Untaken) -> HandedOver {
        let wanted = self.wanted.iter().map(|wanted| &wanted.subscription.id);
        let subscriptions = wanted.filter(|id| !untaken.withheld.contains(id)).cloned();
        let withheld = self.withheld.iter().map(|subscription| &subscription.id);
        let mut withheld: Vec<SubscriptionId> =
            withheld.chain(&untaken.withheld).cloned().collect();
        withheld.sort_unstable();
        HandedOver {
            tenant: event.tenant.clone(),
            event_type: event.event.event_type().to_owned(),
            event_id: event.event_id,
            subscriptions: subscriptions.collect(),
            withheld,
            retrying: untaken.retrying,
            dead_lettered: untaken.dead_lettered,
        }
    }
}
