//! Queues in memory, which refuse what they are told to.

use std::sync::Mutex;

use pillarbox_domain::delivery::Message;
use pillarbox_domain::dispatch::{DeliveryQueues, SendError};
use pillarbox_domain::subscription::QueueUrl;

/// Remembers what it took.
#[derive(Default)]
pub struct MemoryQueues {
    taken: Mutex<Vec<(QueueUrl, Message)>>,
    refusals: Mutex<Vec<(String, String)>>,
    silent: Mutex<bool>,
}

impl MemoryQueues {
    /// From now on the queue of this name refuses every message whose body holds this text.
    pub fn refuse(&self, queue_name: &str, text: &str) {
        self.refusals
            .lock()
            .unwrap()
            .push((queue_name.to_owned(), text.to_owned()));
    }

    /// From now on no answer mentions any message.
    pub fn fall_silent(&self) {
        *self.silent.lock().unwrap() = true;
    }

    /// From now on everything is taken again.
    pub fn recover(&self) {
        self.refusals.lock().unwrap().clear();
        *self.silent.lock().unwrap() = false;
    }

    /// The bodies that the queue of this name took, in order.
    pub fn bodies(&self, queue_name: &str) -> Vec<String> {
        let taken = self.taken.lock().unwrap();
        let of_queue = taken
            .iter()
            .filter(|(queue, _)| queue.queue_name() == queue_name);
        of_queue.map(|(_, message)| message.body.clone()).collect()
    }

    fn answer(&self, queue: &QueueUrl, message: &Message) -> Result<(), SendError> {
        let refusals = self.refusals.lock().unwrap();
        let refused = |(name, text): &(String, String)| {
            name == queue.queue_name() && message.body.contains(text.as_str())
        };
        if refusals.iter().any(refused) {
            return Err(SendError {
                code: "ServiceUnavailable".to_owned(),
                detail: "as the test wants it".to_owned(),
                retryable: true,
            });
        }
        self.taken
            .lock()
            .unwrap()
            .push((queue.clone(), message.clone()));
        Ok(())
    }
}

impl DeliveryQueues for MemoryQueues {
    async fn send(&self, queue: &QueueUrl, messages: &[Message]) -> Vec<Result<(), SendError>> {
        if *self.silent.lock().unwrap() {
            return vec![];
        }
        messages
            .iter()
            .map(|message| self.answer(queue, message))
            .collect()
    }
}
