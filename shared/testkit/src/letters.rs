//! Dead letters in memory, and the suite of their port.

mod suite;

pub use suite::conformance;

use std::collections::BTreeMap;
use std::sync::Mutex;

use pillarbox_domain::letters::{
    Change, Changed, DeadLetter, DeadLetterId, Kept, LetterPage, LetterStore, NewLetter,
};
use pillarbox_domain::log_hour::{IdRange, Order};
use pillarbox_domain::{EventId, StoreError, SubscriptionId, TenantId};

/// Passes [`conformance`]. It fails when it is told to.
#[derive(Default)]
pub struct MemoryLetters {
    kept: Mutex<BTreeMap<(TenantId, DeadLetterId), (DeadLetter, String)>>,
    names: Mutex<BTreeMap<Name, DeadLetterId>>,
    calls_left: Mutex<Option<usize>>,
    refused: Mutex<Option<String>>,
}

/// By what a failure is known when it comes again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Delivery(TenantId, EventId, SubscriptionId, Option<String>),
    Message(TenantId, String),
}

impl Name {
    fn of(new: &NewLetter) -> Self {
        let letter = &new.letter;
        match &letter.delivery {
            Some(delivery) => Self::Delivery(
                letter.tenant.clone(),
                delivery.event_id,
                delivery.subscription.clone(),
                letter.job.clone(),
            ),
            None => Self::Message(letter.tenant.clone(), new.message_id.clone()),
        }
    }
}

impl MemoryLetters {
    /// After so many more calls every call fails.
    pub fn fail_after(&self, calls: usize) {
        *self.calls_left.lock().unwrap() = Some(calls);
    }

    /// From now on nothing is kept whose body holds this text.
    pub fn refuse(&self, text: &str) {
        *self.refused.lock().unwrap() = Some(text.to_owned());
    }

    /// From now on every call works again.
    pub fn recover(&self) {
        *self.calls_left.lock().unwrap() = None;
        *self.refused.lock().unwrap() = None;
    }

    /// Every letter, in the order of owners and ids.
    pub fn all(&self) -> Vec<DeadLetter> {
        let kept = self.kept.lock().unwrap();
        kept.values().map(|(letter, _)| letter.clone()).collect()
    }

    fn call(&self) -> Result<(), StoreError> {
        match &mut *self.calls_left.lock().unwrap() {
            Some(0) => Err(StoreError::Throttled { operation: "Any" }),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl LetterStore for &MemoryLetters {
    async fn keep(&self, new: &NewLetter) -> Result<Kept, StoreError> {
        (**self).keep(new).await
    }

    async fn get(
        &self,
        tenant: &TenantId,
        id: DeadLetterId,
    ) -> Result<Option<DeadLetter>, StoreError> {
        (**self).get(tenant, id).await
    }

    async fn body(&self, letter: &DeadLetter) -> Result<Option<String>, StoreError> {
        (**self).body(letter).await
    }

    async fn of_event(
        &self,
        tenant: &TenantId,
        event_id: EventId,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        (**self).of_event(tenant, event_id).await
    }

    async fn page(
        &self,
        tenant: &TenantId,
        range: IdRange,
        order: Order,
        limit: usize,
    ) -> Result<LetterPage, StoreError> {
        (**self).page(tenant, range, order, limit).await
    }

    async fn change(
        &self,
        tenant: &TenantId,
        id: DeadLetterId,
        change: &Change,
    ) -> Result<Changed, StoreError> {
        (**self).change(tenant, id, change).await
    }
}

impl LetterStore for MemoryLetters {
    async fn keep(&self, new: &NewLetter) -> Result<Kept, StoreError> {
        self.call()?;
        let refused = self.refused.lock().unwrap().clone();
        if refused.is_some_and(|text| new.body.contains(&text)) {
            return Err(StoreError::Throttled {
                operation: "TransactWriteItems",
            });
        }
        let name = Name::of(new);
        let mut names = self.names.lock().unwrap();
        let mut kept = self.kept.lock().unwrap();
        let letter = &new.letter;
        if let Some(first) = names.get(&name).filter(|first| **first != letter.id) {
            let there = kept.get(&(letter.tenant.clone(), *first));
            if there.is_some_and(|(first, _)| first.expires_at >= letter.dead_at()) {
                return Ok(Kept::Repeat(*first));
            }
        }
        names.insert(name, letter.id);
        let place = (letter.tenant.clone(), letter.id);
        kept.insert(place, (letter.clone(), new.body.clone()));
        Ok(Kept::New)
    }

    async fn get(
        &self,
        tenant: &TenantId,
        id: DeadLetterId,
    ) -> Result<Option<DeadLetter>, StoreError> {
        self.call()?;
        let kept = self.kept.lock().unwrap();
        let found = kept.get(&(tenant.clone(), id));
        Ok(found.map(|(letter, _)| letter.clone()))
    }

    async fn body(&self, letter: &DeadLetter) -> Result<Option<String>, StoreError> {
        self.call()?;
        let kept = self.kept.lock().unwrap();
        let found = kept.get(&(letter.tenant.clone(), letter.id));
        Ok(found.map(|(_, body)| body.clone()))
    }

    async fn of_event(
        &self,
        tenant: &TenantId,
        event_id: EventId,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        self.call()?;
        let is_of_event = |letter: &DeadLetter| {
            let delivery = letter.delivery.as_ref();
            letter.tenant == *tenant && delivery.is_some_and(|it| it.event_id == event_id)
        };
        let all = self.all().into_iter();
        Ok(all.filter(is_of_event).collect())
    }

    async fn page(
        &self,
        tenant: &TenantId,
        range: IdRange,
        order: Order,
        limit: usize,
    ) -> Result<LetterPage, StoreError> {
        self.call()?;
        let is_meant = |letter: &DeadLetter| {
            let position = letter.id.position();
            letter.tenant == *tenant && (range.first()..=range.last()).contains(&position)
        };
        let mut found: Vec<DeadLetter> = self.all().into_iter().filter(is_meant).collect();
        if order == Order::Newest {
            found.reverse();
        }
        let is_cut = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| is_cut);
        Ok(LetterPage {
            examined: found.len(),
            rest: last.and_then(|last| range.beyond(last.id.position(), order)),
            letters: found,
        })
    }

    async fn change(
        &self,
        tenant: &TenantId,
        id: DeadLetterId,
        change: &Change,
    ) -> Result<Changed, StoreError> {
        self.call()?;
        let mut kept = self.kept.lock().unwrap();
        let Some((letter, _)) = kept.get_mut(&(tenant.clone(), id)) else {
            return Ok(Changed::Missing);
        };
        Ok(match change.of(letter) {
            Some(changed) => {
                *letter = changed.clone();
                Changed::Done(changed)
            }
            None if change.is_made_in(letter) => Changed::Done(letter.clone()),
            None => Changed::Refused(letter.clone()),
        })
    }
}
