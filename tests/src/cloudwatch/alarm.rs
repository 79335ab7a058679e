//! Alarms, and when they fire: as CloudWatch documents it
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html>,
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html>).

use serde_json::Value;

use super::made::Made;
use super::{Datapoint, MetricId, Statistic};

const ALARM: &str = "AWS::CloudWatch::Alarm";

/// Periods that are looked at beyond those that decide, when some of them have no data. CloudWatch says that it
/// looks at more and not how many; its examples have two.
const PERIODS_BEYOND: usize = 2;

/// An alarm with all that decides.
#[derive(Clone, Debug)]
pub struct Alarm {
    /// What it is called.
    pub name: String,
    /// What it says.
    pub description: String,
    /// What is added up and compared.
    pub series: Vec<Series>,
    /// Seconds of a period.
    pub period: i64,
    /// Periods that decide.
    pub periods: usize,
    /// How many of them have to be over the threshold.
    pub over: usize,
    /// The threshold.
    pub threshold: f64,
    /// Whether the threshold itself is over it.
    pub includes_threshold: bool,
    /// What a period without data counts as.
    pub missing: Missing,
}

/// A metric and what its numbers are made one by.
#[derive(Clone, Debug)]
pub struct Series {
    /// Which metric.
    pub metric: MetricId,
    /// By what.
    pub statistic: Statistic,
}

/// What a period without data counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// As bad as too much.
    Breaching,
    /// All is well.
    NotBreaching,
}

/// What an alarm comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// All is well.
    Ok,
    /// Somebody is told.
    Alarm,
}

impl Alarm {
    /// All alarms of a stack. Panics for what this evaluation does not know.
    pub fn all(stack: &Made) -> Vec<Self> {
        let alarms = stack.resources(ALARM);
        alarms.map(|(_, properties)| Self::of(properties)).collect()
    }

    /// An alarm of these properties.
    fn of(properties: &Value) -> Self {
        let text = |name: &str| properties[name].as_str().unwrap_or_default().to_owned();
        let number = |name: &str| {
            let value = properties[name].as_f64();
            value.unwrap_or_else(|| panic!("{name} is no number in {properties}"))
        };
        let (series, period) = series(properties);
        Self {
            name: text("AlarmName"),
            description: text("AlarmDescription"),
            series,
            period,
            periods: number("EvaluationPeriods") as usize,
            over: number("DatapointsToAlarm") as usize,
            threshold: number("Threshold"),
            includes_threshold: match text("ComparisonOperator").as_str() {
                "GreaterThanOrEqualToThreshold" => true,
                "GreaterThanThreshold" => false,
                other => panic!("{other} is not known"),
            },
            missing: match text("TreatMissingData").as_str() {
                "breaching" => Missing::Breaching,
                "notBreaching" => Missing::NotBreaching,
                other => panic!("{other} is not known"),
            },
        }
    }

    /// What it comes to of these numbers, when the last whole period has just ended at `now`.
    pub fn state(&self, datapoints: &[Datapoint], now: i64) -> State {
        let looked_at = self.periods + PERIODS_BEYOND;
        let there: Vec<bool> = (0..looked_at)
            .filter_map(|periods_ago| self.value(datapoints, now, periods_ago))
            .map(|value| self.is_over(value))
            .take(self.periods)
            .collect();
        let filled = match self.missing {
            Missing::Breaching => self.periods - there.len(),
            Missing::NotBreaching => 0,
        };
        let over = there.iter().filter(|is_over| **is_over).count() + filled;
        if over >= self.over {
            State::Alarm
        } else {
            State::Ok
        }
    }

    fn is_over(&self, value: f64) -> bool {
        value > self.threshold || self.includes_threshold && value == self.threshold
    }

    /// The number of one period, if each series has one.
    fn value(&self, datapoints: &[Datapoint], now: i64, periods_ago: usize) -> Option<f64> {
        let end = now - self.period * i64::try_from(periods_ago).unwrap();
        let period = end - self.period..end;
        let values = self.series.iter().map(|series| {
            let of_series = datapoints
                .iter()
                .filter(|point| point.metric == series.metric && period.contains(&point.at));
            let numbers: Vec<_> = of_series.map(|point| (point.value, point.count)).collect();
            series.statistic.of(&numbers)
        });
        values.sum()
    }
}

/// What is compared: one metric, or an expression that adds some.
fn series(properties: &Value) -> (Vec<Series>, i64) {
    let Some(queries) = properties["Metrics"].as_array() else {
        let statistic = properties["Statistic"].as_str();
        let statistic = statistic.or(properties["ExtendedStatistic"].as_str());
        return (vec![one(properties, statistic)], seconds(properties));
    };
    let returned: Vec<&str> = queries
        .iter()
        .filter(|query| query["ReturnData"] != false)
        .map(|query| query["Expression"].as_str().expect("an expression"))
        .collect();
    let [expression] = returned[..] else {
        panic!("one expression is to be compared: {properties}")
    };
    let terms = expression.split('+').map(|id| {
        let query = queries.iter().find(|query| query["Id"] == id.trim());
        &query.unwrap_or_else(|| panic!("{id} is no metric of {expression}"))["MetricStat"]
    });
    let terms: Vec<&Value> = terms.collect();
    let period = seconds(terms[0]);
    assert!(terms.iter().all(|term| seconds(term) == period));
    let series = terms.iter().map(|term| {
        let statistic = term["Stat"].as_str();
        one(&term["Metric"], statistic)
    });
    (series.collect(), period)
}

fn seconds(of: &Value) -> i64 {
    of["Period"].as_i64().expect("a period")
}

fn one(metric: &Value, statistic: Option<&str>) -> Series {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let dimensions = metric["Dimensions"].as_array().into_iter().flatten();
    Series {
        metric: MetricId {
            namespace: text(&metric["Namespace"]),
            name: text(&metric["MetricName"]),
            dimensions: dimensions
                .map(|dimension| (text(&dimension["Name"]), text(&dimension["Value"])))
                .collect(),
        },
        statistic: statistic.expect("a statistic").parse().unwrap(),
    }
}
