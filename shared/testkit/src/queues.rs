//! Queues in memory, which refuse what they are told to.

use std::sync::Mutex;

use pillarbox_domain::delivery::Message;
use pillarbox_domain::dispatch::{DeliveryQueues, Refusal, SendError};
use pillarbox_domain::subscription::QueueUrl;

/// Remembers what it took.
#[derive(Default)]
pub struct MemoryQueues {
    taken: Mutex<Vec<(QueueUrl, Message)>>,
    refusals: Mutex<Vec<(String, String, SendError)>>,
    silent: Mutex<bool>,
}

impl MemoryQueues {
    /// From now on the queue of this name refuses every message whose body holds this text.
    pub fn refuse(&self, queue_name: &str, text: &str) {
        self.refuse_with(queue_name, text, "ServiceUnavailable", Refusal::Transient);
    }

    /// The same, by this code and for this reason.
    pub fn refuse_with(&self, queue_name: &str, text: &str, code: &str, refusal: Refusal) {
        let error = SendError {
            code: code.to_owned(),
            detail: "as the test wants it".to_owned(),
            refusal,
        };
        let refused = (queue_name.to_owned(), text.to_owned(), error);
        self.refusals.lock().unwrap().push(refused);
    }

    /// From now on the queue of this name is gone.
    pub fn remove(&self, queue_name: &str) {
        self.refuse_with(queue_name, "", "QueueDoesNotExist", Refusal::Queue);
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

    /// The message groups of what the queue of this name took, in order.
    pub fn groups(&self, queue_name: &str) -> Vec<String> {
        let taken = self.taken.lock().unwrap();
        let of_queue = taken
            .iter()
            .filter(|(queue, _)| queue.queue_name() == queue_name);
        of_queue.map(|(_, message)| message.group.clone()).collect()
    }

    fn answer(&self, queue: &QueueUrl, message: &Message) -> Result<(), SendError> {
        let refusals = self.refusals.lock().unwrap();
        let refused = refusals.iter().find(|(name, text, _)| {
            name == queue.queue_name() && message.body.contains(text.as_str())
        });
        if let Some((_, _, error)) = refused {
            return Err(error.clone());
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
