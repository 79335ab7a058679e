//! From what was measured to what it means. docs/health.md says the same, and what to do.

use std::time::Duration;

use time::UtcDateTime;

use super::{BusQueue, Check, CheckName, Figure, QueueDepth, Status, Unit};
use crate::active_hours::UNMARKED_FOR;
use crate::dispatch_switch::SwitchState;
use crate::gauges::{Backlog, Counted, Totals, age};
use crate::log_hour::LogHour;
use crate::sweep::SweepState;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// A table that takes this long to answer a small read is slow.
pub(super) const SLOW_TABLE: Duration = Duration::from_secs(1);

/// Messages of a queue, from where it should be looked at and from where it is not worked off. A batch of Lambda's is
/// ten, and it has five at once from the beginning on.
const DEEP: u64 = 100;
const TOO_DEEP: u64 = 10_000;

/// Events that wait, from where on somebody should look, and from where on something is wrong.
const MANY_PENDING: u64 = 1_000;
const TOO_MANY_PENDING: u64 = 10_000;

/// How long an event waits.
const LATE: Duration = MINUTE;
const TOO_LATE: Duration = Duration::from_secs(5 * 60);

/// Deliveries that are tried again.
const MANY_RETRIES: u64 = 100;

/// How far the sweep is behind: it leaves the last ten minutes alone, and runs every five.
const SWEEP_BEHIND: Duration = Duration::from_secs(30 * 60);
const SWEEP_STOPPED: Duration = Duration::from_secs(2 * 60 * 60);

/// How long ago the first hour ended that is not sealed: 24 to 26 h where all is well. The alarm is at 48.
const SEALS_BEHIND: Duration = Duration::from_secs(30 * 60 * 60);
const SEALS_STOPPED: Duration = Duration::from_secs(48 * 60 * 60);

pub(super) fn check(
    name: CheckName,
    status: Status,
    figure: Option<Figure>,
    message: impl Into<String>,
) -> Check {
    Check {
        name,
        status,
        message: message.into(),
        figure,
    }
}

/// A table answered after this long.
pub(super) fn table(name: CheckName, took: Duration) -> Check {
    let status = Status::by(took, SLOW_TABLE, Duration::MAX);
    let message = match status {
        Status::Ok => "It answers.",
        _ => "It answers, but slowly.",
    };
    let figure = Figure {
        value: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        unit: Unit::Milliseconds,
        is_at_least: false,
    };
    check(name, status, Some(figure), message)
}

pub(super) fn queue(queue: BusQueue, depth: QueueDepth) -> Check {
    let (name, of) = match queue {
        BusQueue::DeadLetters => (CheckName::DeadLetterQueue, "failed messages"),
        BusQueue::Retries => (CheckName::RetryQueue, "reminders of deliveries"),
        BusQueue::Jobs => (CheckName::JobQueue, "calls of workers"),
        BusQueue::Sweep => (CheckName::SweepQueue, "messages of found events"),
    };
    let QueueDepth {
        visible,
        in_flight,
        delayed,
    } = depth;
    let message = format!(
        "{visible} {of} wait, {in_flight} are being worked on and {delayed} come later, by about."
    );
    let status = Status::by(visible, DEEP, TOO_DEEP);
    check(name, status, Some(count(Counted::all_of(visible))), message)
}

pub(super) fn mapping(state: SwitchState) -> Check {
    let (status, message) = match state {
        SwitchState::Enabled => (Status::Ok, "Dispatch is on."),
        SwitchState::Disabled => (
            Status::Warn,
            "Dispatch is switched off: what is published waits in the log.",
        ),
        SwitchState::Changing => (Status::Warn, "Dispatch is being switched on or off."),
    };
    check(CheckName::StreamMapping, status, None, message)
}

/// How many events wait, and how long the first of them does.
pub(super) fn backlog(backlog: &Backlog, now: UtcDateTime) -> Vec<Check> {
    let Backlog { pending, oldest } = *backlog;
    let lag = age(oldest, now);
    let waiting = match pending.count {
        0 => "No event waits.".to_owned(),
        _ => format!(
            "{} to be handed over.",
            of(pending, "event waits", "events wait")
        ),
    };
    let longest = match oldest {
        None => "No event waits.".to_owned(),
        Some(_) => format!("The first event that waits does so for {}.", span(lag)),
    };
    let by_count = Status::by(pending.count, MANY_PENDING, TOO_MANY_PENDING);
    let by_lag = Status::by(lag, LATE, TOO_LATE);
    vec![
        check(
            CheckName::PendingEvents,
            by_count,
            Some(count(pending)),
            waiting,
        ),
        check(CheckName::DispatchLag, by_lag, Some(seconds(lag)), longest),
    ]
}

