//! Pages of dead letters.

use super::page::{Entry, Found, Page, Pages};
use crate::job::filter::LetterSet;
use crate::job::ports::Ports;
use crate::job::{Halt, Job};
use crate::letters::{DeadLetter, LetterFilter, LetterPage, LetterStore};
use crate::log_hour::{IdRange, Order};

/// Letters that are looked at for one page: then the place that was come to is written down.
const MAX_LOOKED_AT: usize = 2_000;

/// Letters with ids of a range.
pub(super) struct LetterPages<'a, P> {
    ports: &'a P,
    job: &'a Job,
    set: LetterSet,
    rest: Option<IdRange>,
}

impl<'a, P: Ports> LetterPages<'a, P> {
    pub(super) fn new(
        ports: &'a P,
        job: &'a Job,
        filter: &LetterFilter,
        rest: Option<IdRange>,
    ) -> Self {
        Self {
            ports,
            job,
            set: LetterSet::of(filter, job.created_at),
            rest,
        }
    }
}

impl<P: Ports> Pages for LetterPages<'_, P> {
    type Item = DeadLetter;

    async fn next(&mut self, most: usize) -> Result<Page<DeadLetter>, Halt> {
        let store = &self.ports.parts().letters;
        let (mut entries, mut looked_at) = (Vec::new(), 0);
        let mut end = None;
        while let Some(range) = self.rest {
            if entries.len() >= most || looked_at >= MAX_LOOKED_AT {
                break;
            }
            let left = most - entries.len();
            let page = store
                .page(&self.job.tenant, range, Order::Oldest, left)
                .await?;
            let LetterPage {
                letters,
                examined,
                rest,
            } = page;
            let wanted = letters.into_iter().filter(|letter| self.set.takes(letter));
            entries.extend(wanted.map(|letter| Entry {
                place: letter.id.position(),
                found: Found::Here(letter),
            }));
            end = match rest {
                None => Some(range.last()),
                Some(rest) => range
                    .beyond(rest.first(), Order::Newest)
                    .map(|it| it.last()),
            };
            self.rest = rest;
            looked_at += examined.max(1);
        }
        Ok(Page {
            entries,
            end,
            is_last: self.rest.is_none(),
        })
    }
}
