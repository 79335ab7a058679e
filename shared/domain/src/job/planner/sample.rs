//! How large events are: of few jobs' all, of others' some.

use futures::{StreamExt, TryStreamExt, stream};

use super::{Draft, Planner};
use crate::event_query::{EventBodies, IndexEntry};
use crate::job::Halt;
use crate::job::ports::Ports;
use crate::letters::{DeadLetter, LetterStore};
use crate::store_error::StoreError;
use crate::tenant::TenantId;

/// Events of a job up to which the size of each is looked at.
const ALL: u64 = 1_000;

/// Events of a larger job whose size is looked at.
const SOME: u64 = 200;

/// How many of them of one part, so that they are of different times.
const SOME_OF_A_PART: usize = 4;

/// Bodies that are read at a time, and the bytes up to which.
const BODIES: usize = 100;
const BODY_BYTES: usize = 8 * 1024 * 1024;

/// Bodies of letters that are read at a time.
const LETTER_BODIES: usize = 16;

/// What is known of the sizes of some events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) events: u64,
    pub(super) bytes: u64,
}

impl Draft {
    /// Entries or letters of each part that are kept for a look at their sizes.
    pub(super) fn kept_of_a_part(&self) -> usize {
        match self.may_know_all() {
            true => usize::try_from(ALL - self.before.total).unwrap_or_default(),
            false => SOME_OF_A_PART,
        }
    }

    /// How many to look at, when a step has found so many events.
    pub(super) fn looks(&self, found: u64) -> usize {
        let looks = match self.may_know_all() && self.before.total + found <= ALL {
            true => found,
            false => SOME.saturating_sub(self.before.sampled),
        };
        usize::try_from(looks).unwrap_or(usize::MAX)
    }

    /// Whether before this step the size of each was known, and there were few.
    fn may_know_all(&self) -> bool {
        self.before.sampled == self.before.total && self.before.total <= ALL
    }

    /// Whether more sizes are wanted than are known.
    pub(super) fn is_short_of_sizes(&self) -> bool {
        self.before.sampled < SOME
    }

    pub(super) fn know(&mut self, sizes: Sizes) {
        self.plan.sampled += sizes.events;
        self.plan.sampled_bytes += sizes.bytes;
    }
}

impl<P: Ports> Planner<'_, P> {
    /// The sizes of these events, as they are in the log now. What is gone has none.
    pub(super) async fn sizes(
        &self,
        tenant: &TenantId,
        entries: &[IndexEntry],
    ) -> Result<Sizes, StoreError> {
        let log = &self.ports.parts().log;
        let mut sizes = Sizes::default();
        let mut rest = entries;
        while !rest.is_empty() {
            let asked = &rest[..rest.len().min(BODIES)];
            let bodies = log.bodies(tenant, asked, BODY_BYTES).await?;
            let read = bodies.len().clamp(1, asked.len());
            for body in bodies.iter().flatten() {
                sizes.bytes += bytes(body.event.to_structured().len());
            }
            sizes.events += bytes(read);
            rest = &rest[read..];
        }
        Ok(sizes)
    }

    /// The same of letters.
    pub(super) async fn letter_sizes(&self, letters: &[DeadLetter]) -> Result<Sizes, Halt> {
        let store = &self.ports.parts().letters;
        let mut reads = Vec::new();
        for letter in letters {
            reads.push(store.body(letter));
        }
        let bodies: Vec<Option<String>> = stream::iter(reads)
            .buffered(LETTER_BODIES)
            .try_collect()
            .await?;
        let of_all = bodies.iter().flatten().map(|body| bytes(body.len()));
        Ok(Sizes {
            events: bytes(bodies.len()),
            bytes: of_all.sum(),
        })
    }
}

pub(super) fn bytes(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
