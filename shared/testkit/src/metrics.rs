//! Metrics in memory, each line of which is held against the published schema of the embedded metric format, against
//! what its specification says besides, and against the catalogue.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, LazyLock, Mutex};

use jsonschema::{Draft, Validator};
use pillarbox_runtime::metrics::catalogue::{self, Definition};
use pillarbox_runtime::metrics::scope::{MAX_DIMENSION_CHARS, Scope};
use pillarbox_runtime::metrics::{FUNCTION_PROPERTY, MAX_VALUES, Metrics, REQUEST_PROPERTY};
use serde_json::{Value, json};

use crate::ManualClock;

/// The namespace of metrics in tests.
pub const NAMESPACE: &str = "pillarbox-test";

/// Bytes of a line that a log takes (the specification, «Embedded metric format document structure»).
const MAX_LINE_BYTES: usize = 1_048_576;

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let schema = include_str!("../resources/emf_schema.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let options = jsonschema::options().with_draft(Draft::Draft7);
    options.build(&schema).unwrap()
});

/// The metrics of one function, and the lines that they became.
#[derive(Clone)]
pub struct MemoryMetrics {
    /// For the function.
    pub metrics: Metrics,
    lines: Checked,
}

/// An output that takes only lines that are right.
#[derive(Clone)]
struct Checked {
    function: &'static str,
    taken: Arc<Mutex<Vec<Value>>>,
}

