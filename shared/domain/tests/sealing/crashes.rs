//! Processes that die, and processes that do not know of each other.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join;
use pillarbox_domain::LoggedEvent;
use pillarbox_domain::archive::ObjectLimits;
use pillarbox_domain::seal::HOLD;

use crate::harness::{HOUR, SETTLE, World, as_archived, hour};
use crate::mortal::{Death, Life};

/// Small objects.
const LIMITS: ObjectLimits = ObjectLimits {
    bytes: 100_000,
    lines: 4,
};

/// Two hours to seal, in small objects, and one that something came late to.
async fn world() -> (World, Vec<LoggedEvent>) {
    let world = World::with(LIMITS);
    let mut events = world.dispatched("shop", 0, 6).await;
    world.dispatched("depot", 0, 3).await;
    world.pass().await;
    world.dispatched("depot", 60, 5).await;
    world.dispatched("shop", 120, 6).await;
    events.extend(world.dispatched("shop", 7, 5).await);
    world.reopen("shop", hour(0)).await;
    world.advance(2 * HOUR);
    assert!(2 * HOUR > SETTLE);
    (world, events)
}

/// All of it is sealed, once, and nothing else is there.
fn assert_whole(world: &World, events: &[LoggedEvent]) {
    let mut archived = world.archived("shop", hour(0));
    archived.sort_by_key(|event| event.event_id);
    assert_eq!(archived, as_archived(events));
    assert_eq!(world.archived("depot", hour(0)).len(), 3);
    assert_eq!(world.archived("depot", hour(1)).len(), 5);
    assert_eq!(world.archived("shop", hour(2)).len(), 6);
    let sealed: Vec<_> = world
        .seals
        .all()
        .iter()
        .map(|row| (row.hour, row.revision))
        .collect();
    assert_eq!(
        sealed,
        [(hour(0), 0), (hour(0), 1), (hour(1), 0), (hour(2), 0)]
    );
    world.assert_all_is_named();
}

/// What an undisturbed pass writes, but for seals, which tell when they were written.
async fn undisturbed() -> (Vec<(String, Vec<u8>)>, usize) {
    let (world, events) = world().await;
    let life = Life::default();
    world.pass_of(&life).await.unwrap();
    assert_whole(&world, &events);
    (without_seals(&world), life.calls())
}

fn without_seals(world: &World) -> Vec<(String, Vec<u8>)> {
    let objects = world.archive.objects().into_iter();
    objects
        .filter(|(key, _)| !key.starts_with("seals/"))
        .collect()
}

#[tokio::test]
async fn whichever_call_is_the_last_the_next_pass_ends_with_the_same_bytes() {
    let (expected, calls) = undisturbed().await;
    assert!(calls > 1_000, "three hours of buckets: {calls}");
    for call in 1..=calls {
        // Of the many reads of buckets every tenth will do.
        let is_bucket = |call: usize| (call % 370) > 12 && (call % 370) < 350;
        if is_bucket(call) && call % 10 != 0 {
            continue;
        }
        for death in [Death::Before(call), Death::After(call)] {
            let (world, events) = world().await;
            let life = Life::until(death);
            // A pass that dies may have told of it or not.
            drop(world.pass_of(&life).await);
            world.advance(HOLD + Duration::from_secs(1));
            let pass = world.pass().await;
            assert!(pass.left.is_empty(), "{death:?}: {pass:?}");
            assert_whole(&world, &events);
            assert!(without_seals(&world) == expected, "{death:?}");
        }
    }
}

#[tokio::test]
async fn a_process_that_dies_again_and_again_gets_on_each_time() {
    for seed in 0..40_usize {
        let (world, events) = world().await;
        let mut dice = seed;
        // Before the next hour is closed.
        for _ in 0..4 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let call = 5 + (dice >> 40) % 1_300;
            let death = [Death::Before(call), Death::After(call)][dice >> 37 & 1];
            drop(world.pass_of(&Life::until(death)).await);
            world.advance(HOLD + Duration::from_secs(1));
        }
        world.pass().await;
        assert_whole(&world, &events);
    }
}

