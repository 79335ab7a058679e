//! `infra/observability.yaml`, held against the metrics that functions emit, against the bus's template and against the
//! runbooks.

use std::collections::BTreeSet;
use std::fs::read_to_string;
use std::path::Path;

use pillarbox_domain::limits::MIN_RETENTION_DAYS;
use pillarbox_tests::cloudwatch::alarm::Alarm;
use pillarbox_tests::cloudwatch::catalogue::Known;
use pillarbox_tests::cloudwatch::dashboard::{self, Shown};
use pillarbox_tests::cloudwatch::made::{self, BUS, MAX_TEMPLATE_BYTES, Made};
use pillarbox_tests::cloudwatch::trials::FUNCTIONS;
use pillarbox_tests::template::{Template, elements, in_workspace, members};
use serde_json::{Value, json};

use crate::{FUNCTION, Faults, QUEUE, check, check_in, unless};

const ALARM: &str = "AWS::CloudWatch::Alarm";
const QUERY: &str = "AWS::Logs::QueryDefinition";
const RUNBOOKS: &str = "docs/runbooks";

fn check_stack(faults: impl Fn(&Template) -> Faults, breakages: &[(&str, Value, &str)]) {
    check_in(&made::template(), faults, breakages);
}

/// Where the dashboard's text is.
const BODY: &str = "/Resources/Dashboard/Properties/DashboardBody/Fn::Sub/0";

/// The dashboard with another text in it.
fn body_with(old: &str, new: &str) -> Value {
    let template = made::template();
    let body = template.at(BODY).as_str().unwrap();
    assert!(body.contains(old), "{old}");
    json!(body.replace(old, new))
}

/// What AWS itself measures, with its dimensions and by which statistics it says something.
///
/// <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html>,
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html>,
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html>,
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html>
const OF_AWS: [(&str, &str, &[&str], &[&str]); 16] = [
    ("AWS/Lambda", "Errors", &["FunctionName"], &["Sum"]),
    ("AWS/Lambda", "Throttles", &["FunctionName"], &["Sum"]),
    ("AWS/Lambda", "Duration", &["FunctionName"], &["p95"]),
    ("AWS/Lambda", "IteratorAge", &["FunctionName"], &["Maximum"]),
    ("AWS/Lambda", "ConcurrentExecutions", &[], &["Maximum"]),
    (
        "AWS/SQS",
        "ApproximateNumberOfMessagesVisible",
        &["QueueName"],
        &["Maximum", "Minimum"],
    ),
    (
        "AWS/SQS",
        "ApproximateNumberOfMessagesNotVisible",
        &["QueueName"],
        &["Maximum", "Minimum"],
    ),
    (
        "AWS/SQS",
        "ApproximateAgeOfOldestMessage",
        &["QueueName"],
        &["Maximum"],
    ),
    ("AWS/ApiGateway", "Count", &["ApiId"], &["Sum"]),
    ("AWS/ApiGateway", "4xx", &["ApiId"], &["Sum"]),
    ("AWS/ApiGateway", "5xx", &["ApiId"], &["Sum"]),
    ("AWS/ApiGateway", "Latency", &["ApiId"], &["p95"]),
    (
        "AWS/DynamoDB",
        "ConsumedReadCapacityUnits",
        &["TableName"],
        &["Sum"],
    ),
    (
        "AWS/DynamoDB",
        "ConsumedWriteCapacityUnits",
        &["TableName"],
        &["Sum"],
    ),
    ("AWS/DynamoDB", "ConsumedReadCapacityUnits", INDEX, &["Sum"]),
    (
        "AWS/DynamoDB",
        "ConsumedWriteCapacityUnits",
        INDEX,
        &["Sum"],
    ),
];

const INDEX: &[&str] = &["GlobalSecondaryIndexName", "TableName"];

/// Everything that the dashboard shows and that alarms look at.
fn used(template: &Template) -> Result<Vec<Shown>, String> {
    let made = Made::of(template, &[]);
    let mut used = dashboard::shown(&dashboard::widgets(&made)?);
    for alarm in Alarm::all(&made) {
        used.extend(alarm.series.iter().map(|series| {
            Shown {
                graph: alarm.name.clone(),
                namespace: series.metric.namespace.clone(),
                name: series.metric.name.clone(),
                dimensions: series
                    .metric
                    .dimensions
                    .iter()
                    .map(|(name, value)| (name.clone(), Some(value.clone())))
                    .collect(),
                statistic: series.statistic.to_string(),
            }
        }));
    }
    Ok(used)
}

