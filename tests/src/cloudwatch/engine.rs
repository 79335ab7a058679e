//! The local engine's CloudWatch, over its JSON protocol. It looks at an alarm whenever numbers come, takes all that came
//! within the alarm's periods together, whatever their dimensions are, and knows neither expressions nor missing data: an
//! alarm of its own namespace is as much as it can hold.

use pillarbox_runtime::env::Env;
use serde_json::{Value, json};

use super::alarm::{Alarm, State};
use super::{Datapoint, Statistic};

/// Numbers in one call (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html>).
const MAX_DATA: usize = 1_000;

/// The engine that this process is told of.
pub struct CloudWatch {
    url: String,
    /// The engine takes the account from it and does not look at the signature.
    authorization: String,
    http: reqwest::Client,
}

impl CloudWatch {
    /// Panics when this process is told of no engine.
    pub fn of_process() -> Self {
        let mut env = Env::of_process();
        let aws = env.aws();
        let aws = env.finish(|| aws).unwrap_or_else(|error| {
            panic!(
                "{error}: start a stack by `make up` and read its variables by `. .local/stack.env`"
            )
        });
        let (key, region) = (aws.access_key_id, aws.region);
        Self {
            url: aws.endpoint_url.expect("the local engine"),
            authorization: format!(
                "AWS4-HMAC-SHA256 Credential={key}/20260101/{region}/monitoring/aws4_request, SignedHeaders=host, Signature=0"
            ),
            http: reqwest::Client::new(),
        }
    }

    /// Makes an alarm on a metric of a namespace of its own.
    pub async fn put_alarm(&self, alarm: &Alarm, namespace: &str) {
        let [series] = &alarm.series[..] else {
            panic!("{} is on an expression", alarm.name)
        };
        let mut request = json!({
            "AlarmName": namespace, "Namespace": namespace, "MetricName": series.metric.name,
            "Period": alarm.period, "EvaluationPeriods": alarm.periods, "DatapointsToAlarm": alarm.over,
            "Threshold": alarm.threshold, "TreatMissingData": "notBreaching",
            "ComparisonOperator": match alarm.includes_threshold {
                true => "GreaterThanOrEqualToThreshold",
                false => "GreaterThanThreshold",
            },
        });
        match series.statistic {
            Statistic::Percentile(_) => {
                request["ExtendedStatistic"] = json!(series.statistic.to_string());
            }
            other => request["Statistic"] = json!(other.to_string()),
        }
        self.call("PutMetricAlarm", &request).await;
    }

    /// Says what was measured, in a namespace of its own.
    pub async fn put(&self, datapoints: &[Datapoint], namespace: &str) {
        for datapoints in datapoints.chunks(MAX_DATA) {
            let data: Vec<Value> = datapoints.iter().map(datum).collect();
            let request = json!({ "Namespace": namespace, "MetricData": data });
            self.call("PutMetricData", &request).await;
        }
    }

    /// What an alarm came to; nothing before there were numbers.
    pub async fn state(&self, alarm: &str) -> Option<State> {
        let request = json!({ "AlarmNames": [alarm] });
        let answer = self.call("DescribeAlarms", &request).await;
        match answer["MetricAlarms"][0]["StateValue"].as_str() {
            Some("ALARM") => Some(State::Alarm),
            Some("OK") => Some(State::Ok),
            _ => None,
        }
    }

    async fn call(&self, operation: &str, request: &Value) -> Value {
        let answer = self
            .http
            .post(&self.url)
            .header(
                "x-amz-target",
                format!("GraniteServiceVersion20100801.{operation}"),
            )
            .header("content-type", "application/x-amz-json-1.0")
            .header("authorization", &self.authorization)
            .body(request.to_string())
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{operation}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }
}

fn datum(datapoint: &Datapoint) -> Value {
    let dimensions = datapoint.metric.dimensions.iter();
    let dimensions: Vec<Value> = dimensions
        .map(|(name, value)| json!({ "Name": name, "Value": value }))
        .collect();
    json!({
        "MetricName": datapoint.metric.name, "Dimensions": dimensions, "Unit": datapoint.unit,
        "Timestamp": datapoint.at, "Values": [datapoint.value], "Counts": [datapoint.count],
    })
}
