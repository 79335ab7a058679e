//! When something that failed is tried again, and when it is given up.

use std::time::Duration;

use sha2::{Digest, Sha256};
use time::UtcDateTime;

/// The most retries that a policy may have.
pub const MAX_RETRIES: u32 = 20;

/// The shortest first delay: a queue counts whole seconds.
pub const MIN_FIRST_DELAY: Duration = Duration::from_secs(1);

/// The largest factor between one delay and the next.
pub const MAX_FACTOR: u32 = 10;

/// The longest delay. `DelaySeconds` of an SQS message is 900 at most
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>).
pub const MAX_DELAY: Duration = Duration::from_secs(900);

/// How long to wait after each failure: `first_delay · factor^(n-1)` after failure `n`, and `max_delay` at most.
///
/// After jitter a delay is between four fifths of that and all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first_delay: Duration,
    factor: u32,
    max_delay: Duration,
}

/// How often something that failed is tried again, and how long to wait before each time.
///
/// With the default, 5 retries, 1 s first, ×2, 60 s at most:
///
/// | failed attempt | wait before the next | since the first failure, at most |
/// |---|---|---|
/// | 1 | 0.8–1 s | 1 s |
/// | 2 | 1.6–2 s | 3 s |
/// | 3 | 3.2–4 s | 7 s |
/// | 4 | 6.4–8 s | 15 s |
/// | 5 | 12.8–16 s | 31 s |
/// | 6 | given up | |
///
/// A policy with more retries would go on with 32 s, and with 60 s from the seventh failed attempt on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    retries: u32,
    backoff: Backoff,
}

/// What to do about a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryDecision {
    /// Try again, not before this time.
    RetryAt(UtcDateTime),
    /// No retry is left.
    GiveUp,
}

/// How much of the jitter a delay gets, as a fraction of `u32::MAX`: at 0 the delay stays whole, at `u32::MAX` a
/// fifth is taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jitter(pub u32);

/// Why there is no such policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRetryPolicy {
    /// Too many retries.
    #[error("retries must be 0 to {MAX_RETRIES}, and are {0}")]
    Retries(u32),
    /// The first delay is too short or too long.
    #[error("the first delay must be 1 s to 900 s, and is {0:?}")]
    FirstDelay(Duration),
    /// Delays would become shorter, or much longer.
    #[error("the factor must be 1 to {MAX_FACTOR}, and is {0}")]
    Factor(u32),
    /// The longest delay is shorter than the first, or too long.
    #[error("the longest delay must be the first delay to 900 s, and is {0:?}")]
    MaxDelay(Duration),
}

impl Jitter {
    /// Derived from a text that differs for what should not come back at once: an id and the number of the attempt.
    /// It needs no dice, so the same failure always waits equally long.
    pub fn of(text: &str) -> Self {
        let [a, b, c, d, ..] = Sha256::digest(text).0;
        Self(u32::from_be_bytes([a, b, c, d]))
    }
}

impl Default for Backoff {
    /// 1 s, ×2, 60 s at most.
    fn default() -> Self {
        Self {
            first_delay: Duration::from_secs(1),
            factor: 2,
            max_delay: Duration::from_secs(60),
        }
    }
}

impl Backoff {
    /// A back-off within the limits of this module.
    ///
    /// # Errors
    /// For the first argument that is beyond them.
    pub fn new(
        first_delay: Duration,
        factor: u32,
        max_delay: Duration,
    ) -> Result<Self, InvalidRetryPolicy> {
        if !(MIN_FIRST_DELAY..=MAX_DELAY).contains(&first_delay) {
            return Err(InvalidRetryPolicy::FirstDelay(first_delay));
        }
        if !(1..=MAX_FACTOR).contains(&factor) {
            return Err(InvalidRetryPolicy::Factor(factor));
        }
        if !(first_delay..=MAX_DELAY).contains(&max_delay) {
            return Err(InvalidRetryPolicy::MaxDelay(max_delay));
        }
        Ok(Self {
            first_delay,
            factor,
            max_delay,
        })
    }

    /// How long to wait after this failed attempt, the first of which is 1.
    pub fn delay(&self, failed_attempt: u32, jitter: Jitter) -> Duration {
        let factor = self.factor.saturating_pow(failed_attempt.saturating_sub(1));
        let delay = self.first_delay.saturating_mul(factor);
        jittered(delay.min(self.max_delay), jitter)
    }
}

fn jittered(delay: Duration, Jitter(fraction): Jitter) -> Duration {
    let most = (delay / 5).as_nanos();
    let off = most * u128::from(fraction) / u128::from(u32::MAX);
    // A fifth of the longest delay is far from the 584 years that 64 bits of nanoseconds hold.
    let off = u64::try_from(off).unwrap_or_default();
    delay.saturating_sub(Duration::from_nanos(off))
}

impl Default for RetryPolicy {
    /// 5 retries after 1 s, ×2, 60 s at most.
    fn default() -> Self {
        Self {
            retries: 5,
            backoff: Backoff::default(),
        }
    }
}

impl RetryPolicy {
    /// A policy within the limits of this module.
    ///
    /// # Errors
    /// For the first argument that is beyond them.
    pub fn new(
        retries: u32,
        first_delay: Duration,
        factor: u32,
        max_delay: Duration,
    ) -> Result<Self, InvalidRetryPolicy> {
        if retries > MAX_RETRIES {
            return Err(InvalidRetryPolicy::Retries(retries));
        }
        let backoff = Backoff::new(first_delay, factor, max_delay)?;
        Ok(Self { retries, backoff })
    }

    /// How often it is tried again.
    pub fn retries(&self) -> u32 {
        self.retries
    }

    /// The delay after the first failed attempt, without jitter.
    pub fn first_delay(&self) -> Duration {
        self.backoff.first_delay
    }

    /// By how much a delay is longer than the one before.
    pub fn factor(&self) -> u32 {
        self.backoff.factor
    }

    /// The longest delay.
    pub fn max_delay(&self) -> Duration {
        self.backoff.max_delay
    }

    /// What to do about this failed attempt, 1 being the first hand-over, which failed now.
    pub fn decide(&self, failed_attempt: u32, now: UtcDateTime, jitter: Jitter) -> RetryDecision {
        if failed_attempt > self.retries {
            return RetryDecision::GiveUp;
        }
        let delay = self.backoff.delay(failed_attempt, jitter);
        let delay = time::Duration::try_from(delay).unwrap_or_default();
        RetryDecision::RetryAt(now.checked_add(delay).unwrap_or(UtcDateTime::MAX))
    }
}
