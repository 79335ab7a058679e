//! Many events in one publish, all or none.

use std::collections::HashMap;

use super::batch::{Batch, Entry};
use super::{
    Appended, AtomicAppendError, Conflict, EventLog, PublishError, Published, Terms, published,
};
use crate::clock::Clock;
use crate::cloud_event::CloudEvent;
use crate::fingerprint::Fingerprint;
use crate::limits::MAX_ATOMIC_EVENTS;
use crate::logged_event::LoggedEvent;
use crate::store_error::StoreError;
use crate::tenant::TenantId;

/// Why none of the events was stored.
#[derive(Debug, thiserror::Error)]
pub enum AtomicError {
    /// There are more than [`MAX_ATOMIC_EVENTS`].
    #[error("has {0} events; {MAX_ATOMIC_EVENTS} is the most that are stored as a whole")]
    TooMany(usize),
    /// These, by their place in the batch, stand in the way.
    #[error("{} event(s) of the batch cannot be stored", .0.len())]
    Refused(Vec<(usize, Refusal)>),
    /// The log did not take them, or did not say so.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why one event keeps its batch from being stored.
#[derive(Debug)]
pub enum Refusal {
    /// It is no event that can be stored.
    Invalid(PublishError),
    /// Its key is taken by an event with other content.
    Conflict(Conflict),
    /// It has the key of an earlier event of the batch, with other content.
    Differs {
        /// The place of the earlier one.
        first: usize,
        /// In what it differs: names of attributes, and `data`.
        differing: Vec<String>,
    },
}

/// Stores every event under its key, or none of them; answers for each in the order given.
///
/// Events that are in the log already, with the same content, are duplicates and do not stand in the way: so
/// the retry of a batch whose answer was lost ends well.
pub async fn publish_atomically<L: EventLog, C: Clock>(
    log: &L,
    tenant: &TenantId,
    events: Vec<Result<CloudEvent, PublishError>>,
    clock: &C,
    terms: &Terms,
) -> Result<Vec<Published>, AtomicError> {
    if events.len() > MAX_ATOMIC_EVENTS {
        return Err(AtomicError::TooMany(events.len()));
    }
    let batch = Batch::of(tenant, events, clock, terms);
    let entries = agreed(&batch.firsts, batch.entries).map_err(AtomicError::Refused)?;
    match log.append_atomically(&batch.firsts).await {
        Ok(appended) => Ok(stored(&batch.firsts, &appended, &entries)),
        Err(AtomicAppendError::Taken(taken)) => {
            let refused = taken.iter().filter_map(|(place, first)| {
                let index = entries.iter().position(|entry| entry.place == *place)?;
                let conflict = Conflict::between(first, batch.firsts.get(*place)?);
                Some((index, Refusal::Conflict(conflict)))
            });
            Err(AtomicError::Refused(refused.collect()))
        }
        Err(AtomicAppendError::Store(error)) => Err(error.into()),
    }
}

/// An event of a batch in which all agree.
struct Agreed {
    /// The place of what is written for it among the firsts.
    place: usize,
    /// Whether an earlier one of the batch is the same event.
    repeats: bool,
}

/// What is written for each event, unless one of them cannot be stored whatever the log holds.
fn agreed(
    firsts: &[LoggedEvent],
    entries: Vec<Entry>,
) -> Result<Vec<Agreed>, Vec<(usize, Refusal)>> {
    let mut agreed = Vec::with_capacity(entries.len());
    let mut refused = Vec::new();
    let mut indices = HashMap::new();
    for (index, entry) in entries.into_iter().enumerate() {
        match entry {
            Entry::Refused(error) => refused.push((index, Refusal::Invalid(error))),
            Entry::First(place) => {
                indices.insert(place, index);
                agreed.push(Agreed {
                    place,
                    repeats: false,
                });
            }
            Entry::Repeat(place, event) => {
                let differing = differing(firsts.get(place), &event);
                if !differing.is_empty() {
                    let first = indices.get(&place).copied().unwrap_or_default();
                    refused.push((index, Refusal::Differs { first, differing }));
                }
                agreed.push(Agreed {
                    place,
                    repeats: true,
                });
            }
        }
    }
    if refused.is_empty() {
        Ok(agreed)
    } else {
        Err(refused)
    }
}

fn differing(first: Option<&LoggedEvent>, event: &LoggedEvent) -> Vec<String> {
    match first {
        Some(first) if first.fingerprint != event.fingerprint => {
            Fingerprint::differing(&first.event, &event.event)
        }
        _ => vec![],
    }
}

fn stored(firsts: &[LoggedEvent], appended: &[Appended], entries: &[Agreed]) -> Vec<Published> {
    let firsts: Vec<Published> = firsts
        .iter()
        .zip(appended)
        .map(|(first, appended)| published(first, appended))
        .collect();
    let answer = |entry: &Agreed| match (firsts.get(entry.place)?, entry.repeats) {
        (Published::Accepted(event_id), true) => Some(Published::Duplicate(*event_id)),
        (published, _) => Some(published.clone()),
    };
    entries.iter().filter_map(answer).collect()
}