fn unknown_metrics(template: &Template) -> Faults {
    let used = match used(template) {
        Ok(used) => used,
        Err(fault) => return vec![fault],
    };
    let faults = used.iter().filter_map(|shown| {
        let fault = unfit(shown)?;
        Some(format!("{}: {} {fault}", shown.graph, shown.name))
    });
    faults.collect()
}

/// What is wrong with how a metric is used.
fn unfit(shown: &Shown) -> Option<String> {
    let dimensions = shown.dimension_names();
    let (is_known, has_dimensions, fits) = if shown.namespace == BUS {
        let known = Known::named(&shown.name);
        let statistic = shown.statistic.parse();
        (
            known.is_some(),
            known.is_some_and(|known| known.has(&dimensions)),
            known.is_some_and(|known| statistic.is_ok_and(|statistic| known.fits(statistic))),
        )
    } else {
        let is_it = |(namespace, name, ..): &&(&str, &str, &[&str], &[&str])| {
            (*namespace, *name) == (&*shown.namespace, &*shown.name)
        };
        let known: Vec<_> = OF_AWS.iter().filter(is_it).collect();
        let with = known
            .iter()
            .find(|(_, _, names, _)| names.iter().copied().collect::<BTreeSet<_>>() == dimensions);
        (
            !known.is_empty(),
            with.is_some(),
            with.is_some_and(|(.., statistics)| statistics.contains(&&*shown.statistic)),
        )
    };
    match (is_known, has_dimensions, fits) {
        (false, ..) => Some("is emitted by nobody".to_owned()),
        (_, false, _) => Some(format!("is not emitted with {dimensions:?}")),
        (_, _, false) => Some(format!("says nothing by its {}", shown.statistic)),
        _ => None,
    }
}

#[test]
fn what_is_shown_and_watched_is_emitted_with_its_dimensions_and_unit() {
    let broken = [
        (
            BODY,
            body_with("\"EventsAccepted\"", "\"EventsTaken\""),
            "EventsTaken is emitted by nobody",
        ),
        (
            BODY,
            body_with(",TypeFamily}", ",Tenant}"),
            "EventsAccepted is not emitted with {\"Tenant\"}",
        ),
        (
            BODY,
            body_with("\"stat\": \"p99\"", "\"stat\": \"Sum\""),
            "DispatchLatency says nothing by its Sum",
        ),
        (
            BODY,
            body_with("\"QueueName\"", "\"Queue\""),
            "is not emitted with {\"Queue\"}",
        ),
        (BODY, json!("{"), "no JSON"),
    ];
    check_stack(unknown_metrics, &broken);
    let alarm = "/Resources/OutboxPendingAlarm/Properties";
    let broken = [
        (
            format!("{alarm}/MetricName"),
            json!("Pending"),
            "Pending is emitted by nobody",
        ),
        (
            format!("{alarm}/Statistic"),
            json!("Sum"),
            "OutboxPending says nothing by its Sum",
        ),
        (
            format!("{alarm}/Dimensions"),
            json!([{ "Name": "Function", "Value": "metrics" }]),
            "OutboxPending is not emitted with {\"Function\"}",
        ),
    ];
    for (place, value, words) in broken {
        check_stack(unknown_metrics, &[(&place, value, words)]);
    }
}

fn unwatched(template: &Template) -> Faults {
    let used = match used(template) {
        Ok(used) => used,
        Err(fault) => return vec![fault],
    };
    let of_bus = used.iter().filter(|shown| shown.namespace == BUS);
    let names: BTreeSet<&str> = of_bus.map(|shown| &*shown.name).collect();
    let unwatched = Known::all().filter(|known| !names.contains(known.name()));
    unwatched
        .map(|known| format!("nobody looks at {}", known.name()))
        .collect()
}

#[test]
fn every_metric_that_is_emitted_is_shown_or_watched() {
    let broken = [(
        BODY,
        body_with("\"JobEvents\"", "\"SweepFound\""),
        "nobody looks at JobEvents",
    )];
    check_stack(unwatched, &broken);
}

