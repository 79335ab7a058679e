//! What stands with each tenant: dead letters that nobody has decided about, and subscriptions that are suspended.
//!
//! Both are found by tenant only, so each tenant costs a query or two. They change slowly: what was found is remembered,
//! and each run looks again at those tenants that were not looked at for the longest time. With up to [`MAX_TURN`]
//! tenants that is all of them.
//!
//! A letter that was redriven or discarded is so for good. So of a tenant's letters only those are read that come after
//! the first one that is not, and however many were dealt with, they are read once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::{StreamExt, TryStreamExt, stream};
use time::{Duration, UtcDateTime};

use super::Counted;
use super::logs::Logs;
use crate::dispatch::Subscriptions;
use crate::letters::{DeadLetter, LetterStore, StateName};
use crate::log_hour::{IdRange, Order, Position};
use crate::store_error::StoreError;
use crate::subscription::SubscriptionState;
use crate::tenant::TenantId;

/// Tenants that are looked at again in one run.
pub const MAX_TURN: usize = 200;

/// Pages of one tenant's letters.
const MAX_PAGES: usize = 2;

/// Letters of a page; a letter takes about 1 KB, and a page of a query 1 MB.
const PAGE_LETTERS: usize = 1_000;

/// Letters of a run, after which the tenants that are left have to wait for the next: about 10 MB.
const MAX_LETTERS: usize = 10_000;

/// Calls for letters and subscriptions of one run: when nothing is known yet, of every tenant a page of letters, a
/// revision and subscriptions.
pub(super) const MAX_CALLS: usize = (MAX_PAGES + 2) * super::MAX_TENANTS;

/// Tenants that are looked at at a time.
const AT_A_TIME: usize = 16;

/// How long ago a letter was kept before which no other comes any more: it gets its id up to half a minute before it
/// is written, and no two clocks are the same.
const SETTLED: Duration = Duration::minutes(2);

/// What runs remember for those after them.
#[derive(Debug, Default)]
pub struct Standings(Mutex<BTreeMap<TenantId, Standing>>);

#[derive(Clone, Copy, Debug)]
struct Standing {
    read_at: UtcDateTime,
    open: Counted,
    oldest_open: Option<UtcDateTime>,
    /// Before it no letter can change any more.
    from: Option<Position>,
    suspended: u64,
    /// Letters that were looked at for it.
    examined: usize,
}

/// What stands with all tenants together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Dead letters that nobody has decided about.
    pub dead_letters: Counted,
    /// When the first of them was kept.
    pub oldest_dead_letter: Option<UtcDateTime>,
    /// Subscriptions that are suspended.
    pub suspended: Counted,
}

/// Looks at them.
pub struct StandingReader<'a, D, S> {
    /// Dead letters.
    pub letters: &'a D,
    /// Who is subscribed.
    pub subscriptions: &'a S,
    /// What the runs before found.
    pub standings: &'a Standings,
}

