//! Pages of events from an archived hour, object by object, line by line.

use super::page::{Entry, Found, MAX_PAGE_BYTES, Page, Pages};
use crate::archive::{ArchivedObject, line};
use crate::job::archived::{Lines, lines, manifest, may_have};
use crate::job::ports::Ports;
use crate::job::{FailedEvent, Halt, ReplayFilter, Unit};
use crate::log_hour::{IdRange, LogHour, Position};
use crate::logged_event::LoggedEvent;
use crate::store_error::ErrorChain;
use crate::tenant::TenantId;

/// Lines that are looked at for one page: then the place that was come to is written down.
const MAX_LOOKED_AT: usize = 20_000;

/// What is listed of a line that is no event.
const UNREADABLE: &str = "UnreadableLine";

/// An archived hour.
pub(super) struct ArchivePages<'a, P> {
    ports: &'a P,
    tenant: &'a TenantId,
    filter: &'a ReplayFilter,
    range: IdRange,
    hour: LogHour,
    /// The objects of the manifest, once it was read.
    objects: Option<Vec<ArchivedObject>>,
    place: Place,
    /// The lines of the object at that place, from that place on.
    open: Option<Lines>,
}

/// A place in an hour: objects before it, and lines of the object that it is in. Later revisions add objects behind
/// those that there are, so it stays where it is; ids would not do, since what came late has lower ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    object: u64,
    line: u64,
}

impl Place {
    fn read(cursor: Position) -> Self {
        let whole = u128::from_be_bytes(cursor.to_bytes());
        let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or_default();
        Self {
            object: half(whole >> 64),
            line: half(whole),
        }
    }

    fn cursor(self) -> Position {
        let whole = u128::from(self.object) << 64 | u128::from(self.line);
        Position::from_bytes(whole.to_be_bytes())
    }

    fn next_object(self) -> Self {
        Self {
            object: self.object + 1,
            line: 0,
        }
    }
}

impl<'a, P: Ports> ArchivePages<'a, P> {
    pub(super) fn new(
        ports: &'a P,
        tenant: &'a TenantId,
        filter: &'a ReplayFilter,
        range: IdRange,
        hour: LogHour,
        unit: &Unit,
    ) -> Self {
        Self {
            ports,
            tenant,
            filter,
            range,
            hour,
            objects: None,
            place: unit.cursor.map(Place::read).unwrap_or_default(),
            open: None,
        }
    }

    /// The object at the place that was come to, if there is one.
    async fn object(&mut self) -> Result<Option<ArchivedObject>, Halt> {
        let objects = match self.objects.take() {
            Some(objects) => objects,
            None => manifest(self.ports, self.tenant, self.hour).await?.objects,
        };
        let number = usize::try_from(self.place.object).ok();
        let object = number.and_then(|number| objects.get(number)).cloned();
        self.objects = Some(objects);
        Ok(object)
    }

    /// Opens the object at the place that was come to, or leaves it out. `false` when there is none.
    async fn open(&mut self) -> Result<bool, Halt> {
        let Some(object) = self.object().await? else {
            return Ok(false);
        };
        if may_have(&object, self.range) {
            let mut lines = lines(self.ports, &object).await?;
            lines.skip(self.place.line);
            self.open = Some(lines);
        } else {
            self.place = self.place.next_object();
        }
        Ok(true)
    }

    /// What a line is, unless it is not wanted.
    fn found(&self, text: &[u8]) -> Option<Found<LoggedEvent>> {
        if let Some(head) = line::head(text) {
            let place = Position::of(head.event_id);
            if !self.range.contains(place) || !self.filter.takes(&head.event_type, &head.source) {
                return None;
            }
        }
        Some(match line::read(self.tenant, text) {
            Ok(event) => Found::Here(event),
            Err(bad) => Found::Unreadable(bad.event_id.map(|event_id| {
                let why = ErrorChain(&bad.why).to_string();
                FailedEvent::new(event_id, None, UNREADABLE, why)
            })),
        })
    }
}

impl<P: Ports> Pages for ArchivePages<'_, P> {
    type Item = LoggedEvent;

    async fn next(&mut self, most: usize) -> Result<Page<LoggedEvent>, Halt> {
        let mut entries = Vec::new();
        let (mut looked_at, mut bytes) = (0, 0);
        let is_last = loop {
            if entries.len() >= most || bytes >= MAX_PAGE_BYTES || looked_at >= MAX_LOOKED_AT {
                break false;
            }
            let Some(mut lines) = self.open.take() else {
                match self.open().await? {
                    true => continue,
                    false => break true,
                }
            };
            let Some(text) = lines.next() else {
                self.place = self.place.next_object();
                continue;
            };
            self.place.line += 1;
            looked_at += 1;
            if let Some(found) = self.found(text) {
                bytes += text.len();
                entries.push(Entry {
                    place: self.place.cursor(),
                    found,
                });
            }
            self.open = Some(lines);
        };
        Ok(Page {
            entries,
            end: Some(self.place.cursor()),
            is_last,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_back_and_objects_go_before_lines() {
        let place = Place {
            object: 3,
            line: 4_294_967_297,
        };
        assert_eq!(Place::read(place.cursor()), place);
        assert!(place.cursor() < place.next_object().cursor());
        assert_eq!(Place::default().cursor(), IdRange::ALL.first());
    }
}
