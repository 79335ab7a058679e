//! How many events there are in a part of a job's set, exactly.

use futures::{StreamExt, stream};

use super::Planner;
use super::hours::Part;
use super::sample::{Sizes, bytes};
use crate::archive::{Manifest, line};
use crate::event_query::{IndexEntry, IndexPage, IndexPart, IndexQuery, LogIndex};
use crate::job::archived::{lines, may_have};
use crate::job::ports::Ports;
use crate::job::{Halt, ReplayFilter, UnitPart};
use crate::log_hour::{IdRange, Order, Position};
use crate::store_error::StoreError;
use crate::tenant::TenantId;

/// Entries that one call counts, ranges that a part is cut into once one call is not enough, and how many of those are
/// counted at a time. With the parts that are counted side by side it bounds what is in memory to some tens of
/// megabytes.
const ENTRIES_A_CALL: usize = 2_500;
const PIECES: u32 = 8;
const PIECES_AT_A_TIME: usize = 2;

/// What is in a part.
#[derive(Default)]
pub(super) struct Counted {
    pub(super) total: u64,
    /// Some of the first, for a look at their sizes.
    pub(super) entries: Vec<IndexEntry>,
    /// Sizes that came with the count.
    pub(super) sizes: Sizes,
}

impl<P: Ports> Planner<'_, P> {
    pub(super) async fn count(
        &self,
        tenant: &TenantId,
        part: &Part<'_>,
        filter: &ReplayFilter,
        kept: usize,
    ) -> Result<Counted, Halt> {
        let range = part.hour.range;
        match (part.part, &part.hour.manifest) {
            (UnitPart::Hour(hour, shard), _) => {
                let part = IndexPart::Hour(hour, shard);
                Ok(self
                    .count_entries(tenant, &part, range, filter, kept)
                    .await?)
            }
            (_, Some(manifest)) if part.hour.is_told_by_manifest(filter) => {
                self.told(part, manifest, filter).await
            }
            (_, Some(manifest)) => self.count_lines(manifest, filter, range, usize::MAX).await,
            (_, None) => Ok(Counted::default()),
        }
    }

    /// Counts the entries of a part of the log's index. Where there are many, ranges of it side by side.
    pub(super) async fn count_entries(
        &self,
        tenant: &TenantId,
        part: &IndexPart,
        range: IdRange,
        filter: &ReplayFilter,
        kept: usize,
    ) -> Result<Counted, StoreError> {
        let mut counted = Counted::default();
        let rest = self.count_page(tenant, part, range, filter, kept, &mut counted);
        let Some(rest) = rest.await? else {
            return Ok(counted);
        };
        let pieces = rest.pieces(PIECES).into_iter().map(|piece| async move {
            let mut counted = Counted::default();
            let mut rest = Some(piece);
            while let Some(range) = rest {
                let page = self.count_page(tenant, part, range, filter, 0, &mut counted);
                rest = page.await?;
            }
            Ok::<_, StoreError>(counted.total)
        });
        let mut pieces = stream::iter(pieces).buffer_unordered(PIECES_AT_A_TIME);
        while let Some(total) = pieces.next().await {
            counted.total += total?;
        }
        Ok(counted)
    }

    async fn count_page(
        &self,
        tenant: &TenantId,
        part: &IndexPart,
        range: IdRange,
        filter: &ReplayFilter,
        kept: usize,
        counted: &mut Counted,
    ) -> Result<Option<IdRange>, StoreError> {
        let query = IndexQuery {
            part,
            range,
            order: Order::Oldest,
            event_type: filter.only_type(),
            limit: ENTRIES_A_CALL,
        };
        let IndexPage { entries, rest, .. } = self.ports.parts().log.page(tenant, query).await?;
        for entry in entries
            .into_iter()
            .filter(|entry| filter.takes_entry(entry))
        {
            counted.total += 1;
            if counted.entries.len() < kept {
                counted.entries.push(entry);
            }
        }
        Ok(rest)
    }

    /// What a manifest tells. Where it tells the sizes of more than is wanted, some lines are looked at.
    async fn told(
        &self,
        part: &Part<'_>,
        manifest: &Manifest,
        filter: &ReplayFilter,
    ) -> Result<Counted, Halt> {
        if filter.types.is_empty() {
            return Ok(Counted {
                total: manifest.events,
                entries: vec![],
                sizes: Sizes {
                    events: manifest.events,
                    bytes: manifest.bytes,
                },
            });
        }
        let of_types = manifest.types.iter();
        let wanted = of_types.filter(|(event_type, _)| filter.takes_type(event_type));
        let total = wanted.map(|(_, count)| count).sum();
        let looked_at = match part.lines {
            0 => Counted::default(),
            lines => {
                self.count_lines(manifest, filter, part.hour.range, lines)
                    .await?
            }
        };
        Ok(Counted { total, ..looked_at })
    }

    /// Counts lines, as many as may be looked at; with their sizes.
    async fn count_lines(
        &self,
        manifest: &Manifest,
        filter: &ReplayFilter,
        range: IdRange,
        most: usize,
    ) -> Result<Counted, Halt> {
        let mut counted = Counted::default();
        let objects = manifest.objects.iter();
        for object in objects.filter(|object| may_have(object, range)) {
            let mut lines = lines(self.ports, object).await?;
            while let Some(text) = lines.next() {
                // One that cannot be read fails when it is to be sent, and is counted there.
                let head = line::head(text);
                let is_wanted = head.is_none_or(|head| {
                    let place = Position::of(head.event_id);
                    range.contains(place) && filter.takes(&head.event_type, &head.source)
                });
                if is_wanted {
                    counted.total += 1;
                    counted.sizes.events += 1;
                    counted.sizes.bytes += bytes(text.len());
                }
                if counted.sizes.events >= bytes(most) {
                    return Ok(counted);
                }
            }
        }
        Ok(counted)
    }
}
