//! The sweep's stores in memory, and the suite of its state's port.

use std::sync::Mutex;
use std::time::Duration;

use pillarbox_domain::dispatch_switch::{DispatchSwitch, SwitchState};
use pillarbox_domain::sweep::{
    Found, OpenSlice, Slice, SweepQueue, SweepState, SweepStore, messages,
};
use pillarbox_domain::{Clock, StoreError};

use crate::ManualClock;

/// The state in memory, or throttling. Passes [`sweep_states`].
#[derive(Default)]
pub struct MemorySweepStore {
    state: Mutex<Option<SweepState>>,
    failing: Mutex<bool>,
}

impl MemorySweepStore {
    /// From now on nothing is saved, or everything is again.
    pub fn set_failing(&self, failing: bool) {
        *self.failing.lock().unwrap() = failing;
    }

    /// What was saved last.
    pub fn saved(&self) -> Option<SweepState> {
        self.state.lock().unwrap().clone()
    }
}

impl SweepStore for MemorySweepStore {
    async fn read(&self) -> Result<Option<SweepState>, StoreError> {
        Ok(self.saved())
    }

    async fn save(&self, state: &SweepState) -> Result<bool, StoreError> {
        if *self.failing.lock().unwrap() {
            return Err(StoreError::Throttled {
                operation: "PutItem",
            });
        }
        let mut there = self.state.lock().unwrap();
        let version = there.as_ref().map_or(0, |there| there.version);
        if version != state.version {
            return Ok(false);
        }
        *there = Some(SweepState {
            version: version + 1,
            ..state.clone()
        });
        Ok(true)
    }
}

/// The sweep's queue in memory.
#[derive(Default)]
pub struct MemorySweepQueue {
    taken: Mutex<Vec<String>>,
    failing: Mutex<bool>,
}

impl MemorySweepQueue {
    /// From now on nothing is taken, or everything is again.
    pub fn set_failing(&self, failing: bool) {
        *self.failing.lock().unwrap() = failing;
    }

    /// The bodies of the messages that it has, which are taken out.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.taken.lock().unwrap())
    }
}

impl SweepQueue for MemorySweepQueue {
    async fn ask(&self, found: &[Found]) -> Result<(), StoreError> {
        if *self.failing.lock().unwrap() {
            return Err(StoreError::Throttled {
                operation: "SendMessageBatch",
            });
        }
        self.taken.lock().unwrap().extend(messages(found));
        Ok(())
    }
}

/// A switch in memory, which is on.
pub struct MemorySwitch(Mutex<SwitchState>);

impl Default for MemorySwitch {
    fn default() -> Self {
        Self(Mutex::new(SwitchState::Enabled))
    }
}

impl MemorySwitch {
    /// From now on it stands like this.
    pub fn set(&self, state: SwitchState) {
        *self.0.lock().unwrap() = state;
    }
}

impl DispatchSwitch for MemorySwitch {
    async fn state(&self) -> Result<SwitchState, StoreError> {
        Ok(*self.0.lock().unwrap())
    }

    async fn switch(&self, on: bool) -> Result<SwitchState, StoreError> {
        self.set(if on {
            SwitchState::Enabled
        } else {
            SwitchState::Disabled
        });
        self.state().await
    }
}

/// The suite of [`SweepStore`].
pub async fn sweep_states<S: SweepStore>(store: &S, clock: &ManualClock) {
    assert_eq!(store.read().await.unwrap(), None);
    let first = SweepState::beginning(clock.now());
    assert!(store.save(&first).await.unwrap());
    let first = SweepState {
        version: 1,
        ..first
    };
    assert_eq!(store.read().await.unwrap(), Some(first.clone()));

    let second = with_open_slices(&first, clock);
    assert!(store.save(&second).await.unwrap());
    let second = SweepState {
        version: 2,
        ..second
    };
    assert_eq!(store.read().await.unwrap(), Some(second.clone()));

    // Who saw an earlier one, or none, changes nothing.
    for stale in [SweepState::beginning(clock.now()), first] {
        assert!(!store.save(&stale).await.unwrap());
    }
    assert_eq!(store.read().await.unwrap(), Some(second));
    of_runs_at_once_exactly_one_moves_it(store).await;
}

fn with_open_slices(state: &SweepState, clock: &ManualClock) -> SweepState {
    let now = clock.now();
    let begins = [7, 5, 3].map(|hours| now - Duration::from_secs(hours * 3_600));
    let open = begins.map(|from| {
        let slice = Slice::between(from, from + Duration::from_secs(300)).unwrap();
        OpenSlice {
            slice,
            asked_at: (from != begins[1]).then_some(now),
        }
    });
    SweepState {
        looked_before: now,
        open: open.into(),
        off_at: Some(now),
        ..state.clone()
    }
}

async fn of_runs_at_once_exactly_one_moves_it<S: SweepStore>(store: &S) {
    let seen = store.read().await.unwrap().unwrap();
    let runs = [1, 2, 3, 4].map(|minutes| SweepState {
        looked_before: seen.looked_before + Duration::from_secs(minutes * 60),
        ..seen.clone()
    });
    let saved = futures::future::join_all(runs.iter().map(|state| store.save(state))).await;
    let saved: Vec<bool> = saved.into_iter().map(Result::unwrap).collect();
    assert_eq!(saved.iter().filter(|saved| **saved).count(), 1);
    let winner = saved.iter().position(|saved| *saved).unwrap();
    let there = store.read().await.unwrap().unwrap();
    assert_eq!(there.looked_before, runs[winner].looked_before);
}
