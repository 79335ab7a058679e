//! Everything that ends a command without success, in words that say what to do next.

use std::error::Error as _;
use std::fmt::Write as _;
use std::io;

use reqwest::StatusCode;
use thiserror::Error;

use crate::problem::Problem;
use crate::retry::is_passing;

/// So many of something: `1 event`, `2 events`.
pub fn count(number: u64, name: &str) -> String {
    match number {
        1 => format!("1 {name}"),
        _ => format!("{number} {name}s"),
    }
}

#[derive(Debug, Error)]
pub enum Error {
    #[error(
        "no address of the bus: set PILLARBOX_URL, or give --url (`make up` writes it to .local/stack.env)"
    )]
    NoUrl,
    #[error(
        "no API key: set PILLARBOX_API_KEY, or give --api-key (`pillarbox keys add` makes one)"
    )]
    NoApiKey,
    #[error("PILLARBOX_URL (or --url) is not an address such as https://bus.example.com: {reason}")]
    BadUrl { reason: String },
    #[error(
        "PILLARBOX_API_KEY (or --api-key) holds a character that no key has, perhaps a line break: set it again"
    )]
    BadApiKey,
    #[error("cannot set up the HTTP client; for an https address, are CA certificates installed?")]
    HttpClient(#[source] reqwest::Error),
    #[error("cannot start")]
    Runtime(#[source] io::Error),
    #[error("no answer from {url}: check PILLARBOX_URL, and that the bus is up")]
    NoAnswer {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("{0}")]
    Refused(Box<Problem>),
    #[error("{url} answered {status}, but not what a Pillarbox bus answers: check PILLARBOX_URL")]
    UnexpectedAnswer {
        url: String,
        status: StatusCode,
        #[source]
        source: serde_json::Error,
    },
    #[error("cannot open {path}: check the path, or give - for standard input")]
    OpenEvents {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error(
        "cannot read on from {origin}; what was read before is published, and publishing it again is safe"
    )]
    ReadEvents {
        origin: String,
        #[source]
        source: io::Error,
    },
    #[error(
        "stopped at line {line}: {detail}\nPublish again from the start once that is put right: what is stored is a duplicate then"
    )]
    Stopped { line: u64, detail: String },
    #[error(
        "{not_stored} of {total} events are not stored; publishing all again is safe: what is stored is a duplicate then"
    )]
    NotAllStored { not_stored: u64, total: u64 },
    #[error("cannot read items from standard input")]
    ReadItems {
        #[source]
        source: io::Error,
    },
    #[error(
        "{origin} is not JSON: give items as `aws dynamodb get-item --output json` prints them"
    )]
    NotItems {
        origin: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("there is no item in {origin}, so nothing was checked")]
    NoItems { origin: String },
    #[error(
        "{faulty} of {total} items have faults: the bus would put them away, or find them where they are not"
    )]
    FaultyItems { faulty: usize, total: usize },
    #[error("cannot read {path}: check the path, or give - for standard input")]
    ReadFile {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("{path} does not hold JSON")]
    NotJson {
        path: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("the data do not fit version {version} of {event_type}")]
    Unfit { event_type: String, version: u32 },
    #[error(
        "{refused} of {total} dead letters are not redriven; doing it again is safe: no letter is redriven twice"
    )]
    NotAllRedriven { refused: u64, total: u64 },
    #[error("{failed} of {total} were not sent: `pillarbox jobs failures {job}` tells why")]
    NotAllSent {
        failed: u64,
        total: u64,
        job: String,
    },
    #[error(
        "the bus paused job {job}: {reason}\nPut that right, and `pillarbox jobs resume {job}` goes on where it was"
    )]
    JobPaused { job: String, reason: String },
    #[error("job {job} was cancelled before it was done")]
    JobCancelled { job: String },
    #[error(
        "stopped watching; the job goes on, and `pillarbox jobs follow {job}` watches it again"
    )]
    Interrupted { job: String },
    #[error(
        "cannot read the archive in {path}: check the path; it is the folder that has events/, manifests/ and seals/"
    )]
    ReadArchive {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error(
        "there is nothing of an archive in {path}: give the folder that has events/, manifests/ and seals/"
    )]
    NoArchive { path: String },
    #[error("{}: docs/integrity.md says what each means and what to do", count(*findings, "finding"))]
    FoundWrong { findings: u64 },
    #[error("{} failed: docs/health.md says what each means", count(*failed, "check"))]
    Unwell { failed: u64 },
    #[error(transparent)]
    NotVerified(Box<Error>),
    #[error("no random bytes from the operating system, so no key was made")]
    NoRandomness(#[source] getrandom::Error),
    #[error("cannot write the result to standard output")]
    Output(#[source] io::Error),
}

impl Error {
    /// 2 when the command line or the environment is wrong and nothing was tried, 130 after an interrupt, as a shell has
    /// it, 3 when nothing could be verified, and 1 otherwise.
    ///
    /// clap ends with 2 too, for what it refuses itself.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoUrl
            | Self::NoApiKey
            | Self::BadUrl { .. }
            | Self::BadApiKey
            | Self::OpenEvents { .. }
            | Self::ReadFile { .. }
            | Self::NotJson { .. }
            | Self::ReadArchive { .. }
            | Self::NoArchive { .. } => 2,
            Self::NotVerified(_) => 3,
            Self::Interrupted { .. } => 130,
            Self::HttpClient(_)
            | Self::Runtime(_)
            | Self::NoAnswer { .. }
            | Self::Refused(_)
            | Self::UnexpectedAnswer { .. }
            | Self::ReadEvents { .. }
            | Self::Stopped { .. }
            | Self::NotAllStored { .. }
            | Self::ReadItems { .. }
            | Self::NotItems { .. }
            | Self::NoItems { .. }
            | Self::FaultyItems { .. }
            | Self::Unfit { .. }
            | Self::NotAllRedriven { .. }
            | Self::NotAllSent { .. }
            | Self::JobPaused { .. }
            | Self::JobCancelled { .. }
            | Self::FoundWrong { .. }
            | Self::Unwell { .. }
            | Self::NoRandomness(_)
            | Self::Output(_) => 1,
        }
    }

    /// The same at the end of a verification: 1 says that something is wrong, so what kept it from an end is 3.
    pub fn of_verification(self) -> Self {
        match self {
            Self::FoundWrong { .. } => self,
            error if error.exit_code() == 2 => error,
            error => Self::NotVerified(Box::new(error)),
        }
    }

    /// Whether the same request may be answered a moment later.
    pub fn passes(&self) -> bool {
        match self {
            Self::NoAnswer { .. } => true,
            Self::Refused(problem) => is_passing(problem.status),
            _ => false,
        }
    }

    /// The message and, a line each, what caused it.
    pub fn report(&self) -> String {
        let mut report = self.to_string();
        let mut cause = self.source();
        while let Some(source) = cause {
            // Writing to a String cannot fail; the trait's Result says otherwise.
            write!(report, "\n  because: {source}").ok();
            cause = source.source();
        }
        report
    }
}
