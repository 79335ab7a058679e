//! What sealing leaves behind, held against itself: whatever a sealing went through, an audit and a copy of the archive
//! have nothing to find.

use std::convert::Infallible;
use std::time::Duration;

use futures::future::join;
use pillarbox_domain::Clock;
use pillarbox_domain::archive::ObjectLimits;
use pillarbox_domain::integrity::folder::{ArchiveFolder, Verified, verify};
use pillarbox_domain::integrity::{Audit, Auditor, Bounds, IntegrityQuery, PATIENCE};
use pillarbox_domain::seal::HOLD;
use pillarbox_testkit::MemoryArchive;
use pillarbox_testkit::builders::tenant;

use crate::harness::{HOUR, SETTLE, World, hour};
use crate::mortal::{Death, Life, Mortal};

struct Copy<'a>(&'a MemoryArchive);

impl ArchiveFolder for Copy<'_> {
    type Error = Infallible;

    fn keys(&self) -> Result<Vec<String>, Infallible> {
        Ok(self.0.keys())
    }

    fn read(&self, key: &str) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.0.objects().get(key).cloned())
    }
}

impl World {
    async fn audit(&self, owner: &str) -> Audit {
        let owner = tenant(owner);
        let from = [("from".to_owned(), "2026-11-20T00:00:00Z".to_owned())];
        let query = IntegrityQuery::parse(&owner, &from, self.bus.clock.now()).unwrap();
        let life = Life::default();
        let auditor = Auditor {
            settings: &Mortal::of(&self.shards, &life),
            index: &self.bus.log,
            marks: &self.bus.marks,
            receipts: &self.bus.receipts,
            trouble: &self.bus.rows,
            seals: &self.seals,
            archive: &self.archive,
            now: self.bus.clock.now(),
            bounds: Bounds {
                buckets: usize::MAX,
                ..Bounds::default()
            },
            patience: PATIENCE,
        };
        auditor.audit(&owner, &query).await.unwrap()
    }

    fn copy(&self) -> Verified {
        let Ok(verified) = verify(&Copy(&self.archive));
        verified
    }

    async fn assert_nothing_is_found(&self, what: &str) {
        for owner in ["shop", "depot", "empty"] {
            let audit = self.audit(owner).await;
            assert_eq!(audit.findings, [], "{what}: {owner}");
            assert_eq!(audit.next_cursor, None);
        }
        assert_eq!(self.copy().findings, [], "{what}");
    }
}

impl World {
    /// What [`world`] dispatched is in the archive, hour by hour.
    fn assert_all_is_archived(&self, what: &str) {
        let of = |owner, number| self.archived(owner, hour(number)).len();
        let archived = [of("shop", 0), of("depot", 0), of("depot", 1), of("shop", 2)];
        assert_eq!(archived, [11, 3, 5, 6], "{what}");
    }
}

/// Three hours, one of which something came late to after it was sealed.
async fn world() -> World {
    let limits = ObjectLimits {
        bytes: 100_000,
        lines: 4,
    };
    let world = World::with(limits);
    world.dispatched("shop", 0, 6).await;
    world.dispatched("depot", 0, 3).await;
    world.pass().await;
    world.dispatched("depot", 60, 5).await;
    world.dispatched("shop", 120, 6).await;
    world.dispatched("shop", 7, 5).await;
    world.reopen("shop", hour(0)).await;
    world.advance(2 * HOUR);
    world
}

#[tokio::test]
async fn of_what_was_sealed_undisturbed_nothing_is_wrong_and_all_is_verified() {
    let world = world().await;
    world.pass().await;
    world.assert_nothing_is_found("undisturbed").await;
    let copy = world.copy();
    assert_eq!(copy.unchecked, [""; 0]);
    assert_eq!(copy.counts.seals, 4);
    assert_eq!(copy.counts.events, 6 + 3 + 5 + 6 + 5);
    let rows = world.audit("shop").await.hours;
    let archived: u64 = rows.iter().filter_map(|row| row.archived).sum();
    let logged: u64 = rows.iter().map(|row| row.counts.logged).sum();
    assert_eq!((archived, logged), (17, 17));
}