fn unguided(template: &Template) -> Faults {
    let index = read_to_string(in_workspace(&format!("{RUNBOOKS}/README.md"))).unwrap();
    let alarms = Alarm::all(&Made::of(template, &[]));
    let mut faults = Faults::new();
    let mut linked = BTreeSet::new();
    for alarm in alarms {
        let link = alarm.description.split(' ').next_back().unwrap_or_default();
        let runbook = link.strip_prefix(&format!("{RUNBOOKS}/"));
        let runbook = runbook.and_then(|file| file.strip_suffix(".md"));
        let Some(runbook) = runbook else {
            faults.push(format!("{} links no runbook", alarm.name));
            continue;
        };
        let own = alarm.name.strip_prefix(&format!("{BUS}-"));
        let of_function = |own: &str| {
            let function = own.strip_prefix(runbook);
            function
                .and_then(|function| function.strip_prefix('-'))
                .is_some()
        };
        faults.extend(unless(
            own.is_some_and(|own| own == runbook || of_function(own)),
            format!("{} is not named as its runbook {runbook}", alarm.name),
        ));
        faults.extend(unless(
            in_workspace(link).exists(),
            format!("{link} is not there"),
        ));
        faults.extend(unless(
            index.contains(&format!("({runbook}.md)")),
            format!("{runbook} is not in the index"),
        ));
        linked.insert(format!("{runbook}.md"));
    }
    let written = std::fs::read_dir(in_workspace(RUNBOOKS)).unwrap();
    let written = written.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let needless = written.filter(|file| file != "README.md" && !linked.contains(file));
    faults.extend(needless.map(|file| format!("{file} is of no alarm")));
    faults
}

#[test]
fn every_alarm_says_where_its_runbook_is() {
    let alarm = "/Resources/SealLagAlarm/Properties";
    let broken = [
        (
            format!("{alarm}/AlarmDescription"),
            json!("It lags."),
            "pillarbox-seal-lag links no runbook",
        ),
        (
            format!("{alarm}/AlarmDescription"),
            json!({ "Fn::Sub": "It lags. ${RunbookBase}/lag.md" }),
            "docs/runbooks/lag.md is not there",
        ),
        (
            format!("{alarm}/AlarmName"),
            json!("pillarbox-lag"),
            "pillarbox-lag is not named as its runbook seal-lag",
        ),
        (
            "/Resources/SweepFoundAlarm".to_owned(),
            Value::Null,
            "sweep-found.md is of no alarm",
        ),
    ];
    for (place, value, words) in broken {
        check_stack(unguided, &[(&place, value, words)]);
    }
}

/// All alarms as they are written: in a loop, too.
fn written_alarms(template: &Template) -> Vec<(String, &Value)> {
    let resources = members(template.at("/Resources"));
    let alarms = resources.flat_map(
        |(name, resource)| match name.strip_prefix("Fn::ForEach::") {
            Some(_) => members(&resource[2]).collect(),
            None => vec![(name, resource)],
        },
    );
    alarms
        .filter(|(_, resource)| resource["Type"] == ALARM)
        .map(|(name, resource)| (name.to_owned(), &resource["Properties"]))
        .collect()
}

/// A day of one-minute to half-hour periods, a week of whole hours: what CloudWatch looks back at most
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html>).
fn is_evaluable(period: u64, periods: u64) -> bool {
    let most = if period >= 3_600 { 604_800 } else { 86_400 };
    period > 0 && period.is_multiple_of(60) && period * periods <= most
}

fn unfit_alarms(template: &Template) -> Faults {
    let mut faults = Faults::new();
    for (name, alarm) in written_alarms(template) {
        let parameter = alarm["Threshold"]["Ref"].as_str().unwrap_or_default();
        let about = template.at(&format!("/Parameters/{parameter}"));
        let period = alarm["Period"].as_u64();
        let period = period.or(alarm["Metrics"][1]["MetricStat"]["Period"].as_u64());
        let periods = alarm["EvaluationPeriods"].as_u64().unwrap_or_default();
        let over = alarm["DatapointsToAlarm"].as_u64().unwrap_or_default();
        let topic = json!([{ "Fn::If": ["GivenTopic", { "Ref": "AlarmTopicArn" }, { "Ref": "AlarmTopic" }] }]);
        let missing = alarm["TreatMissingData"].as_str();
        let expected = [
            (
                about["Type"] == "Number"
                    && !about["Default"].is_null()
                    && !about["MinValue"].is_null(),
                "has a threshold that is no parameter",
            ),
            (
                about["Description"]
                    .as_str()
                    .is_some_and(|text| text.len() > 20),
                "has a threshold that nobody explains",
            ),
            (
                is_evaluable(period.unwrap_or_default(), periods) && (1..=periods).contains(&over),
                "has periods that CloudWatch does not take",
            ),
            (
                missing.is_some_and(|word| ["breaching", "notBreaching"].contains(&word)),
                "does not say what no data mean",
            ),
            (alarm["AlarmActions"] == topic, "tells nobody"),
            (
                alarm["OKActions"].is_null() || alarm["OKActions"] == topic,
                "tells others of its end than of its beginning",
            ),
        ];
        let broken = expected.into_iter().filter(|(holds, _)| !holds);
        faults.extend(broken.map(|(_, fault)| format!("{name} {fault}")));
    }
    faults
}

