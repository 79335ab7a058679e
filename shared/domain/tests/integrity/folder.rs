//! A copy of the archive, by itself.

use std::collections::BTreeMap;
use std::convert::Infallible;

use pillarbox_domain::archive::layout;
use pillarbox_domain::integrity::FindingKind;
use pillarbox_domain::integrity::folder::{ArchiveFolder, FolderCounts, Verified, verify};
use pillarbox_domain::log_hour::LogHour;
use time::macros::utc_datetime;

use crate::world::a_good_day;

#[derive(Clone)]
struct Copy(BTreeMap<String, Vec<u8>>);

impl ArchiveFolder for Copy {
    type Error = Infallible;

    fn keys(&self) -> Result<Vec<String>, Infallible> {
        Ok(self.0.keys().cloned().collect())
    }

    fn read(&self, key: &str) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.0.get(key).cloned())
    }
}

impl Copy {
    async fn of_a_good_day() -> Self {
        Self(a_good_day().await.0.archive.objects())
    }

    fn verified(&self) -> Verified {
        let Ok(verified) = verify(self);
        verified
    }

    fn flip(&mut self, key: &str, place: usize) {
        self.0.get_mut(key).unwrap()[place] ^= 0xFF;
    }

    fn without(mut self, is_left_out: impl Fn(&str) -> bool) -> Self {
        self.0.retain(|key, _| !is_left_out(key));
        self
    }

    fn first(&self, prefix: &str) -> String {
        let mut keys = self.0.keys();
        keys.find(|key| key.starts_with(prefix)).unwrap().clone()
    }
}

fn found(copy: &Copy) -> Vec<(FindingKind, Option<String>)> {
    let findings = copy.verified().findings;
    let found = findings.into_iter();
    found
        .map(|finding| (finding.kind, finding.object))
        .collect()
}

fn seal(of_day: u8) -> String {
    let day = LogHour::at(utc_datetime!(2026-11-22 0:00)).day();
    layout::seal(day.hour(of_day).unwrap(), 0)
}

#[tokio::test]
async fn a_whole_copy_is_verified_whole() {
    let copy = Copy::of_a_good_day().await;
    let verified = copy.verified();
    assert_eq!(verified.findings, []);
    assert_eq!(verified.unchecked, [""; 0]);
    let stored = copy.0.iter().filter(|(key, _)| key.ends_with(".zst"));
    let expected = FolderCounts {
        seals: 10,
        manifests: 4,
        objects: 3 + 3 + 1 + 1 + 4,
        events: 5 + 5 + 1 + 1,
        stored_bytes: stored.map(|(_, bytes)| bytes.len() as u64).sum(),
    };
    assert_eq!(verified.counts, expected);
    assert_eq!(verified.last_seal.unwrap().key, seal(9));
}

#[tokio::test]
async fn whatever_is_taken_away_or_altered_is_found() {
    let good = Copy::of_a_good_day().await;
    for key in good.0.keys() {
        let gone = good.clone().without(|other| other == key);
        let is_end = *key == seal(9);
        // Of a copy without its last seal nothing tells that there was one more; its beginning is missed.
        assert_eq!(
            gone.verified().findings.is_empty(),
            is_end || *key == seal(0),
            "{key}"
        );
        let mut flipped = good.clone();
        flipped.flip(key, 14);
        assert!(!flipped.verified().findings.is_empty() || is_end, "{key}");
    }
    let gone = good.clone().without(|key| key == seal(0));
    assert!(gone.verified().unchecked[0].contains("seals whose ones before them are of earlier"));
}

#[tokio::test]
async fn each_finding_names_what_it_is_about() {
    let good = Copy::of_a_good_day().await;
    let object = good.first("events/tenant=demo/");
    let manifest = good.first("manifests/tenant=demo/");
    let gone = good.clone().without(|key| key == object);
    assert_eq!(
        found(&gone),
        [(FindingKind::ObjectMissing, Some(object.clone()))]
    );
    let mut flipped = good.clone();
    flipped.flip(&object, 20);
    assert_eq!(
        found(&flipped),
        [(FindingKind::ObjectAltered, Some(object.clone()))]
    );
    let gone = good.clone().without(|key| key == manifest);
    assert_eq!(
        found(&gone),
        [(FindingKind::ManifestMissing, Some(manifest.clone()))]
    );
    assert_eq!(
        gone.verified().unchecked,
        ["objects of hours whose manifest is gone or altered: 4"]
    );
    let mut flipped = good.clone();
    flipped.flip(&manifest, 20);
    assert_eq!(
        found(&flipped),
        [(FindingKind::ManifestAltered, Some(manifest))]
    );
    let gone = good.clone().without(|key| key == seal(4));
    let expected = [
        (FindingKind::SealMissing, None),
        (FindingKind::ChainBroken, Some(seal(5))),
    ];
    assert_eq!(found(&gone), expected);
}

