//! Dispatch as a whole, paused and resumed by an operator.
//!
//! What is switched is the mapping from the log's stream to `dispatch`. A batch that is under way is finished, and
//! the mapping keeps its place in the stream: after it is switched on it goes on from there. A stream keeps records
//! for 24 hours; what is older by then is found by the sweep.

use std::time::Duration;

use crate::clock::Clock;
use crate::store_error::StoreError;
use crate::timed_cache::TimedCache;

/// Whether dispatch is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SwitchState {
    /// Events are dispatched.
    Enabled,
    /// They wait in the log's stream.
    Disabled,
    /// It is being switched.
    Changing,
}

impl SwitchState {
    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Enabled => "ENABLED",
            Self::Disabled => "DISABLED",
            Self::Changing => "CHANGING",
        }
    }
}

/// The switch.
pub trait DispatchSwitch {
    /// How it stands.
    fn state(&self) -> impl Future<Output = Result<SwitchState, StoreError>> + Send;

    /// Switches dispatch on or off. While it is being switched already, nothing is done and `Changing` is the
    /// answer.
    fn switch(&self, on: bool) -> impl Future<Output = Result<SwitchState, StoreError>> + Send;
}

/// How old an answer may be that [`RememberedSwitch`] gives.
const MAX_AGE: Duration = Duration::from_secs(30);

/// Remembers for some seconds how the switch stands: what Lambda tells of its own mappings is meant for operators,
/// and is limited to some calls a second
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
pub struct RememberedSwitch<S, C> {
    switch: S,
    known: TimedCache<(), SwitchState, C>,
}

impl<S, C: Clock> RememberedSwitch<S, C> {
    /// Nothing is remembered yet.
    pub fn new(switch: S, clock: C) -> Self {
        Self {
            switch,
            known: TimedCache::new(MAX_AGE, clock),
        }
    }
}

impl<S: DispatchSwitch + Sync, C: Clock + Sync> DispatchSwitch for RememberedSwitch<S, C> {
    async fn state(&self) -> Result<SwitchState, StoreError> {
        let read = async { self.switch.state().await.map(Some) };
        let state = self.known.get_or_read((), read).await?;
        Ok(state.unwrap_or(SwitchState::Changing))
    }

    async fn switch(&self, on: bool) -> Result<SwitchState, StoreError> {
        self.switch.switch(on).await
    }
}
