//! What every store of dead letters has to do.

use std::collections::BTreeSet;
use std::time::Duration;

use pillarbox_domain::Clock;
use pillarbox_domain::letters::{
    Change, Changed, DeadLetter, DeadLetterId, Discard, FailedDelivery, Kept, LetterError,
    LetterState, LetterStore, NewLetter, Origin, Redrive, RedriveId,
};
use pillarbox_domain::log_hour::{IdRange, Order};
use time::UtcDateTime;

use crate::ManualClock;
use crate::builders::tenant;

const LEASE: Duration = Duration::from_secs(60);
const KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// The suite of [`LetterStore`], on an empty one.
pub async fn conformance<L: LetterStore>(store: &L, clock: &ManualClock) {
    a_letter_is_kept_whole(store, clock).await;
    a_body_of_any_size_comes_back(store, clock).await;
    a_repeat_is_folded_into_the_first(store, clock).await;
    what_is_forgotten_does_not_fold(store, clock).await;
    letters_of_an_event_are_found_by_it(store, clock).await;
    letters_are_read_in_order_page_by_page(store, clock).await;
    a_redrive_takes_an_open_letter_alone_and_closes_it(store, clock).await;
    a_lease_that_ran_out_can_be_taken_over(store, clock).await;
    a_letter_that_is_held_is_taken_again_by_the_same_redrive_only(store, clock).await;
    what_is_given_back_is_open(store, clock).await;
    only_an_open_letter_is_discarded(store, clock).await;
    of_concurrent_redrives_exactly_one_takes_the_letter(store, clock).await;
}

/// An open letter of a delivery that a job brought, with everything that can be known of one.
fn new(clock: &ManualClock, owner: &str, job: Option<&str>) -> NewLetter {
    let event_id = clock.next_id();
    let id = DeadLetterId::new(clock.next_id());
    let letter = DeadLetter {
        tenant: tenant(owner),
        id,
        origin: Origin::Subscriber,
        delivery: Some(FailedDelivery {
            event_id,
            event_type: "order.created".to_owned(),
            source: "/shop#1".to_owned(),
            id: "100%".to_owned(),
            subscription: "connector".parse().unwrap(),
            correlation_id: Some("c-1".to_owned()),
        }),
        error: LetterError {
            class: "CustomerUnknown".to_owned(),
            message: "no customer \"7\" — ä".to_owned(),
        },
        attempts: Some(6),
        first_failed_at: Some(clock.now() - Duration::from_millis(4_321)),
        last_failed_at: Some(clock.now() - Duration::from_millis(1)),
        job: job.map(str::to_owned),
        first_dead_letter_id: job.map(|_| DeadLetterId::new(clock.next_id())),
        state: LetterState::Open,
        redrive_ids: BTreeSet::new(),
        expires_at: expiry(clock),
    };
    NewLetter {
        letter,
        body: r#"{"specversion":"1.0"}"#.to_owned(),
        message_id: clock.next_id().to_string(),
    }
}

/// In whole seconds, as letters are kept.
fn expiry(clock: &ManualClock) -> UtcDateTime {
    clock.now().replace_nanosecond(0).unwrap() + KEPT
}

/// A letter of a record that is no delivery.
fn raw(clock: &ManualClock, owner: &str) -> NewLetter {
    let new = new(clock, owner, None);
    let letter = DeadLetter {
        delivery: None,
        origin: Origin::Stream,
        attempts: None,
        first_failed_at: None,
        last_failed_at: None,
        ..new.letter
    };
    NewLetter {
        letter,
        body: "\u{1F600} not json".to_owned(),
        ..new
    }
}

/// The same failure, come again some time later.
fn again(clock: &ManualClock, first: &NewLetter) -> NewLetter {
    let mut again = first.clone();
    again.letter.id = DeadLetterId::new(clock.next_id());
    again.letter.expires_at = expiry(clock);
    again
}

