//! Closed hours: proven, archived, sealed, and what comes late to them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod audited;
mod crashes;
mod harness;
mod hours;
mod late;
mod mortal;
mod objects;
