//! What comes to an hour after it was sealed, and to hours before the first one that was.

use std::time::Duration;

use pillarbox_domain::archive::{ArchiveReader, layout};
use pillarbox_domain::seal::{SealStore, Unsealed};
use pillarbox_testkit::builders::tenant;
use serde_json::json;

use crate::harness::{HOUR, SETTLE, World, as_archived, hour};

#[tokio::test]
async fn what_comes_late_is_another_revision_and_both_can_be_read() {
    let world = World::default();
    let mut events = world.dispatched("shop", 0, 6).await;
    world.dispatched("depot", 0, 2).await;
    world.pass().await;
    let first = world.manifest("shop", hour(0)).unwrap();
    events.extend(world.dispatched("shop", 1, 4).await);
    world.reopen("shop", hour(0)).await;
    world.advance(SETTLE);

    let pass = world.pass().await;
    assert_eq!(
        (pass.sealed.len(), pass.resealed, pass.events),
        (0, vec![hour(0)], 4)
    );
    let second = world.manifest("shop", hour(0)).unwrap();
    assert_eq!((second.revision, second.events), (1, 10));
    assert_eq!(second.objects[..1], first.objects);
    assert_eq!(second.receipts[..1], first.receipts);
    assert_eq!(
        second.objects[1].key,
        layout::events(&tenant("shop"), hour(0), 1, 0)
    );
    let mut archived = world.archived("shop", hour(0));
    archived.sort_by_key(|event| event.event_id);
    assert_eq!(archived, as_archived(&events));
    // The other tenant's is named as it was, and the first manifest is still there.
    assert_eq!(world.archived("depot", hour(0)).len(), 2);
    let key = layout::manifest(&tenant("shop"), hour(0), 0);
    assert!(world.archive.object(&key).await.unwrap().is_some());
    assert_eq!(world.chain().len(), 2);
    assert!(world.seals.reopened(10).await.unwrap().is_empty());
    world.assert_all_is_named();
    assert!(world.pass().await.resealed.is_empty());
}

#[tokio::test]
async fn a_reopening_is_not_looked_at_before_the_index_can_know_of_its_event() {
    let world = World::default();
    world.pass().await;
    world.dispatched("shop", 1, 1).await;
    world.reopen("shop", hour(0)).await;
    world.advance(SETTLE - Duration::from_millis(1));
    let pass = world.pass().await;
    assert!(pass.resealed.is_empty());
    assert_eq!(world.seals.reopened(10).await.unwrap().len(), 1);
    world.advance(Duration::from_millis(1));
    assert_eq!(world.pass().await.resealed, [hour(0)]);
}

#[tokio::test]
async fn an_hour_that_is_not_sealed_yet_is_not_opened_again_but_sealed_with_all_that_came() {
    let world = World::default();
    world.pass().await;
    let events = world.dispatched("shop", 60, 2).await;
    world.reopen("shop", hour(1)).await;
    world.advance(SETTLE);
    assert!(world.pass().await.resealed.is_empty());
    assert_eq!(world.seals.reopened(10).await.unwrap().len(), 1);
    world.advance(HOUR);
    let pass = world.pass().await;
    assert_eq!((pass.sealed, pass.resealed), (vec![hour(1)], vec![]));
    assert_eq!(world.archived("shop", hour(1)), as_archived(&events));
    assert!(
        world.seals.reopened(10).await.unwrap().is_empty(),
        "nothing is left to be done for it"
    );
}

#[tokio::test]
async fn an_hour_before_the_first_one_is_sealed_when_something_is_in_it() {
    let world = World::default();
    let old = world.dispatched("shop", -60 * 200, 3).await;
    let of_other = world.dispatched("depot", -60 * 200, 2).await;
    world.reopen("shop", hour(-200)).await;
    world.advance(SETTLE);
    let pass = world.pass().await;
    assert_eq!(
        (pass.sealed, pass.resealed),
        (vec![hour(0)], vec![hour(-200)])
    );
    assert_eq!(world.archived("shop", hour(-200)), as_archived(&old));
    assert!(world.archived("depot", hour(-200)).is_empty());
    world.reopen("depot", hour(-200)).await;
    world.advance(HOUR);
    world.pass().await;
    assert_eq!(world.archived("shop", hour(-200)), as_archived(&old));
    assert_eq!(world.archived("depot", hour(-200)), as_archived(&of_other));
    let revisions: Vec<u32> = world
        .seals
        .all()
        .iter()
        .filter(|row| row.hour == hour(-200))
        .map(|row| row.revision)
        .collect();
    assert_eq!(revisions, [0, 1]);
    let head = world.seals.head().await.unwrap().unwrap();
    assert_eq!(
        head.sealed_before,
        hour(2),
        "the watermark does not move back"
    );
    world.chain();
    world.assert_all_is_named();
}

#[tokio::test]
async fn what_came_late_and_is_in_no_receipt_is_dispatched_and_sealed_by_the_next_pass() {
    let world = World::default();
    world.dispatched("shop", 0, 2).await;
    world.pass().await;
    let late = world.event_at("shop", 5, json!({ "id": "late", "type": "order.created" }));
    world.log(late).await;
    world.dispatched("depot", 5, 1).await;
    world.reopen("shop", hour(0)).await;
    world.reopen("depot", hour(0)).await;
    world.advance(SETTLE);
    let pass = world.pass().await;
    assert_eq!((pass.dispatched, &pass.resealed[..]), (1, &[hour(0)][..]));
    assert!(matches!(
        pass.left[0].why,
        Unsealed::Unproven { events: 1, .. }
    ));
    assert_eq!(
        world.archived("depot", hour(0)).len(),
        1,
        "the other is not in its way"
    );
    assert_eq!(world.archived("shop", hour(0)).len(), 2);
    let pass = world.pass().await;
    assert!(pass.left.is_empty());
    assert_eq!(world.archived("shop", hour(0)).len(), 3);
    assert_eq!(world.chain().len(), 3);
    world.assert_all_is_named();
}

#[tokio::test]
async fn an_event_that_can_be_read_again_is_archived_when_its_hour_is_opened() {
    let world = World::default();
    let events = world.dispatched("shop", 0, 3).await;
    world.make_unreadable([events[1].event_id]);
    world.pass().await;
    world.reopen("shop", hour(0)).await;
    world.advance(SETTLE);
    let pass = world.pass().await;
    assert!(
        pass.resealed.is_empty() && pass.unreadable.is_empty(),
        "it is known: {pass:?}"
    );

    world.bodies.lock().unwrap().clear();
    world.reopen("shop", hour(0)).await;
    world.advance(SETTLE);
    world.pass().await;
    let manifest = world.manifest("shop", hour(0)).unwrap();
    assert_eq!((manifest.events, manifest.unreadable.len()), (3, 0));
}

#[tokio::test]
async fn an_archive_that_was_tampered_with_is_told_and_its_reopening_kept() {
    let world = World::default();
    world.dispatched("shop", 0, 3).await;
    world.pass().await;
    let key = layout::events(&tenant("shop"), hour(0), 0, 0);
    world.archive.flip(&key, 20);
    world.dispatched("shop", 9, 1).await;
    world.reopen("shop", hour(0)).await;
    world.advance(SETTLE);
    let pass = world.pass().await;
    let told = pass.left[0].why.to_string();
    assert!(told.contains(&key), "{told}");
    assert_eq!(world.seals.reopened(10).await.unwrap().len(), 1);
    world.archive.flip(&key, 20);
    let pass = world.pass().await;
    assert_eq!(pass.resealed, [hour(0)]);
    world.assert_all_is_named();
}