async fn kept<L: LetterStore>(store: &L, new: &NewLetter) {
    assert_eq!(store.keep(new).await.unwrap(), Kept::New);
}

async fn get<L: LetterStore>(store: &L, letter: &DeadLetter) -> Option<DeadLetter> {
    store.get(&letter.tenant, letter.id).await.unwrap()
}

async fn change<L: LetterStore>(store: &L, letter: &DeadLetter, change: &Change) -> Changed {
    store
        .change(&letter.tenant, letter.id, change)
        .await
        .unwrap()
}

async fn a_letter_is_kept_whole<L: LetterStore>(store: &L, clock: &ManualClock) {
    for new in [
        new(clock, "whole", None),
        new(clock, "whole", Some("job#1")),
        raw(clock, "whole"),
        raw(clock, "_bus"),
    ] {
        let letter = &new.letter;
        assert_eq!(get(store, letter).await, None);
        kept(store, &new).await;
        assert_eq!(get(store, letter).await.as_ref(), Some(letter));
        assert_eq!(store.body(letter).await.unwrap(), Some(new.body));
        let foreign = store.get(&tenant("whol"), letter.id).await.unwrap();
        assert_eq!(foreign, None);
    }
}

/// Text that does not compress: letters and digits by a linear congruential generator.
fn noise(bytes: usize) -> String {
    let mut state: u64 = 7;
    let mut letter = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        char::from(b'0' + u8::try_from(state >> 58).unwrap())
    };
    (0..bytes).map(|_| letter()).collect()
}

async fn a_body_of_any_size_comes_back<L: LetterStore>(store: &L, clock: &ManualClock) {
    let bodies = [
        String::new(),
        "x".to_owned(),
        "abc ".repeat(250_000),
        noise(300_000),
        noise(1_000_000),
        format!("{}\u{ffff}", noise(1_048_000)),
    ];
    for body in bodies {
        let mut new = new(clock, "sizes", None);
        new.body = body;
        kept(store, &new).await;
        let found = store.body(&new.letter).await.unwrap();
        let bytes = new.body.len();
        assert!(found.as_ref() == Some(&new.body), "{bytes} bytes");
    }
    let unknown = new(clock, "sizes", None).letter;
    assert_eq!(store.body(&unknown).await.unwrap(), None);
}

async fn a_repeat_is_folded_into_the_first<L: LetterStore>(store: &L, clock: &ManualClock) {
    let firsts = [
        new(clock, "folds", None),
        new(clock, "folds", Some("j-1")),
        raw(clock, "folds"),
    ];
    for first in &firsts {
        kept(store, first).await;
        clock.advance(Duration::from_secs(60));
        let mut repeat = again(clock, first);
        repeat.letter.error.message = "another".to_owned();
        let answer = store.keep(&repeat).await.unwrap();
        assert_eq!(answer, Kept::Repeat(first.letter.id));
        assert_eq!(get(store, &repeat.letter).await, None);
        let there = get(store, &first.letter).await;
        assert_eq!(there.as_ref(), Some(&first.letter));
        // Our own write, whose answer was lost.
        kept(store, first).await;
    }
    let [first, ..] = firsts;
    let mut elsewhere = again(clock, &first);
    elsewhere.letter.job = Some("j-2".to_owned());
    kept(store, &elsewhere).await;
    let mut elsewhere = again(clock, &first);
    let delivery = elsewhere.letter.delivery.as_mut().unwrap();
    delivery.subscription = "another".parse().unwrap();
    kept(store, &elsewhere).await;
    let mut elsewhere = again(clock, &first);
    elsewhere.letter.tenant = tenant("folds-2");
    kept(store, &elsewhere).await;
}

async fn what_is_forgotten_does_not_fold<L: LetterStore>(store: &L, clock: &ManualClock) {
    let first = new(clock, "forgotten", None);
    kept(store, &first).await;
    clock.advance(KEPT + Duration::from_secs(2));
    kept(store, &again(clock, &first)).await;
}