#[tokio::test]
async fn seals_that_were_swapped_are_no_chain() {
    let mut copy = Copy::of_a_good_day().await;
    let (three, six) = (copy.0[&seal(3)].clone(), copy.0[&seal(6)].clone());
    copy.0.insert(seal(3), six);
    copy.0.insert(seal(6), three);
    let kinds: Vec<_> = found(&copy).into_iter().map(|(kind, _)| kind).collect();
    assert!(kinds.contains(&FindingKind::SealAltered), "{kinds:?}");
}

#[tokio::test]
async fn a_chain_has_one_beginning_and_no_forks() {
    let world = a_good_day().await.0;
    let day = LogHour::at(utc_datetime!(2026-11-22 0:00)).day();
    // Everything after it names it by its new hash: a forger's best.
    let first = world.seals.all()[0].link.clone();
    world.resealed_with(day.hour(5).unwrap(), |seal| {
        seal.previous = Some(first.clone())
    });
    let copy = Copy(world.archive.objects());
    let messages: Vec<_> = copy
        .verified()
        .findings
        .into_iter()
        .map(|finding| finding.message)
        .collect();
    assert_eq!(messages, ["2 chains go on after it"]);
    assert_eq!(copy.verified().last_seal, None);

    world.resealed_with(day.hour(5).unwrap(), |seal| seal.previous = None);
    let copy = Copy(world.archive.objects());
    assert_eq!(found(&copy), [(FindingKind::ChainBroken, Some(seal(5)))]);
}

#[tokio::test]
async fn what_nobody_names_is_found_unless_it_may_be_waiting_for_its_seal() {
    let good = Copy::of_a_good_day().await;
    let demo = "demo".parse().unwrap();
    let day = LogHour::at(utc_datetime!(2026-11-22 0:00)).day();
    let at = |of_day| day.hour(of_day).unwrap();
    let mut copy = good.clone();
    let stray = layout::events(&demo, at(3), 0, 77);
    copy.0.insert(stray.clone(), vec![1]);
    assert_eq!(found(&copy), [(FindingKind::ObjectUnnamed, Some(stray))]);
    for waiting in [
        layout::events(&demo, at(3), 1, 0),
        layout::events(&demo, at(12), 0, 0),
    ] {
        let mut copy = good.clone();
        copy.0.insert(waiting, vec![1]);
        let verified = copy.verified();
        assert_eq!(verified.findings, []);
        assert!(verified.unchecked[0].starts_with("manifests and objects that no seal leads to"));
    }
}

#[tokio::test]
async fn a_copy_of_one_tenant_says_what_it_does_not_have() {
    let good = Copy::of_a_good_day().await;
    let of_demo = good.clone().without(|key| key.contains("tenant=other"));
    let verified = of_demo.verified();
    assert_eq!((verified.findings.len(), verified.counts.events), (0, 6));
    assert_eq!(
        verified.unchecked,
        ["sealed manifests of tenants that are not in this folder: 2"]
    );
    let without_seals = of_demo.without(|key| key.starts_with("seals/"));
    let verified = without_seals.verified();
    assert_eq!((verified.findings.len(), verified.counts.events), (0, 6));
    assert_eq!(
        verified.unchecked,
        ["there are no seals: manifests are held against nothing"]
    );
    let mut flipped = without_seals;
    let object = flipped.first("events/tenant=demo/");
    flipped.flip(&object, 9);
    assert_eq!(
        found(&flipped),
        [(FindingKind::ObjectAltered, Some(object))]
    );
}

#[tokio::test]
async fn a_folder_that_is_no_archive_says_that_nothing_was_verified() {
    let files = [
        ("README".to_owned(), vec![]),
        (".DS_Store".to_owned(), vec![]),
    ];
    let verified = Copy(files.into()).verified();
    assert_eq!(verified.counts, FolderCounts::default());
    assert_eq!(
        verified.unchecked,
        [
            "there are no seals: manifests are held against nothing",
            "files that are no part of an archive: 2"
        ]
    );
    let objects_alone = Copy::of_a_good_day()
        .await
        .without(|key| !key.starts_with("events/"));
    let verified = objects_alone.verified();
    assert_eq!(verified.findings, []);
    assert_eq!(
        verified.unchecked[1],
        "objects of tenants whose manifests are not in this folder: 8"
    );
}