#[tokio::test]
async fn of_two_passes_at_once_one_does_nothing() {
    let (world, events) = world().await;
    let interrupted = Life::default();
    let (one, other) = join(world.pass_of(&interrupted), world.pass()).await;
    let held = [one.unwrap().is_held, other.is_held];
    // The fakes never wait, so the first is done before the second begins; so it is asked again while it is held.
    assert_eq!(held, [false, false]);
    assert_whole(&world, &events);
    world.advance(HOUR);
    drop(world.pass_of(&Life::until(Death::Before(20))).await);
    let pass = world.pass().await;
    assert!(pass.is_held && pass.sealed.is_empty());
    assert_eq!(pass.waiting, 1, "what waits is told all the same");
}

/// As one that slept for longer than it holds the sealing, and wakes beside another.
#[tokio::test]
async fn passes_that_do_not_see_each_other_seal_each_hour_once_and_break_nothing() {
    for seed in 0..100 {
        let (world, events) = world().await;
        let lives = [
            Life::interrupted(seed),
            Life::interrupted(seed * 7 + 3),
            Life::interrupted(seed * 11 + 5),
        ];
        let passes = join(world.pass_of(&lives[0]), world.pass_of(&lives[1]));
        let late = async {
            for _ in 0..20 * seed {
                lives[2].give_way().await;
            }
            world.dispatched("depot", 61, 1).await;
            world.reopen("depot", hour(1)).await;
        };
        let ((one, other), ()) = join(passes, late).await;
        let (one, other) = (one.unwrap(), other.unwrap());
        let mut sealed = [one.sealed, other.sealed].concat();
        sealed.sort();
        sealed.dedup();
        assert!(sealed.len() <= 2);
        world.advance(SETTLE);
        let pass = world.pass().await;
        assert!(pass.left.is_empty(), "{seed}: {pass:?}");
        world.chain();
        let mut archived = world.archived("shop", hour(0));
        archived.sort_by_key(|event| event.event_id);
        assert_eq!(archived, as_archived(&events), "{seed}");
        assert_eq!(world.archived("depot", hour(1)).len(), 6, "{seed}");
        assert_eq!(world.archived("shop", hour(2)).len(), 6);
        let firsts = world.seals.all();
        let firsts = firsts.iter().filter(|row| row.revision == 0);
        assert_eq!(firsts.count(), 3, "{seed}");
    }
}

/// What a dead pass left is not what this one would write: an event came since, and a batch of others came again.
#[tokio::test]
async fn parts_that_were_left_behind_are_taken_over_as_they_are() {
    let whole = World::with(LIMITS);
    let calls = Life::default();
    whole.dispatched("shop", 2, 10).await;
    whole.pass_of(&calls).await.unwrap();
    let writes = 10;
    for before_the_end in 1..writes {
        let world = World::with(LIMITS);
        let mut events = world.dispatched("shop", 2, 10).await;
        let death = Death::Before(calls.calls() - before_the_end);
        drop(world.pass_of(&Life::until(death)).await);
        let left = world.archive.keys().len();
        world.advance(HOLD + Duration::from_secs(1));
        events.extend(world.dispatched("shop", 0, 1).await);
        world.bus.dispatch(&events[..3]).await;
        world.reopen("shop", hour(0)).await;
        world.advance(SETTLE);
        let pass = world.pass().await;
        assert!(pass.left.is_empty(), "{left} left behind: {pass:?}");
        let mut archived = world.archived("shop", hour(0));
        archived.sort_by_key(|event| event.event_id);
        assert_eq!(archived, as_archived(&events), "{left} left behind");
        assert!(world.receipts("shop", hour(0)).len() >= 11);
        world.chain();
        // A manifest that was left behind may be one that no seal names; objects are all in the latest.
        let manifest = world.manifest("shop", hour(0)).unwrap();
        let objects = manifest.objects.iter().chain(&manifest.receipts);
        let named: BTreeSet<String> = objects.map(|object| object.key.clone()).collect();
        let there = world.archive.keys().into_iter();
        let is_object = |key: &String| key.ends_with(".zst");
        assert_eq!(named, there.filter(is_object).collect());
    }
}
