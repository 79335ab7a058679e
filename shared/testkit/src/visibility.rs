//! A queue that remembers how long messages are to stay hidden.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pillarbox_domain::visibility::{Hidden, NotHidden, Visibility};

/// Hides every message, or none. Copies share what they have.
#[derive(Clone, Default)]
pub struct MemoryVisibility {
    hidden: Arc<Mutex<Vec<Hidden>>>,
    calls: Arc<Mutex<usize>>,
    failing: Arc<Mutex<bool>>,
}

impl MemoryVisibility {
    /// From now on nothing is hidden, or everything is again.
    pub fn set_failing(&self, failing: bool) {
        *self.failing.lock().unwrap() = failing;
    }

    /// How long the message with this receipt handle is hidden, by the last call that named it.
    pub fn of(&self, receipt_handle: &str) -> Option<Duration> {
        let hidden = self.hidden.lock().unwrap();
        let mut named = hidden.iter().rev();
        let last = named.find(|hidden| hidden.receipt_handle == receipt_handle);
        last.map(|hidden| hidden.lasting)
    }

    /// How often it was called.
    pub fn calls(&self) -> usize {
        *self.calls.lock().unwrap()
    }
}

impl Visibility for MemoryVisibility {
    async fn hide(&self, messages: &[Hidden]) -> Vec<Result<(), NotHidden>> {
        *self.calls.lock().unwrap() += 1;
        if *self.failing.lock().unwrap() {
            return vec![Err(NotHidden::unanswered()); messages.len()];
        }
        self.hidden.lock().unwrap().extend_from_slice(messages);
        vec![Ok(()); messages.len()]
    }
}
