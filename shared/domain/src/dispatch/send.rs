//! Messages to queues, all side by side.

use std::collections::BTreeMap;
use std::iter::repeat_with;

use futures::future::join_all;

use super::route::Route;
use super::{DeliveryQueues, SendError};
use crate::delivery::Message;
use crate::logged_event::LoggedEvent;
use crate::schema::delivery::UpcastFailure;
use crate::subscription::{QueueUrl, Subscription};

/// A delivery that was not made.
pub(super) struct Refused<'r> {
    /// Which event of the batch.
    pub(super) event: usize,
    pub(super) subscription: &'r Subscription,
    pub(super) why: Why,
}

/// Why a delivery was not made.
pub(super) enum Why {
    /// The queue did not take it.
    Queue(SendError),
    /// There is no such version of the event.
    Version(UpcastFailure),
}

/// The messages for one queue, and for each the event (by index) and subscription that it is of.
#[derive(Default)]
struct Batch<'r> {
    messages: Vec<Message>,
    pairs: Vec<(usize, &'r Subscription)>,
}

/// Sends every event to the queue of everybody who is to get it, and returns what was not taken.
pub(super) async fn send<'r, Q: DeliveryQueues + Sync>(
    queues: &Q,
    events: &[LoggedEvent],
    routes: &[Route<'r>],
) -> Vec<Refused<'r>> {
    let (batches, mut refused) = batches(events, routes);
    let sends = batches
        .iter()
        .map(|(queue, batch)| queues.send(queue, &batch.messages));
    let answers = join_all(sends).await;
    for (batch, answers) in batches.values().zip(answers) {
        // An entry that the queue does not mention was not taken.
        let answers = answers
            .into_iter()
            .chain(repeat_with(|| Err(SendError::unanswered())));
        for ((event, subscription), answer) in batch.pairs.iter().zip(answers) {
            if let Err(error) = answer {
                refused.push(Refused {
                    event: *event,
                    subscription,
                    why: Why::Queue(error),
                });
            }
        }
    }
    refused
}

/// The messages by queue, and the deliveries for which there is none.
fn batches<'r>(
    events: &[LoggedEvent],
    routes: &[Route<'r>],
) -> (BTreeMap<&'r QueueUrl, Batch<'r>>, Vec<Refused<'r>>) {
    let mut batches: BTreeMap<&QueueUrl, Batch<'_>> = BTreeMap::new();
    let mut refused = Vec::new();
    for (index, (event, route)) in events.iter().zip(routes).enumerate() {
        for wanted in route.iter().flat_map(|routed| &routed.wanted) {
            let subscription = wanted.subscription;
            match wanted.form.event(event) {
                Ok(made) => {
                    let batch = batches.entry(&subscription.queue_url).or_default();
                    batch.messages.push(subscription.message(made, 1, None));
                    batch.pairs.push((index, subscription));
                }
                Err(failure) => refused.push(Refused {
                    event: index,
                    subscription,
                    why: Why::Version(failure.clone()),
                }),
            }
        }
    }
    (batches, refused)
}
