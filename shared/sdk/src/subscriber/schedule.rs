//! What is handled side by side, what one after the other, and until when.

use std::collections::HashMap;
use std::time::Duration;

use pillarbox_domain::Clock;
use pillarbox_domain::dead_letter::DeadLetterQueue;
use pillarbox_domain::inbox::Inbox;
use pillarbox_domain::visibility::{MAX_HIDDEN, Visibility};
use tokio::time::Instant;

use super::Subscriber;
use super::attempt::Failed;
use super::figures::measure;
use super::log::log;
use super::record::Record;
use super::settle::Settled;

/// How long before the deadline no claim is closed or given back and nothing is put away any more.
const SETTLED_BEFORE: Duration = Duration::from_secs(1);

/// How long before the deadline the answer is given, whatever is left to do. What is not done by then is done again.
const ANSWERED_BEFORE: Duration = Duration::from_millis(300);

/// Until when each part of a batch's work may take.
pub(super) struct Deadline {
    /// No handler runs any longer.
    pub(super) cut_off: Instant,
    /// No record has any more to wait for.
    pub(super) settled_by: Instant,
    /// The batch is answered.
    pub(super) answered_by: Instant,
}

impl Deadline {
    pub(super) fn in_time(remaining: Duration, margin: Duration) -> Self {
        let now = Instant::now();
        // Longer than that no message stays with who received it.
        let remaining = remaining.min(MAX_HIDDEN);
        let before = |margin| now + remaining.saturating_sub(margin);
        Self {
            cut_off: before(margin.max(SETTLED_BEFORE)),
            settled_by: before(SETTLED_BEFORE),
            answered_by: before(ANSWERED_BEFORE),
        }
    }
}

/// Records that have an order among themselves. Those of a standard queue have none: each is alone.
pub(super) fn groups(records: Vec<Record>) -> Vec<Vec<Record>> {
    let mut groups: Vec<Vec<Record>> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for record in records {
        let known = record
            .fifo_group
            .as_ref()
            .map(|group| *places.entry(group.clone()).or_insert(groups.len()));
        match known.and_then(|place| groups.get_mut(place)) {
            Some(group) => group.push(record),
            None => groups.push(vec![record]),
        }
    }
    groups
}

impl<I, V, D, C> Subscriber<I, V, D, C>
where
    I: Inbox + Sync,
    V: Visibility + Sync,
    D: DeadLetterQueue + Sync,
    C: Clock + Sync,
{
    /// Handles records in their order. Behind one that has to come again nothing is begun, since it would then come
    /// before it; one that is a dead letter will not come again, and the group goes on without it.
    pub(super) async fn handle_group(
        &self,
        group: Vec<Record>,
        deadline: &Deadline,
    ) -> Vec<Settled> {
        let mut settled: Vec<Settled> = Vec::with_capacity(group.len());
        for record in group {
            let is_behind = settled.iter().any(Settled::comes_again);
            settled.push(self.handle_record(&record, is_behind, deadline).await);
        }
        settled
    }

    async fn handle_record(
        &self,
        record: &Record,
        is_behind: bool,
        deadline: &Deadline,
    ) -> Settled {
        let started = std::time::Instant::now();
        let attempt = if is_behind {
            Err(Failed::Behind)
        } else {
            self.attempt(record, deadline).await
        };
        let outcome = self.settle(record, attempt, deadline).await;
        let now = self.connections.clock.now();
        log(record, &outcome, now, started);
        measure(&self.metrics, record, &outcome, now);
        Settled::of(record, &outcome)
    }
}
