//! Dead letters, cut where a unit has enough of them.

use super::{Draft, Planner, before};
use crate::job::filter::LetterSet;
use crate::job::ports::Ports;
use crate::job::{Halt, Job, MAX_NEW_UNITS, UnitPart};
use crate::letters::{DeadLetter, LetterFilter, LetterPage, LetterStore};
use crate::log_hour::{IdRange, Order};

/// Letters of a unit, at the most.
const UNIT_LETTERS: u64 = 1_000;

/// Letters that one call looks at, and one step.
const LETTERS_A_CALL: usize = 1_000;
const LETTERS_A_STEP: usize = 20_000;

/// A unit that is being filled: from its first id on.
struct Filling {
    from: Option<IdRange>,
    count: u64,
}

impl<P: Ports> Planner<'_, P> {
    pub(super) async fn plan_letters(
        &self,
        job: &Job,
        filter: &LetterFilter,
        draft: &mut Draft,
    ) -> Result<(), Halt> {
        let set = LetterSet::of(filter, job.created_at);
        let store = &self.ports.parts().letters;
        let (range, kept) = (draft.range, draft.kept_of_a_part());
        let mut filling = Filling {
            from: Some(range),
            count: 0,
        };
        let (mut rest, mut looked_at, mut found) = (Some(range), 0, 0);
        let mut sample: Vec<DeadLetter> = vec![];
        while let Some(part) = rest {
            let page = store
                .page(&job.tenant, part, Order::Oldest, LETTERS_A_CALL)
                .await?;
            let LetterPage {
                letters,
                examined,
                rest: left,
            } = page;
            for letter in letters.into_iter().filter(|letter| set.takes(letter)) {
                found += 1;
                filling.take(&letter, draft);
                if sample.len() < kept {
                    sample.push(letter);
                }
            }
            rest = left;
            looked_at += examined.max(1);
            // A page fills one unit at the most, and begins another.
            if looked_at >= LETTERS_A_STEP || draft.units.len() + 2 >= MAX_NEW_UNITS {
                break;
            }
        }
        filling.close(range, rest, draft);
        sample.truncate(draft.looks(found));
        draft.know(self.letter_sizes(&sample).await?);
        draft.leave(rest);
        Ok(())
    }
}

impl Filling {
    fn take(&mut self, letter: &DeadLetter, draft: &mut Draft) {
        self.count += 1;
        if self.count < UNIT_LETTERS {
            return;
        }
        let last = letter.id.position();
        let Some(from) = self.from else { return };
        if let Some(unit) = from.starting_at(last, Order::Newest) {
            draft.add(UnitPart::Letters(unit), self.count);
        }
        self.from = from.beyond(last, Order::Oldest);
        self.count = 0;
    }

    /// Ends with what was looked at.
    fn close(self, range: IdRange, rest: Option<IdRange>, draft: &mut Draft) {
        let Some(from) = self.from else { return };
        let last = match rest {
            Some(rest) => before(rest.first(), range),
            None => Some(range.last()),
        };
        let unit = last.and_then(|last| from.starting_at(last, Order::Newest));
        if let Some(unit) = unit {
            draft.add(UnitPart::Letters(unit), self.count);
        }
    }
}
