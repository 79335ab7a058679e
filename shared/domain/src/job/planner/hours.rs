//! Hours of the log, shard by shard, and hours of the archive.

use futures::{StreamExt, TryStreamExt, stream};

use super::counting::Counted;
use super::{Draft, Planner};
use crate::active_hours::{Marked, MarkedHours, is_recent, to_read};
use crate::archive::{ArchiveReader, Manifest};
use crate::clock::Clock;
use crate::event_query::{IndexEntry, IndexPart};
use crate::job::ports::Ports;
use crate::job::{Halt, Job, ReplayFilter, UnitPart};
use crate::log_hour::{HourRange, IdRange, LogHour, Order};
use crate::log_shard::LogShards;
use crate::store_error::StoreError;
use crate::tenant::TenantId;
use crate::tenant_settings::TenantSettingsReader;

/// What one step may look at: a shard of an hour is 1, as is a manifest; lines of an archived hour are a step's work.
/// It is fewer than [`crate::job::MAX_NEW_UNITS`].
const STEP_WEIGHT: usize = 64;

/// Manifests that are read at a time, and parts that are counted.
const MANIFESTS: usize = 8;
const PARTS: usize = 4;

/// Lines of an archived hour whose sizes are looked at, where its manifest tells the number only.
const LINES_LOOKED_AT: usize = 50;

/// An hour to plan.
pub(super) struct Hour {
    hour: LogHour,
    /// The ids of it that are left to plan.
    pub(super) range: IdRange,
    /// What the archive has of it, where that is old enough to be read there.
    pub(super) manifest: Option<Manifest>,
}

/// A part of it that is counted by itself.
pub(super) struct Part<'a> {
    pub(super) part: UnitPart,
    pub(super) hour: &'a Hour,
    /// Lines of it whose sizes are looked at, where its manifest tells its number.
    pub(super) lines: usize,
}

