//! The index entries of an hour of a tenant, of all shards in the order of their ids.

use std::collections::VecDeque;

use futures::{StreamExt, TryStreamExt, stream};

use crate::event_query::{IndexEntry, IndexPage, IndexPart, IndexQuery, LogIndex};
use crate::log_hour::{IdRange, LogHour, Order, Position};
use crate::log_shard::LogShards;
use crate::store_error::StoreError;
use crate::tenant::TenantId;

/// Shards that are looked at at a time.
const MAX_LOOKS: usize = 16;

/// Entries that a look brings at the most; an entry takes about 250 bytes.
const ENTRIES_A_LOOK: usize = 1_000;

/// Merges the shards of an hour. What is held is one look's entries of each.
pub struct HourEntries<'a, I> {
    index: &'a I,
    tenant: &'a TenantId,
    shards: Vec<Shard>,
}

struct Shard {
    part: IndexPart,
    hour: IdRange,
    found: VecDeque<IndexEntry>,
    rest: Option<IdRange>,
    /// Those of the last id that was found. Producers may give one id to several events, of which a look may bring
    /// only some: the next one begins with that id again.
    last: Vec<IndexEntry>,
}

impl<'a, I: LogIndex> HourEntries<'a, I> {
    /// Begins with the first entry of the hour.
    pub fn new(index: &'a I, tenant: &'a TenantId, hour: LogHour, shards: LogShards) -> Self {
        let shards = shards.iter().map(|shard| Shard {
            part: IndexPart::Hour(hour, shard),
            hour: hour.ids(),
            found: VecDeque::new(),
            rest: Some(hour.ids()),
            last: vec![],
        });
        Self {
            index,
            tenant,
            shards: shards.collect(),
        }
    }

    /// The next entries, `count` at the most; none when there are no more.
    pub async fn next(&mut self, count: usize) -> Result<Vec<IndexEntry>, StoreError> {
        let mut entries = Vec::new();
        while entries.len() < count {
            self.look().await?;
            let begun = self.shards.iter_mut();
            let begun = begun.filter_map(|shard| Some((shard.found.front()?.event_id, shard)));
            let Some((_, first)) = begun.min_by_key(|(event_id, _)| *event_id) else {
                break;
            };
            entries.extend(first.found.pop_front());
        }
        Ok(entries)
    }

    /// Looks at shards of which nothing is found and something is left, until there is none.
    async fn look(&mut self) -> Result<(), StoreError> {
        loop {
            let is_hungry = |shard: &Shard| shard.found.is_empty() && shard.rest.is_some();
            let mut looks = Vec::new();
            for shard in self.shards.iter().filter(|shard| is_hungry(shard)) {
                looks.push(shard.look(self.index, self.tenant));
            }
            if looks.is_empty() {
                return Ok(());
            }
            let pages: Vec<IndexPage> = stream::iter(looks)
                .buffered(MAX_LOOKS)
                .try_collect()
                .await?;
            let hungry = self.shards.iter_mut().filter(|shard| is_hungry(shard));
            for (shard, page) in hungry.zip(pages) {
                shard.take_in(page);
            }
        }
    }
}

impl Shard {
    async fn look<I: LogIndex>(
        &self,
        index: &I,
        tenant: &TenantId,
    ) -> Result<IndexPage, StoreError> {
        let query = IndexQuery {
            part: &self.part,
            range: self.rest.unwrap_or(self.hour),
            order: Order::Oldest,
            event_type: None,
            limit: ENTRIES_A_LOOK,
        };
        index.page(tenant, query).await
    }

    fn take_in(&mut self, page: IndexPage) {
        let IndexPage { entries, rest, .. } = page;
        let is_new = |entry: &IndexEntry| !self.last.contains(entry);
        let new: Vec<IndexEntry> = entries.into_iter().filter(is_new).collect();
        let Some(last) = new.last().map(|entry| entry.event_id) else {
            self.rest = rest;
            return;
        };
        self.last.retain(|entry| entry.event_id == last);
        let of_last = new.iter().filter(|entry| entry.event_id == last);
        self.last.extend(of_last.cloned());
        let again = self.hour.starting_at(Position::of(last), Order::Oldest);
        self.rest = rest.and(again);
        self.found.extend(new);
    }
}