#[test]
fn every_alarm_has_a_threshold_that_can_be_set_and_tells_somebody() {
    let alarm = "/Resources/DispatchSlowAlarm/Properties";
    let broken = [
        (format!("{alarm}/Threshold"), json!(2000), "DispatchSlowAlarm has a threshold that is no parameter"),
        ("/Parameters/SweepFound/MinValue".to_owned(), Value::Null, "SweepFoundAlarm has a threshold that is no parameter"),
        ("/Parameters/SweepFound/Description".to_owned(), json!("Found."), "that nobody explains"),
        (format!("{alarm}/Period"), json!(90), "has periods that CloudWatch does not take"),
        (format!("{alarm}/EvaluationPeriods"), json!(2), "has periods that CloudWatch does not take"),
        (format!("{alarm}/EvaluationPeriods"), json!(1_500), "has periods that CloudWatch does not take"),
        (format!("{alarm}/TreatMissingData"), Value::Null, "does not say what no data mean"),
        (format!("{alarm}/AlarmActions"), Value::Null, "DispatchSlowAlarm tells nobody"),
        (format!("{alarm}/OKActions"), json!([]), "tells others of its end"),
        (
            "/Resources/Fn::ForEach::ErrorsOfFunctions/2/FunctionErrors&{Function}Alarm/Properties/AlarmActions".to_owned(),
            Value::Null,
            "tells nobody",
        ),
    ];
    for (place, value, words) in broken {
        check_stack(unfit_alarms, &[(&place, value, words)]);
    }
}

/// The alarm of hours that may expire before they are archived comes two days before the first one could.
#[test]
fn there_are_two_days_left_when_an_hour_may_expire_unsealed() {
    let template = made::template();
    let seconds = template.at("/Parameters/SealExpirySeconds/Default");
    assert_eq!(*seconds, (u64::from(MIN_RETENTION_DAYS) - 2) * 86_400);
}

/// Functions of the bus whose crashes or refusals nobody would hear of.
fn unwatched_functions(bus: &Template) -> Faults {
    let alarms = Alarm::all(&Made::of(&made::template(), &[]));
    let watches = |function: &str, metric: &str| {
        alarms.iter().any(|alarm| {
            let series = alarm.series.iter();
            alarm.series.len() == 1
                && series.into_iter().all(|series| {
                    let name = series.metric.dimensions.get("FunctionName");
                    series.metric.name == metric && name.is_some_and(|name| name == function)
                })
        })
    };
    let mut faults = Faults::new();
    for function in bus.resources(FUNCTION) {
        let name = bus.property(function, "FunctionName")["Fn::Sub"].as_str();
        let name = name.unwrap_or_default().replace("${AWS::StackName}", BUS);
        for metric in ["Errors", "Throttles"] {
            faults.extend(unless(
                watches(&name, metric),
                format!("no alarm watches the {metric} of {function}"),
            ));
        }
    }
    faults
}

#[test]
fn every_function_of_the_bus_is_watched() {
    let name = json!({ "Fn::Sub": "${AWS::StackName}-new" });
    let place = "/Resources/IngestFunction/Properties/FunctionName";
    let broken = [
        (
            place,
            name.clone(),
            "no alarm watches the Errors of IngestFunction",
        ),
        (
            place,
            name,
            "no alarm watches the Throttles of IngestFunction",
        ),
    ];
    check(unwatched_functions, &broken);
}