impl<P: Ports> Planner<'_, P> {
    pub(super) async fn plan_hours(
        &self,
        job: &Job,
        filter: &ReplayFilter,
        draft: &mut Draft,
    ) -> Result<(), Halt> {
        let settings = self.ports.parts().settings.settings(&job.tenant).await?;
        let shards = settings.unwrap_or_default().log_shards;
        let (hours, rest) = self.next_hours(job, filter, shards, draft.range).await?;
        let mut parts: Vec<Part<'_>> = hours
            .iter()
            .flat_map(|hour| parts_of(hour, shards))
            .collect();
        // Once a step: an object has many lines, and is fetched whole.
        if draft.is_short_of_sizes()
            && let Some(part) = parts.iter_mut().find(|part| part.hour.manifest.is_some())
        {
            part.lines = LINES_LOOKED_AT;
        }
        let kept = draft.kept_of_a_part();
        let counts = parts
            .iter()
            .map(|part| self.count(&job.tenant, part, filter, kept));
        let counted: Vec<Counted> = stream::iter(counts).buffered(PARTS).try_collect().await?;
        for (part, counted) in parts.iter().zip(&counted) {
            draft.add(part.part, counted.total);
            draft.know(counted.sizes);
        }
        self.look_at_sizes(&job.tenant, counted, draft).await?;
        draft.leave(rest);
        Ok(())
    }

    /// The one unit of an operation's events: they are where they are in the log, by their operation.
    pub(super) async fn plan_operation(
        &self,
        job: &Job,
        filter: &ReplayFilter,
        operation: &str,
        draft: &mut Draft,
    ) -> Result<(), Halt> {
        let part = IndexPart::Correlation(operation.to_owned());
        let (range, kept) = (draft.range, draft.kept_of_a_part());
        let counted = self
            .count_entries(&job.tenant, &part, range, filter, kept)
            .await?;
        draft.add(UnitPart::Correlation(range), counted.total);
        self.look_at_sizes(&job.tenant, vec![counted], draft)
            .await?;
        draft.leave(None);
        Ok(())
    }

    /// The first hours that have to be looked at, as many as a step takes, and what comes after them.
    async fn next_hours(
        &self,
        job: &Job,
        filter: &ReplayFilter,
        shards: LogShards,
        range: IdRange,
    ) -> Result<(Vec<Hour>, Option<IdRange>), StoreError> {
        let (numbers, later) = self
            .hours_to_read(&job.tenant, HourRange::of(range))
            .await?;
        let rest_from = |hour: LogHour| range.starting_at(hour.ids().first(), Order::Oldest);
        let later = later.and_then(|later| rest_from(later.first));
        let looks = numbers.iter().take(STEP_WEIGHT).map(|hour| async {
            let manifest = self.manifest(&job.tenant, *hour).await?;
            Ok::<_, StoreError>((*hour, manifest))
        });
        let mut looks = stream::iter(looks).buffered(MANIFESTS);
        let (mut hours, mut weight) = (Vec::new(), 0);
        while let Some(look) = looks.next().await {
            let (number, manifest) = look?;
            let Some(of_hour) = range.intersection(number.ids()) else {
                continue;
            };
            let hour = Hour {
                hour: number,
                range: of_hour,
                manifest,
            };
            weight += hour.weight(filter, shards);
            if weight > STEP_WEIGHT && !hours.is_empty() {
                return Ok((hours, rest_from(number)));
            }
            hours.push(hour);
        }
        let next = numbers.get(STEP_WEIGHT).copied();
        Ok((hours, next.and_then(rest_from).or(later)))
    }

    /// Hours with events, the earliest first, and those that nobody has looked for yet.
    async fn hours_to_read(
        &self,
        tenant: &TenantId,
        range: HourRange,
    ) -> Result<(Vec<LogHour>, Option<HourRange>), StoreError> {
        let parts = self.ports.parts();
        let now = parts.clock.now();
        let Marked { hours, rest } = match is_recent(range, now) {
            true => Marked {
                hours: vec![],
                rest: None,
            },
            false => parts.marks.marked(tenant, range, Order::Oldest).await?,
        };
        let looked_at = match rest {
            None => Some(range),
            Some(rest) => range.beyond(rest.first.day(), Order::Newest),
        };
        let hours = looked_at.map(|range| to_read(range, hours, now, Order::Oldest));
        Ok((hours.unwrap_or_default(), rest))
    }

    /// What the archive has of an hour, if it is to be read there.
    async fn manifest(
        &self,
        tenant: &TenantId,
        hour: LogHour,
    ) -> Result<Option<Manifest>, StoreError> {
        let parts = self.ports.parts();
        let ended_at = hour.ids().times().1;
        let is_old = ended_at.is_some_and(|ended_at| {
            parts.clock.now() - ended_at >= super::span(self.archived_after)
        });
        match is_old {
            true => parts.archive.manifest(tenant, hour).await,
            false => Ok(None),
        }
    }

    /// Looks at the sizes of some of what was found.
    async fn look_at_sizes(
        &self,
        tenant: &TenantId,
        counted: Vec<Counted>,
        draft: &mut Draft,
    ) -> Result<(), StoreError> {
        let in_log = counted.iter().filter(|counted| counted.sizes.events == 0);
        let found = in_log.map(|counted| counted.total).sum();
        let looks = draft.looks(found);
        let entries = counted.into_iter().flat_map(|counted| counted.entries);
        let entries: Vec<IndexEntry> = entries.take(looks).collect();
        draft.know(self.sizes(tenant, &entries).await?);
        Ok(())
    }
}

impl Hour {
    /// Whether its manifest tells how many of its events are wanted.
    pub(super) fn is_told_by_manifest(&self, filter: &ReplayFilter) -> bool {
        filter.source.is_none() && self.range == self.hour.ids()
    }

    fn weight(&self, filter: &ReplayFilter, shards: LogShards) -> usize {
        match &self.manifest {
            None => shards.count().into(),
            Some(_) if self.is_told_by_manifest(filter) => 1,
            Some(_) => STEP_WEIGHT,
        }
    }
}

fn parts_of(hour: &Hour, shards: LogShards) -> Vec<Part<'_>> {
    let part = |part| Part {
        part,
        hour,
        lines: 0,
    };
    match hour.manifest {
        Some(_) => vec![part(UnitPart::Archived(hour.hour))],
        None => {
            let shards = shards.iter();
            shards
                .map(|shard| part(UnitPart::Hour(hour.hour, shard)))
                .collect()
        }
    }
}
