//! Jobs, planned and worked off in memory, with whatever can go wrong.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod archived;
mod deaths;
mod mortal;
mod operating;
mod pace;
mod planning;
mod redrives;
mod refusals;
mod replays;
mod support;
