//! Every metric that there is: its name, its unit, the dimension sets that it is published under, and which functions
//! emit it. Dashboards, alarms and emitted lines are held against it by tests.

use std::marker::PhantomData;

use super::scope::{OfBus, OfFunction, OfKind, OfSubscription, OfType, Scope, Scoped};

/// What a metric is counted in, by CloudWatch's names
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Time that a person would call short.
    Milliseconds,
    /// Time that a person would call long.
    Seconds,
}

impl Unit {
    /// CloudWatch's name of it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
            Self::Seconds => "Seconds",
        }
    }
}

/// A metric, as everybody knows it.
#[derive(Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its name in CloudWatch.
    pub name: &'static str,
    /// What it is counted in.
    pub unit: Unit,
    /// What it is told of.
    pub scope: Scope,
    /// The binaries that emit it. [`SUBSCRIBERS`] stands for every function on the subscriber SDK.
    pub functions: &'static [&'static str],
}

/// The function of this repository that is on the subscriber SDK: what it emits, every such function does.
pub const SUBSCRIBERS: &str = "subscriber_example";

/// A metric, and by its type what has to be said of where a value belongs.
#[derive(Debug)]
pub struct Metric<S> {
    /// What everybody knows of it.
    pub definition: Definition,
    scope: PhantomData<fn() -> S>,
}

