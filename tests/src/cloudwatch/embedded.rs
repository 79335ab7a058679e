//! Lines of the embedded metric format, as CloudWatch reads them
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).

use serde_json::Value;

use super::{Datapoint, MetricId};

/// The numbers that a logged line comes to; none when it has no metrics. Panics when it says that it has some, and they are
/// not there.
pub fn datapoints(line: &str) -> Vec<Datapoint> {
    let Ok(line) = serde_json::from_str::<Value>(line) else {
        return Vec::new();
    };
    let at = line["_aws"]["Timestamp"].as_i64().unwrap_or_default() / 1_000;
    let directives = line["_aws"]["CloudWatchMetrics"].as_array();
    let directives = directives.into_iter().flatten();
    directives
        .flat_map(|directive| of_directive(&line, directive, at))
        .collect()
}

fn of_directive(line: &Value, directive: &Value, at: i64) -> Vec<Datapoint> {
    let namespace = directive["Namespace"].as_str().expect("a namespace");
    let sets = directive["Dimensions"].as_array().expect("dimension sets");
    let metrics = directive["Metrics"].as_array().expect("metrics");
    let mut datapoints = Vec::new();
    for set in sets {
        let names = set.as_array().expect("a set of names");
        let dimensions: Vec<_> = names.iter().map(|name| dimension(line, name)).collect();
        for metric in metrics {
            let name = metric["Name"].as_str().expect("a name");
            let unit = metric["Unit"].as_str().unwrap_or("None");
            let numbers = numbers(&line[name]).into_iter();
            datapoints.extend(numbers.map(|(value, count)| Datapoint {
                metric: MetricId::new(namespace, name, &dimensions),
                unit: unit.to_owned(),
                at,
                value,
                count,
            }));
        }
    }
    datapoints
}

fn dimension<'a>(line: &'a Value, name: &'a Value) -> (&'a str, &'a str) {
    let name = name.as_str().expect("a dimension's name");
    let value = line[name].as_str();
    (
        name,
        value.unwrap_or_else(|| panic!("{name} is no text in {line}")),
    )
}

/// A number, several, or several with how often each was measured.
fn numbers(value: &Value) -> Vec<(f64, f64)> {
    let all = |value: &Value| -> Vec<f64> {
        let items = value.as_array().expect("numbers").iter();
        items.map(|item| item.as_f64().expect("a number")).collect()
    };
    match value {
        Value::Number(number) => vec![(number.as_f64().expect("a number"), 1.0)],
        Value::Array(_) => all(value).into_iter().map(|one| (one, 1.0)).collect(),
        Value::Object(_) => all(&value["Values"])
            .into_iter()
            .zip(all(&value["Counts"]))
            .collect(),
        other => panic!("{other} is no number"),
    }
}
