//! How an upcaster that does too much is stopped: every step of it, and every 16 bytes that it copies or
//! compares, is paid from a budget that depends on its input alone. The same filter on the same data
//! always ends the same way, on however slow a machine.
//!
//! jaq has no way to interrupt a filter from outside, and some of what it calls cannot fail. So whatever is
//! not allowed unwinds the filter's own thread, as salsa's cancellation does: without a panic message, with
//! everything on the way dropped. The thread that waits for it reads why.

use std::cell::Cell;
use std::panic::resume_unwind;

/// Bytes that cost as much as one step.
const BYTES_PER_STEP: usize = 16;

/// Bytes of stack that a filter may use. Its thread has more: what a filter built is also dropped there.
pub(super) const MAX_STACK_BYTES: usize = 4 * 1024 * 1024;

/// Why a filter was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// The budget is spent.
    Work,
    /// It calls itself too deep.
    Recursion,
    /// It built a value that is nested too deep.
    Nesting,
    /// It computed an integer with too many digits.
    Digits,
}

thread_local! {
    static STEPS_LEFT: Cell<u64> = const { Cell::new(0) };
    static STACK_BASE: Cell<usize> = const { Cell::new(0) };
}

/// Gives this thread a budget of so many steps, and counts its stack from here.
pub(super) fn start(steps: u64) {
    STEPS_LEFT.set(steps);
    STACK_BASE.set(stack_address());
}

/// Pays for one step of the filter.
pub(super) fn step() {
    if STACK_BASE.get().abs_diff(stack_address()) > MAX_STACK_BYTES {
        stop(Stopped::Recursion);
    }
    spend(1);
}

/// Pays for work on so many bytes.
pub(super) fn bytes(count: usize) {
    spend(1 + (count / BYTES_PER_STEP) as u64);
}

/// Pays for work on so many values in a list or an object.
pub(super) fn values(count: usize) {
    spend(1 + count as u64);
}

/// Ends the filter.
pub(super) fn stop(why: Stopped) -> ! {
    resume_unwind(Box::new(why))
}

fn spend(steps: u64) {
    match STEPS_LEFT.get().checked_sub(steps) {
        Some(left) => STEPS_LEFT.set(left),
        None => {
            // What is dropped on the way out may want to pay as well; it must not unwind a second time.
            STEPS_LEFT.set(u64::MAX);
            stop(Stopped::Work)
        }
    }
}

fn stack_address() -> usize {
    let here = 0_u8;
    std::ptr::from_ref(&here).addr()
}