impl<S: Scoped> Metric<S> {
    const fn new(name: &'static str, unit: Unit, functions: &'static [&'static str]) -> Self {
        Self {
            definition: Definition {
                name,
                unit,
                scope: S::SCOPE,
                functions,
            },
            scope: PhantomData,
        }
    }
}

/// Every function there is.
const EVERYWHERE: &[&str] = &[
    "authorizer",
    "dead_letter",
    "dispatch",
    "ingest",
    "metrics",
    "ops",
    "registration",
    "replay",
    "retry",
    SUBSCRIBERS,
    "sweep",
];

/// Those that hand events over.
const DISPATCHING: &[&str] = &["dispatch", "sweep"];

/// Events that are in the log now and were not before.
pub static EVENTS_ACCEPTED: Metric<OfType> =
    Metric::new("EventsAccepted", Unit::Count, &["ingest"]);

/// Events that had been in the log already.
pub static EVENTS_DUPLICATE: Metric<OfType> =
    Metric::new("EventsDuplicate", Unit::Count, &["ingest"]);

/// Events whose source and id another event has.
pub static EVENTS_CONFLICT: Metric<OfType> =
    Metric::new("EventsConflict", Unit::Count, &["ingest"]);

/// Events that are not in the log because of what they are. Those that a store did not take are not among them: the
/// function failed, and whoever sent them tries again.
pub static EVENTS_REJECTED: Metric<OfType> =
    Metric::new("EventsRejected", Unit::Count, &["ingest"]);

/// Events that dispatch is done with, whoever asked for them. What is only logged is not among them.
pub static EVENTS_DISPATCHED: Metric<OfType> =
    Metric::new("EventsDispatched", Unit::Count, DISPATCHING);

/// Those of them that nobody asked for.
pub static EVENTS_UNROUTED: Metric<OfType> =
    Metric::new("EventsUnrouted", Unit::Count, DISPATCHING);

/// Messages of events that a queue took at the first attempt.
pub static DELIVERIES_SENT: Metric<OfType> =
    Metric::new("DeliveriesSent", Unit::Count, DISPATCHING);

/// From when an event was accepted until it was handed over.
pub static DISPATCH_LATENCY: Metric<OfType> =
    Metric::new("DispatchLatency", Unit::Milliseconds, DISPATCHING);

/// Attempts at a delivery after its first: another hand-over to its queue, or another receive by its subscriber.
pub static DELIVERY_RETRIES: Metric<OfSubscription> =
    Metric::new("DeliveryRetries", Unit::Count, &["retry", SUBSCRIBERS]);

/// Dead letters that were kept, of whatever origin.
pub static DELIVERIES_DEAD_LETTERED: Metric<OfSubscription> =
    Metric::new("DeliveriesDeadLettered", Unit::Count, &["dead_letter"]);

/// From when an event was accepted until its subscriber's handler had succeeded. A replayed or redriven event has none:
/// its way began long after it was accepted.
pub static END_TO_END_LATENCY: Metric<OfSubscription> =
    Metric::new("EndToEndLatency", Unit::Milliseconds, &[SUBSCRIBERS]);

/// Records of a batch, and events of a publish.
pub static BATCH_SIZE: Metric<OfFunction> = Metric::new(
    "BatchSize",
    Unit::Count,
    &[
        "dead_letter",
        "dispatch",
        "ingest",
        "replay",
        "retry",
        SUBSCRIBERS,
        "sweep",
    ],
);

/// Processes that were started.
pub static COLD_START: Metric<OfFunction> = Metric::new("ColdStart", Unit::Count, EVERYWHERE);

/// Write units that DynamoDB says were used, see [`pillarbox_aws::WriteUnits`].
pub static WRITE_UNITS: Metric<OfFunction> = Metric::new("WriteUnits", Unit::Count, EVERYWHERE);

/// Events and dead letters that jobs are done with: sent, skipped or failed.
pub static JOB_EVENTS: Metric<OfKind> = Metric::new("JobEvents", Unit::Count, &["replay"]);

/// Events that dispatch never saw.
pub static SWEEP_FOUND: Metric<OfBus> = Metric::new("SweepFound", Unit::Count, &["sweep"]);

/// How long ago the first hour ended that is not sealed.
pub static SEAL_LAG: Metric<OfBus> = Metric::new("SealLag", Unit::Seconds, &["sweep"]);

/// Subscriptions that the bus suspended: their queues are gone or refuse it.
pub static SUBSCRIPTIONS_SUSPENDED: Metric<OfBus> = Metric::new(
    "SubscriptionsSuspended",
    Unit::Count,
    &["dispatch", "retry", "sweep"],
);

/// Events that are accepted and not handed over.
pub static OUTBOX_PENDING: Metric<OfBus> = Metric::new("OutboxPending", Unit::Count, &["metrics"]);

/// Deliveries that are tried again.
pub static DELIVERIES_RETRYING: Metric<OfBus> =
    Metric::new("DeliveriesRetrying", Unit::Count, &["metrics"]);

/// Dead letters that nobody has decided on.
pub static DEAD_LETTERS_OPEN: Metric<OfBus> =
    Metric::new("DeadLettersOpen", Unit::Count, &["metrics"]);

/// Subscriptions that are suspended.
pub static SUSPENDED_SUBSCRIPTIONS: Metric<OfBus> =
    Metric::new("SuspendedSubscriptions", Unit::Count, &["metrics"]);

/// How long ago the first event was accepted that is not handed over.
pub static OLDEST_PENDING_AGE: Metric<OfBus> =
    Metric::new("OldestPendingAge", Unit::Seconds, &["metrics"]);

/// How long ago the first dead letter was kept that nobody has decided on.
pub static OLDEST_DEAD_LETTER_AGE: Metric<OfBus> =
    Metric::new("OldestDeadLetterAge", Unit::Seconds, &["metrics"]);

/// All of them.
pub static CATALOGUE: [&Definition; 24] = [
    &EVENTS_ACCEPTED.definition,
    &EVENTS_DUPLICATE.definition,
    &EVENTS_CONFLICT.definition,
    &EVENTS_REJECTED.definition,
    &EVENTS_DISPATCHED.definition,
    &EVENTS_UNROUTED.definition,
    &DELIVERIES_SENT.definition,
    &DISPATCH_LATENCY.definition,
    &DELIVERY_RETRIES.definition,
    &DELIVERIES_DEAD_LETTERED.definition,
    &END_TO_END_LATENCY.definition,
    &BATCH_SIZE.definition,
    &COLD_START.definition,
    &WRITE_UNITS.definition,
    &JOB_EVENTS.definition,
    &SWEEP_FOUND.definition,
    &SEAL_LAG.definition,
    &SUBSCRIPTIONS_SUSPENDED.definition,
    &OUTBOX_PENDING.definition,
    &DELIVERIES_RETRYING.definition,
    &DEAD_LETTERS_OPEN.definition,
    &SUSPENDED_SUBSCRIPTIONS.definition,
    &OLDEST_PENDING_AGE.definition,
    &OLDEST_DEAD_LETTER_AGE.definition,
];

/// The metric of this name.
pub fn definition(name: &str) -> Option<&'static Definition> {
    let mut all = CATALOGUE.into_iter();
    all.find(|definition| definition.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_metrics_have_one_name_and_each_is_emitted() {
        let names: BTreeSet<&str> = CATALOGUE.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), CATALOGUE.len());
        for metric in CATALOGUE {
            assert!(!metric.functions.is_empty(), "{}", metric.name);
            assert_eq!(definition(metric.name), Some(metric));
        }
        assert_eq!(definition("EventsLost"), None);
    }
}
