//! For each alarm, numbers that have to fire it and numbers that must not, as functions log them or AWS measures them.

use serde_json::{Value, json};

use super::catalogue::Known;
use super::made::BUS;
use super::{Datapoint, MetricId, embedded};

/// What an alarm is tried with.
pub struct Trial {
    /// Which alarm, without the stack's name before it.
    pub alarm: String,
    /// Each of these has to fire it.
    pub fires: Vec<Run>,
    /// None of these may.
    pub quiet: Vec<Run>,
}

/// What is measured in some periods until now.
pub type Run = Vec<Datapoint>;

/// The functions that have an alarm each.
pub const FUNCTIONS: [&str; 11] = [
    "authorizer",
    "dead_letter",
    "dispatch",
    "ingest",
    "metrics",
    "ops",
    "registration",
    "replay",
    "retry",
    "subscriber_example",
    "sweep",
];

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
const DAY: f64 = 86_400.0;

/// All trials, of numbers measured until `now`, in seconds since 1970.
pub fn all(now: i64) -> Vec<Trial> {
    let at = At(now);
    let mut trials = of_the_bus(at);
    trials.extend(of_dispatch(at));
    trials.extend(of_aws(at));
    for function in FUNCTIONS {
        trials.push(of_function(at, "function-errors", "Errors", function, 3.0));
        let throttles = ("function-throttles", "Throttles");
        trials.push(of_function(at, throttles.0, throttles.1, function, 10.0));
    }
    trials
}

fn trial(alarm: &str, fires: Vec<Run>, quiet: Vec<Run>) -> Trial {
    Trial {
        alarm: alarm.to_owned(),
        fires,
        quiet,
    }
}

fn of_the_bus(at: At) -> Vec<Trial> {
    // Of a hundred events, so many take this long and the others 100 ms.
    let slow = |slow: usize, ms: f64| [vec![100.0; 100 - slow], vec![ms; slow]].concat();
    let latency = |minutes: &[Vec<f64>]| at.logged("DispatchLatency", MINUTE, minutes);
    let (bad, good) = (slow(10, 2_500.0), slow(4, 30_000.0));
    let minutes = |name: &str, values: &[f64]| at.logged(name, MINUTE, &ones(values));
    let five = |name: &str, values: &[f64]| at.logged(name, 5 * MINUTE, &ones(values));
    let hours = |name: &str, values: &[f64]| at.logged(name, HOUR, &ones(values));
    vec![
        trial(
            "dispatch-slow",
            vec![
                latency(&[
                    bad.clone(),
                    good.clone(),
                    bad.clone(),
                    good.clone(),
                    bad.clone(),
                ]),
                latency(&vec![bad.clone(); 5]),
            ],
            vec![
                latency(&vec![good.clone(); 5]),
                latency(&[bad.clone(), good.clone(), bad, good.clone(), good]),
                Run::new(),
            ],
        ),
        trial(
            "outbox-pending",
            vec![
                minutes("OutboxPending", &[1e3, 5e3, 1e3, 2e3, 1e3]),
                Run::new(),
            ],
            vec![
                minutes("OutboxPending", &[0.0, 10.0, 999.0, 0.0, 0.0, 0.0, 0.0]),
                minutes("OutboxPending", &[0.0, 0.0, 1e3, 1e3, 1e3, 1e3, 999.0]),
                // Two minutes without a figure are nothing yet.
                at.logged("OutboxPending", MINUTE, &few_minutes()),
            ],
        ),
        trial(
            "outbox-old",
            vec![minutes(
                "OldestPendingAge",
                &[0.0, 0.0, 300.0, 360.0, 420.0],
            )],
            vec![
                minutes("OldestPendingAge", &[0.0, 120.0, 180.0, 240.0, 299.0]),
                minutes("OldestPendingAge", &[300.0, 360.0, 0.0, 0.0, 0.0]),
                Run::new(),
            ],
        ),
        trial(
            "dead-letters-growing",
            vec![five("DeliveriesDeadLettered", &[1.0])],
            vec![Run::new(), five("DeliveriesDeadLettered", &[5.0, 0.0])],
        ),
        trial(
            "dead-letters-open",
            vec![five("DeadLettersOpen", &[100.0])],
            vec![
                five("DeadLettersOpen", &[99.0]),
                five("DeadLettersOpen", &[500.0, 3.0]),
            ],
        ),
        trial(
            "dead-letters-old",
            vec![five("OldestDeadLetterAge", &[DAY])],
            vec![five("OldestDeadLetterAge", &[DAY - 1.0]), Run::new()],
        ),
        trial(
            "subscription-suspended",
            vec![minutes("SubscriptionsSuspended", &[1.0])],
            vec![Run::new(), minutes("SubscriptionsSuspended", &[1.0, 0.0])],
        ),
        trial(
            "sweep-found",
            vec![five("SweepFound", &[1.0]), five("SweepFound", &[100.0])],
            vec![Run::new(), five("SweepFound", &[100.0, 0.0])],
        ),
        trial(
            "seal-lag",
            vec![
                hours("SealLag", &[47.0 * 3_600.0, 2.0 * DAY]),
                // Nobody has sealed for five hours.
                Run::new(),
            ],
            vec![
                hours("SealLag", &[90_000.0, 90_000.0, 90_000.0]),
                hours("SealLag", &[90_000.0, 172_799.0, 90_000.0]),
                // A pass fell out, or came a little late.
                hours_with_a_gap(at),
            ],
        ),
        trial(
            "seal-expiry",
            vec![hours("SealLag", &[5.0 * DAY])],
            vec![
                hours("SealLag", &[5.0 * DAY - 1.0]),
                hours("SealLag", &[2.0 * DAY]),
                Run::new(),
            ],
        ),
    ]
}

