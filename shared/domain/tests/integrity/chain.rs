//! The chain of seals.

use pillarbox_domain::archive::layout;
use pillarbox_domain::integrity::FindingKind::{self, ChainBroken, SealAltered, SealMissing};
use pillarbox_domain::log_hour::LogHour;
use pillarbox_domain::seal::SealRow;

use crate::world::{World, a_good_day};

fn hour(of_day: u8) -> LogHour {
    let day = LogHour::at(time::macros::utc_datetime!(2026-11-22 0:00)).day();
    day.hour(of_day).unwrap()
}

fn row(world: &World, of_day: u8) -> SealRow {
    let rows = world.seals.all();
    rows.into_iter()
        .find(|row| row.hour == hour(of_day))
        .unwrap()
}

async fn found(world: &World) -> Vec<(FindingKind, u8)> {
    let whole = world.audit("demo").await;
    let found = whole.findings.iter();
    found
        .map(|finding| (finding.kind, finding.hour.unwrap().of_day()))
        .collect()
}

#[tokio::test]
async fn a_row_that_was_removed_is_missed_by_its_hour_and_by_the_next_seal() {
    let (world, _) = a_good_day().await;
    world.seals.remove(hour(4), 0);
    assert_eq!(found(&world).await, [(SealMissing, 4), (ChainBroken, 5)]);
    assert!(
        !world
            .audit("demo")
            .await
            .hours
            .iter()
            .any(|row| row.hour == hour(4))
    );
}

#[tokio::test]
async fn a_beginning_that_was_removed_is_missed_by_the_next_seal() {
    let (world, _) = a_good_day().await;
    world.seals.remove(hour(0), 0);
    assert_eq!(found(&world).await, [(SealMissing, 0), (ChainBroken, 1)]);
}

#[tokio::test]
async fn an_end_that_was_removed_is_missed_by_the_watermark() {
    let (world, _) = a_good_day().await;
    world.seals.remove(hour(9), 0);
    assert_eq!(found(&world).await, [(SealMissing, 9)]);
}

#[tokio::test]
async fn a_revision_that_was_removed_is_missed() {
    let (world, _) = a_good_day().await;
    world.seal_hour(hour(3), 1).await;
    world.seal_hour(hour(3), 2).await;
    assert_eq!(found(&world).await, []);
    world.seals.remove(hour(3), 1);
    assert_eq!(found(&world).await, [(ChainBroken, 3)]);
}

#[tokio::test]
async fn links_that_were_swapped_are_found() {
    let (world, _) = a_good_day().await;
    let (mut one, mut two) = (row(&world, 3), row(&world, 6));
    std::mem::swap(&mut one.previous, &mut two.previous);
    world.seals.overwrite(one);
    world.seals.overwrite(two);
    assert_eq!(found(&world).await, [(ChainBroken, 3), (ChainBroken, 6)]);
}

#[tokio::test]
async fn links_that_were_swapped_in_documents_and_rows_alike_are_found_by_the_next_seals() {
    let (world, _) = a_good_day().await;
    let before = [row(&world, 3), row(&world, 6)];
    for (at, with) in [(3, 1), (6, 0)] {
        let mut row = row(&world, at);
        let bytes = world.archive.objects()[&row.link.key].clone();
        let mut seal: pillarbox_domain::seal::Seal = serde_json::from_slice(&bytes).unwrap();
        seal.previous.clone_from(&before[with].previous);
        row.previous.clone_from(&seal.previous);
        let bytes = serde_json::to_vec(&seal).unwrap();
        row.link.sha256 = pillarbox_domain::archive::sha256_hex(&bytes);
        world.archive.overwrite(&row.link.key, bytes);
        world.seals.overwrite(row);
    }
    assert_eq!(found(&world).await, [(ChainBroken, 4), (ChainBroken, 7)]);
}

#[tokio::test]
async fn a_document_that_is_gone_or_altered_is_named_also_where_it_is_of_other_tenants() {
    let (world, _) = a_good_day().await;
    world.archive.delete(&layout::seal(hour(6), 0));
    let whole = world.audit("demo").await;
    let found = whole.only();
    assert_eq!(found.kind, SealMissing);
    assert_eq!(found.object, Some(layout::seal(hour(6), 0)));

    let (world, _) = a_good_day().await;
    world.archive.flip(&layout::seal(hour(6), 0), 30);
    let whole = world.audit("demo").await;
    let found = whole.only();
    assert_eq!(found.kind, SealAltered);
    assert_eq!(found.object, Some(layout::seal(hour(6), 0)));
}

#[tokio::test]
async fn a_row_that_says_other_than_its_document_is_altered() {
    let (world, _) = a_good_day().await;
    let mut changed = row(&world, 6);
    changed.events += 1;
    world.seals.overwrite(changed);
    assert_eq!(found(&world).await, [(SealAltered, 6)]);

    let (world, _) = a_good_day().await;
    let mut changed = row(&world, 6);
    changed.link = row(&world, 5).link;
    world.seals.overwrite(changed);
    let found = found(&world).await;
    assert!(found.contains(&(SealAltered, 6)), "{found:?}");
    assert!(found.contains(&(ChainBroken, 7)), "{found:?}");
}

#[tokio::test]
async fn a_seal_that_names_one_that_was_written_later_is_found() {
    let (world, _) = a_good_day().await;
    let mut early = row(&world, 6);
    early.sealed_at -= time::Duration::minutes(2);
    world.seals.overwrite(early);
    assert_eq!(found(&world).await, [(ChainBroken, 6)]);
}

#[tokio::test]
async fn a_chain_that_was_begun_a_second_time_is_found() {
    let (world, _) = a_good_day().await;
    world.resealed_with(hour(5), |seal| seal.previous = None);
    let found = found(&world).await;
    // The end of the chain is where it was.
    assert_eq!(found, [(ChainBroken, 5), (ChainBroken, 9)]);
}