async fn letters_of_an_event_are_found_by_it<L: LetterStore>(store: &L, clock: &ManualClock) {
    let first = new(clock, "of-event", None);
    let mut second = again(clock, &first);
    second.letter.job = Some("a-job".to_owned());
    let mut third = again(clock, &first);
    let delivery = third.letter.delivery.as_mut().unwrap();
    delivery.subscription = "another".parse().unwrap();
    let all = [first, second, third];
    for letter in [
        &all[2],
        &all[0],
        &new(clock, "of-event", None),
        &raw(clock, "of-event"),
        &all[1],
    ] {
        kept(store, letter).await;
    }
    let event_id = all[0].letter.delivery.as_ref().unwrap().event_id;
    let found = store.of_event(&tenant("of-event"), event_id).await.unwrap();
    assert_eq!(found, all.map(|new| new.letter));
    let foreign = store.of_event(&tenant("of-even"), event_id).await.unwrap();
    assert_eq!(foreign, []);
}

async fn letters_are_read_in_order_page_by_page<L: LetterStore>(store: &L, clock: &ManualClock) {
    let many = tenant("pages");
    let mut all = Vec::new();
    for _ in 0..5 {
        let new = new(clock, "pages", None);
        kept(store, &new).await;
        all.push(new.letter);
        clock.advance(Duration::from_millis(1));
    }
    kept(store, &new(clock, "pages-2", None)).await;
    for order in [Order::Oldest, Order::Newest] {
        for limit in [1, 2, 5, 100] {
            let mut found = Vec::new();
            let mut range = Some(IdRange::ALL);
            while let Some(part) = range {
                let page = store.page(&many, part, order, limit).await.unwrap();
                assert!(page.letters.len() <= limit && page.examined == page.letters.len());
                found.extend(page.letters);
                range = page.rest;
            }
            if order == Order::Newest {
                found.reverse();
            }
            assert_eq!(found, all, "{order:?} {limit}");
        }
    }
    let one = IdRange::of_times(Some(all[2].dead_at()), Some(all[3].dead_at())).unwrap();
    let page = store.page(&many, one, Order::Oldest, 100).await.unwrap();
    assert_eq!((page.letters, page.rest), (vec![all[2].clone()], None));
}

fn take(clock: &ManualClock) -> (RedriveId, Change) {
    let id = RedriveId::new(clock.next_id());
    let at = clock.now();
    let change = Change::Take {
        redrive: Redrive { id, at },
        held_until: at + LEASE,
    };
    (id, change)
}

fn discard(at: UtcDateTime) -> Change {
    Change::Discard(Discard::new("a \"test\" order".to_owned(), at))
}

/// The step is made, and what is stored is what the step makes of the letter.
async fn made<L: LetterStore>(store: &L, letter: &DeadLetter, step: &Change) -> DeadLetter {
    let expected = step.of(letter).unwrap();
    let done = Changed::Done(expected.clone());
    assert_eq!(change(store, letter, step).await, done);
    // As when the answer was lost before the client beneath tried again.
    assert_eq!(change(store, letter, step).await, done);
    assert_eq!(get(store, letter).await.as_ref(), Some(&expected));
    expected
}

/// The step is refused, and changes nothing.
async fn refused<L: LetterStore>(store: &L, letter: &DeadLetter, step: &Change) {
    assert_eq!(step.of(letter), None);
    let answer = change(store, letter, step).await;
    assert_eq!(answer, Changed::Refused(letter.clone()));
    assert_eq!(get(store, letter).await.as_ref(), Some(letter));
}