fn few_minutes() -> Vec<Vec<f64>> {
    [ones(&[0.0; 5]), vec![vec![]; 2]].concat()
}

fn hours_with_a_gap(at: At) -> Run {
    let usual = vec![90_000.0];
    let hours = [usual.clone(), usual.clone(), vec![], usual, vec![]];
    at.logged("SealLag", HOUR, &hours)
}

fn of_dispatch(at: At) -> Vec<Trial> {
    let dispatch = named("dispatch");
    let behind = |ms: &[f64]| at.measured("AWS/Lambda", "IteratorAge", &dispatch, MINUTE, ms);
    let late = |alarm, ms: f64| {
        trial(
            alarm,
            vec![
                behind(&[0.0, 0.0, ms, ms, ms]),
                behind(&[ms, ms, ms, ms, ms]),
            ],
            vec![
                behind(&[ms - 1.0, ms - 1.0, ms - 1.0, ms - 1.0, ms - 1.0]),
                behind(&[ms, ms, 0.0, 0.0, 0.0]),
                Run::new(),
            ],
        )
    };
    vec![
        late("dispatch-behind", 300_000.0),
        late("dispatch-far-behind", 6.0 * HOUR as f64 * 1_000.0),
        late("dispatch-nearly-lost", 18.0 * HOUR as f64 * 1_000.0),
    ]
}

