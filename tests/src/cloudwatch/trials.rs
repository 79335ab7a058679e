//! For each alarm, numbers that have to fire it and numbers that must not, as functions log them or AWS measures them.

use std::io;
use std::sync::{Arc, Mutex};

use pillarbox_domain::SubscriptionId;
use pillarbox_runtime::metrics::Metrics;
use pillarbox_runtime::metrics::catalogue::{
    DEAD_LETTERS_OPEN, DELIVERIES_DEAD_LETTERED, DISPATCH_LATENCY, Metric, OLDEST_DEAD_LETTER_AGE,
    OLDEST_PENDING_AGE, OUTBOX_PENDING, SEAL_LAG, SUBSCRIPTIONS_SUSPENDED, SWEEP_FOUND,
};
use pillarbox_runtime::metrics::scope::OfBus;
use pillarbox_testkit::clock::ManualClock;
use time::UtcDateTime;

use super::made::BUS;
use super::{Datapoint, MetricId, embedded};

/// What an alarm is tried with.
#[derive(Clone)]
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
const FIVE_MINUTES: i64 = 5 * MINUTE;
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

/// How a number of a metric is told to the function's metrics.
type Measure = fn(&Metrics, f64);

fn of_the_bus(at: At) -> Vec<Trial> {
    [
        latency(at),
        outbox(at),
        dead_letters(at),
        happenings(at),
        seals(at),
    ]
    .concat()
}

fn level(metric: &'static Metric<OfBus>) -> impl Fn(&Metrics, f64) {
    move |metrics, value| metrics.record(metric, (), value)
}

fn count(metric: &'static Metric<OfBus>) -> impl Fn(&Metrics, f64) {
    move |metrics, count| metrics.add(metric, (), count as usize)
}

fn latency(at: At) -> Vec<Trial> {
    let measure: Measure = |metrics, ms| {
        metrics.record(&DISPATCH_LATENCY, Some("order.created"), ms);
    };
    // Of a hundred events so many take this long, and the others 100 ms.
    let slow = |slow: usize, ms: f64| [vec![100.0; 100 - slow], vec![ms; slow]].concat();
    let (bad, good) = (slow(10, 2_500.0), slow(4, 30_000.0));
    let minutes = |pattern: &str| {
        let marks = pattern.chars();
        let minutes = marks.map(|mark| {
            if mark == 'X' {
                bad.clone()
            } else {
                good.clone()
            }
        });
        at.logged(measure, MINUTE, &minutes.collect::<Vec<_>>())
    };
    let quiet = vec![minutes("00000"), minutes("X0X00"), Run::new()];
    vec![trial(
        "dispatch-slow",
        vec![minutes("X0X0X"), minutes("XXXXX")],
        quiet,
    )]
}

fn outbox(at: At) -> Vec<Trial> {
    let pending = |minutes: &[Vec<f64>]| at.logged(level(&OUTBOX_PENDING), MINUTE, minutes);
    let age = |minutes: &[f64]| at.logged(level(&OLDEST_PENDING_AGE), MINUTE, &ones(minutes));
    // Two minutes without a figure are nothing yet.
    let late = [ones(&[0.0; 5]), vec![vec![]; 2]].concat();
    vec![
        trial(
            "outbox-pending",
            vec![pending(&ones(&[1e3, 5e3, 1e3, 2e3, 1e3])), Run::new()],
            vec![
                pending(&ones(&[0.0, 10.0, 999.0, 0.0, 0.0, 0.0, 0.0])),
                pending(&ones(&[0.0, 0.0, 1e3, 1e3, 1e3, 1e3, 999.0])),
                pending(&late),
            ],
        ),
        trial(
            "outbox-old",
            vec![age(&[0.0, 0.0, 300.0, 360.0, 420.0])],
            vec![
                age(&[0.0, 120.0, 180.0, 240.0, 299.0]),
                age(&[300.0, 360.0, 0.0, 0.0, 0.0]),
                Run::new(),
            ],
        ),
    ]
}

