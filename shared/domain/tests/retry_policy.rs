//! When it is tried again: the table that is promised, and what holds for every policy.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use pillarbox_domain::retry_policy::{
    Backoff, InvalidRetryPolicy, Jitter, MAX_DELAY, RetryDecision, RetryPolicy,
};
use proptest::prelude::*;
use time::UtcDateTime;
use time::macros::utc_datetime;

const NOW: UtcDateTime = utc_datetime!(2026-11-23 12:00:00);
const WHOLE: Jitter = Jitter(0);
const SHORTEST: Jitter = Jitter(u32::MAX);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn wait(policy: &RetryPolicy, failed_attempt: u32, jitter: Jitter) -> Option<f64> {
    match policy.decide(failed_attempt, NOW, jitter) {
        RetryDecision::RetryAt(at) => Some((at - NOW).as_seconds_f64()),
        RetryDecision::GiveUp => None,
    }
}

#[test]
fn the_default_waits_as_its_table_says_and_gives_up_after_the_sixth_attempt() {
    let policy = RetryPolicy::default();
    let table = [
        (1, 0.8, 1.0),
        (2, 1.6, 2.0),
        (3, 3.2, 4.0),
        (4, 6.4, 8.0),
        (5, 12.8, 16.0),
    ];
    for (attempt, shortest, longest) in table {
        assert_eq!(wait(&policy, attempt, SHORTEST), Some(shortest));
        assert_eq!(wait(&policy, attempt, WHOLE), Some(longest));
    }
    for attempt in [6, 7, u32::MAX] {
        let decided = policy.decide(attempt, NOW, WHOLE);
        assert_eq!(decided, RetryDecision::GiveUp, "{attempt}");
    }
}

#[test]
fn delays_stop_growing_at_the_longest() {
    let policy = RetryPolicy::new(20, seconds(1), 2, seconds(60)).unwrap();
    let waits: Vec<_> = (5..=8).map(|n| wait(&policy, n, WHOLE).unwrap()).collect();
    assert_eq!(waits, [16.0, 32.0, 60.0, 60.0]);
    assert_eq!(wait(&policy, 20, WHOLE), Some(60.0));
}

#[test]
fn a_policy_that_never_retries_gives_up_at_once() {
    let policy = RetryPolicy::new(0, seconds(1), 1, seconds(1)).unwrap();
    assert_eq!(policy.decide(1, NOW, WHOLE), RetryDecision::GiveUp);
}

#[test]
fn each_limit_is_told_one_beyond_it() {
    let made = |retries, first, factor, max| {
        RetryPolicy::new(retries, seconds(first), factor, seconds(max)).map(drop)
    };
    use InvalidRetryPolicy::{Factor, FirstDelay, MaxDelay, Retries};
    assert_eq!(made(20, 1, 1, 1), Ok(()));
    assert_eq!(made(0, 900, 10, 900), Ok(()));
    assert_eq!(made(21, 1, 2, 60), Err(Retries(21)));
    assert_eq!(made(5, 0, 2, 60), Err(FirstDelay(seconds(0))));
    assert_eq!(made(5, 901, 2, 901), Err(FirstDelay(seconds(901))));
    assert_eq!(made(5, 1, 0, 60), Err(Factor(0)));
    assert_eq!(made(5, 1, 11, 60), Err(Factor(11)));
    assert_eq!(made(5, 2, 2, 1), Err(MaxDelay(seconds(1))));
    assert_eq!(made(5, 1, 2, 901), Err(MaxDelay(seconds(901))));
}

#[test]
fn jitter_of_a_text_is_the_same_for_the_same_text_only() {
    assert_eq!(Jitter::of("m-1#1"), Jitter::of("m-1#1"));
    assert_ne!(Jitter::of("m-1#1"), Jitter::of("m-1#2"));
}

proptest! {
    /// Whatever the policy: no delay is longer than its longest, none less than four fifths of what it is without
    /// jitter, none shorter than the one before without jitter; nothing overflows, and the end always comes.
    #[test]
    fn every_policy_waits_within_its_bounds_and_ends(
        retries in 0..=20_u32,
        first in 1_000..=900_000_u64,
        factor in 1..=10_u32,
        longer in 0..=900_000_u64,
        attempt in any::<u32>(),
        fraction in any::<u32>(),
        late in any::<bool>(),
    ) {
        let first = Duration::from_millis(first);
        let max = (first + Duration::from_millis(longer)).min(MAX_DELAY);
        let backoff = Backoff::new(first, factor, max).unwrap();
        let whole = backoff.delay(attempt, WHOLE);
        let delay = backoff.delay(attempt, Jitter(fraction));
        prop_assert!(first <= whole && whole <= max);
        prop_assert!(delay <= whole && delay >= whole - whole / 5);
        prop_assert!(backoff.delay(attempt.saturating_add(1), WHOLE) >= whole);

        let now = if late { UtcDateTime::MAX } else { NOW };
        let policy = RetryPolicy::new(retries, first, factor, max).unwrap();
        match policy.decide(attempt, now, Jitter(fraction)) {
            RetryDecision::RetryAt(at) => prop_assert!(attempt <= retries && at >= now),
            RetryDecision::GiveUp => prop_assert!(attempt > retries),
        }
    }
}