/// Functions, queues and log groups that are named, and are not there.
fn strangers(template: &Template) -> Faults {
    let bus = Template::of_workspace();
    let name_of = |resource: &str, property: &str| {
        let name = bus.property(resource, property)["Fn::Sub"].as_str();
        name.map(|name| name.replace("${AWS::StackName}", BUS))
    };
    let names = |kind, property: &str| -> BTreeSet<String> {
        let all = bus.resources(kind).into_iter();
        all.filter_map(|one| name_of(one, property)).collect()
    };
    let functions = names(FUNCTION, "FunctionName").into_iter();
    let functions = functions.chain(FUNCTIONS.map(|name| format!("{BUS}-{name}")));
    let functions: BTreeSet<String> = functions.collect();
    let queues = names(QUEUE, "QueueName");
    let groups = names("AWS::Logs::LogGroup", "LogGroupName");
    let made = Made::of(template, &[]);
    let mut faults = Faults::new();
    let dimensions = used(template).unwrap_or_default().into_iter();
    for (name, value) in dimensions.flat_map(|shown| shown.dimensions) {
        let known = match name.as_str() {
            "FunctionName" => &functions,
            "QueueName" => &queues,
            _ => continue,
        };
        let Some(value) = value else {
            continue; // a search, of all that there are
        };
        faults.extend(unless(
            known.contains(&value),
            format!("there is no {value}"),
        ));
    }
    for (_, query) in made.resources(QUERY) {
        let unknown = elements(&query["LogGroupNames"])
            .iter()
            .filter_map(Value::as_str)
            .filter(|group| !groups.contains(*group));
        faults.extend(unknown.map(|group| format!("there is no {group}")));
    }
    faults
}

#[test]
fn what_is_watched_is_there() {
    let broken = [
        (
            BODY,
            body_with("${BusStack}-jobs", "${BusStack}-work"),
            "there is no pillarbox-work",
        ),
        (
            BODY,
            body_with("\"${BusStack}-retry\"", "\"${BusStack}-retries\""),
            "there is no pillarbox-retries",
        ),
        (
            "/Resources/SlowEventsQuery/Properties/LogGroupNames/0",
            json!("/aws/lambda/pillarbox-publish"),
            "there is no /aws/lambda/pillarbox-publish",
        ),
    ];
    check_stack(strangers, &broken);
}

const COLUMNS: u64 = 24;

fn misplaced(template: &Template) -> Faults {
    let widgets = match dashboard::widgets(&Made::of(template, &[])) {
        Ok(widgets) => widgets,
        Err(fault) => return vec![fault],
    };
    let mut taken = BTreeSet::new();
    let mut faults = Faults::new();
    for widget in &widgets {
        let number = |name: &str| widget[name].as_u64().unwrap_or_default();
        let (x, y) = (number("x"), number("y"));
        let (right, bottom) = (x + number("width"), y + number("height"));
        let title = widget["properties"]["title"].as_str().unwrap_or("a text");
        faults.extend(unless(
            right <= COLUMNS && right > x && bottom > y,
            format!("{title} is not within the {COLUMNS} columns"),
        ));
        let cells = (y..bottom).flat_map(|row| (x..right).map(move |column| (row, column)));
        let overlaps = cells.filter(|cell| !taken.insert(*cell)).count();
        faults.extend(unless(overlaps == 0, format!("{title} lies over another")));
    }
    faults
}

#[test]
fn the_dashboard_has_no_widget_over_another() {
    let broken = [
        (
            BODY,
            body_with("\"x\": 8, \"y\": 7", "\"x\": 7, \"y\": 7"),
            "lies over another",
        ),
        (
            BODY,
            body_with("\"x\": 16, \"y\": 7", "\"x\": 18, \"y\": 7"),
            "is not within the 24 columns",
        ),
    ];
    check_stack(misplaced, &broken);
}

fn unshown_alarms(template: &Template) -> Faults {
    let made = Made::of(template, &[]);
    let widgets = dashboard::widgets(&made).unwrap_or_default();
    let shown: BTreeSet<String> = widgets
        .iter()
        .filter(|widget| widget["type"] == "alarm")
        .flat_map(|widget| elements(&widget["properties"]["alarms"]).to_vec())
        .filter_map(|arn| Some(arn.as_str()?.rsplit_once(":alarm:")?.1.to_owned()))
        .collect();
    let there: BTreeSet<String> = Alarm::all(&made)
        .into_iter()
        .map(|alarm| alarm.name)
        .collect();
    let differ = there.symmetric_difference(&shown);
    differ
        .map(|name| format!("{name} is either no alarm or not on the dashboard"))
        .collect()
}

