//! A copy of the archive, verified by itself: without the bus, its tables or a network.
//!
//! All seals have to form one chain; what a seal names has to be there with its hash, and so what its manifests name;
//! and nothing else. What a copy does not have cannot be verified, and is told, so that nobody takes the verdict for
//! more than it is: a copy may be of one tenant, of some hours, or without seals.

mod chain;
mod hours;
mod stock;

use chain::Chain;
use hours::Hours;
use stock::Stock;

use super::finding::{Finding, Findings};
use crate::seal::SealLink;

/// Where the copy is.
pub trait ArchiveFolder {
    /// Why it cannot be read.
    type Error;

    /// The keys of all that is in it, as they are in the archive.
    fn keys(&self) -> Result<Vec<String>, Self::Error>;

    /// What is at a key; `None` when nothing is.
    fn read(&self, key: &str) -> Result<Option<Vec<u8>>, Self::Error>;
}

/// What a copy was found to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// How much was verified.
    pub counts: FolderCounts,
    /// The end of the chain. That it is the bus's own, and not a copy cut short, only the bus can tell.
    pub last_seal: Option<SealLink>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What could not be verified, and why.
    pub unchecked: Vec<String>,
}

/// How much of a copy was verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FolderCounts {
    /// Seals.
    pub seals: u64,
    /// Manifests.
    pub manifests: u64,
    /// Objects with events or receipts.
    pub objects: u64,
    /// Events in them.
    pub events: u64,
    /// Bytes of the objects.
    pub stored_bytes: u64,
}

/// Verifies a copy.
pub fn verify<F: ArchiveFolder>(folder: &F) -> Result<Verified, F::Error> {
    let stock = Stock::of(folder.keys()?);
    let mut report = Report::default();
    let chain = Chain::read(folder, &stock, &mut report)?;
    let mut hours = Hours::new(&stock, &chain);
    hours.verify(folder, &mut report)?;
    hours.tell_unnamed(&mut report);
    report.note_others(&stock);
    let Report {
        counts,
        findings,
        unchecked,
    } = report;
    Ok(Verified {
        counts,
        last_seal: chain.last,
        findings: findings.into_vec(),
        unchecked,
    })
}

/// What was found so far.
#[derive(Default)]
struct Report {
    counts: FolderCounts,
    findings: Findings,
    unchecked: Vec<String>,
}

impl Report {
    fn tell(&mut self, finding: Finding) {
        self.findings.tell(finding);
    }

    /// So many of something could not be verified.
    fn note(&mut self, count: usize, what: &str) {
        if count > 0 {
            self.unchecked.push(format!("{what}: {count}"));
        }
    }

    fn note_others(&mut self, stock: &Stock) {
        self.note(stock.others, "files that are no part of an archive");
    }
}
