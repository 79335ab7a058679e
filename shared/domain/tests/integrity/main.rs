//! What an audit finds, on a bus in memory that is bent in one place each time; and what it does not find where all is
//! well.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod archive;
mod chain;
mod folder;
mod ledger;
mod pages;
mod world;
