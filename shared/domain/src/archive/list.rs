//! What the archive has of a tenant, hour by hour, the oldest first.

use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use time::UtcDateTime;

use super::{ArchiveReader, Manifest};
use crate::active_hours::{Marked, MarkedHours};
use crate::limits::DEFAULT_PAGE_EVENTS;
use crate::log_hour::{HourRange, IdRange, LogHour, Order, Position};
use crate::page_cursor::{Cursors, time_part};
use crate::query_parameters::{BadParameter, Parameters, limit, told};
use crate::seal::SealStore;
use crate::store_error::StoreError;
use crate::tenant::TenantId;

/// Hours that are looked for at a time.
const MAX_CALLS: usize = 16;

/// Hours that are looked for, for one page. Nearly every hour that has events has a manifest once it is sealed.
const MAX_LOOKS: usize = 320;

/// A page of archived hours that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveQuery {
    from: Option<UtcDateTime>,
    to: Option<UtcDateTime>,
    limit: usize,
    start: Option<Position>,
}

/// Some archived hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchivePage {
    /// Their manifests, the oldest first.
    pub manifests: Vec<Manifest>,
    /// Where the next page begins. `None` when there is nothing more.
    pub next_cursor: Option<String>,
}

/// Lists archived hours.
pub struct ArchiveLister<'a, M, K, A> {
    /// In which hours there are events.
    pub marks: &'a M,
    /// Which hours are sealed.
    pub seals: &'a K,
    /// The archive.
    pub archive: &'a A,
}

impl ArchiveQuery {
    /// The parameters that there are.
    pub const PARAMETERS: [&str; 4] = ["from", "to", "limit", "cursor"];

    /// Reads a tenant's query.
    pub fn parse(
        tenant: &TenantId,
        parameters: &[(String, String)],
    ) -> Result<Self, Vec<BadParameter>> {
        let mut read = Parameters::of(parameters, &Self::PARAMETERS);
        let (from, to) = read.times();
        let limit = read.parsed("limit", limit).unwrap_or(DEFAULT_PAGE_EVENTS);
        let is_whole = read.is_whole();
        let start = read.parsed("cursor", |text| match is_whole {
            true => cursors(tenant, from, to).read(text).map(Some).map_err(told),
            false => Ok(None),
        });
        read.finish(Self {
            from,
            to,
            limit,
            start: start.flatten(),
        })
    }

    /// The hours that are left of those that are meant, of those before the watermark.
    fn hours(&self, sealed_before: LogHour) -> Option<HourRange> {
        let ids = IdRange::of_times(self.from, self.to)?;
        let sealed = IdRange::ALL.beyond(sealed_before.ids().first(), Order::Newest)?;
        let ids = ids.intersection(sealed)?;
        let left = match self.start {
            Some(start) => ids.starting_at(start, Order::Oldest)?,
            None => ids,
        };
        Some(HourRange::of(left))
    }

    fn cursor(&self, tenant: &TenantId, hour: LogHour) -> String {
        cursors(tenant, self.from, self.to).write(hour.ids().first())
    }
}

fn cursors(tenant: &TenantId, from: Option<UtcDateTime>, to: Option<UtcDateTime>) -> Cursors {
    Cursors::of([
        Some("archive".to_owned()),
        Some(tenant.to_string()),
        time_part(from),
        time_part(to),
    ])
}

impl<M, K, A> ArchiveLister<'_, M, K, A>
where
    M: MarkedHours + Sync,
    K: SealStore + Sync,
    A: ArchiveReader + Sync,
{
    /// The page of a query.
    pub async fn list(
        &self,
        tenant: &TenantId,
        query: &ArchiveQuery,
    ) -> Result<ArchivePage, StoreError> {
        let head = self.seals.head().await?;
        let mut rest = head.and_then(|head| query.hours(head.sealed_before));
        let mut manifests = Vec::new();
        let mut looks = 0;
        while let Some(range) = rest {
            let Marked { hours, rest: after } =
                self.marks.marked(tenant, range, Order::Oldest).await?;
            let hours = in_order(hours);
            for chunk in hours.chunks(MAX_CALLS) {
                looks += chunk.len();
                manifests.extend(self.manifests(tenant, chunk).await?);
                let next = next_of(&hours, chunk).or(after.map(|after| after.first));
                if manifests.len() >= query.limit || looks >= MAX_LOOKS {
                    return Ok(cut(tenant, query, manifests, next));
                }
            }
            rest = after;
        }
        Ok(cut(tenant, query, manifests, None))
    }

    async fn manifests(
        &self,
        tenant: &TenantId,
        hours: &[LogHour],
    ) -> Result<Vec<(LogHour, Manifest)>, StoreError> {
        let mut looks = Vec::new();
        for hour in hours {
            looks.push(self.manifest(tenant, *hour));
        }
        let looks = stream::iter(looks).buffered(MAX_CALLS);
        looks
            .try_filter_map(async |found| Ok(found))
            .try_collect()
            .await
    }

    async fn manifest(
        &self,
        tenant: &TenantId,
        hour: LogHour,
    ) -> Result<Option<(LogHour, Manifest)>, StoreError> {
        let found = self.archive.manifest(tenant, hour).await?;
        Ok(found.map(|manifest| (hour, manifest)))
    }
}

fn in_order(mut hours: Vec<LogHour>) -> Vec<LogHour> {
    hours.sort_unstable();
    hours
}

/// The hour after a chunk of some hours.
fn next_of(hours: &[LogHour], chunk: &[LogHour]) -> Option<LogHour> {
    let last = chunk.last()?;
    hours.iter().find(|hour| *hour > last).copied()
}

/// A page of as many as are wanted.
fn cut(
    tenant: &TenantId,
    query: &ArchiveQuery,
    found: Vec<(LogHour, Manifest)>,
    next: Option<LogHour>,
) -> ArchivePage {
    let next = found.get(query.limit).map(|(hour, _)| *hour).or(next);
    let manifests = found.into_iter().map(|(_, manifest)| manifest);
    ArchivePage {
        manifests: manifests.take(query.limit).collect(),
        next_cursor: next.map(|hour| query.cursor(tenant, hour)),
    }
}

/// An archived hour as a reader of the API sees it.
#[derive(Clone, Copy, Debug)]
pub struct ShownManifest<'a>(pub &'a Manifest);

#[derive(Serialize)]
struct Members<'a> {
    hour: &'a str,
    events: u64,
    bytes: u64,
    stored_bytes: u64,
    objects: Vec<ShownObject<'a>>,
    revision: u32,
}

#[derive(Serialize)]
struct ShownObject<'a> {
    key: &'a str,
    lines: u64,
    bytes: u64,
    stored_bytes: u64,
    sha256: &'a str,
}

impl Serialize for ShownManifest<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Manifest {
            hour,
            revision,
            events,
            bytes,
            objects,
            ..
        } = self.0;
        let shown = objects.iter().map(|object| ShownObject {
            key: &object.key,
            lines: object.lines,
            bytes: object.bytes,
            stored_bytes: object.stored_bytes,
            sha256: &object.sha256,
        });
        let members = Members {
            hour,
            events: *events,
            bytes: *bytes,
            stored_bytes: objects.iter().map(|object| object.stored_bytes).sum(),
            objects: shown.collect(),
            revision: *revision,
        };
        members.serialize(serializer)
    }
}
