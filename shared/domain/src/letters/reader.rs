//! Pages of a tenant's dead letters, with how many there are in all.
//!
//! Letters are small and few beside the log, so they are read whole and filtered here; that is what makes totals
//! right. From the page's beginning on they are read first, so a page is right also where a total is not: what
//! one request may read is bounded.

use time::UtcDateTime;

use super::{DeadLetter, LetterPage, LetterQuery, LetterStore};
use crate::limits::MAX_LETTERS_READ;
use crate::log_hour::{IdRange, Order, Position};
use crate::store_error::StoreError;
use crate::tenant::TenantId;

/// Letters that one call of the store looks at.
const LETTERS_A_CALL: usize = 1_000;

/// Some letters, in the order asked for, as they count now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterList {
    /// As many as were asked for, or fewer where the bound was reached; then there is a cursor.
    pub letters: Vec<DeadLetter>,
    /// How many match, on all pages together.
    pub total: usize,
    /// Whether there may be more than `total`: the bound was reached.
    pub total_is_at_least: bool,
    /// Where the next page begins. `None` when there is nothing more.
    pub next_cursor: Option<String>,
}

/// Reads tenants' letters.
pub struct LetterReader<'a, L> {
    /// Where they are kept.
    pub letters: &'a L,
    /// What has expired by now is not shown.
    pub now: UtcDateTime,
    /// Letters that are read at the most, see [`MAX_LETTERS_READ`].
    pub bound: usize,
}

impl<'a, L: LetterStore + Sync> LetterReader<'a, L> {
    /// A reader with the usual bound.
    pub fn new(letters: &'a L, now: UtcDateTime) -> Self {
        Self {
            letters,
            now,
            bound: MAX_LETTERS_READ,
        }
    }

    /// The page of a query.
    pub async fn list(
        &self,
        tenant: &TenantId,
        query: &LetterQuery,
    ) -> Result<LetterList, StoreError> {
        let mut found = Found::new(self, query);
        if let Some(range) = query.filter.ids() {
            match query.filter.event_id {
                Some(event_id) => {
                    let letters = self.letters.of_event(tenant, event_id).await?;
                    found.take_of_event(letters, range);
                }
                None => found.read(tenant, range).await?,
            }
        }
        Ok(LetterList {
            letters: found.page,
            total: found.total,
            total_is_at_least: found.is_cut,
            next_cursor: found.next.map(|position| query.cursor(tenant, position)),
        })
    }

    /// A letter as it counts now, unless it has expired.
    pub fn shown(&self, letter: DeadLetter) -> Option<DeadLetter> {
        (letter.expires_at >= self.now).then(|| letter.as_of(self.now))
    }
}

/// What was found so far.
struct Found<'a, L> {
    reader: &'a LetterReader<'a, L>,
    query: &'a LetterQuery,
    page: Vec<DeadLetter>,
    next: Option<Position>,
    total: usize,
    budget: usize,
    is_cut: bool,
}

impl<'a, L: LetterStore + Sync> Found<'a, L> {
    fn new(reader: &'a LetterReader<'a, L>, query: &'a LetterQuery) -> Self {
        Self {
            reader,
            query,
            page: vec![],
            next: None,
            total: 0,
            budget: reader.bound,
            is_cut: false,
        }
    }

    /// Reads from where the page begins, then what lies before it, which is only counted.
    async fn read(&mut self, tenant: &TenantId, range: IdRange) -> Result<(), StoreError> {
        let order = self.query.order;
        let (before, rest) = match self.query.start {
            Some(start) => (
                range.beyond(start, reversed(order)),
                range.starting_at(start, order),
            ),
            None => (None, Some(range)),
        };
        if let Some(left) = self.walk(tenant, rest, Self::take).await? {
            // The page was not filled: it goes on where the reading ended.
            self.next.get_or_insert(left.start(order));
        }
        self.walk(tenant, before, Self::count).await?;
        Ok(())
    }

    /// Reads a range as far as may be read; what is left is returned.
    async fn walk(
        &mut self,
        tenant: &TenantId,
        mut range: Option<IdRange>,
        take: fn(&mut Self, DeadLetter),
    ) -> Result<Option<IdRange>, StoreError> {
        while let Some(part) = range {
            let limit = self.budget.min(LETTERS_A_CALL);
            if limit == 0 {
                self.is_cut = true;
                return Ok(Some(part));
            }
            let order = self.query.order;
            let LetterPage {
                letters,
                examined,
                rest,
            } = self.reader.letters.page(tenant, part, order, limit).await?;
            self.budget = self.budget.saturating_sub(examined.max(1));
            letters.into_iter().for_each(|letter| take(self, letter));
            range = rest;
        }
        Ok(None)
    }

    fn take_of_event(&mut self, mut letters: Vec<DeadLetter>, range: IdRange) {
        let order = self.query.order;
        letters.retain(|letter| range.intersection(letter.id.alone()).is_some());
        letters.sort_by_key(|letter| letter.id);
        if order == Order::Newest {
            letters.reverse();
        }
        for letter in letters {
            let position = letter.id.position();
            match self.query.start {
                Some(start) if order.is_before(position, start) => self.count(letter),
                _ => self.take(letter),
            }
        }
    }

    /// Takes a letter onto the page, if it is wanted and there is room.
    fn take(&mut self, letter: DeadLetter) {
        let Some(letter) = self.wanted(letter) else {
            return;
        };
        self.total += 1;
        if self.page.len() < self.query.limit {
            self.page.push(letter);
        } else {
            self.next.get_or_insert(letter.id.position());
        }
    }

    fn count(&mut self, letter: DeadLetter) {
        self.total += usize::from(self.wanted(letter).is_some());
    }

    fn wanted(&self, letter: DeadLetter) -> Option<DeadLetter> {
        let now = self.reader.now;
        let letter = self.reader.shown(letter)?;
        self.query.filter.takes(&letter, now).then_some(letter)
    }
}

fn reversed(order: Order) -> Order {
    match order {
        Order::Newest => Order::Oldest,
        Order::Oldest => Order::Newest,
    }
}
