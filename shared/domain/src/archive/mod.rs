//! Hours of the log in cold storage, readable by anything: JSON lines of CloudEvents, compressed, by tenant, day
//! and hour.
//!
//! ```text
//! events/tenant=<t>/dt=<yyyy-mm-dd>/hh=<hh>/<revision>-<part>.jsonl.zst     a CloudEvent with pbeventid a line
//! receipts/tenant=<t>/dt=<yyyy-mm-dd>/hh=<hh>/<revision>-<part>.jsonl.zst   who was handed an event, and when, a line
//! manifests/tenant=<t>/dt=<yyyy-mm-dd>/hh=<hh>/<revision>.json              [`Manifest`]
//! seals/dt=<yyyy-mm-dd>/hh=<hh>/<revision>.json                             [`crate::seal::Seal`]
//! ```
//!
//! Nothing is ever written over: what comes late to an hour is a further revision, whose manifest names the objects
//! of the ones before, too.

mod key;
pub mod layout;
pub mod line;
mod list;

pub use key::{ArchiveKey, Part};
pub use list::{ArchiveLister, ArchivePage, ArchiveQuery, ShownManifest};
mod archiver;
mod bodies;
mod entries;
mod hour_writer;
mod known;
mod lines;
mod packed;
mod receipts;

use std::collections::BTreeMap;

pub(crate) use archiver::PAGE_ENTRIES;
pub use archiver::{Archived, Archiver, Base, NotArchived, TenantHour};
pub use bodies::each_body;
pub use entries::HourEntries;
pub use lines::{MAX_OBJECT_BYTES, MAX_OBJECT_LINES, ObjectLimits};
pub use receipts::{HourReceipts, TenantReceipts};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::log_hour::LogHour;
use crate::store_error::StoreError;
use crate::tenant::TenantId;

/// What an hour of a tenant is in the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// 1.
    pub format: u32,
    /// Whose events they are.
    pub tenant: String,
    /// The hour's first second, RFC 3339.
    pub hour: String,
    /// 0, and one more each time that something came late.
    pub revision: u32,
    /// Events of the hour.
    pub events: u64,
    /// Bytes of their lines, not compressed.
    pub bytes: u64,
    /// How many of them are of each type.
    pub types: BTreeMap<String, u64>,
    /// The objects that hold them, in the order of event ids within a revision.
    pub objects: Vec<ArchivedObject>,
    /// The objects that hold their receipts.
    pub receipts: Vec<ArchivedObject>,
    /// Ids of events of the hour that could not be read when it was archived, in order. They are in no object, and
    /// not counted above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
}

/// An object of the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchivedObject {
    /// Its key.
    pub key: String,
    /// Lines in it.
    pub lines: u64,
    /// Bytes of its lines, not compressed.
    pub bytes: u64,
    /// Bytes of the object.
    pub stored_bytes: u64,
    /// SHA-256 of the object, in hex.
    pub sha256: String,
    /// The lowest event id in it.
    pub first_event_id: String,
    /// The highest.
    pub last_event_id: String,
}

/// Where archived hours are read.
pub trait ArchiveReader {
    /// The latest manifest of an hour of a tenant; `None` when it has no events or is not sealed.
    fn manifest(
        &self,
        tenant: &TenantId,
        hour: LogHour,
    ) -> impl Future<Output = Result<Option<Manifest>, StoreError>> + Send;

    /// The bytes of an object as they are stored; `None` when it is gone. They are not held against anything.
    fn object(&self, key: &str)
    -> impl Future<Output = Result<Option<Vec<u8>>, StoreError>> + Send;
}

/// What is at a key after an object was to be stored there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// The object; nothing was there before.
    New,
    /// The object, which had been there: a repeat, or an answer that was lost.
    Same,
    /// Other bytes, which were there before. Nothing was written.
    Other,
}

/// Where hours are archived.
pub trait ArchiveWriter {
    /// Stores an object whole where there is none. What is there then is durable.
    fn put(
        &self,
        key: &str,
        bytes: &[u8],
    ) -> impl Future<Output = Result<Stored, StoreError>> + Send;
}

/// Writes a manifest or a seal as it is stored: for people, too.
pub(crate) fn document(document: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    let written = serde_json::to_vec_pretty(document);
    let mut bytes = written.map_err(|error| StoreError::Malformed {
        what: "document of the archive",
        detail: error.to_string(),
    })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// SHA-256 of an object.
pub fn sha256_digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// SHA-256 of an object, as manifests and seals name it: in hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(&sha256_digest(bytes))
}

impl Manifest {
    /// Reads one as it is stored.
    pub fn parse(bytes: &[u8]) -> Result<Self, StoreError> {
        serde_json::from_slice(bytes).map_err(|error| StoreError::Malformed {
            what: "manifest",
            detail: error.to_string(),
        })
    }
}