fn of_aws(at: At) -> Vec<Trial> {
    let letters = [("QueueName", format!("{BUS}-dead-letters"))];
    let queue = |waiting: &[f64], hidden: &[f64]| {
        let of = |name, values| at.measured("AWS/SQS", name, &letters, 5 * MINUTE, values);
        let waiting = of("ApproximateNumberOfMessagesVisible", waiting);
        let hidden = of("ApproximateNumberOfMessagesNotVisible", hidden);
        [waiting, hidden].concat()
    };
    let api = [("ApiId", format!("{BUS}-ApiId"))];
    let api = |count: &[f64]| at.measured("AWS/ApiGateway", "5xx", &api, 5 * MINUTE, count);
    let running =
        |count: &[f64]| at.measured("AWS/Lambda", "ConcurrentExecutions", &[], MINUTE, count);
    vec![
        trial(
            "dead-letter-queue",
            // A message that fails to be stored is hidden most of the time.
            vec![
                queue(&[0.0; 3], &[1.0; 3]),
                queue(&[3.0, 0.0, 1.0], &[0.0, 1.0, 0.0]),
            ],
            vec![
                queue(&[0.0; 3], &[0.0; 3]),
                queue(&[10.0, 5.0, 0.0], &[3.0, 1.0, 0.0]),
                Run::new(),
            ],
        ),
        trial(
            "api-errors",
            vec![api(&[5.0])],
            vec![api(&[4.0]), api(&[9.0, 0.0])],
        ),
        trial(
            "concurrency",
            vec![running(&[10.0, 10.0, 800.0, 900.0, 1_000.0])],
            vec![running(&[799.0; 5]), running(&[1e3, 1e3, 10.0, 10.0, 10.0])],
        ),
    ]
}

fn of_function(at: At, alarm: &str, metric: &str, function: &str, enough: f64) -> Trial {
    let other = if function == "ops" { "ingest" } else { "ops" };
    let of = |function, count: &[f64]| {
        at.measured("AWS/Lambda", metric, &named(function), 5 * MINUTE, count)
    };
    trial(
        &format!("{alarm}-{function}"),
        vec![of(function, &[enough]), of(function, &[0.0, enough + 1.0])],
        vec![
            of(function, &[enough - 1.0]),
            of(function, &[enough, 0.0]),
            of(other, &[enough]),
            Run::new(),
        ],
    )
}

fn named(function: &str) -> [(&'static str, String); 1] {
    [("FunctionName", format!("{BUS}-{function}"))]
}

/// One number a period.
fn ones(values: &[f64]) -> Vec<Vec<f64>> {
    values.iter().map(|value| vec![*value]).collect()
}

/// Until when is measured.
#[derive(Clone, Copy)]
struct At(i64);

impl At {
    /// The last second of each period, the last of which ends now.
    fn ends(self, period: i64, periods: usize) -> impl Iterator<Item = i64> {
        let periods = i64::try_from(periods).unwrap();
        (1..=periods).map(move |number| self.0 - (periods - number) * period - 1)
    }

    /// What the bus's functions log: the numbers of each period.
    fn logged(self, name: &str, period: i64, periods: &[Vec<f64>]) -> Run {
        let ends = self.ends(period, periods.len());
        let lines = ends
            .zip(periods)
            .filter(|(_, values)| !values.is_empty())
            .map(|(at, values)| line(name, values, at));
        lines.flat_map(|line| embedded::datapoints(&line)).collect()
    }

    /// What AWS measures: one number a period.
    fn measured(
        self,
        namespace: &str,
        name: &str,
        dimensions: &[(&str, String)],
        period: i64,
        values: &[f64],
    ) -> Run {
        let dimensions: Vec<_> = dimensions
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let ends = self.ends(period, values.len());
        ends.zip(values)
            .map(|(at, value)| Datapoint {
                metric: MetricId::new(namespace, name, &dimensions),
                unit: "None".to_owned(),
                at,
                value: *value,
                count: 1.0,
            })
            .collect()
    }
}

/// A line of one metric, under all dimension sets that it has.
fn line(name: &str, values: &[f64], at: i64) -> String {
    let known = Known::named(name).expect("a metric");
    let mut line = json!({
        "_aws": {
            "Timestamp": at * 1_000,
            "CloudWatchMetrics": [{
                "Namespace": BUS,
                "Dimensions": known.dimension_sets,
                "Metrics": [{ "Name": name, "Unit": known.unit }],
            }],
        },
        name: values,
    });
    for dimension in known.dimension_sets.iter().copied().flatten() {
        line[*dimension] = Value::from("example");
    }
    line.to_string()
}