impl io::Write for Checked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = str::from_utf8(bytes).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "{text}");
        for line in text.lines() {
            assert!(line.len() <= MAX_LINE_BYTES, "{} bytes", line.len());
            let line: Value = serde_json::from_str(line).unwrap();
            let faults = faults(self.function, NAMESPACE, &line);
            assert!(faults.is_empty(), "{faults:#?} in {line:#}");
            self.taken.lock().unwrap().push(line);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MemoryMetrics {
    /// Those of this function. What it leaves unwritten is written, and so checked, when they end.
    pub fn of(function: &'static str) -> Self {
        Self::at(function, ManualClock::default())
    }

    /// The same, by this clock.
    pub fn at(function: &'static str, clock: ManualClock) -> Self {
        let taken = Arc::default();
        let lines = Checked { function, taken };
        let metrics = Metrics::new(NAMESPACE, function, clock, lines.clone());
        Self { metrics, lines }
    }

    /// The lines since this was asked last.
    pub fn lines(&self) -> Vec<Value> {
        self.metrics.flush(None);
        std::mem::take(&mut *self.lines.taken.lock().unwrap())
    }

    /// The metrics of these lines: by name and by the value of their dimension, if they have one, every value.
    pub fn values(&self) -> Values {
        values(&self.lines())
    }
}

/// Values by metric and member, as in `("EventsAccepted", "order")`; the member of what has none is empty.
pub type Values = BTreeMap<(String, String), Vec<f64>>;

/// Values by metric and member, written out, as in `("EventsAccepted", "order", &[1.0])`.
pub fn told<const N: usize>(values: [(&str, &str, &[f64]); N]) -> Values {
    let place = |name: &str, member: &str| (name.to_owned(), member.to_owned());
    let values = values.into_iter();
    values
        .map(|(name, member, values)| (place(name, member), values.to_vec()))
        .collect()
}

/// What lines tell.
pub fn values(lines: &[Value]) -> Values {
    let mut values = Values::new();
    for line in lines {
        for (definition, _) in definitions(line) {
            let member = definition.scope.dimension().map(|name| &line[name]);
            let member = member.and_then(Value::as_str).unwrap_or_default();
            let place = (definition.name.to_owned(), member.to_owned());
            let told = numbers(&line[definition.name]).unwrap();
            let told = told.into_iter();
            let told = told.flat_map(|(value, times)| std::iter::repeat_n(value, times));
            values.entry(place).or_default().extend(told);
        }
    }
    values
}

/// Everything that is wrong with a line of a function's in a namespace.
pub fn faults(function: &str, namespace: &str, line: &Value) -> Vec<String> {
    let errors = SCHEMA.iter_errors(line);
    let mut faults: Vec<String> = errors.map(|error| error.to_string()).collect();
    faults.extend(unknown(line));
    for (definition, directive) in definitions(line) {
        faults.extend(faults_of(function, line, definition, directive));
        if directive["Namespace"] != namespace {
            faults.push(format!("{} is in another namespace", definition.name));
        }
    }
    faults.extend(strays(line));
    faults.extend(faults_of_dimensions(line));
    faults
}

/// Each metric that the catalogue has, and the directive that declares it.
fn definitions(line: &Value) -> Vec<(&'static Definition, &Value)> {
    let declared = declared(line);
    let known = declared.filter_map(|(name, directive)| {
        let definition = catalogue::definition(name)?;
        Some((definition, directive))
    });
    known.collect()
}

fn declared(line: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let directives = elements(&line["_aws"]["CloudWatchMetrics"]);
    directives.iter().flat_map(|directive| {
        let metrics = elements(&directive["Metrics"]);
        let names = metrics.iter().map(|metric| &metric["Name"]);
        names.map(move |name| (name.as_str().unwrap_or_default(), directive))
    })
}

fn elements(value: &Value) -> &[Value] {
    match value {
        Value::Array(elements) => elements,
        one => std::slice::from_ref(one),
    }
}

/// The values of a metric, each with how often it was measured: one number, or values beside their counts.
fn numbers(told: &Value) -> Option<Vec<(f64, usize)>> {
    let number = |value: &Value| value.as_f64().filter(|number| *number >= 0.0);
    let Value::Object(members) = told else {
        return Some(vec![(number(told)?, 1)]);
    };
    let (values, counts) = (members.get("Values")?, members.get("Counts")?);
    let (values, counts) = (values.as_array()?, counts.as_array()?);
    let is_whole = members.len() == 2 && !values.is_empty() && values.len() == counts.len();
    let told = values.iter().zip(counts).map(|(value, count)| {
        let count = count.as_u64().filter(|count| *count > 0)?;
        Some((number(value)?, usize::try_from(count).ok()?))
    });
    told.collect::<Option<Vec<_>>>().filter(|_| is_whole)
}

fn unknown(line: &Value) -> Vec<String> {
    let unknown = declared(line).filter(|(name, _)| catalogue::definition(name).is_none());
    unknown
        .map(|(name, _)| format!("{name} is not in the catalogue"))
        .collect()
}

fn faults_of(
    function: &str,
    line: &Value,
    definition: &Definition,
    directive: &Value,
) -> Vec<String> {
    let Definition { name, scope, .. } = definition;
    let metrics = elements(&directive["Metrics"]);
    let mut of_name = metrics.iter().filter(|metric| metric["Name"] == **name);
    let unit = of_name.next().map(|metric| &metric["Unit"]);
    let numbers = numbers(&line[*name]);
    let values = numbers.as_ref().map_or(0, Vec::len);
    let times = declared(line).filter(|(other, _)| other == name).count();
    let holds = [
        (
            definition.functions.contains(&function),
            format!("is not emitted by {function}"),
        ),
        (
            unit == Some(&json!(definition.unit.name())),
            "has another unit".to_owned(),
        ),
        (
            directive["Dimensions"] == json!(scope.dimension_sets()),
            "has other dimensions".to_owned(),
        ),
        (
            numbers.is_some(),
            "is no number, and no values with their counts".to_owned(),
        ),
        (values <= MAX_VALUES, format!("has {values} values")),
        (times == 1, "is declared twice".to_owned()),
    ];
    let broken = holds.into_iter().filter(|(holds, _)| !holds);
    broken.map(|(_, fault)| format!("{name} {fault}")).collect()
}

/// A member that nobody declared: a payload could be in it.
fn strays(line: &Value) -> Vec<String> {
    let dimensions = Scope::ALL.into_iter().filter_map(Scope::dimension);
    let mut known: BTreeSet<&str> = dimensions.collect();
    known.extend(["_aws", FUNCTION_PROPERTY, REQUEST_PROPERTY]);
    known.extend(declared(line).map(|(name, _)| name));
    let members = line.as_object().into_iter().flatten();
    let strays = members.filter(|(name, _)| !known.contains(name.as_str()));
    strays
        .map(|(name, _)| format!("{name} is neither a metric nor a known property"))
        .collect()
}

fn faults_of_dimensions(line: &Value) -> Vec<String> {
    let directives = elements(&line["_aws"]["CloudWatchMetrics"]);
    let sets = directives
        .iter()
        .flat_map(|directive| elements(&directive["Dimensions"]));
    let names = sets.flat_map(elements).filter_map(Value::as_str);
    let is_value = |name: &str| {
        let value = line[name].as_str().unwrap_or_default();
        let length = 1..=MAX_DIMENSION_CHARS;
        length.contains(&value.len()) && value.is_ascii() && !value.starts_with(':')
    };
    let names: BTreeSet<&str> = names.collect();
    let broken = names.into_iter().filter(|name| !is_value(name));
    broken
        .map(|name| format!("{name} is not the value of a dimension"))
        .collect()
}
