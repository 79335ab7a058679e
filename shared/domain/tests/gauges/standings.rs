//! Dead letters that nobody has decided about, and suspended subscriptions.

use std::collections::BTreeMap;

use pillarbox_domain::gauges::{KnownLogs, StandingReader, Standings, Totals};
use pillarbox_domain::letters::{
    Change, DeadLetter, Discard, Keeper, LetterStore, QueueMessage, Redrive, RedriveId,
};
use pillarbox_domain::registry::{Registry, Suspension, Suspensions};
use pillarbox_domain::{Clock, TenantId};
use pillarbox_testkit::builders::{subscription, tenant};
use pillarbox_testkit::{ManualClock, MemoryLetters, MemoryRegistry};

use crate::support::*;

struct Bench {
    clock: ManualClock,
    registry: MemoryRegistry,
    letters: MemoryLetters,
    standings: Standings,
}

impl Bench {
    async fn with(tenants: &[&str]) -> Self {
        let all = |name: &&str| subscription(&tenant(name), name, &["*"]);
        let registry = MemoryRegistry::with(tenants.iter().map(all));
        for name in tenants {
            registry.add_tenant(&tenant(name), None).await.unwrap();
        }
        Self {
            clock: ManualClock::default(),
            registry,
            letters: MemoryLetters::default(),
            standings: Standings::default(),
        }
    }

    async fn totals(&self) -> Totals {
        let logs = KnownLogs::new(&self.registry, self.clock.clone());
        let reader = StandingReader {
            letters: &self.letters,
            subscriptions: &self.registry,
            standings: &self.standings,
        };
        let logs = logs.read().await.unwrap();
        reader.read(&logs, self.clock.now()).await.unwrap()
    }

    /// Keeps something that failed. What cannot be understood is the bus's.
    async fn fails(&self) -> DeadLetter {
        self.clock.advance(SECOND);
        let id = self.clock.next_id().to_string();
        let keeper = Keeper {
            letters: &self.letters,
            clock: self.clock.clone(),
            retention: "90".parse().unwrap(),
        };
        let message = QueueMessage {
            id: &id,
            body: "nonsense",
            attributes: BTreeMap::new(),
            source_queue: None,
            first_received_at: None,
        };
        keeper.keep(&message).await.unwrap().letter
    }

    async fn change(&self, letter: &DeadLetter, change: Change) {
        let changed = self
            .letters
            .change(&letter.tenant, letter.id, &change)
            .await;
        changed.unwrap();
    }

    async fn discard(&self, letter: &DeadLetter) {
        let discard = Discard::new("not needed".to_owned(), self.clock.now());
        self.change(letter, Change::Discard(discard)).await;
    }
}

#[tokio::test]
async fn letters_that_nobody_decided_about_are_counted_with_the_age_of_the_first() {
    let bench = Bench::with(&["demo"]).await;
    assert_eq!(bench.totals().await, Totals::default());
    let letters = [
        bench.fails().await,
        bench.fails().await,
        bench.fails().await,
    ];
    let totals = bench.totals().await;
    assert_eq!(totals.dead_letters, exactly(3));
    assert_eq!(totals.oldest_dead_letter, Some(letters[0].dead_at()));
    bench.discard(&letters[0]).await;
    let totals = bench.totals().await;
    assert_eq!(totals.dead_letters, exactly(2));
    assert_eq!(totals.oldest_dead_letter, Some(letters[1].dead_at()));
}

#[tokio::test]
async fn a_letter_that_is_redriven_is_open_again_when_its_redrive_has_died() {
    let bench = Bench::with(&["demo"]).await;
    let letter = bench.fails().await;
    let now = bench.clock.now();
    let redrive = Redrive {
        id: RedriveId::new(bench.clock.next_id()),
        at: now,
    };
    let held_until = now + MINUTE;
    bench
        .change(
            &letter,
            Change::Take {
                redrive,
                held_until,
            },
        )
        .await;
    assert_eq!(bench.totals().await.dead_letters, exactly(0));
    bench.clock.advance(2 * MINUTE + 60 * MINUTE);
    assert_eq!(bench.totals().await.dead_letters, exactly(1));
    bench
        .change(
            &letter,
            Change::Take {
                redrive,
                held_until,
            },
        )
        .await;
    bench.change(&letter, Change::Close(redrive.id)).await;
    assert_eq!(bench.totals().await.dead_letters, exactly(0));
}

/// However many were dealt with, a run that reads two pages at the most gets past them.
#[tokio::test]
async fn letters_that_were_dealt_with_are_read_once() {
    let bench = Bench::with(&[]).await;
    for _ in 0..2_500 {
        let letter = bench.fails().await;
        bench.discard(&letter).await;
    }
    let open = bench.fails().await;
    assert_eq!(bench.totals().await.dead_letters, at_least(0));
    let totals = bench.totals().await;
    assert_eq!(totals.dead_letters, exactly(1));
    assert_eq!(totals.oldest_dead_letter, Some(open.dead_at()));
    bench.fails().await;
    assert_eq!(bench.totals().await.dead_letters, exactly(2));
}

#[tokio::test]
async fn a_letter_whose_time_is_over_counts_no_more() {
    let bench = Bench::with(&["demo"]).await;
    bench.fails().await;
    bench.clock.advance(91 * 24 * 60 * MINUTE);
    assert_eq!(bench.totals().await, Totals::default());
}

async fn suspend(bench: &Bench, owner: &str) {
    let wanted = subscription(&tenant(owner), owner, &["*"]);
    let suspension = Suspension::of(&wanted, bench.clock.now(), "gone".to_owned());
    bench.registry.suspend(&suspension).await.unwrap();
}

#[tokio::test]
async fn suspended_subscriptions_of_all_tenants_are_counted_and_paused_ones_are_not() {
    let bench = Bench::with(&["demo", "shop", "fine"]).await;
    suspend(&bench, "demo").await;
    suspend(&bench, "shop").await;
    assert_eq!(bench.totals().await.suspended, exactly(2));
}

/// Beyond a turn tenants are looked at again in later runs; nobody is left out for good.
#[tokio::test]
async fn many_tenants_take_turns_and_what_was_found_before_counts_meanwhile() {
    let names: Vec<String> = (0..500).map(|number| format!("t{number:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let bench = Bench::with(&names).await;
    suspend(&bench, "t499").await;
    assert_eq!(
        bench.totals().await.suspended,
        exactly(1),
        "a first run looks at all"
    );
    suspend(&bench, "t000").await;
    suspend(&bench, "t498").await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        bench.clock.advance(MINUTE);
        let suspended = bench.totals().await.suspended;
        assert!(!suspended.is_at_least);
        seen.push(suspended.count);
    }
    assert_eq!(seen, [2, 2, 3]);
}

#[tokio::test]
async fn the_letters_of_the_bus_count_too() {
    let bench = Bench::with(&[]).await;
    let letter = bench.fails().await;
    assert_eq!(letter.tenant, TenantId::bus());
    assert_eq!(bench.totals().await.dead_letters, exactly(1));
}