fn dead_letters(at: At) -> Vec<Trial> {
    let dead: Measure = |metrics, letters| {
        let billing: SubscriptionId = "billing".parse().unwrap();
        metrics.add(&DELIVERIES_DEAD_LETTERED, Some(&billing), letters as usize);
    };
    let dead = |periods: &[f64]| at.logged(dead, FIVE_MINUTES, &ones(periods));
    let open = |periods: &[f64]| at.logged(level(&DEAD_LETTERS_OPEN), FIVE_MINUTES, &ones(periods));
    let age =
        |periods: &[f64]| at.logged(level(&OLDEST_DEAD_LETTER_AGE), FIVE_MINUTES, &ones(periods));
    vec![
        trial(
            "dead-letters-growing",
            vec![dead(&[1.0]), dead(&[0.0, 50.0])],
            over(dead),
        ),
        trial(
            "dead-letters-open",
            vec![open(&[100.0])],
            vec![open(&[99.0]), open(&[500.0, 3.0])],
        ),
        trial(
            "dead-letters-old",
            vec![age(&[DAY])],
            vec![age(&[DAY - 1.0]), Run::new()],
        ),
    ]
}

fn happenings(at: At) -> Vec<Trial> {
    let suspended =
        |minutes: &[f64]| at.logged(count(&SUBSCRIPTIONS_SUSPENDED), MINUTE, &ones(minutes));
    let found = |periods: &[f64]| at.logged(count(&SWEEP_FOUND), FIVE_MINUTES, &ones(periods));
    vec![
        trial(
            "subscription-suspended",
            vec![suspended(&[1.0])],
            over(suspended),
        ),
        trial(
            "sweep-found",
            vec![found(&[1.0]), found(&[100.0])],
            over(found),
        ),
    ]
}

/// Nothing has happened, or what did is over. A function that counts nothing logs nothing, so CloudWatch looks back as
/// far as it does for missing data.
fn over(happened: impl Fn(&[f64]) -> Run) -> Vec<Run> {
    vec![Run::new(), happened(&[50.0, 0.0, 0.0, 0.0])]
}

fn seals(at: At) -> Vec<Trial> {
    let lag = |hours: &[Vec<f64>]| at.logged(level(&SEAL_LAG), HOUR, hours);
    let usual = 90_000.0;
    // A pass fell out, or came a little late.
    let gap = [vec![usual], vec![usual], vec![], vec![usual], vec![]];
    vec![
        trial(
            "seal-lag",
            // In the second nobody has sealed for five hours.
            vec![lag(&ones(&[2.0 * DAY, 2.1 * DAY, 2.2 * DAY])), Run::new()],
            vec![
                lag(&ones(&[usual; 3])),
                lag(&ones(&[2.0 * DAY - 1.0; 5])),
                lag(&ones(&[3.0 * DAY, 3.0 * DAY, usual])),
                lag(&gap),
                // The first pass of a new stack.
                lag(&ones(&[usual])),
            ],
        ),
        trial(
            "seal-expiry",
            vec![lag(&ones(&[5.0 * DAY]))],
            vec![
                lag(&ones(&[5.0 * DAY - 1.0])),
                lag(&ones(&[2.0 * DAY])),
                Run::new(),
            ],
        ),
    ]
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
        let of = |name, values| at.measured("AWS/SQS", name, &letters, FIVE_MINUTES, values);
        let waiting = of("ApproximateNumberOfMessagesVisible", waiting);
        let hidden = of("ApproximateNumberOfMessagesNotVisible", hidden);
        [waiting, hidden].concat()
    };
    let api = [("ApiId", format!("{BUS}-ApiId"))];
    let api = |count: &[f64]| at.measured("AWS/ApiGateway", "5xx", &api, FIVE_MINUTES, count);
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
        at.measured("AWS/Lambda", metric, &named(function), FIVE_MINUTES, count)
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

    /// What the bus's functions log: the numbers of each period, by their own metrics.
    fn logged(self, measure: impl Fn(&Metrics, f64), period: i64, periods: &[Vec<f64>]) -> Run {
        let ends = self.ends(period, periods.len());
        let measured = ends.zip(periods).filter(|(_, values)| !values.is_empty());
        let lines = measured.map(|(at, values)| {
            let output = Output::default();
            let clock = ManualClock::at(UtcDateTime::from_unix_timestamp(at).unwrap());
            let metrics = Metrics::new(BUS, "trial", clock, output.clone());
            values.iter().for_each(|value| measure(&metrics, *value));
            metrics.flush(None);
            output.text()
        });
        let lines: String = lines.collect();
        lines.lines().flat_map(embedded::datapoints).collect()
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

/// What a function's standard output would take.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Output {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
