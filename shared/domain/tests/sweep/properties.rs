//! Whatever a stream loses and whatever fails meanwhile, every event has a receipt in the end.

use std::collections::VecDeque;
use std::time::Duration;

use pillarbox_domain::dispatch_switch::SwitchState;
use pillarbox_domain::sweep::{ASK_AGAIN_AFTER, Rules};
use pillarbox_domain::{Clock, LoggedEvent};
use pillarbox_testkit::MemoryBus;
use proptest::prelude::*;

use super::support::*;

const TENANTS: [&str; 3] = ["a", "b", "c"];

/// Some minutes of a bus's life.
#[derive(Clone, Debug)]
struct Step {
    minutes: u64,
    published: usize,
    /// Which of those the stream loses.
    loses: u8,
    /// How many minutes it is behind.
    behind: u64,
    is_off: bool,
    fault: Fault,
    at_once: usize,
    takes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    Receipts,
    State,
    Queue,
    Rows,
}

fn step() -> impl Strategy<Value = Step> {
    let fault = prop_oneof![
        6 => Just(Fault::None),
        1 => Just(Fault::Receipts),
        1 => Just(Fault::State),
        1 => Just(Fault::Queue),
        1 => Just(Fault::Rows),
    ];
    (
        1..40_u64,
        0..4_usize,
        any::<u8>(),
        prop_oneof![3 => Just(0), 1 => 0..120_u64],
        prop::bool::weighted(0.1),
        fault,
        prop_oneof![Just(0), Just(2), Just(1_000)],
        any::<bool>(),
    )
        .prop_map(
            |(minutes, published, loses, behind, is_off, fault, at_once, takes)| Step {
                minutes,
                published,
                loses,
                behind,
                is_off,
                fault,
                at_once,
                takes,
            },
        )
}

/// A bus's life so far.
#[derive(Default)]
struct Life {
    bus: MemoryBus,
    events: Vec<LoggedEvent>,
    stream: VecDeque<LoggedEvent>,
}

impl Life {
    async fn live(&mut self, step: &Step) {
        let Self { bus, .. } = self;
        bus.switch.set(match step.is_off {
            true => SwitchState::Disabled,
            false => SwitchState::Enabled,
        });
        self.publish(step).await;
        self.set_fault(step.fault, true);
        if !step.is_off {
            self.dispatch(Duration::from_secs(step.behind * 60)).await;
        }
        self.bus
            .clock
            .advance(Duration::from_secs(step.minutes * 60));
        let rules = Rules {
            at_once: step.at_once,
            ..Rules::default()
        };
        // One that fails is followed by another.
        let failed = self.bus.sweep_by(rules).await.is_err();
        assert!(
            !failed || step.is_off,
            "only what stands back fails without a count"
        );
        if step.takes {
            self.bus.take_asked().await;
        }
        self.set_fault(step.fault, false);
    }

    async fn publish(&mut self, step: &Step) {
        for n in 0..step.published {
            let owner = TENANTS[(self.events.len() + n) % TENANTS.len()];
            let id = self.events.len().to_string();
            let event = self.bus.logged(owner, &id, "t").await;
            if step.loses & (1 << n) == 0 {
                self.stream.push_back(event.clone());
            }
            self.events.push(event);
        }
    }

    async fn dispatch(&mut self, behind: Duration) {
        let seen = self.bus.clock.now() - behind;
        let is_seen = |event: &mut LoggedEvent| event.event_id.accepted_at() <= seen;
        while let Some(event) = self.stream.pop_front_if(is_seen) {
            let outcomes = self
                .bus
                .dispatch(std::slice::from_ref(&event))
                .await
                .outcomes;
            if outcomes[0].is_err() {
                self.stream.push_front(event);
                return;
            }
        }
    }

    fn set_fault(&self, fault: Fault, is_there: bool) {
        match fault {
            Fault::None => {}
            Fault::Receipts => self.bus.receipts.set_failing(is_there),
            Fault::State => self.bus.sweeps.set_failing(is_there),
            Fault::Queue => self.bus.asked.set_failing(is_there),
            Fault::Rows => self.bus.rows.set_failing(is_there),
        }
    }

    /// A day and some hours in which nothing fails any more.
    async fn settle(&mut self) {
        self.bus.switch.set(SwitchState::Enabled);
        for _ in 0..4 {
            self.bus.clock.advance(7 * HOUR);
            self.bus.sweep().await;
            self.bus.take_asked().await;
        }
        self.bus.clock.advance(ASK_AGAIN_AFTER);
    }
}

fn block_on(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(work);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn after_enough_runs_every_event_is_delivered_and_has_a_receipt(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        block_on(async {
            let mut life = Life { bus: bus(&TENANTS).await, ..Life::default() };
            for step in &steps {
                life.live(step).await;
            }
            life.settle().await;
            let Life { bus, events, .. } = &life;
            let swept = bus.sweep().await;
            assert_eq!((swept.missing, swept.open), (0, 0));
            let places = events.iter().map(|event| (event.tenant.to_string(), event.event_id));
            let places: std::collections::BTreeSet<_> = places.collect();
            assert_eq!(receipted(bus), places);
            assert_eq!(deliveries(bus, &TENANTS).len(), events.len());
        });
    }

    /// As long as something is handed over every few minutes, however far the stream is behind.
    #[test]
    fn a_stream_that_loses_nothing_and_is_never_silent_has_nothing_delivered_twice(
        behind in prop::collection::vec(0..300_u64, 1..40),
    ) {
        block_on(async {
            let mut life = Life { bus: bus(&TENANTS).await, ..Life::default() };
            // Dispatch never goes back: it has seen at least what it had seen before.
            let mut seen = life.bus.clock.now();
            for minutes in behind {
                for _ in 0..3 {
                    let step = Step {
                        minutes: 0, published: 3, loses: 0, behind: 0, is_off: false,
                        fault: Fault::None, at_once: 1_000, takes: true,
                    };
                    life.publish(&step).await;
                    life.bus.clock.advance(5 * MINUTE);
                    seen = seen.max(life.bus.clock.now() - Duration::from_secs(minutes * 60));
                    let lag = life.bus.clock.now() - seen;
                    let next = life.stream.front().map(|event| event.event_id.accepted_at());
                    let lag = next.filter(|next| *next > seen).map_or(lag, |next| life.bus.clock.now() - next);
                    life.dispatch(lag.unsigned_abs()).await;
                    life.bus.sweep().await;
                    life.bus.take_asked().await;
                }
            }
            life.dispatch(Duration::ZERO).await;
            assert_each_once(&life.bus, &TENANTS, &life.events);
        });
    }
}
