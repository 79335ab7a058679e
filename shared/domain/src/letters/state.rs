//! What becomes of a dead letter.
//!
//! ```text
//! OPEN --take--> REDRIVING --close--> REDRIVEN
//!   ^                |
//!   +--- give back --+   and when the lease runs out
//! OPEN --discard--> DISCARDED
//! ```

use std::fmt;
use std::str::FromStr;

use time::UtcDateTime;

use super::{DeadLetter, RedriveId};
use crate::clock::whole_millis;

/// What has become of a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LetterState {
    /// Somebody has to decide.
    Open,
    /// It is being sent. When the lease has run out it counts as open: whoever held it is dead.
    Redriving {
        /// By which redrive.
        redrive: Redrive,
        /// Until when the lease is held, itself included.
        held_until: UtcDateTime,
    },
    /// It was sent to its subscription's queue again.
    Redriven(Redrive),
    /// Somebody decided that it is not needed.
    Discarded(Discard),
}

/// A redrive of one letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redrive {
    /// Its name.
    pub id: RedriveId,
    /// When it began.
    pub at: UtcDateTime,
}

/// Why a letter is not needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discard {
    /// In somebody's words.
    pub reason: String,
    /// When that was decided.
    pub at: UtcDateTime,
}

impl Discard {
    /// For this reason, decided now.
    pub fn new(reason: String, now: UtcDateTime) -> Self {
        Self {
            reason,
            at: whole_millis(now),
        }
    }
}

/// The name of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateName {
    /// [`LetterState::Open`]
    Open,
    /// [`LetterState::Redriving`]
    Redriving,
    /// [`LetterState::Redriven`]
    Redriven,
    /// [`LetterState::Discarded`]
    Discarded,
}

/// The text names no state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be OPEN, REDRIVING, REDRIVEN or DISCARDED")]
pub struct UnknownState;

/// A step of a letter's life. Each is allowed in some states only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Open, left behind by a redrive whose lease ran out before this one began, or held by this redrive already: it
    /// is sent from here on.
    Take {
        /// By this redrive.
        redrive: Redrive,
        /// Until when nobody else may.
        held_until: UtcDateTime,
    },
    /// Held by this redrive, which sent nothing: it is open again.
    GiveBack(RedriveId),
    /// Held by this redrive, whose message the queue has.
    Close(RedriveId),
    /// Open at the time of the decision: it is not needed.
    Discard(Discard),
}

impl LetterState {
    /// What it counts as at this time.
    pub fn name_at(&self, now: UtcDateTime) -> StateName {
        match self {
            Self::Redriving { held_until, .. } if *held_until < now => StateName::Open,
            Self::Open => StateName::Open,
            Self::Redriving { .. } => StateName::Redriving,
            Self::Redriven(_) => StateName::Redriven,
            Self::Discarded(_) => StateName::Discarded,
        }
    }

    fn is_open(&self, now: UtcDateTime) -> bool {
        self.name_at(now) == StateName::Open
    }

    /// Whether it was open at a time that has passed, as far as can be told: whatever has become of it has become of
    /// it since.
    pub(crate) fn was_open_at(&self, then: UtcDateTime) -> bool {
        match self {
            Self::Open => true,
            Self::Redriving {
                redrive,
                held_until,
            } => redrive.at >= then || *held_until < then,
            Self::Redriven(redrive) => redrive.at >= then,
            Self::Discarded(discard) => discard.at >= then,
        }
    }

    /// The redrive that has sent it.
    pub(super) fn sent_by(&self) -> Option<RedriveId> {
        match self {
            Self::Redriven(redrive) => Some(redrive.id),
            _ => None,
        }
    }

    /// The redrive that holds it, whether or not its lease has run out.
    fn held_by(&self, id: RedriveId) -> Option<Redrive> {
        match self {
            Self::Redriving { redrive, .. } if redrive.id == id => Some(*redrive),
            _ => None,
        }
    }
}

impl Change {
    /// The letter after this step; `None` when its state does not allow it.
    pub fn of(&self, letter: &DeadLetter) -> Option<DeadLetter> {
        let mut changed = letter.clone();
        changed.state = match self {
            Self::Take {
                redrive,
                held_until,
            } if letter.state.is_open(redrive.at) || letter.state.held_by(redrive.id).is_some() => {
                changed.redrive_ids.insert(redrive.id);
                LetterState::Redriving {
                    redrive: *redrive,
                    held_until: *held_until,
                }
            }
            Self::GiveBack(id) => {
                letter.state.held_by(*id)?;
                changed.redrive_ids.remove(id);
                LetterState::Open
            }
            Self::Close(id) => LetterState::Redriven(letter.state.held_by(*id)?),
            Self::Discard(discard) if letter.state.is_open(discard.at) => {
                LetterState::Discarded(discard.clone())
            }
            Self::Take { .. } | Self::Discard(_) => return None,
        };
        Some(changed)
    }

    /// Whether a letter is as this step leaves it: then it was made, though its answer may have been lost.
    pub fn is_made_in(&self, letter: &DeadLetter) -> bool {
        match (self, &letter.state) {
            (Self::Take { redrive, .. }, state) => state.held_by(redrive.id).is_some(),
            (Self::GiveBack(id), LetterState::Open) => !letter.redrive_ids.contains(id),
            (Self::Close(id), LetterState::Redriven(redrive)) => redrive.id == *id,
            (Self::Discard(discard), LetterState::Discarded(there)) => discard == there,
            _ => false,
        }
    }
}

impl StateName {
    const ALL: [Self; 4] = [Self::Open, Self::Redriving, Self::Redriven, Self::Discarded];

    /// As callers write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Redriving => "REDRIVING",
            Self::Redriven => "REDRIVEN",
            Self::Discarded => "DISCARDED",
        }
    }
}

impl FromStr for StateName {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or(UnknownState)
    }
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
