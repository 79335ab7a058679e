//! The archive against what names it, and against the log.

use pillarbox_domain::archive::{Manifest, layout, sha256_hex};
use pillarbox_domain::integrity::FindingKind;
use pillarbox_domain::log_hour::LogHour;
use pillarbox_domain::logged_event::OutboxMode;
use pillarbox_domain::seal::{Reopening, Reopenings, Seal, SealRow};
use time::UtcDateTime;
use time::macros::utc_datetime;

use crate::world::{NOW, World, a_good_day};

const HOUR: UtcDateTime = utc_datetime!(2026-11-22 3:00);

fn hour() -> LogHour {
    LogHour::at(HOUR)
}

fn object(part: u32) -> String {
    layout::events(&"demo".parse().unwrap(), hour(), 0, part)
}

fn manifest_key() -> String {
    layout::manifest(&"demo".parse().unwrap(), hour(), 0)
}

impl World {
    /// Changes a manifest, and everything that names it, as who sealed it would have.
    fn resealed(&self, change: impl Fn(&mut Manifest)) {
        let key = manifest_key();
        let objects = self.archive.objects();
        let mut manifest = Manifest::parse(&objects[&key]).unwrap();
        change(&mut manifest);
        let bytes = serde_json::to_vec(&manifest).unwrap();
        let sha256 = sha256_hex(&bytes);
        self.archive.overwrite(&key, bytes);
        self.resealed_with(hour(), |seal| {
            let named = seal.manifests.iter_mut();
            for named in named.filter(|named| named.key == key) {
                named.sha256.clone_from(&sha256);
            }
        });
    }

    /// Changes a seal, and all that come after it.
    pub fn resealed_with(&self, hour: LogHour, change: impl Fn(&mut Seal)) {
        let mut rows: Vec<SealRow> = self.seals.all();
        let mut link = None;
        for row in rows.iter_mut().filter(|row| row.hour >= hour) {
            let bytes = self.archive.objects()[&row.link.key].clone();
            let mut seal: Seal = serde_json::from_slice(&bytes).unwrap();
            if row.hour == hour {
                change(&mut seal);
            }
            if let Some(link) = link.take() {
                seal.previous = Some(link);
            }
            row.previous.clone_from(&seal.previous);
            let bytes = serde_json::to_vec(&seal).unwrap();
            row.link.sha256 = sha256_hex(&bytes);
            link = Some(row.link.clone());
            self.archive.overwrite(&row.link.key, bytes);
            self.seals.overwrite(row.clone());
        }
    }
}

/// The only finding but for those of the end of the chain, which `resealed` does not move.
async fn only(world: &World) -> (FindingKind, Option<String>, Vec<String>) {
    let whole = world.audit("demo").await;
    let mut found = whole.findings.iter().filter(|finding| {
        let is_end = finding.hour == Some(LogHour::at(utc_datetime!(2026-11-22 9:00)));
        !(is_end && finding.kind == FindingKind::ChainBroken)
    });
    let first = found.next().expect("something is found");
    assert_eq!(found.next(), None, "{:#?}", whole.findings);
    assert_eq!(first.hour, Some(hour()));
    let ids = first.event_ids.iter().map(ToString::to_string).collect();
    (first.kind, first.object.clone(), ids)
}

#[tokio::test]
async fn an_object_that_is_gone_is_named() {
    let (world, _) = a_good_day().await;
    world.archive.delete(&object(1));
    let expected = (FindingKind::ObjectMissing, Some(object(1)), vec![]);
    assert_eq!(only(&world).await, expected);
}

#[tokio::test]
async fn a_byte_that_was_flipped_is_named_wherever_it_is() {
    for part in [0, 1, 2] {
        let length = a_good_day().await.0.archive.objects()[&object(part)].len();
        for place in [0, length / 2, length - 1] {
            let (world, _) = a_good_day().await;
            world.archive.flip(&object(part), place);
            let expected = (FindingKind::ObjectAltered, Some(object(part)), vec![]);
            assert_eq!(only(&world).await, expected);
        }
    }
    let (world, _) = a_good_day().await;
    let receipts = layout::receipts(&"demo".parse().unwrap(), hour(), 0, 0);
    world.archive.flip(&receipts, 5);
    let expected = (FindingKind::ObjectAltered, Some(receipts), vec![]);
    assert_eq!(only(&world).await, expected);
}