#[test]
fn the_dashboard_shows_every_alarm() {
    let broken = [
        (
            BODY,
            body_with("}-concurrency\"", "}-concurrent\""),
            "pillarbox-concurrency is either",
        ),
        (
            "/Resources/ApiErrorsAlarm",
            Value::Null,
            "pillarbox-api-errors is either",
        ),
    ];
    check_stack(unshown_alarms, &broken);
}

/// Names of log queries that are to be there.
const QUERIES: [&str; 5] = [
    "failed events",
    "one correlation",
    "one event",
    "one trace",
    "slow events",
];

#[test]
fn there_is_a_query_for_what_is_asked_most() {
    let made = Made::of(&made::template(), &[]);
    let names: BTreeSet<String> = made
        .resources(QUERY)
        .filter_map(|(_, query)| query["Name"].as_str().map(str::to_owned))
        .collect();
    let expected = QUERIES.map(|name| format!("{BUS}/{name}"));
    assert_eq!(names, BTreeSet::from(expected));
}

/// All that functions and what they share are written of.
fn sources(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let texts = paths.map(|path| match path.extension() {
        _ if path.is_dir() => sources(&path),
        Some(extension) if extension == "rs" => read_to_string(path).unwrap(),
        _ => String::new(),
    });
    texts.collect()
}

/// Fields and messages of lines that queries ask for, and that no function writes.
fn unlogged(template: &Template) -> Faults {
    let written = ["functions", "shared"].map(|folder| sources(&in_workspace(folder)));
    let written = written.concat().replace("r#", "");
    let made = Made::of(template, &[]);
    let mut faults = Faults::new();
    for (name, query) in made.resources(QUERY) {
        let query = query["QueryString"].as_str().unwrap_or_default();
        let (fields, conditions) = query.split_once('\n').unwrap_or_default();
        let fields = fields.trim_start_matches("fields ").split(", ");
        let texts = conditions.split('"').skip(1).step_by(2);
        let asked = fields.filter(|field| !field.starts_with('@')).chain(texts);
        let unlogged = asked.filter(|word| !word.starts_with("id of ") && !written.contains(word));
        faults.extend(unlogged.map(|word| format!("{name}: nobody logs {word}")));
    }
    faults
}

#[test]
fn log_queries_ask_for_what_functions_log() {
    let query = "/Resources/FailedEventsQuery/Properties/QueryString";
    let text = made::template().at(query).as_str().unwrap().to_owned();
    let broken = [
        (
            query,
            json!(text.replace("tenant.id", "tenant_name")),
            "nobody logs tenant_name",
        ),
        (
            query,
            json!(text.replace("dead_letter.stored", "letter.kept")),
            "nobody logs letter.kept",
        ),
    ];
    check_stack(unlogged, &broken);
}

#[test]
fn the_template_can_be_deployed_as_it_is() {
    let text = read_to_string(in_workspace("infra/observability.yaml")).unwrap();
    assert!(text.len() <= MAX_TEMPLATE_BYTES, "{} bytes", text.len());
}

/// A row of the documentation's table of metrics, up to what the metric is.
fn row(known: Known) -> String {
    let sets = known.dimension_sets().iter().map(|set| match set {
        [] => "all".to_owned(),
        names => format!("each `{}`", names.join("`, `")),
    });
    let sets: Vec<String> = sets.collect();
    let functions = match known.functions() {
        every if every.len() == FUNCTIONS.len() => "every function".to_owned(),
        some => some.join(", "),
    };
    let (name, unit) = (known.name(), known.unit());
    format!("| `{name}` | {unit} | {} | {functions} | ", sets.join(", "))
}

#[test]
fn every_metric_and_alarm_is_in_the_documentation() {
    let page = read_to_string(in_workspace("docs/observability.md")).unwrap();
    for known in Known::all() {
        assert!(page.contains(&row(known)), "{}", row(known));
    }
    for alarm in Alarm::all(&Made::of(&made::template(), &[])) {
        let (_, runbook) = alarm.description.rsplit_once("docs/").unwrap();
        assert!(page.contains(&format!("({runbook})")), "{runbook}");
    }
    for (name, alarm) in written_alarms(&made::template()) {
        let parameter = alarm["Threshold"]["Ref"].as_str().unwrap();
        let threshold = format!("| `{parameter}` (");
        assert!(page.contains(&threshold), "{name}: {parameter}");
    }
}
