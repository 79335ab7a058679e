//! What fails for good.

use crate::store_error::StoreError;

/// A record that can never be delivered, with the reason, on its way to the dead letter store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadRecord {
    /// The function that gave up: `dispatch`.
    pub origin: &'static str,
    /// What is wrong with it.
    pub reason: String,
    /// The record as it came, JSON text.
    pub record: String,
}

/// The one queue that everything goes through which fails for good (P4).
pub trait DeadLetters {
    /// Puts a record there. `Ok` means that the queue has it.
    fn put(&self, record: &DeadRecord) -> impl Future<Output = Result<(), StoreError>> + Send;
}
