//! All subscriptions of one owner, ready to be asked who wants an event.

use std::ops::Deref;

use super::{Subscription, SubscriptionId};
use crate::pattern::{EventDocument, PatternIndex};

/// An owner's subscriptions in the order of their ids, and an index over their patterns. It is made when they
/// change, not for each event.
#[derive(Debug, Default)]
pub struct Roster {
    subscriptions: Vec<Subscription>,
    index: PatternIndex,
}

impl Roster {
    /// The roster of these subscriptions.
    pub fn new(mut subscriptions: Vec<Subscription>) -> Self {
        subscriptions.sort_by(|a, b| a.id.cmp(&b.id));
        let index = PatternIndex::new(subscriptions.iter().map(|wanted| &wanted.pattern));
        Self {
            subscriptions,
            index,
        }
    }

    /// The subscriptions whose patterns match, in the order of their ids.
    pub fn matching(&self, event: &EventDocument<'_>) -> Vec<&Subscription> {
        let places = self.index.matching(event);
        places
            .into_iter()
            .filter_map(|place| self.subscriptions.get(place))
            .collect()
    }

    /// The subscription of this id.
    pub fn find(&self, id: &SubscriptionId) -> Option<&Subscription> {
        let place = self
            .subscriptions
            .binary_search_by(|known| known.id.cmp(id));
        place.ok().and_then(|place| self.subscriptions.get(place))
    }
}

impl Deref for Roster {
    type Target = [Subscription];

    fn deref(&self) -> &[Subscription] {
        &self.subscriptions
    }
}

impl FromIterator<Subscription> for Roster {
    fn from_iter<I: IntoIterator<Item = Subscription>>(subscriptions: I) -> Self {
        Self::new(subscriptions.into_iter().collect())
    }
}
