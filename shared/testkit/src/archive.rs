//! Archived hours in memory.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use pillarbox_domain::archive::{
    ArchiveReader, ArchiveWriter, ArchivedObject, Manifest, Stored, layout, sha256_hex,
};
use pillarbox_domain::log_hour::LogHour;
use pillarbox_domain::{StoreError, TenantId};
use time::macros::utc_datetime;

use crate::builders::tenant;

/// Passes [`conformance`].
#[derive(Default)]
pub struct MemoryArchive {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    failing: Mutex<bool>,
}

impl MemoryArchive {
    /// From now on every call is throttled, or not any more.
    pub fn set_failing(&self, failing: bool) {
        *self.failing.lock().unwrap() = failing;
    }

    /// All that is in it, by key.
    pub fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        self.objects.lock().unwrap().clone()
    }

    /// Every key, in order.
    pub fn keys(&self) -> Vec<String> {
        self.objects.lock().unwrap().keys().cloned().collect()
    }

    /// Puts these bytes there, whatever is there: what the port does not do.
    pub fn overwrite(&self, key: &str, bytes: Vec<u8>) {
        self.objects.lock().unwrap().insert(key.to_owned(), bytes);
    }

    /// Takes an object away, as somebody with too many permissions might.
    pub fn delete(&self, key: &str) {
        assert!(self.objects.lock().unwrap().remove(key).is_some(), "{key}");
    }

    /// Flips the bits of a byte of an object.
    pub fn flip(&self, key: &str, place: usize) {
        let mut objects = self.objects.lock().unwrap();
        objects.get_mut(key).unwrap()[place] ^= 0xFF;
    }

    /// Writes all of it as files into a folder.
    pub fn write_to(&self, folder: &Path) {
        for (key, bytes) in self.objects() {
            let path = folder.join(key);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    fn call(&self, operation: &'static str) -> Result<(), StoreError> {
        match *self.failing.lock().unwrap() {
            true => Err(StoreError::Throttled { operation }),
            false => Ok(()),
        }
    }
}

impl ArchiveReader for MemoryArchive {
    async fn manifest(
        &self,
        tenant: &TenantId,
        hour: LogHour,
    ) -> Result<Option<Manifest>, StoreError> {
        self.call("GetObject")?;
        let prefix = layout::manifests(tenant, hour);
        let objects = self.objects.lock().unwrap();
        let mut of_hour = objects.iter().filter(|(key, _)| key.starts_with(&prefix));
        let latest = of_hour.next_back();
        latest.map(|(_, bytes)| Manifest::parse(bytes)).transpose()
    }

    async fn object(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.call("GetObject")?;
        Ok(self.objects.lock().unwrap().get(key).cloned())
    }
}

impl ArchiveWriter for MemoryArchive {
    async fn put(&self, key: &str, bytes: &[u8]) -> Result<Stored, StoreError> {
        self.call("PutObject")?;
        let mut objects = self.objects.lock().unwrap();
        match objects.get(key) {
            Some(there) if there == bytes => Ok(Stored::Same),
            Some(_) => Ok(Stored::Other),
            None => {
                objects.insert(key.to_owned(), bytes.to_vec());
                Ok(Stored::New)
            }
        }
    }
}

/// The suite of [`ArchiveReader`] and [`ArchiveWriter`].
pub async fn conformance<A: ArchiveReader + ArchiveWriter>(archive: &A) {
    what_is_stored_comes_back_and_is_never_written_over(archive).await;
    the_latest_manifest_of_an_hour_is_found(archive).await;
}

async fn what_is_stored_comes_back_and_is_never_written_over<A: ArchiveReader + ArchiveWriter>(
    archive: &A,
) {
    let (key, bytes) = ("events/tenant=whole/dt=x/hh=y/0.jsonl.zst", [0, 255, 10, 7]);
    assert_eq!(archive.object(key).await.unwrap(), None);
    assert_eq!(archive.put(key, &bytes).await.unwrap(), Stored::New);
    assert_eq!(archive.put(key, &bytes).await.unwrap(), Stored::Same);
    assert_eq!(archive.put(key, &bytes[..3]).await.unwrap(), Stored::Other);
    assert_eq!(archive.put(key, &[]).await.unwrap(), Stored::Other);
    assert_eq!(archive.object(key).await.unwrap(), Some(bytes.to_vec()));
    let near = "events/tenant=whole/dt=x/hh=y/0.jsonl";
    assert_eq!(archive.object(near).await.unwrap(), None);
}

async fn the_latest_manifest_of_an_hour_is_found<A: ArchiveReader + ArchiveWriter>(archive: &A) {
    let hour = LogHour::at(utc_datetime!(2026-11-23 12:00));
    let next = LogHour::at(utc_datetime!(2026-11-23 13:00));
    // One name begins with the other.
    let (shop, shop_2) = (tenant("shop"), tenant("shop-2"));
    for revision in 0..12 {
        let manifest = manifest(&shop, hour, revision);
        put_manifest(archive, &shop, hour, &manifest).await;
        let found = archive.manifest(&shop, hour).await.unwrap();
        assert_eq!(found, Some(manifest));
    }
    assert_eq!(archive.manifest(&shop, next).await.unwrap(), None);
    assert_eq!(archive.manifest(&shop_2, hour).await.unwrap(), None);
    let of_other = manifest(&shop_2, hour, 0);
    put_manifest(archive, &shop_2, hour, &of_other).await;
    let found = archive.manifest(&shop_2, hour).await.unwrap();
    assert_eq!(found, Some(of_other));
}

async fn put_manifest<A: ArchiveWriter>(
    archive: &A,
    owner: &TenantId,
    hour: LogHour,
    manifest: &Manifest,
) {
    let key = layout::manifest(owner, hour, manifest.revision);
    let bytes = serde_json::to_vec(manifest).unwrap();
    assert_eq!(archive.put(&key, &bytes).await.unwrap(), Stored::New);
}

fn manifest(owner: &TenantId, hour: LogHour, revision: u32) -> Manifest {
    let object = ArchivedObject {
        key: layout::events(owner, hour, revision, 0),
        lines: 1,
        bytes: 2,
        stored_bytes: 3,
        sha256: sha256_hex(b"object"),
        first_event_id: "017f22e2-79b0-7cc3-98c4-dc0c0c07398f".to_owned(),
        last_event_id: "017f22e2-79b0-7cc3-98c4-dc0c0c07398f".to_owned(),
    };
    Manifest {
        format: 1,
        tenant: owner.to_string(),
        hour: layout::hour_text(hour),
        revision,
        events: 1,
        bytes: 2,
        types: [("order.created".to_owned(), 1)].into(),
        objects: vec![object],
        receipts: vec![],
        unreadable: vec![],
    }
}
