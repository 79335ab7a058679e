//! Many events in one publish, each by itself.

use std::collections::HashMap;

use super::{Appended, Conflict, EventLog, PublishError, Published, Terms, logged, published};
use crate::clock::Clock;
use crate::cloud_event::CloudEvent;
use crate::event_id::EventId;
use crate::logged_event::LoggedEvent;
use crate::store_error::StoreError;
use crate::tenant::TenantId;

/// How each event of a batch ended.
pub type BatchPublished = Vec<Result<Published, PublishError>>;

/// Stores each event under its key, as [`super::publish`] does, and answers for each in the order given.
///
/// Of several events with one key the first is stored, and the others are held against it: what it became
/// they are a duplicate of, or a conflict with.
pub async fn publish_all<L: EventLog, C: Clock>(
    log: &L,
    tenant: &TenantId,
    events: Vec<Result<CloudEvent, PublishError>>,
    clock: &C,
    terms: &Terms,
) -> BatchPublished {
    let batch = Batch::of(tenant, events, clock, terms);
    let appended = log.append_all(&batch.firsts).await;
    batch.settle(appended)
}

/// The events of a batch, and those of them that are written: the first of each key.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) firsts: Vec<LoggedEvent>,
    pub(super) entries: Vec<Entry>,
    places: HashMap<(String, String), usize>,
}

/// What becomes of an event of a batch.
pub(super) enum Entry {
    Refused(PublishError),
    /// It is written; the index is its place among the firsts.
    First(usize),
    /// It is held against the first of its key.
    Repeat(usize, Box<LoggedEvent>),
}

impl Batch {
    pub(super) fn of<C: Clock>(
        tenant: &TenantId,
        events: Vec<Result<CloudEvent, PublishError>>,
        clock: &C,
        terms: &Terms,
    ) -> Self {
        let mut batch = Self::default();
        for event in events {
            let event = event.and_then(|event| {
                let logged = logged(tenant, event, clock.next_id(), terms);
                logged.map_err(PublishError::Invalid)
            });
            let entry = event.map_or_else(Entry::Refused, |event| batch.place(event));
            batch.entries.push(entry);
        }
        batch
    }

    fn place(&mut self, event: LoggedEvent) -> Entry {
        let key = (event.event.source().to_owned(), event.event.id().to_owned());
        let next = self.firsts.len();
        match *self.places.entry(key).or_insert(next) {
            place if place == next => {
                self.firsts.push(event);
                Entry::First(place)
            }
            place => Entry::Repeat(place, Box::new(event)),
        }
    }

    /// The answer for each entry, once it is known what became of the firsts.
    pub(super) fn settle(self, appended: Vec<Result<Appended, StoreError>>) -> BatchPublished {
        let Self {
            firsts, entries, ..
        } = self;
        // What a key holds now, where that is known.
        let held: Vec<Option<(EventId, Option<LoggedEvent>)>> = firsts
            .iter()
            .zip(&appended)
            .map(|(first, appended)| held(first, appended))
            .collect();
        // The firsts were written in the order of their entries, so their answers come in it.
        let mut appended = appended.into_iter();
        let settle = |entry| match entry {
            Entry::Refused(error) => Err(error),
            Entry::First(place) => {
                let appended = appended.next().ok_or(PublishError::FirstNotStored)??;
                Ok(published(&firsts[place], &appended))
            }
            Entry::Repeat(place, event) => match held.get(place) {
                Some(Some((event_id, other))) => {
                    let first = other.as_ref().unwrap_or(&firsts[place]);
                    Ok(repeated(*event_id, first, &event))
                }
                _ => Err(PublishError::FirstNotStored),
            },
        };
        entries.into_iter().map(settle).collect()
    }
}

/// Under which id a key's event is in the log, and that event where it is another than the one to write.
fn held(
    event: &LoggedEvent,
    appended: &Result<Appended, StoreError>,
) -> Option<(EventId, Option<LoggedEvent>)> {
    match appended {
        Ok(Appended::New) => Some((event.event_id, None)),
        Ok(Appended::Same(event_id)) => Some((*event_id, None)),
        Ok(Appended::Other(first)) => Some((first.event_id, Some((**first).clone()))),
        Err(_) => None,
    }
}

/// A later event of the batch against what its key holds.
fn repeated(event_id: EventId, first: &LoggedEvent, event: &LoggedEvent) -> Published {
    if first.fingerprint == event.fingerprint {
        Published::Duplicate(event_id)
    } else {
        Published::Conflict(Conflict {
            event_id,
            ..Conflict::between(first, event)
        })
    }
}
