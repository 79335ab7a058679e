//! Dispatch as a whole, paused and resumed by an operator.
//!
//! What is switched is the mapping from the log's stream to `dispatch`. A batch that is under way is finished, and
//! the mapping keeps its place in the stream: after it is switched on it goes on from there. A stream keeps records
//! for 24 hours; what is older by then is found by the sweep.

use crate::store_error::StoreError;

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
