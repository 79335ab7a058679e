//! What a dashboard shows (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html>).

use std::collections::BTreeSet;

use serde_json::Value;

use super::made::Made;

/// A metric that is shown. Where its dimensions' values are searched for, they are not known.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The title of the graph that it is in.
    pub graph: String,
    /// Whose it is.
    pub namespace: String,
    /// What is measured.
    pub name: String,
    /// By what it is told apart, with the value where there is one.
    pub dimensions: Vec<(String, Option<String>)>,
    /// By what a period's numbers are made one.
    pub statistic: String,
}

impl Shown {
    /// The names of its dimensions.
    pub fn dimension_names(&self) -> BTreeSet<&str> {
        let dimensions = self.dimensions.iter();
        dimensions.map(|(name, _)| name.as_str()).collect()
    }
}

/// The widgets of the stack's one dashboard.
///
/// # Errors
/// When there is not one, or its body is no JSON.
pub fn widgets(stack: &Made) -> Result<Vec<Value>, String> {
    let dashboards: Vec<_> = stack.resources("AWS::CloudWatch::Dashboard").collect();
    let [(_, dashboard)] = dashboards[..] else {
        return Err(format!("{} dashboards", dashboards.len()));
    };
    let body = dashboard["DashboardBody"].as_str().unwrap_or_default();
    let body: Value = serde_json::from_str(body).map_err(|error| format!("no JSON: {error}"))?;
    let widgets = body["widgets"].as_array();
    widgets.cloned().ok_or("no widgets".to_owned())
}

/// All metrics of these widgets. Panics for what it cannot read.
pub fn shown(widgets: &[Value]) -> Vec<Shown> {
    let graphs = widgets.iter().filter(|widget| widget["type"] == "metric");
    graphs
        .flat_map(|graph| of_graph(&graph["properties"]))
        .collect()
}

fn of_graph(graph: &Value) -> Vec<Shown> {
    let metrics = graph["metrics"].as_array().expect("metrics");
    let mut before: Vec<String> = Vec::new();
    let mut shown = Vec::new();
    for metric in metrics {
        let parts = metric.as_array().expect("a metric");
        let texts: Vec<&str> = parts.iter().filter_map(Value::as_str).collect();
        let options = parts.last().filter(|last| last.is_object());
        let options = options.unwrap_or(&Value::Null);
        if let Some(expression) = options["expression"].as_str() {
            shown.extend(searched(expression, graph));
            continue;
        }
        before = written_out(&texts, &before);
        shown.push(listed(&before, options, graph));
    }
    shown
}

/// `.` stands for what is in its place in the metric before, `...` for all up to what follows.
fn written_out(texts: &[&str], before: &[String]) -> Vec<String> {
    if let ["...", rest @ ..] = texts {
        let kept = &before[..before.len() - rest.len()];
        let rest = rest.iter().map(|text| (*text).to_owned());
        return kept.iter().cloned().chain(rest).collect();
    }
    let places = texts.iter().enumerate();
    places
        .map(|(place, text)| match *text {
            "." => before[place].clone(),
            text => text.to_owned(),
        })
        .collect()
}

fn listed(parts: &[String], options: &Value, graph: &Value) -> Shown {
    let [namespace, name, dimensions @ ..] = parts else {
        panic!("{parts:?} is no metric")
    };
    let statistic = options["stat"].as_str().or(graph["stat"].as_str());
    let pairs = dimensions.chunks_exact(2);
    assert!(pairs.remainder().is_empty(), "{parts:?}");
    Shown {
        graph: title(graph),
        namespace: namespace.clone(),
        name: name.clone(),
        dimensions: pairs
            .map(|pair| (pair[0].clone(), Some(pair[1].clone())))
            .collect(),
        statistic: statistic.expect("a statistic").to_owned(),
    }
}

/// `SEARCH('{"namespace",Dimension} MetricName="Name" more', 'Statistic', 60)`; nothing of an expression over other metrics, which
/// are listed themselves.
fn searched(expression: &str, graph: &Value) -> Option<Shown> {
    let inner = expression.strip_prefix("SEARCH('{\"")?;
    let parts = || {
        let (namespace, rest) = inner.split_once("\",")?;
        let (dimensions, rest) = rest.split_once("} MetricName=\"")?;
        let (name, rest) = rest.split_once('"')?;
        let (_, rest) = rest.split_once("', '")?;
        let (statistic, _) = rest.split_once('\'')?;
        Some((namespace, dimensions, name, statistic))
    };
    let (namespace, dimensions, name, statistic) =
        parts().unwrap_or_else(|| panic!("{expression} is no search"));
    let dimensions = dimensions.split(',');
    Some(Shown {
        graph: title(graph),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        dimensions: dimensions.map(|name| (name.to_owned(), None)).collect(),
        statistic: statistic.to_owned(),
    })
}

fn title(graph: &Value) -> String {
    graph["title"].as_str().unwrap_or_default().to_owned()
}