#[tokio::test]
async fn what_a_process_leaves_that_dies_is_no_finding_before_and_after_the_next_pass() {
    for call in (1..1_200).step_by(41).chain(1_075..1_125) {
        for death in [Death::Before(call), Death::After(call)] {
            let world = world().await;
            drop(world.pass_of(&Life::until(death)).await);
            world.assert_nothing_is_found(&format!("{death:?}")).await;
            world.advance(HOLD + Duration::from_secs(1));
            world.pass().await;
            world
                .assert_nothing_is_found(&format!("after {death:?}"))
                .await;
        }
    }
}

#[tokio::test]
async fn what_came_before_the_chain_began_is_sealed_and_no_gap() {
    let world = world().await;
    world.pass().await;
    world.dispatched("shop", -300, 2).await;
    world.reopen("shop", hour(-5)).await;
    world.advance(HOUR);
    world.pass().await;
    world.assert_nothing_is_found("before the beginning").await;
    let rows = world.audit("shop").await.hours;
    assert_eq!(rows[0].hour, hour(-5));
    assert_eq!(rows[0].archived, Some(2));
}

#[tokio::test]
async fn an_event_that_could_not_be_read_is_told_by_both() {
    let world = world().await;
    let events = world.dispatched("shop", 30, 1).await;
    world.make_unreadable([events[0].event_id]);
    world.pass().await;
    let audit = world.audit("shop").await;
    let copy = world.copy();
    assert_eq!(audit.findings, copy.findings);
    assert_eq!(audit.findings[0].event_ids, [events[0].event_id]);
}

#[tokio::test]
async fn what_passes_leave_that_do_not_see_each_other_is_no_finding() {
    let mut dead_ends = 0;
    for seed in 0..60 {
        let world = world().await;
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
        drop(join(passes, late).await);
        world.assert_nothing_is_found(&format!("{seed}")).await;
        world.advance(SETTLE);
        world.pass().await;
        world
            .assert_nothing_is_found(&format!("{seed}, after a pass"))
            .await;
        let copy = world.copy();
        assert!(copy.last_seal.is_some(), "{seed}: {copy:?}");
        dead_ends += copy.counts.seals - world.seals.all().len() as u64;
    }
    assert!(dead_ends > 0, "there is something to be told from a fork");
}

/// A process that lives on after one failed call: it knows what it did, and has to say what it did not.
#[tokio::test]
async fn a_pass_of_which_one_call_fails_tells_so_and_the_next_leaves_nothing_to_find() {
    let (mut failed, mut faults, mut after_a_seal) = (0, 0, 0);
    for call in (1..10)
        .chain((24..1_158).step_by(23))
        .chain(725..775)
        .chain(1_140..1_159)
    {
        let world = world().await;
        let what = format!("call {call}");
        match world.pass_of(&Life::until(Death::Not(call))).await {
            Err(_) => failed += 1,
            Ok(pass) if pass.fault.is_some() => {
                faults += 1;
                after_a_seal += usize::from(!pass.sealed.is_empty());
                assert!(!pass.lag.is_zero(), "{what}: {pass:?}");
            }
            Ok(pass) if !pass.left.is_empty() => {}
            Ok(_) => world.assert_all_is_archived(&what),
        }
        world.assert_nothing_is_found(&what).await;
        world.advance(HOLD + Duration::from_secs(1));
        world.pass().await;
        world.assert_all_is_archived(&what);
        world.assert_nothing_is_found(&what).await;
    }
    assert!(failed > 0, "it is not known how far sealing is");
    assert!(
        faults > after_a_seal && after_a_seal > 0,
        "{faults} {after_a_seal}"
    );
}
