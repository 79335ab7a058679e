//! When a request is sent again. Pure: the caller brings the attempt and the dice, and does the waiting.

use std::time::Duration;

use reqwest::StatusCode;

/// Exponential back-off: after failed attempt `n` the step is `first_step × 2^(n-1)`, at most `max_step`,
/// and the delay is between half the step and the whole step, as the jitter says. What the server asked
/// for in `Retry-After` comes on top, so that callers told the same second still spread out.
///
/// With the default: 0.1–0.2 s, 0.2–0.4 s, 0.4–0.8 s, … up to 5–10 s; eight attempts wait 11–23 s in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often a request is sent at most, the first time included.
    pub max_attempts: u32,
    /// Longest delay after the first failure.
    pub first_step: Duration,
    /// No step is longer than this, however many attempts there were.
    pub max_step: Duration,
    /// A longer `Retry-After` is cut to this: a command that hangs for minutes looks broken.
    pub max_retry_after: Duration,
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryDecision {
    RetryAfter(Duration),
    GiveUp,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 8,
            first_step: Duration::from_millis(200),
            max_step: Duration::from_secs(10),
            max_retry_after: Duration::from_secs(60),
        }
    }
}

impl RetryPolicy {
    /// Decides after attempt `attempt` (the first is 1) has failed. `jitter` is any `u32`, all equally
    /// likely: 0 gives the shortest delay, `u32::MAX` the longest.
    pub fn decide(
        &self,
        attempt: u32,
        retry_after: Option<Duration>,
        jitter: u32,
    ) -> RetryDecision {
        if attempt >= self.max_attempts {
            return RetryDecision::GiveUp;
        }
        let half_step = self.step(attempt) / 2;
        let spread = half_step.mul_f64(f64::from(jitter) / f64::from(u32::MAX));
        let asked = retry_after.unwrap_or_default().min(self.max_retry_after);
        RetryDecision::RetryAfter(asked + half_step + spread)
    }

    fn step(&self, attempt: u32) -> Duration {
        let factor = 2_u32.saturating_pow(attempt.saturating_sub(1));
        self.first_step.saturating_mul(factor).min(self.max_step)
    }
}

/// Refusals that pass: too many requests, and everything that API Gateway answers while a function is
/// starting, failing or overloaded. The bus may have stored the event before a 500; sending it again
/// finds it there.
pub fn is_passing(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after_ms(millis: u64) -> RetryDecision {
        RetryDecision::RetryAfter(Duration::from_millis(millis))
    }

    #[test]
    fn delays_double_up_to_the_longest_step_and_then_end() {
        let policy = RetryPolicy::default();
        let table = [
            // attempt, Retry-After in s, jitter, decision
            (1, None, 0, after_ms(100)),
            (1, None, u32::MAX, after_ms(200)),
            (2, None, 0, after_ms(200)),
            (2, None, u32::MAX, after_ms(400)),
            (6, None, u32::MAX, after_ms(6_400)),
            (7, None, 0, after_ms(5_000)),
            (7, None, u32::MAX, after_ms(10_000)),
            (8, None, 0, RetryDecision::GiveUp),
            (1, Some(0), 0, after_ms(100)),
            (1, Some(3), 0, after_ms(3_100)),
            (1, Some(60), 0, after_ms(60_100)),
            (1, Some(61), 0, after_ms(60_100)),
            (8, Some(1), 0, RetryDecision::GiveUp),
        ];
        for (attempt, retry_after_secs, jitter, expected) in table {
            let retry_after = retry_after_secs.map(Duration::from_secs);
            assert_eq!(
                policy.decide(attempt, retry_after, jitter),
                expected,
                "attempt {attempt}"
            );
        }
    }

    #[test]
    fn one_attempt_means_no_retry() {
        let policy = RetryPolicy {
            max_attempts: 1,
            ..RetryPolicy::default()
        };
        assert_eq!(policy.decide(1, None, 0), RetryDecision::GiveUp);
    }

    #[test]
    fn what_passes_is_told_from_what_stays() {
        for (status, expected) in [
            (StatusCode::TOO_MANY_REQUESTS, true),
            (StatusCode::INTERNAL_SERVER_ERROR, true),
            (StatusCode::BAD_GATEWAY, true),
            (StatusCode::SERVICE_UNAVAILABLE, true),
            (StatusCode::GATEWAY_TIMEOUT, true),
            (StatusCode::BAD_REQUEST, false),
            (StatusCode::UNAUTHORIZED, false),
            (StatusCode::CONFLICT, false),
            (StatusCode::PAYLOAD_TOO_LARGE, false),
            (StatusCode::FOUND, false),
        ] {
            assert_eq!(is_passing(status), expected, "{status}");
        }
    }

    proptest! {
        #[test]
        fn delay_is_never_less_than_asked_nor_more_than_the_bound(
            attempt: u32, retry_after_secs: Option<u32>, jitter: u32,
        ) {
            let policy = RetryPolicy { max_attempts: u32::MAX, ..RetryPolicy::default() };
            let retry_after = retry_after_secs.map(|secs| Duration::from_secs(secs.into()));
            if let RetryDecision::RetryAfter(delay) = policy.decide(attempt, retry_after, jitter) {
                let asked = retry_after.unwrap_or_default().min(policy.max_retry_after);
                prop_assert!(delay > asked);
                prop_assert!(delay <= policy.max_retry_after + policy.max_step);
            }
        }
    }
}
