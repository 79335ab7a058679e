//! What every function does around its own work.

use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use pillarbox_aws::{AwsEnvironment, Clients};
use pillarbox_domain::Clock;
use serde::Serialize;
use serde::de::DeserializeOwned;
use time::UtcDateTime;

use crate::clock::SystemClock;
use crate::env::Env;
use crate::telemetry::{self, Level, SampleRate};

/// What every function is told by its environment, whatever else it needs.
pub struct Process {
    aws: AwsEnvironment,
    log_level: Level,
    log_sample_rate: SampleRate,
}

impl Process {
    /// Reads the variables that Lambda itself sets, `LOG_LEVEL` and `LOG_SAMPLE_RATE`.
    pub fn read(env: &mut Env) -> Option<Self> {
        let aws = env.aws();
        let log_level = env.required("LOG_LEVEL");
        let log_sample_rate = env.required("LOG_SAMPLE_RATE");
        Some(Self {
            aws: aws?,
            log_level: log_level?,
            log_sample_rate: log_sample_rate?,
        })
    }

    /// Begins to log, and makes what clients are made of.
    pub fn start(self) -> Clients {
        telemetry::init(self.log_level, self.log_sample_rate);
        Clients::new(self.aws)
    }
}

/// Answers invocations, one after the other, until Lambda ends the process.
pub async fn serve<In, Out>(handle: impl AsyncFn(In) -> Result<Out, Error>) -> Result<(), Error>
where
    In: DeserializeOwned,
    Out: Serialize,
{
    // On the heap, because a handler's future holds those of the SDK's calls, and those nest deeper than the
    // compiler's default depth for working out one layout.
    let handle = &handle;
    let answer = |event: LambdaEvent<In>| Box::pin(handle(event.payload));
    run(service_fn(answer)).await
}

/// As [`serve`]; the handler is also told how long Lambda will wait for it from now on.
pub async fn serve_until<In, Out>(
    handle: impl AsyncFn(In, Duration) -> Result<Out, Error>,
) -> Result<(), Error>
where
    In: DeserializeOwned,
    Out: Serialize,
{
    let handle = &handle;
    let clock = SystemClock::default();
    let answer = |event: LambdaEvent<In>| {
        let remaining = remaining(event.context.deadline, clock.now());
        // On the heap, as in `serve`.
        Box::pin(handle(event.payload, remaining))
    };
    run(service_fn(answer)).await
}

/// What is left until a deadline in milliseconds since 1970; nothing when it is over.
fn remaining(deadline_ms: u64, now: UtcDateTime) -> Duration {
    let now_ms = now.unix_timestamp_nanos() / 1_000_000;
    let left_ms = i128::from(deadline_ms).saturating_sub(now_ms);
    Duration::from_millis(u64::try_from(left_ms).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use time::macros::utc_datetime;

    use super::*;

    const NOW: UtcDateTime = utc_datetime!(2026-11-23 12:00:00.250);

    #[test]
    fn what_remains_ends_at_the_deadline_and_is_never_below_nothing() {
        let noon = 1_795_435_200_000;
        assert_eq!(remaining(noon + 1_250, NOW), Duration::from_secs(1));
        assert_eq!(remaining(noon + 250, NOW), Duration::ZERO);
        assert_eq!(remaining(noon, NOW), Duration::ZERO);
        assert_eq!(remaining(0, NOW), Duration::ZERO);
    }
}
