//! What is in a copy, by what it is.

use std::collections::{BTreeMap, BTreeSet};

use crate::archive::{ArchiveKey, Part};
use crate::log_hour::LogHour;
use crate::tenant::TenantId;

/// An hour of a tenant.
pub(super) type Place = (LogHour, TenantId);

/// The keys of a copy.
#[derive(Debug, Default)]
pub(super) struct Stock {
    /// Of seals, by hour and revision.
    pub(super) seals: BTreeMap<(LogHour, u32), String>,
    /// Of manifests, by hour of a tenant and revision.
    pub(super) manifests: BTreeMap<Place, BTreeMap<u32, String>>,
    /// Of objects with events or receipts.
    pub(super) objects: BTreeMap<Place, BTreeMap<String, u32>>,
    /// Tenants that there is anything of.
    pub(super) tenants: BTreeSet<TenantId>,
    /// Tenants that there are manifests of.
    pub(super) described: BTreeSet<TenantId>,
    /// Files that are something else.
    pub(super) others: usize,
}

impl Stock {
    pub(super) fn of(keys: Vec<String>) -> Self {
        let mut stock = Self::default();
        for key in keys {
            stock.take(key);
        }
        stock
    }

    fn take(&mut self, key: String) {
        let Some(read) = ArchiveKey::parse(&key) else {
            self.others += 1;
            return;
        };
        self.tenants.extend(read.tenant().cloned());
        match read {
            ArchiveKey::Seal { hour, revision } => {
                self.seals.insert((hour, revision), key);
            }
            ArchiveKey::Manifest {
                tenant,
                hour,
                revision,
            } => {
                self.described.insert(tenant.clone());
                let of_hour = self.manifests.entry((hour, tenant)).or_default();
                of_hour.insert(revision, key);
            }
            ArchiveKey::Events(part) | ArchiveKey::Receipts(part) => {
                let Part {
                    tenant,
                    hour,
                    revision,
                    ..
                } = part;
                let of_hour = self.objects.entry((hour, tenant)).or_default();
                of_hour.insert(key, revision);
            }
        }
    }
}
