//! Whether a subscription gets deliveries.

use time::UtcDateTime;

/// What becomes of an event that a subscription wants. While it is not active, events are withheld: their
/// receipts say so, and `since` is where a replay of the gap begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SubscriptionState {
    /// It is delivered.
    #[default]
    Active,
    /// A person stopped deliveries.
    Paused {
        /// From when on.
        since: UtcDateTime,
        /// Why, if they said.
        reason: Option<String>,
    },
    /// The bus stopped deliveries, since the queue is gone or refuses the bus.
    Suspended {
        /// When the first event was accepted that the queue did not take.
        since: UtcDateTime,
        /// The queue's own words.
        reason: String,
    },
}

impl SubscriptionState {
    /// Whether deliveries are made.
    pub fn is_active(&self) -> bool {
        matches!(self, Self::Active)
    }

    /// From when on none are made.
    pub fn since(&self) -> Option<UtcDateTime> {
        match self {
            Self::Active => None,
            Self::Paused { since, .. } | Self::Suspended { since, .. } => Some(*since),
        }
    }

    /// Why none are made.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Active => None,
            Self::Paused { reason, .. } => reason.as_deref(),
            Self::Suspended { reason, .. } => Some(reason),
        }
    }

    /// Its name in the API and in the registry.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Paused { .. } => "PAUSED",
            Self::Suspended { .. } => "SUSPENDED",
        }
    }
}
