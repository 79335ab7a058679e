//! The sweep, on a bus in memory whose dispatch loses, lags and fails where the test wants it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod crashes;
mod fan_out;
mod faults;
mod properties;
mod speed;
mod stream;
mod support;
