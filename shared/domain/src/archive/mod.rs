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

pub mod line;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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

/// Where hours are archived.
pub trait ArchiveWriter {
    /// Stores an object whole. `Ok` means that it is durable.
    fn put(&self, key: &str, bytes: Vec<u8>)
    -> impl Future<Output = Result<(), StoreError>> + Send;
}
