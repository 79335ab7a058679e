//! Figures of the bus as a whole, and whether it is well, on a bus in memory.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod backlog;
mod health;
mod standings;
mod support;
