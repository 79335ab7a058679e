//! An inbox in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pillarbox_domain::inbox::{Claim, ClaimToken, Inbox, InboxKey};
use pillarbox_domain::{Clock, StoreError};
use time::UtcDateTime;

/// Passes [`crate::conformance::inbox`]. Copies share what they have.
#[derive(Clone)]
pub struct MemoryInbox<C> {
    clock: C,
    claims: Arc<Mutex<HashMap<InboxKey, State>>>,
}

#[derive(Clone)]
enum State {
    Held(ClaimToken, UtcDateTime),
    Done(String),
}

impl<C: Clock> MemoryInbox<C> {
    /// An empty inbox.
    pub fn new(clock: C) -> Self {
        Self {
            clock,
            claims: Arc::default(),
        }
    }

    fn holds(&self, key: &InboxKey, token: ClaimToken) -> bool {
        let claims = self.claims.lock().unwrap();
        matches!(claims.get(key), Some(State::Held(holder, _)) if *holder == token)
    }
}

impl<C: Clock + Sync> Inbox for MemoryInbox<C> {
    async fn claim(&self, key: &InboxKey, hold: Duration) -> Result<Claim, StoreError> {
        let now = self.clock.now();
        let mut claims = self.claims.lock().unwrap();
        match claims.get(key) {
            Some(State::Done(result)) => Ok(Claim::Done(result.clone())),
            Some(State::Held(_, until)) if *until >= now => Ok(Claim::Held),
            _ => {
                let token = ClaimToken(self.clock.next_id());
                claims.insert(key.clone(), State::Held(token, now + hold));
                Ok(Claim::Granted(token))
            }
        }
    }

    async fn done(
        &self,
        key: &InboxKey,
        token: ClaimToken,
        result: &str,
    ) -> Result<bool, StoreError> {
        let holds = self.holds(key, token);
        if holds {
            self.claims
                .lock()
                .unwrap()
                .insert(key.clone(), State::Done(result.to_owned()));
        }
        Ok(holds)
    }

    async fn release(&self, key: &InboxKey, token: ClaimToken) -> Result<(), StoreError> {
        if self.holds(key, token) {
            self.claims.lock().unwrap().remove(key);
        }
        Ok(())
    }
}