async fn a_redrive_takes_an_open_letter_alone_and_closes_it<L: LetterStore>(
    store: &L,
    clock: &ManualClock,
) {
    let open = new(clock, "redrives", None);
    let (redrive, first) = take(clock);
    let missing = change(store, &open.letter, &first).await;
    assert_eq!(missing, Changed::Missing);
    kept(store, &open).await;
    refused(store, &open.letter, &Change::Close(redrive)).await;

    let taken = made(store, &open.letter, &first).await;
    let (other, second) = take(clock);
    clock.advance(LEASE);
    let (_, third) = take(clock);
    for step in [
        second,
        third,
        discard(clock.now()),
        Change::Close(other),
        Change::GiveBack(other),
    ] {
        refused(store, &taken, &step).await;
    }
    let closed = made(store, &taken, &Change::Close(redrive)).await;
    clock.advance(LEASE * 2);
    let (_, again) = take(clock);
    for step in [again, discard(clock.now()), Change::GiveBack(redrive)] {
        refused(store, &closed, &step).await;
    }
}

async fn a_lease_that_ran_out_can_be_taken_over<L: LetterStore>(store: &L, clock: &ManualClock) {
    let open = new(clock, "leases", None);
    kept(store, &open).await;
    let (late, first) = take(clock);
    let taken = made(store, &open.letter, &first).await;
    clock.advance(LEASE + Duration::from_millis(1));
    let (holder, second) = take(clock);
    let taken_over = made(store, &taken, &second).await;
    assert_eq!(taken_over.redrive_ids, [late, holder].into());
    refused(store, &taken_over, &Change::Close(late)).await;
    refused(store, &taken_over, &Change::GiveBack(late)).await;
    made(store, &taken_over, &Change::Close(holder)).await;
}

async fn a_letter_that_is_held_is_taken_again_by_the_same_redrive_only<L: LetterStore>(
    store: &L,
    clock: &ManualClock,
) {
    let open = new(clock, "again", None);
    kept(store, &open).await;
    let (job, first) = take(clock);
    let taken = made(store, &open.letter, &first).await;
    clock.advance(LEASE / 2);
    refused(store, &taken, &take(clock).1).await;
    // Another worker of the job goes on with it, and holds it as long as if it were new.
    let at = clock.now();
    let again = Change::Take {
        redrive: Redrive { id: job, at },
        held_until: at + LEASE,
    };
    let taken = made(store, &taken, &again).await;
    assert_eq!(taken.redrive_ids, [job].into());
    clock.advance(LEASE - Duration::from_millis(1));
    refused(store, &taken, &take(clock).1).await;
    let closed = made(store, &taken, &Change::Close(job)).await;
    refused(store, &closed, &again).await;
}

async fn what_is_given_back_is_open<L: LetterStore>(store: &L, clock: &ManualClock) {
    let open = new(clock, "given-back", None);
    kept(store, &open).await;
    let (redrive, first) = take(clock);
    let taken = made(store, &open.letter, &first).await;
    let given = made(store, &taken, &Change::GiveBack(redrive)).await;
    assert_eq!(given, open.letter);
    let (_, second) = take(clock);
    made(store, &given, &second).await;
}

async fn only_an_open_letter_is_discarded<L: LetterStore>(store: &L, clock: &ManualClock) {
    for lapsed in [false, true] {
        let open = new(clock, "discards", None);
        kept(store, &open).await;
        let mut letter = open.letter;
        if lapsed {
            letter = made(store, &letter, &take(clock).1).await;
            clock.advance(LEASE + Duration::from_millis(1));
        }
        let discarded = made(store, &letter, &discard(clock.now())).await;
        refused(store, &discarded, &take(clock).1).await;
        clock.advance(LEASE);
        refused(store, &discarded, &discard(clock.now())).await;
    }
}

async fn of_concurrent_redrives_exactly_one_takes_the_letter<L: LetterStore>(
    store: &L,
    clock: &ManualClock,
) {
    let open = new(clock, "races", None);
    kept(store, &open).await;
    let takes: Vec<Change> = (0..8).map(|_| take(clock).1).collect();
    let changes = takes.iter().map(|step| change(store, &open.letter, step));
    let answers = futures::future::join_all(changes).await;
    let winners = answers
        .iter()
        .filter(|answer| matches!(answer, Changed::Done(_)));
    assert_eq!(winners.count(), 1, "{answers:?}");
}
