//! The port of the table in which dead letters are kept.

use super::{Change, DeadLetter, DeadLetterId};
use crate::event_id::EventId;
use crate::log_hour::{IdRange, Order};
use crate::store_error::StoreError;
use crate::tenant::TenantId;

/// A letter to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLetter {
    /// The letter.
    pub letter: DeadLetter,
    /// The message that failed, or the record, as it came.
    pub body: String,
    /// The id of the queue's message. A record that is no delivery is known by it when it comes again.
    pub message_id: String,
}

/// What became of a letter to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is kept.
    New,
    /// The same failure is kept already, in the letter of this id. Nothing was written.
    Repeat(DeadLetterId),
}

/// What became of a step of a letter's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// The step was made; the letter is like this now.
    Done(DeadLetter),
    /// The letter's state does not allow it; it is like this. Nothing was written.
    Refused(DeadLetter),
    /// There is no such letter.
    Missing,
}

/// Letters of a tenant, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterPage {
    /// Letters within the range. One that cannot be read is left out, and logged.
    pub letters: Vec<DeadLetter>,
    /// Letters looked at, with those that are left out.
    pub examined: usize,
    /// What was not looked at: it begins after all that was.
    pub rest: Option<IdRange>,
}

/// Where dead letters are kept. What has expired may still be there.
pub trait LetterStore {
    /// Keeps a letter and its body, unless the same failure is kept: the same event, subscription and job, or,
    /// where it is no delivery, the same message.
    ///
    /// Either all of it is written or nothing that can be found.
    fn keep(&self, new: &NewLetter) -> impl Future<Output = Result<Kept, StoreError>> + Send;

    /// A tenant's letter, as it is now.
    fn get(
        &self,
        tenant: &TenantId,
        id: DeadLetterId,
    ) -> impl Future<Output = Result<Option<DeadLetter>, StoreError>> + Send;

    /// The body of a letter, as it came. `None` when it is gone.
    fn body(
        &self,
        letter: &DeadLetter,
    ) -> impl Future<Output = Result<Option<String>, StoreError>> + Send;

    /// The letters of an event, the first one first.
    fn of_event(
        &self,
        tenant: &TenantId,
        event_id: EventId,
    ) -> impl Future<Output = Result<Vec<DeadLetter>, StoreError>> + Send;

    /// Looks at the first of a tenant's letters in a range, `limit` at the most, as they are now.
    fn page(
        &self,
        tenant: &TenantId,
        range: IdRange,
        order: Order,
        limit: usize,
    ) -> impl Future<Output = Result<LetterPage, StoreError>> + Send;

    /// Makes a step of a letter's life, if its state allows it.
    fn change(
        &self,
        tenant: &TenantId,
        id: DeadLetterId,
        change: &Change,
    ) -> impl Future<Output = Result<Changed, StoreError>> + Send;
}
