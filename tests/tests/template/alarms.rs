//! Each alarm fires on what it is for, and on nothing else; and the evaluation by which that is shown is CloudWatch's.

use std::collections::BTreeSet;

use pillarbox_tests::cloudwatch::alarm::{Alarm, Missing, Series, State};
use pillarbox_tests::cloudwatch::embedded::datapoints;
use pillarbox_tests::cloudwatch::made::{self, BUS, Made};
use pillarbox_tests::cloudwatch::trials::{self, Trial};
use pillarbox_tests::cloudwatch::{Datapoint, MetricId, Statistic};
use serde_json::json;

/// The beginning of some hour, in seconds since 1970.
const NOW: i64 = 1_795_528_800;

fn alarms() -> Vec<Alarm> {
    Alarm::all(&Made::of(&made::template(), &[]))
}

/// The alarms, each with what it is tried with.
fn tried() -> Vec<(Alarm, Trial)> {
    let mut alarms = alarms();
    let trials = trials::all(NOW).into_iter();
    let tried = trials.map(|trial| {
        let name = format!("{BUS}-{}", trial.alarm);
        let place = alarms.iter().position(|alarm| alarm.name == name);
        let place = place.unwrap_or_else(|| panic!("there is no alarm {name}"));
        (alarms.swap_remove(place), trial)
    });
    let tried: Vec<_> = tried.collect();
    let left: Vec<_> = alarms.iter().map(|alarm| &alarm.name).collect();
    assert!(left.is_empty(), "never tried: {left:?}");
    tried
}

#[test]
fn every_alarm_fires_on_what_it_is_for() {
    for (alarm, trial) in tried() {
        assert!(!trial.fires.is_empty(), "{}", alarm.name);
        for run in &trial.fires {
            assert_eq!(
                alarm.state(run, NOW),
                State::Alarm,
                "{}: {run:?}",
                alarm.name
            );
        }
    }
}

#[test]
fn no_alarm_fires_on_what_is_usual_or_over() {
    for (alarm, trial) in tried() {
        assert!(!trial.quiet.is_empty(), "{}", alarm.name);
        for run in &trial.quiet {
            assert_eq!(alarm.state(run, NOW), State::Ok, "{}: {run:?}", alarm.name);
        }
    }
}

/// With a threshold a thousand times as high nothing fires any more, but what fires because nothing is measured.
#[test]
fn it_is_the_parameter_that_decides() {
    let template = made::template();
    let numbers = template.at("/Parameters").as_object().unwrap().iter();
    let numbers = numbers.filter_map(|(name, about)| {
        let higher = about["Default"].as_f64()? * 1_000.0;
        Some((name.as_str(), json!(higher)))
    });
    let raised: Vec<_> = numbers.collect();
    assert!(raised.len() >= 17, "{raised:?}");
    let alarms = Alarm::all(&Made::of(&template, &raised));
    for trial in trials::all(NOW) {
        let name = format!("{BUS}-{}", trial.alarm);
        let alarm = alarms.iter().find(|alarm| alarm.name == name).unwrap();
        for run in trial.fires.iter().filter(|run| !run.is_empty()) {
            assert_eq!(alarm.state(run, NOW), State::Ok, "{name}");
        }
    }
}

/// One number fires its own alarm, and at most the further ones of the same metric.
#[test]
fn an_alarm_looks_at_nothing_that_is_measured_of_something_else() {
    let tried = tried();
    for (alarm, _) in &tried {
        let metrics: BTreeSet<&MetricId> = alarm.series.iter().map(|one| &one.metric).collect();
        let elsewhere = tried
            .iter()
            .flat_map(|(_, trial)| trial.fires.iter().flatten());
        let elsewhere = elsewhere.filter(|point| !metrics.contains(&point.metric));
        let elsewhere: Vec<Datapoint> = elsewhere.cloned().collect();
        let alone = alarm.state(&[], NOW);
        assert_eq!(alarm.state(&elsewhere, NOW), alone, "{}", alarm.name);
    }
}

const PERIOD: i64 = 60;

/// An alarm as those of the documentation's examples: an X is over its threshold.
fn example(over: usize, missing: Missing) -> Alarm {
    Alarm {
        name: "example".to_owned(),
        description: String::new(),
        series: vec![Series {
            metric: MetricId::new("Examples", "Example", &[]),
            statistic: Statistic::Sum,
        }],
        period: PERIOD,
        periods: 3,
        over,
        threshold: 1.0,
        includes_threshold: true,
        missing,
    }
}

