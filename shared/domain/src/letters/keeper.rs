//! From a failure to a letter that is kept.

use std::collections::BTreeSet;
use std::str::FromStr;

use time::{Duration, UtcDateTime};

use super::{
    DeadLetter, DeadLetterId, Failure, Kept, LetterState, LetterStore, NewLetter, QueueMessage,
    read,
};
use crate::clock::Clock;
use crate::limits::{MAX_RETENTION_DAYS, MIN_LETTER_RETENTION_DAYS};
use crate::store_error::StoreError;
use crate::trace::TraceId;

/// How long letters are kept, in whole days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LetterRetention {
    days: u16,
}

/// A text is not a retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be {MIN_LETTER_RETENTION_DAYS} to {MAX_RETENTION_DAYS} days")]
pub struct InvalidLetterRetention;

impl FromStr for LetterRetention {
    type Err = InvalidLetterRetention;

    fn from_str(text: &str) -> Result<Self, InvalidLetterRetention> {
        match text.parse() {
            Ok(days) if (MIN_LETTER_RETENTION_DAYS..=MAX_RETENTION_DAYS).contains(&days) => {
                Ok(Self { days })
            }
            _ => Err(InvalidLetterRetention),
        }
    }
}

impl LetterRetention {
    /// From when on a letter may be forgotten, in whole seconds: that is how a store keeps it.
    fn expiry_of(self, id: DeadLetterId) -> UtcDateTime {
        let at = id.at();
        let whole = at - Duration::nanoseconds(at.nanosecond().into());
        whole.saturating_add(Duration::days(self.days.into()))
    }
}

/// Keeps what the dead letter queue brings.
pub struct Keeper<L, C> {
    /// Where letters are kept.
    pub letters: L,
    /// Dates and names them.
    pub clock: C,
    /// For how long.
    pub retention: LetterRetention,
}

/// A message that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filed {
    /// The letter; when the failure was kept already it was not written, and this is what it would have been.
    pub letter: DeadLetter,
    /// Whether it was.
    pub kept: Kept,
    /// The trace that its event is part of, if it is a delivery.
    pub trace_id: Option<TraceId>,
}

impl Filed {
    /// The letter in which the failure is kept.
    pub fn dead_letter_id(&self) -> DeadLetterId {
        match self.kept {
            Kept::New => self.letter.id,
            Kept::Repeat(first) => first,
        }
    }
}

impl<L: LetterStore + Sync, C: Clock + Sync> Keeper<L, C> {
    /// Keeps a message. `Err` means that it has to come again.
    pub async fn keep(&self, message: &QueueMessage<'_>) -> Result<Filed, StoreError> {
        let failure = read(message);
        let first = self.first_of(&failure).await?;
        let trace_id = failure.trace_id;
        let new = NewLetter {
            letter: self.letter(failure, first),
            body: message.body.to_owned(),
            message_id: message.id.to_owned(),
        };
        let kept = self.letters.keep(&new).await?;
        Ok(Filed {
            letter: new.letter,
            kept,
            trace_id,
        })
    }

    /// The letter whose redrive, or redrive's redrive, brought this delivery.
    async fn first_of(&self, failure: &Failure) -> Result<Option<DeadLetterId>, StoreError> {
        let (Some(delivery), Some(job)) = (&failure.delivery, &failure.job) else {
            return Ok(None);
        };
        let Ok(redrive) = job.parse() else {
            return Ok(None);
        };
        let letters = self
            .letters
            .of_event(&failure.owner, delivery.event_id)
            .await?;
        let before = letters
            .into_iter()
            .find(|letter| letter.redrive_ids.contains(&redrive));
        Ok(before.map(|letter| letter.first_dead_letter_id.unwrap_or(letter.id)))
    }

    fn letter(&self, failure: Failure, first: Option<DeadLetterId>) -> DeadLetter {
        let id = DeadLetterId::new(self.clock.next_id());
        let Failure {
            owner,
            origin,
            delivery,
            error,
            attempts,
            first_failed_at,
            last_failed_at,
            job,
            trace_id: _,
        } = failure;
        DeadLetter {
            tenant: owner,
            id,
            origin,
            delivery,
            error,
            attempts,
            first_failed_at,
            last_failed_at,
            job,
            first_dead_letter_id: first,
            state: LetterState::Open,
            redrive_ids: BTreeSet::new(),
            expires_at: self.retention.expiry_of(id),
        }
    }
}