pub(super) fn retries(retrying: Counted) -> Check {
    let message = match retrying.count {
        0 => "No delivery is tried again.".to_owned(),
        _ => format!(
            "{} again, since their queues did not take them.",
            of(retrying, "delivery is tried", "deliveries are tried")
        ),
    };
    let status = Status::by(retrying.count, MANY_RETRIES, u64::MAX);
    check(CheckName::Retries, status, Some(count(retrying)), message)
}

/// Dead letters, and subscriptions that are suspended.
pub(super) fn totals(totals: &Totals, now: UtcDateTime) -> Vec<Check> {
    let Totals {
        dead_letters,
        suspended,
        ..
    } = *totals;
    let oldest = span(age(totals.oldest_dead_letter, now));
    let letters = match dead_letters.count {
        0 => "No dead letter is open.".to_owned(),
        _ => format!(
            "{} open, the first for {oldest}.",
            of(dead_letters, "dead letter is", "dead letters are")
        ),
    };
    let subscriptions = match suspended.count {
        0 => "No subscription is suspended.".to_owned(),
        _ => format!(
            "{} suspended: their queues are gone, or refuse the bus.",
            of(suspended, "subscription is", "subscriptions are")
        ),
    };
    let warn = |counted: Counted| Status::by(counted.count, 1, u64::MAX);
    vec![
        check(
            CheckName::DeadLetters,
            warn(dead_letters),
            Some(count(dead_letters)),
            letters,
        ),
        check(
            CheckName::SuspendedSubscriptions,
            warn(suspended),
            Some(count(suspended)),
            subscriptions,
        ),
    ]
}

pub(super) fn sweep(state: Option<&SweepState>, now: UtcDateTime) -> Check {
    let name = CheckName::Sweep;
    let Some(state) = state else {
        let message = "It has not run yet: a new bus is swept within five minutes.";
        return check(name, Status::Warn, None, message);
    };
    let behind = age(Some(state.looked_before), now);
    let mut status = Status::by(behind, SWEEP_BEHIND, SWEEP_STOPPED);
    let mut message = format!("It has looked at everything older than {}.", span(behind));
    if !state.open.is_empty() {
        status = status.max(Status::Warn);
        let missing = match state.open.len() {
            1 => " Something is missing in 1 slice before that.".to_owned(),
            open => format!(" Something is missing in {open} slices before that."),
        };
        message.push_str(&missing);
    }
    check(name, status, Some(seconds(behind)), message)
}

/// The first hour that is not sealed, once sealing has begun.
pub(super) fn seals(first_unsealed: Option<LogHour>, now: UtcDateTime) -> Check {
    let name = CheckName::Seals;
    let Some(hour) = first_unsealed else {
        let message = "Sealing has not begun: a new bus seals its first hour within an hour.";
        return check(name, Status::Warn, None, message);
    };
    let behind = age(Some(hour.end()), now);
    let status = Status::by(behind, SEALS_BEHIND, SEALS_STOPPED);
    let message = format!(
        "The first hour that is not sealed ended {} ago; {} is the least.",
        span(behind),
        span(UNMARKED_FOR - HOUR)
    );
    check(name, status, Some(seconds(behind)), message)
}

/// Jobs that nobody works for. The pass that calls workers runs each minute.
pub(super) fn idle_jobs(idle: usize, limit: usize) -> Check {
    let idle = Counted::all(idle).unless_cut(idle >= limit);
    let message = match idle.count {
        0 => "No job is without a worker.".to_owned(),
        _ => format!(
            "{} by nobody.",
            of(idle, "job is worked on", "jobs are worked on")
        ),
    };
    let status = Status::by(idle.count, 1, u64::MAX);
    check(CheckName::IdleJobs, status, Some(count(idle)), message)
}

fn count(counted: Counted) -> Figure {
    Figure {
        value: counted.count,
        unit: Unit::Count,
        is_at_least: counted.is_at_least,
    }
}

fn seconds(lasting: Duration) -> Figure {
    Figure {
        value: lasting.as_secs(),
        unit: Unit::Seconds,
        is_at_least: false,
    }
}

fn of(counted: Counted, one: &str, several: &str) -> String {
    let Counted { count, is_at_least } = counted;
    match (count, is_at_least) {
        (1, false) => format!("1 {one}"),
        (_, false) => format!("{count} {several}"),
        (_, true) => format!("At least {count} {several}"),
    }
}

/// A length of time in its two largest units.
fn span(lasting: Duration) -> String {
    let seconds = lasting.as_secs();
    let (days, hours) = (seconds / 86_400, seconds % 86_400 / 3_600);
    let (minutes, rest) = (seconds % 3_600 / 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest} s"),
        (0, 0, _) => format!("{minutes} min {rest} s"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests;
