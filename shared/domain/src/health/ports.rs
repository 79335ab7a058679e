//! What is asked that nothing else in the bus asks.

use crate::store_error::StoreError;

/// A queue of the bus's own. Those of subscribers may be other accounts'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BusQueue {
    /// What failed for good, on its way to its table.
    DeadLetters,
    /// Reminders of deliveries that are tried again.
    Retries,
    /// Calls of workers.
    Jobs,
    /// Events that the sweep found.
    Sweep,
}

/// Messages of a queue, about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueDepth {
    /// That can be received.
    pub visible: u64,
    /// That somebody has received and not deleted yet.
    pub in_flight: u64,
    /// That come later.
    pub delayed: u64,
}

/// Where the depths of queues are asked for.
pub trait QueueDepths {
    /// How deep this one is.
    fn depth(&self, queue: BusQueue)
    -> impl Future<Output = Result<QueueDepth, StoreError>> + Send;
}