/// Periods as the documentation draws them, the last one last.
fn drawn(periods: &str) -> Vec<Datapoint> {
    let ends = (0..5).rev().map(|ago| NOW - ago * PERIOD - 1);
    let drawn = periods.split(' ').zip(ends);
    drawn
        .filter(|(mark, _)| *mark != "-")
        .map(|(mark, at)| Datapoint {
            metric: MetricId::new("Examples", "Example", &[]),
            unit: "Count".to_owned(),
            at,
            value: f64::from(u8::from(mark == "X")),
            count: 1.0,
        })
        .collect()
}

/// The tables of
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html>: five periods, of which
/// three decide; what comes of them where a missing one is breaching, and where it is not.
#[test]
fn missing_data_count_as_cloudwatch_documents_it() {
    let all_of_three = [
        ("0 - X - X", State::Ok, State::Ok),
        ("- - - - 0", State::Ok, State::Ok),
        ("- - - - -", State::Alarm, State::Ok),
        ("0 X X - X", State::Alarm, State::Alarm),
        ("- - X - -", State::Alarm, State::Ok),
    ];
    let two_of_three = [
        ("0 - X - X", State::Alarm, State::Alarm),
        ("0 0 X 0 X", State::Alarm, State::Alarm),
        ("0 - X - -", State::Alarm, State::Ok),
        ("- - - - 0", State::Alarm, State::Ok),
        ("- - - - X", State::Alarm, State::Ok),
    ];
    let tables = [(3, all_of_three), (2, two_of_three)];
    for (over, table) in tables {
        for (periods, breaching, not_breaching) in table {
            let expected = [
                (Missing::Breaching, breaching),
                (Missing::NotBreaching, not_breaching),
            ];
            for (missing, expected) in expected {
                let state = example(over, missing).state(&drawn(periods), NOW);
                assert_eq!(state, expected, "{over} of 3, {missing:?}: {periods}");
            }
        }
    }
}

#[test]
fn statistics_are_of_every_number_that_was_measured() {
    let numbers = [(1.0, 1.0), (2.0, 3.0), (10.0, 1.0)];
    let of = |statistic: &str| statistic.parse::<Statistic>().unwrap().of(&numbers);
    for (statistic, expected) in [
        ("SampleCount", 5.0),
        ("Sum", 17.0),
        ("Average", 3.4),
        ("Minimum", 1.0),
        ("Maximum", 10.0),
        ("p0", 1.0),
        ("p50", 2.0),
        ("p75", 2.0),
        ("p87.5", 6.0),
        ("p100", 10.0),
    ] {
        assert_eq!(of(statistic), Some(expected), "{statistic}");
    }
    assert_eq!(Statistic::Sum.of(&[]), None);
    for unknown in ["p", "p101", "Median", ""] {
        assert!(unknown.parse::<Statistic>().is_err(), "{unknown}");
    }
}

#[test]
fn a_line_is_a_number_under_each_of_its_dimension_sets() {
    let line = json!({
        "_aws": { "Timestamp": 1_795_528_800_250_u64, "CloudWatchMetrics": [{
            "Namespace": "bus", "Dimensions": [["TypeFamily"], []],
            "Metrics": [{ "Name": "Took", "Unit": "Milliseconds" }, { "Name": "Seen" }],
        }] },
        "TypeFamily": "order", "Took": [1.5, 2.5], "Seen": { "Values": [3], "Counts": [2] },
        "tenant.id": "shop",
    });
    let found = datapoints(&line.to_string());
    let families = [
        MetricId::new("bus", "Took", &[("TypeFamily", "order")]),
        MetricId::new("bus", "Took", &[]),
    ];
    for metric in families {
        let of_metric: Vec<f64> = found
            .iter()
            .filter(|point| point.metric == metric)
            .inspect(|point| assert_eq!((point.at, &*point.unit), (NOW, "Milliseconds")))
            .map(|point| point.value)
            .collect();
        assert_eq!(of_metric, [1.5, 2.5]);
    }
    let seen: Vec<_> = found
        .iter()
        .filter(|point| point.metric.name == "Seen")
        .collect();
    assert_eq!(seen.len(), 2);
    assert!(
        seen.iter()
            .all(|point| (point.value, point.count) == (3.0, 2.0))
    );
    assert_eq!(datapoints(r#"{"message":"event.dispatched"}"#), []);
    assert_eq!(datapoints("START RequestId: 1"), []);
}
