//! What each figure means, at its limits.

use time::macros::utc_datetime;

use super::*;
use crate::sweep::{OpenSlice, Slice};

const NOW: UtcDateTime = utc_datetime!(2026-11-23 12:00);

fn ago(lasting: Duration) -> UtcDateTime {
    NOW - lasting
}

fn counted(count: u64, is_at_least: bool) -> Counted {
    Counted { count, is_at_least }
}

#[test]
fn a_table_is_well_unless_it_is_slow() {
    let fast = table(CheckName::JobTable, Duration::from_millis(12));
    assert_eq!((fast.status, fast.figure.unwrap().value), (Status::Ok, 12));
    let slow = table(CheckName::JobTable, SLOW_TABLE);
    assert_eq!(slow.status, Status::Warn);
}

#[test]
fn a_queue_is_judged_by_what_can_be_received() {
    for (visible, expected) in [
        (0, Status::Ok),
        (DEEP - 1, Status::Ok),
        (DEEP, Status::Warn),
        (TOO_DEEP, Status::Fail),
    ] {
        let depth = QueueDepth {
            visible,
            in_flight: 7,
            delayed: 20_000,
        };
        assert_eq!(
            queue(BusQueue::Retries, depth).status,
            expected,
            "{visible}"
        );
    }
}

#[test]
fn dispatch_that_is_off_is_no_failure_but_told() {
    assert_eq!(mapping(SwitchState::Enabled).status, Status::Ok);
    assert_eq!(mapping(SwitchState::Disabled).status, Status::Warn);
    assert_eq!(mapping(SwitchState::Changing).status, Status::Warn);
}

#[test]
fn what_waits_is_judged_by_how_many_and_by_how_long() {
    let checks = |count, is_at_least, oldest| {
        let found = Backlog {
            pending: counted(count, is_at_least),
            oldest,
        };
        let [pending, lag]: [Check; 2] = backlog(&found, NOW).try_into().unwrap();
        (pending.status, lag.status, pending.message, lag.message)
    };
    let (pending, lag, words, _) = checks(0, false, None);
    assert_eq!(
        (pending, lag, &*words),
        (Status::Ok, Status::Ok, "No event waits.")
    );
    let (pending, lag, ..) = checks(1, false, Some(ago(LATE)));
    assert_eq!((pending, lag), (Status::Ok, Status::Warn));
    let (pending, lag, many, longest) = checks(10_000, true, Some(ago(Duration::from_secs(301))));
    assert_eq!((pending, lag), (Status::Fail, Status::Fail));
    assert_eq!(many, "At least 10000 events wait to be handed over.");
    assert_eq!(longest, "The first event that waits does so for 5 min 1 s.");
}

#[test]
fn one_open_letter_or_suspended_subscription_is_told() {
    let found = Totals {
        dead_letters: counted(2, false),
        oldest_dead_letter: Some(ago(Duration::from_secs(90_000))),
        suspended: counted(1, false),
    };
    let [letters, suspended]: [Check; 2] = totals(&found, NOW).try_into().unwrap();
    assert_eq!(
        letters.message,
        "2 dead letters are open, the first for 1 d 1 h."
    );
    assert_eq!(
        (letters.status, suspended.status),
        (Status::Warn, Status::Warn)
    );
    let none = totals(&Totals::default(), NOW);
    assert!(none.iter().all(|check| check.status == Status::Ok));
}

#[test]
fn the_sweep_is_judged_by_how_far_it_has_looked_and_by_what_it_left_open() {
    assert_eq!(sweep(None, NOW).status, Status::Warn);
    let state = |behind| SweepState {
        looked_before: ago(behind),
        ..SweepState::beginning(NOW)
    };
    for (behind, expected) in [
        (15 * MINUTE, Status::Ok),
        (SWEEP_BEHIND, Status::Warn),
        (SWEEP_STOPPED, Status::Fail),
    ] {
        assert_eq!(
            sweep(Some(&state(behind)), NOW).status,
            expected,
            "{behind:?}"
        );
    }
    let mut open = state(10 * MINUTE);
    let from = ago(HOUR);
    open.open = vec![OpenSlice {
        slice: Slice::between(from, from + 5 * MINUTE).unwrap(),
        asked_at: None,
    }];
    let told = sweep(Some(&open), NOW);
    assert_eq!(told.status, Status::Warn);
    assert!(
        told.message.contains("missing in 1 slice"),
        "{}",
        told.message
    );
}

#[test]
fn seals_are_judged_by_the_end_of_the_first_hour_without_one() {
    assert_eq!(seals(None, NOW).status, Status::Warn);
    for (hours, expected) in [(26, Status::Ok), (31, Status::Warn), (49, Status::Fail)] {
        let first = LogHour::at(ago(hours * HOUR));
        assert_eq!(seals(Some(first), NOW).status, expected, "{hours}");
    }
}

#[test]
fn a_job_without_a_worker_is_told_and_a_cut_count_is_the_least() {
    assert_eq!(idle_jobs(0, 20).status, Status::Ok);
    let cut = idle_jobs(20, 20);
    assert_eq!(cut.status, Status::Warn);
    assert_eq!(cut.message, "At least 20 jobs are worked on by nobody.");
}
