//! Dead letters: everything that failed for good, with its payload, its error, its attempts and the way back
//! (P4).
//!
//! What reaches the dead letter queue is read ([`read`]), kept ([`Keeper`]), found ([`LetterReader`]) and sent
//! again ([`Redriver`]). Nothing is dropped: what cannot be understood is kept as it came, for the bus's
//! administrators.

mod ids;
mod intake;
mod keeper;
mod query;
mod reader;
mod redrive;
mod shown;
mod state;
mod store;

pub use ids::{DeadLetterId, RedriveId};
pub use intake::{Failure, QueueMessage, read};
pub use keeper::{Filed, InvalidLetterRetention, Keeper, LetterRetention};
pub use query::{LetterFilter, LetterQuery};
pub use reader::{LetterList, LetterReader};
pub use redrive::{NotRedriven, RedriveError, Redriven, Redriver};
pub use shown::{Shown, ShownWhole};
pub use state::{Change, Discard, LetterState, Redrive, StateName, UnknownState};
pub use store::{Changed, Kept, LetterPage, LetterStore, NewLetter};

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use time::UtcDateTime;

use crate::event_id::EventId;
use crate::subscription::SubscriptionId;
use crate::tenant::TenantId;

/// What is kept of something that failed for good; its payload is kept beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Whose it is: the event's tenant, or the bus where that is not known.
    pub tenant: TenantId,
    /// Its name, which holds the time at which it was kept.
    pub id: DeadLetterId,
    /// Who gave up.
    pub origin: Origin,
    /// Which delivery it was. `None` for a record that is no delivery, which has no way back.
    pub delivery: Option<FailedDelivery>,
    /// Why.
    pub error: LetterError,
    /// How often it was tried, where that is known.
    pub attempts: Option<u32>,
    /// When it failed first, where that is known.
    pub first_failed_at: Option<UtcDateTime>,
    /// When it failed last, where that is known.
    pub last_failed_at: Option<UtcDateTime>,
    /// The replay or redrive that brought the delivery, if one did.
    pub job: Option<String>,
    /// The letter of the first failure, when a redrive of it brought this one.
    pub first_dead_letter_id: Option<DeadLetterId>,
    /// What has become of it.
    pub state: LetterState,
    /// Every redrive whose message may be out: a delivery with one of these jobs came from this letter.
    pub redrive_ids: BTreeSet<RedriveId>,
    /// From when on it may be forgotten, to the second.
    pub expires_at: UtcDateTime,
}

/// The delivery that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedDelivery {
    /// The event.
    pub event_id: EventId,
    /// What happened.
    pub event_type: String,
    /// Who said it.
    pub source: String,
    /// Which of its source's events it is.
    pub id: String,
    /// Who was to get it.
    pub subscription: SubscriptionId,
    /// The operation that the event is part of, if its producer said.
    pub correlation_id: Option<String>,
}

/// Why something failed for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterError {
    /// The kind of error, in one word: `ReceivesExhausted`.
    pub class: String,
    /// What it says.
    pub message: String,
}

/// Who gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The function `dispatch`: the record is no event, or its event cannot be brought up.
    Dispatch,
    /// The function `retry`: a queue refused it until no retry was left.
    Retry,
    /// A subscriber that uses the SDK: its handler said that it can never work.
    Subscriber,
    /// A subscriber's queue: it was received so often as its redrive policy allows.
    Queue,
    /// The log's stream: a batch failed until no retry was left.
    Stream,
    /// The function `replay`: a delivery that a job was to make cannot be made.
    Replay,
}

/// The text names nobody who gives up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the origin '{0}' is not known")]
pub struct UnknownOrigin(String);

impl Origin {
    const ALL: [Self; 6] = [
        Self::Dispatch,
        Self::Retry,
        Self::Subscriber,
        Self::Queue,
        Self::Stream,
        Self::Replay,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dispatch => "dispatch",
            Self::Retry => "retry",
            Self::Subscriber => "subscriber",
            Self::Queue => "queue",
            Self::Stream => "stream",
            Self::Replay => "replay",
        }
    }
}

impl FromStr for Origin {
    type Err = UnknownOrigin;

    fn from_str(text: &str) -> Result<Self, UnknownOrigin> {
        let found = Self::ALL.into_iter().find(|origin| origin.as_str() == text);
        found.ok_or_else(|| UnknownOrigin(text.to_owned()))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl DeadLetter {
    /// When it was kept, to the millisecond.
    pub fn dead_at(&self) -> UtcDateTime {
        self.id.at()
    }

    /// The letter as it counts at this time: a redrive whose lease ran out is none.
    pub fn as_of(mut self, now: UtcDateTime) -> Self {
        if self.state.name_at(now) == StateName::Open {
            self.state = LetterState::Open;
        }
        self
    }
}
