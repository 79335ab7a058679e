//! What every function does around its own work.

use std::io;
use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use pillarbox_aws::{AwsEnvironment, Clients};
use pillarbox_domain::Clock;
use serde::Serialize;
use serde::de::DeserializeOwned;
use time::UtcDateTime;

use crate::clock::SystemClock;
use crate::env::Env;
use crate::metrics::Metrics;
use crate::telemetry::{self, Level, SampleRate};

/// What every function is told by its environment, whatever else it needs.
pub struct Process {
    aws: AwsEnvironment,
    log_level: Level,
    log_sample_rate: SampleRate,
    metrics_namespace: String,
}

impl Process {
    /// Reads the variables that Lambda itself sets, `LOG_LEVEL`, `LOG_SAMPLE_RATE`, and `METRICS_NAMESPACE`.
    pub fn read(env: &mut Env) -> Option<Self> {
        let aws = env.aws();
        let log_level = env.required("LOG_LEVEL");
        let log_sample_rate = env.required("LOG_SAMPLE_RATE");
        let metrics_namespace = env.required("METRICS_NAMESPACE");
        Some(Self {
            aws: aws?,
            log_level: log_level?,
            log_sample_rate: log_sample_rate?,
            metrics_namespace: metrics_namespace?,
        })
    }

    /// Begins to log, and makes what clients are made of, and the metrics of the function: its name is the binary's.
    pub fn start(self, function: &str) -> (Clients, Metrics) {
        telemetry::init(self.log_level, self.log_sample_rate);
        let clients = Clients::new(self.aws);
        let clock = SystemClock::default();
        let metrics = Metrics::new(self.metrics_namespace, function, clock, io::stdout());
        let metrics = metrics.with_write_units(clients.write_units());
        (clients, metrics)
    }
}

/// Answers invocations, one after the other, until Lambda ends the process. What was measured is written before each
/// answer.
pub async fn serve<In, Out>(
    metrics: &Metrics,
    handle: impl AsyncFn(In) -> Result<Out, Error>,
) -> Result<(), Error>
where
    In: DeserializeOwned,
    Out: Serialize,
{
    // On the heap, because a handler's future holds those of the SDK's calls, and those nest deeper than the
    // compiler's default depth for working out one layout.
    let handle = &handle;
    let answer = |event: LambdaEvent<In>| {
        Box::pin(async move {
            let answer = handle(event.payload).await;
            metrics.flush(Some(&event.context.request_id));
            answer
        })
    };
    run(service_fn(answer)).await
}

/// As [`serve`]; the handler is also told how long Lambda will wait for it from now on. What it measures, it writes
/// itself.
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
