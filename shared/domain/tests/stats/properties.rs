//! Whatever comes when, and whoever dies: an answer is what an independent count comes to.

use std::time::Duration;

use pillarbox_domain::Clock;
use pillarbox_domain::stats::{RollRules, Window};
use proptest::prelude::*;

use super::world::*;

const OWNERS: [&str; 2] = ["demo", "other"];
const TYPES: [&str; 3] = ["order.created", "order.paid", "x"];
const ASKED_BY: [&str; 5] = ["", "a", "a b", "-c", "b -c"];

/// Something that happens, and how long after what happened before.
#[derive(Clone, Debug)]
enum Step {
    /// Events are accepted.
    Accept {
        owner: usize,
        event_type: usize,
        asked_by: usize,
    },
    /// One of those that are accepted is handed over, for the first time or once more.
    HandOver {
        which: prop::sample::Index,
        paused: bool,
    },
    /// The roller runs, and dies after so many writes.
    Roll { writes: Option<usize> },
    /// Somebody asks.
    Ask { from: u64, until: u64 },
}

fn step() -> impl Strategy<Value = (u64, Step)> {
    let step = prop_oneof![
        4 => (0..2_usize, 0..3_usize, 0..5_usize).prop_map(|(owner, event_type, asked_by)| {
            Step::Accept { owner, event_type, asked_by }
        }),
        4 => (any::<prop::sample::Index>(), any::<bool>())
            .prop_map(|(which, paused)| Step::HandOver { which, paused }),
        3 => prop::option::of(0..6_usize).prop_map(|writes| Step::Roll { writes }),
        1 => (0..2_000_000_u64, 0..600_000_u64)
            .prop_map(|(from, until)| Step::Ask { from, until }),
    ];
    let wait = prop_oneof![5 => 0..5_000_u64, 3 => 0..120_000_u64, 1 => 0..600_000_u64];
    (wait, step)
}

async fn live(steps: Vec<(u64, Step)>) {
    let world = World::default();
    let start = world.clock.now();
    let mut accepted: Vec<Event> = Vec::new();
    for (wait, step) in steps {
        world.clock.advance(Duration::from_millis(wait));
        match step {
            Step::Accept {
                owner,
                event_type,
                asked_by,
            } => {
                accepted.push(world.event(OWNERS[owner], TYPES[event_type], ASKED_BY[asked_by]));
            }
            Step::HandOver { which, paused } if !accepted.is_empty() => {
                let mut event = which.get(&accepted).clone();
                if paused {
                    event.withheld.append(&mut event.subscriptions);
                }
                world.hand_over(&[event]).await.unwrap();
            }
            Step::HandOver { .. } => {}
            Step::Roll { writes } => {
                world.rollups.fail_after(writes);
                // Who died is no matter.
                world.roller().run(&RollRules::default()).await.ok();
                world.rollups.fail_after(None);
            }
            Step::Ask { from, until } => {
                let window = Window {
                    from: start + Duration::from_millis(from),
                    to: start + Duration::from_millis(from + until),
                };
                world.assert_true("demo", window).await;
            }
        }
    }
    for _ in 0..2 {
        let window = Window {
            from: start,
            to: world.clock.now() + Duration::from_millis(1),
        };
        for owner in OWNERS {
            world.assert_true(owner, window).await;
        }
        world.clock.advance(MINUTE * 10);
        world.roll().await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn an_answer_is_true_whatever_happened(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(live(steps));
    }
}