#[tokio::test]
async fn an_object_is_counted_also_where_its_hash_is_right() {
    type Change = fn(&mut Manifest);
    let changes: [(Change, FindingKind); 5] = [
        (
            |it| it.objects[0].stored_bytes += 1,
            FindingKind::ObjectAltered,
        ),
        (
            |it| {
                it.objects[0].bytes -= 1;
                it.bytes -= 1;
            },
            FindingKind::ObjectAltered,
        ),
        (
            |it| {
                it.objects[0].lines += 1;
                it.objects[1].lines -= 1;
            },
            FindingKind::ObjectAltered,
        ),
        (|it| it.objects.swap(0, 1), FindingKind::ObjectAltered),
        (
            |it| it.objects[0].first_event_id = it.objects[0].last_event_id.clone(),
            FindingKind::ObjectAltered,
        ),
    ];
    for (place, (change, kind)) in changes.into_iter().enumerate() {
        let (world, _) = a_good_day().await;
        world.resealed(change);
        let whole = world.audit("demo").await;
        let is_found = whole.kinds().contains(&kind);
        // The order in which a manifest lists its objects says nothing.
        assert_eq!(is_found, place != 3, "{place}: {:#?}", whole.findings);
    }
}

#[tokio::test]
async fn an_object_that_grows_beyond_what_its_manifest_says_is_not_read_to_its_end() {
    let (world, _) = a_good_day().await;
    let bomb = zstd::bulk::compress(&vec![b'\n'; 50_000_000], 3).unwrap();
    let (length, sha256) = (bomb.len().try_into().unwrap(), sha256_hex(&bomb));
    world.archive.overwrite(&object(0), bomb);
    world.resealed(|it| {
        it.objects[0].stored_bytes = length;
        it.objects[0].sha256.clone_from(&sha256);
    });
    let expected = (FindingKind::ObjectAltered, Some(object(0)), vec![]);
    assert_eq!(only(&world).await, expected);
}

#[tokio::test]
async fn a_manifest_that_is_gone_or_altered_is_named_and_not_followed() {
    let (world, _) = a_good_day().await;
    world.archive.delete(&manifest_key());
    let expected = (FindingKind::ManifestMissing, Some(manifest_key()), vec![]);
    assert_eq!(only(&world).await, expected);
    assert_eq!(world.audit("demo").await.hour(HOUR).archived, None);

    let (world, _) = a_good_day().await;
    world.archive.flip(&manifest_key(), 20);
    world.archive.delete(&object(0));
    let expected = (FindingKind::ManifestAltered, Some(manifest_key()), vec![]);
    assert_eq!(only(&world).await, expected);
}

#[tokio::test]
async fn a_manifest_that_names_what_is_of_another_tenant_or_hour_is_altered() {
    type Change = fn(&mut Manifest);
    let other = |part| layout::events(&"other".parse().unwrap(), hour(), 0, part);
    let changes: [Change; 3] = [
        |it| it.tenant = "other".to_owned(),
        |it| it.hour = "2026-11-22T04:00:00Z".to_owned(),
        |it| it.receipts[0].key = it.objects[0].key.clone(),
    ];
    for change in changes {
        let (world, _) = a_good_day().await;
        world.resealed(change);
        let expected = (FindingKind::ManifestAltered, Some(manifest_key()), vec![]);
        assert_eq!(only(&world).await, expected);
    }
    let (world, _) = a_good_day().await;
    world.resealed(|it| it.objects[0].key = other(0));
    let expected = (FindingKind::ManifestAltered, Some(manifest_key()), vec![]);
    assert_eq!(only(&world).await, expected);
}

#[tokio::test]
async fn figures_that_do_not_agree_are_found() {
    type Change = fn(&mut Manifest);
    let changes: [Change; 3] = [
        |it| it.events += 1,
        |it| it.bytes += 1,
        |it| {
            it.types.insert("price.changed".to_owned(), 1);
        },
    ];
    for change in changes {
        let (world, _) = a_good_day().await;
        world.resealed(change);
        let expected = (FindingKind::ArchiveCount, Some(manifest_key()), vec![]);
        assert_eq!(only(&world).await, expected);
    }
}

