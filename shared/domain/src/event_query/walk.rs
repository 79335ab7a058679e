//! The index entries of a tenant's log in one order, merged from hours and shards.
//!
//! Hours are opened one after the other, and several at once where the ones before were empty. Each open
//! part has what was found in it and not handed out yet, and a rest that was not looked at. The first entry
//! of all that were found comes next, unless some rest begins before it: then that is looked at first.

use std::collections::VecDeque;

use futures::{StreamExt, TryStreamExt, stream};
use time::UtcDateTime;

use super::{EventFilter, IndexEntry, IndexPage, IndexPart, IndexQuery, LogIndex};
use crate::active_hours::{Marked, MarkedHours, is_recent, to_read};
use crate::log_hour::{HourRange, IdRange, LogHour, Order, Position};
use crate::log_shard::LogShards;
use crate::store_error::StoreError;
use crate::tenant::TenantId;

/// Calls of an index under way at a time.
const MAX_CALLS: usize = 16;

/// What a call counts for at the least, in entries. Many empty hours are bounded by it.
const MIN_CALL_ENTRIES: usize = 10;

/// Entries that a call looks at beyond its share of the page, since shards do not fill evenly.
const SPARE_ENTRIES: usize = 8;

/// Entries that a call looks at first when a filter may leave out most of them; twice as many each time.
const FIRST_FILTERED_ENTRIES: usize = 100;
const MAX_FILTERED_ENTRIES: usize = 1_000;

/// What is walked.
pub(super) struct Route<'a> {
    pub(super) tenant: &'a TenantId,
    pub(super) filter: &'a EventFilter,
    pub(super) order: Order,
    /// Ids that are left to find.
    pub(super) range: IdRange,
    pub(super) shards: LogShards,
    pub(super) now: UtcDateTime,
}

/// A walk, as far as it has come.
pub(super) struct Walk<'a, I, H> {
    route: Route<'a>,
    index: &'a I,
    marks: &'a H,
    /// In the order of the walk; shards of an hour side by side.
    open: Vec<Open>,
    hours: VecDeque<LogHour>,
    /// Hours of which it is not known yet whether they have to be read.
    unread: Option<HourRange>,
    /// Entries that may still be looked at.
    budget: usize,
    width: usize,
    filtered_entries: usize,
}

/// A part of the index that is being read.
struct Open {
    part: IndexPart,
    found: VecDeque<IndexEntry>,
    rest: Option<IdRange>,
}

impl Open {
    /// Where its next entry lies, or may lie.
    fn next(&self, order: Order) -> Option<Position> {
        let found = self.found.front().map(|entry| Position::of(entry.event_id));
        found.or_else(|| self.rest.map(|rest| rest.start(order)))
    }
}

/// Why a walk stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// As many entries were found as were wanted.
    Found,
    /// As much was looked at as may be; it goes on from here.
    Bound(Position),
    /// There is nothing more.
    End,
}

impl<'a, I: LogIndex + Sync, H: MarkedHours + Sync> Walk<'a, I, H> {
    pub(super) fn new(route: Route<'a>, index: &'a I, marks: &'a H, budget: usize) -> Self {
        let correlation = route.filter.correlation_id.clone();
        let unread = match correlation {
            None => Some(HourRange::of(route.range)),
            Some(_) => None,
        };
        let open = correlation.map(|id| Open {
            part: IndexPart::Correlation(id),
            found: VecDeque::new(),
            rest: Some(route.range),
        });
        Self {
            route,
            index,
            marks,
            open: open.into_iter().collect(),
            hours: VecDeque::new(),
            unread,
            budget,
            width: 1,
            filtered_entries: FIRST_FILTERED_ENTRIES,
        }
    }

    /// The next entries, `count` at the most.
    pub(super) async fn next(
        &mut self,
        count: usize,
    ) -> Result<(Vec<IndexEntry>, Stop), StoreError> {
        let mut entries = Vec::new();
        while entries.len() < count {
            let missing = count - entries.len();
            let first = self.first_found();
            let behind = self.may_precede(first);
            match first {
                Some((place, _)) if behind.is_empty() => {
                    entries.extend(self.open[place].found.pop_front());
                }
                Some(_) => {
                    if !self.look(behind, missing).await? {
                        return Ok((entries, self.stop()));
                    }
                }
                None => {
                    let ask = self.open_more(behind).await?;
                    if ask.is_empty() || !self.look(ask, missing).await? {
                        return Ok((entries, self.stop()));
                    }
                }
            }
        }
        Ok((entries, Stop::Found))
    }

    /// Whether it is known that nothing more comes.
    pub(super) fn is_over(&self) -> bool {
        self.stop() == Stop::End
    }

