//! A dead letter as a reader of the API sees it.

use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;
use time::UtcDateTime;

use super::{DeadLetter, DeadLetterId, Discard, LetterState, Redrive, RedriveId};
use crate::event_id::EventId;
use crate::shown_time::ShownTime;

/// A letter without its payload. Use [`DeadLetter::as_of`] before, so that a lease that ran out is not shown.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub &'a DeadLetter);

/// A letter with its payload.
#[derive(Clone, Copy, Debug)]
pub struct ShownWhole<'a> {
    /// The letter.
    pub letter: &'a DeadLetter,
    /// The message that failed, or the record, as it came.
    pub body: &'a str,
}

#[derive(serde::Serialize)]
struct Members<'a> {
    dead_letter_id: DeadLetterId,
    state: &'static str,
    origin: &'static str,
    event_id: Option<EventId>,
    r#type: Option<&'a str>,
    source: Option<&'a str>,
    id: Option<&'a str>,
    subscription: Option<&'a str>,
    correlation_id: Option<&'a str>,
    error: ErrorMembers<'a>,
    attempts: Option<u32>,
    first_failed_at: Option<ShownTime>,
    last_failed_at: Option<ShownTime>,
    dead_at: ShownTime,
    job: Option<&'a str>,
    first_dead_letter_id: Option<DeadLetterId>,
    redrive: Option<RedriveMembers>,
    discarded: Option<DiscardMembers<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<&'a str>,
}

#[derive(serde::Serialize)]
struct ErrorMembers<'a> {
    class: &'a str,
    message: &'a str,
}

#[derive(serde::Serialize)]
struct RedriveMembers {
    redrive_id: RedriveId,
    at: ShownTime,
}

#[derive(serde::Serialize)]
struct DiscardMembers<'a> {
    reason: &'a str,
    at: ShownTime,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Members::of(self.0).serialize(serializer)
    }
}

impl Serialize for ShownWhole<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let event = match &self.letter.delivery {
            Some(_) => serde_json::from_str(self.body).ok(),
            None => None,
        };
        let whole = Members {
            event,
            record: event.is_none().then_some(self.body),
            ..Members::of(self.letter)
        };
        whole.serialize(serializer)
    }
}

impl<'a> Members<'a> {
    fn of(letter: &'a DeadLetter) -> Self {
        let delivery = letter.delivery.as_ref();
        // An open letter is open at any time.
        let state = letter.state.name_at(UtcDateTime::MIN);
        Self {
            dead_letter_id: letter.id,
            state: state.as_str(),
            origin: letter.origin.as_str(),
            event_id: delivery.map(|it| it.event_id),
            r#type: delivery.map(|it| it.event_type.as_str()),
            source: delivery.map(|it| it.source.as_str()),
            id: delivery.map(|it| it.id.as_str()),
            subscription: delivery.map(|it| it.subscription.as_str()),
            correlation_id: delivery.and_then(|it| it.correlation_id.as_deref()),
            error: ErrorMembers {
                class: &letter.error.class,
                message: &letter.error.message,
            },
            attempts: letter.attempts,
            first_failed_at: letter.first_failed_at.map(ShownTime),
            last_failed_at: letter.last_failed_at.map(ShownTime),
            dead_at: ShownTime(letter.dead_at()),
            job: letter.job.as_deref(),
            first_dead_letter_id: letter.first_dead_letter_id,
            redrive: redrive(&letter.state),
            discarded: discarded(&letter.state),
            event: None,
            record: None,
        }
    }
}

fn redrive(state: &LetterState) -> Option<RedriveMembers> {
    match state {
        LetterState::Redriving { redrive, .. } | LetterState::Redriven(redrive) => {
            let Redrive { id, at } = *redrive;
            Some(RedriveMembers {
                redrive_id: id,
                at: ShownTime(at),
            })
        }
        LetterState::Open | LetterState::Discarded(_) => None,
    }
}

fn discarded(state: &LetterState) -> Option<DiscardMembers<'_>> {
    match state {
        LetterState::Discarded(Discard { reason, at }) => Some(DiscardMembers {
            reason,
            at: ShownTime(*at),
        }),
        _ => None,
    }
}