impl<D, S> StandingReader<'_, D, S>
where
    D: LetterStore + Sync,
    S: Subscriptions + Sync,
{
    /// Looks at those whose turn it is, and sums up.
    pub async fn read(&self, logs: &Logs, now: UtcDateTime) -> Result<Totals, StoreError> {
        let due = self.standings.due(logs);
        let mut examined = 0;
        for some in due.chunks(AT_A_TIME) {
            if examined >= MAX_LETTERS {
                break;
            }
            let looks = some.iter().map(async |(tenant, from)| {
                let standing = self.look(tenant, *from, now).await?;
                Ok::<_, StoreError>((tenant.clone(), standing))
            });
            let found: Vec<_> = stream::iter(looks)
                .buffered(AT_A_TIME)
                .try_collect()
                .await?;
            examined += found.iter().map(|(_, found)| found.examined).sum::<usize>();
            self.standings.known().extend(found);
        }
        Ok(self.standings.totals(logs))
    }

    async fn look(
        &self,
        tenant: &TenantId,
        from: Option<Position>,
        now: UtcDateTime,
    ) -> Result<Standing, StoreError> {
        let roster = self.subscriptions.of(tenant).await?;
        let suspended = roster
            .iter()
            .filter(|known| matches!(known.state, SubscriptionState::Suspended { .. }));
        let mut standing = Standing {
            read_at: now,
            open: Counted::default(),
            oldest_open: None,
            from: None,
            suspended: Counted::all(suspended.count()).count,
            examined: 0,
        };
        self.count_letters(tenant, from, now, &mut standing).await?;
        Ok(standing)
    }

    async fn count_letters(
        &self,
        tenant: &TenantId,
        from: Option<Position>,
        now: UtcDateTime,
        standing: &mut Standing,
    ) -> Result<(), StoreError> {
        let all = IdRange::ALL;
        let from = from.and_then(|from| all.starting_at(from, Order::Oldest));
        let mut rest = Some(from.unwrap_or(all));
        let mut pages = 0;
        while let Some(range) = rest {
            if pages == MAX_PAGES {
                standing.open.is_at_least = true;
                break;
            }
            let page = self
                .letters
                .page(tenant, range, Order::Oldest, PAGE_LETTERS)
                .await?;
            pages += 1;
            standing.examined += page.examined;
            for letter in &page.letters {
                standing.take(letter, now);
            }
            rest = page.rest;
        }
        standing.settle(rest, now);
        Ok(())
    }
}

impl Standing {
    fn take(&mut self, letter: &DeadLetter, now: UtcDateTime) {
        let is_kept = letter.expires_at > now;
        match letter.state.name_at(now) {
            StateName::Open if is_kept => {
                self.open.count += 1;
                self.oldest_open.get_or_insert(letter.dead_at());
                self.from.get_or_insert(letter.id.position());
            }
            StateName::Redriving if is_kept => {
                self.from.get_or_insert(letter.id.position());
            }
            _ => {}
        }
    }

    /// Where to begin the next time: with the first letter that may change, or with what was not read; but not after
    /// what may come still.
    fn settle(&mut self, rest: Option<IdRange>, now: UtcDateTime) {
        let settled = IdRange::of_times(Some(now.saturating_sub(SETTLED)), None);
        let settled = settled.map(|range| range.first());
        let place = self.from.or(rest.map(|range| range.first())).or(settled);
        self.from = place
            .zip(settled)
            .map(|(place, settled)| place.min(settled));
    }
}

impl Standings {
    /// Tenants that are not known, and those that were not looked at for the longest time; and from where on each one's
    /// letters are read. Those of nobody are forgotten.
    fn due(&self, logs: &Logs) -> Vec<(TenantId, Option<Position>)> {
        let mut known = self.known();
        let there: BTreeSet<&TenantId> = logs.logs.iter().map(|(tenant, _)| tenant).collect();
        known.retain(|tenant, _| there.contains(tenant));
        let (mut old, mut due) = (Vec::new(), Vec::new());
        for (tenant, _) in &logs.logs {
            match known.get(tenant) {
                Some(standing) => old.push((standing.read_at, tenant, standing.from)),
                None => due.push((tenant.clone(), None)),
            }
        }
        old.sort_by_key(|(read_at, ..)| *read_at);
        let turn = old.into_iter().take(MAX_TURN);
        due.extend(turn.map(|(_, tenant, from)| (tenant.clone(), from)));
        due
    }

    fn totals(&self, logs: &Logs) -> Totals {
        let known = self.known();
        let is_cut = logs.is_cut || known.len() < logs.logs.len();
        let mut totals = Totals::default();
        for standing in known.values() {
            totals.dead_letters = totals.dead_letters.plus(standing.open);
            totals.suspended.count += standing.suspended;
            let ages = [totals.oldest_dead_letter, standing.oldest_open];
            totals.oldest_dead_letter = ages.into_iter().flatten().min();
        }
        totals.dead_letters = totals.dead_letters.unless_cut(is_cut);
        totals.suspended = totals.suspended.unless_cut(is_cut);
        totals
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<TenantId, Standing>> {
        // No code that can panic runs under the lock; a poisoned one still holds whole standings.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