    fn stop(&self) -> Stop {
        let order = self.route.order;
        let open = self.open.iter().filter_map(|open| open.next(order));
        let hours = self.hours.front().map(|hour| hour.ids());
        let unread = self.unread.map(|range| match order {
            Order::Newest => range.last.ids(),
            Order::Oldest => range.first.ids(),
        });
        let unopened = hours.or(unread).map(|ids| ids.start(order));
        let next = open.chain(unopened).reduce(|one, other| {
            if order.is_before(other, one) {
                other
            } else {
                one
            }
        });
        next.map_or(Stop::End, Stop::Bound)
    }

    /// The first of all entries that were found: the place of its part, and its position.
    fn first_found(&self) -> Option<(usize, Position)> {
        let order = self.route.order;
        let heads = self.open.iter().enumerate().filter_map(|(place, open)| {
            let entry = open.found.front()?;
            Some((place, Position::of(entry.event_id)))
        });
        heads.reduce(|one, other| {
            if order.is_before(other.1, one.1) {
                other
            } else {
                one
            }
        })
    }

    /// The parts in which an entry may lie before the first one found: they have a rest that begins before it.
    fn may_precede(&self, first: Option<(usize, Position)>) -> Vec<usize> {
        let order = self.route.order;
        let precedes = |open: &Open| match (open.found.is_empty(), open.rest, first) {
            (true, Some(rest), Some((_, first))) => !order.is_before(first, rest.start(order)),
            (true, Some(_), None) => true,
            _ => false,
        };
        let places = self.open.iter().enumerate();
        places
            .filter(|(_, open)| precedes(open))
            .map(|(place, _)| place)
            .collect()
    }

    /// Opens hours until there is enough to look at, more each time since nothing was found so far.
    async fn open_more(&mut self, mut ask: Vec<usize>) -> Result<Vec<usize>, StoreError> {
        if ask.is_empty() {
            // Nothing is left in any of them.
            self.open.clear();
        }
        while ask.len() < self.width {
            let Some(hour) = self.next_hour().await? else {
                break;
            };
            let rest = self.route.range.intersection(hour.ids());
            for shard in self.route.shards.iter() {
                ask.push(self.open.len());
                self.open.push(Open {
                    part: IndexPart::Hour(hour, shard),
                    found: VecDeque::new(),
                    rest,
                });
            }
        }
        self.width = (self.width * 2).min(MAX_CALLS);
        Ok(ask)
    }

    async fn next_hour(&mut self) -> Result<Option<LogHour>, StoreError> {
        let Route {
            tenant, order, now, ..
        } = self.route;
        while self.hours.is_empty() {
            let Some(range) = self.unread.take() else {
                return Ok(None);
            };
            let Marked { hours, rest } = match is_recent(range, now) {
                true => Marked {
                    hours: vec![],
                    rest: None,
                },
                false => self.marks.marked(tenant, range, order).await?,
            };
            self.unread = rest;
            let looked_at = match (rest, order) {
                (None, _) => Some(range),
                (Some(rest), Order::Newest) => range.beyond(rest.last.day(), Order::Oldest),
                (Some(rest), Order::Oldest) => range.beyond(rest.first.day(), Order::Newest),
            };
            if let Some(looked_at) = looked_at {
                self.hours = to_read(looked_at, hours, now, order).into();
            }
        }
        Ok(self.hours.pop_front())
    }

    /// Looks at the rests of these parts, side by side. `false` when no more may be looked at.
    async fn look(&mut self, places: Vec<usize>, missing: usize) -> Result<bool, StoreError> {
        let limit = self
            .entries_a_call(missing)
            .min(self.budget / places.len().max(1));
        if limit == 0 {
            return Ok(false);
        }
        let mut asked = Vec::new();
        let mut calls = Vec::new();
        for place in places {
            let open = &self.open[place];
            let Some(range) = open.rest else { continue };
            asked.push(place);
            let query = IndexQuery {
                part: &open.part,
                range,
                order: self.route.order,
                event_type: self.route.filter.event_type.as_ref(),
                limit,
            };
            calls.push(self.index.page(self.route.tenant, query));
        }
        let pages: Vec<IndexPage> = stream::iter(calls)
            .buffered(MAX_CALLS)
            .try_collect()
            .await?;
        for (place, page) in asked.into_iter().zip(pages) {
            self.take_in(place, page);
        }
        Ok(true)
    }

    fn entries_a_call(&mut self, missing: usize) -> usize {
        if self.route.filter.is_selective() {
            let entries = self.filtered_entries;
            self.filtered_entries = (entries * 2).min(MAX_FILTERED_ENTRIES);
            entries
        } else {
            missing.div_ceil(self.route.shards.count().into()) + SPARE_ENTRIES
        }
    }

    fn take_in(&mut self, place: usize, page: IndexPage) {
        let IndexPage {
            entries,
            examined,
            rest,
        } = page;
        self.budget = self.budget.saturating_sub(examined.max(MIN_CALL_ENTRIES));
        let open = &mut self.open[place];
        let wanted = entries
            .into_iter()
            .filter(|entry| self.route.filter.takes(entry));
        open.found.extend(wanted);
        open.rest = rest;
    }
}