#[tokio::test]
async fn an_event_that_the_archive_does_not_have_is_named_unless_its_hour_is_open_again() {
    let (world, _) = a_good_day().await;
    let late = world
        .delivered("demo", utc_datetime!(2026-11-22 3:40))
        .await;
    let expected = (
        FindingKind::ArchiveCount,
        None,
        vec![late.event_id.to_string()],
    );
    assert_eq!(only(&world).await, expected);
    for (tenant, hour, found) in [
        ("other", hour(), true),
        ("demo", LogHour::at(utc_datetime!(2026-11-22 4:00)), true),
        ("demo", hour(), false),
    ] {
        let reopening = Reopening {
            tenant: tenant.parse().unwrap(),
            hour,
            noted_at: NOW,
        };
        world.seals.reopen(&reopening).await.unwrap();
        let whole = world.audit("demo").await;
        assert_eq!(!whole.findings.is_empty(), found, "{tenant}");
    }
}

#[tokio::test]
async fn an_hour_that_was_sealed_again_has_what_came_late() {
    let (world, _) = a_good_day().await;
    world
        .delivered("demo", utc_datetime!(2026-11-22 3:40))
        .await;
    world.seal_hour(hour(), 1).await;
    let whole = world.audit("demo").await;
    assert_eq!(whole.findings, []);
    assert_eq!(whole.hour(HOUR).archived, Some(6));
}

#[tokio::test]
async fn an_event_of_an_hour_in_which_its_seal_has_nothing_of_its_tenant_is_found() {
    let (world, _) = a_good_day().await;
    // `other` has events then, and `demo` has none in the seal.
    let at = utc_datetime!(2026-11-22 6:30);
    let late = world.only_logged("demo", at).await;
    let whole = world.audit("demo").await;
    assert_eq!(whole.only().kind, FindingKind::ArchiveCount);
    assert_eq!(whole.only().event_ids, [late.event_id]);
    assert_eq!(whole.hour(at).archived, Some(0));
}

#[tokio::test]
async fn an_event_that_was_taken_out_of_the_log_is_known_by_the_archive() {
    let (world, day) = a_good_day().await;
    world.index.remove(day.logged_only.event_id);
    let whole = world.audit("demo").await;
    assert_eq!(whole.only().kind, FindingKind::ArchiveCount);
    assert_eq!(whole.only().event_ids, [day.logged_only.event_id]);
    // An hour later than every event is kept, it may have expired.
    world
        .clock
        .advance(std::time::Duration::from_secs(7 * 24 * 60 * 60));
    assert_eq!(world.audit("demo").await.findings, []);
}

#[tokio::test]
async fn an_event_that_could_not_be_archived_is_told_and_not_missed() {
    let (world, _) = a_good_day().await;
    let at = utc_datetime!(2026-11-22 3:40);
    let bad = world.event("demo", at, OutboxMode::Dispatch);
    world.log(&bad).await;
    world.receipt(&[&bad], at).await;
    let id = bad.event_id.to_string();
    world.resealed(|it| it.unreadable = vec![id.clone()]);
    let expected = (FindingKind::Unreadable, Some(manifest_key()), vec![id]);
    assert_eq!(only(&world).await, expected);
}

#[tokio::test]
async fn receipts_that_expired_before_their_events_are_recalled_from_the_archive() {
    let world = World::default();
    let at = utc_datetime!(2026-08-20 8:00);
    let old = world.delivered("demo", at).await;
    world.seal(at, at + time::Duration::HOUR).await;
    let from = "2026-08-20T00:00:00Z";
    assert_eq!(world.audit_from("demo", from).await.findings, []);
    world.receipts.lose(old.event_id);
    let whole = world.audit_from("demo", from).await;
    assert_eq!(whole.findings, []);
    assert_eq!(whole.hour(at).counts.receipted, 1);
    // Before its event expires, nothing but the receipt itself will do.
    let world = World::default();
    let at = utc_datetime!(2026-11-10 8:00);
    let young = world.delivered("demo", at).await;
    world.seal(at, at + time::Duration::HOUR).await;
    world.receipts.lose(young.event_id);
    let whole = world.audit_from("demo", "2026-11-10T00:00:00Z").await;
    assert_eq!(whole.only().kind, FindingKind::MissingReceipt);
}
