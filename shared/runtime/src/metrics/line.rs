//! From what was measured to lines of the embedded metric format
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).

use std::collections::BTreeMap;
use std::time::SystemTime;

use metrique_writer_core::format::Format;
use metrique_writer_core::unit::{NegativeScale, Unit as EmfUnit};
use metrique_writer_core::value::MetricFlags;
use metrique_writer_core::{Entry, EntryWriter, IoStreamError, Observation, Value, ValueWriter};
use metrique_writer_format_emf::Emf;

use super::catalogue::{Definition, Unit};
use super::scope::Scope;

/// Different values of one metric in a line (the specification, «Target members»). A metric of one value is a number;
/// one of several is `{"Values": […], "Counts": […]}`, each value beside how often it was measured. The specification
/// itself tells only of numbers and arrays of numbers; CloudWatch takes this form as well, as PutMetricData does, and
/// AWS's own writers of the format, metrique and the exporter of OpenTelemetry, write it.
pub const MAX_VALUES: usize = 100;

/// What is in a line that is no metric: which function wrote it.
pub const FUNCTION_PROPERTY: &str = "Function";

/// What is in a line that is no metric: in which invocation it was written, as Lambda's own lines have it.
pub const REQUEST_PROPERTY: &str = "requestId";

/// What was measured of one member of a scope.
#[derive(Debug, Default)]
pub(super) struct Measured {
    /// One number each: what is counted, or what there is one of in an invocation.
    pub(super) sums: Vec<(&'static Definition, f64)>,
    /// Every number, since CloudWatch makes percentiles of them.
    pub(super) values: Vec<(&'static Definition, Vec<f64>)>,
}

impl Measured {
    pub(super) fn add(&mut self, metric: &'static Definition, number: f64) {
        match self.sums.iter_mut().find(|(known, _)| *known == metric) {
            Some((_, sum)) => *sum += number,
            None => self.sums.push((metric, number)),
        }
    }

    pub(super) fn record(&mut self, metric: &'static Definition, value: f64) {
        match self.values.iter_mut().find(|(known, _)| *known == metric) {
            Some((_, values)) => values.push(value),
            None => self.values.push((metric, vec![value])),
        }
    }

    /// The lines that it takes: more than one only where there are more values than one can have.
    pub(super) fn lines<'a>(&'a self, head: Head<'a>) -> impl Iterator<Item = Line<'a>> {
        let values = self.values.iter();
        let values: Vec<_> = values
            .map(|(metric, values)| (*metric, distribution(values)))
            .collect();
        let most = values.iter().map(|(_, values)| values.len()).max();
        let lines = most.unwrap_or_default().div_ceil(MAX_VALUES).max(1);
        (0..lines).map(move |number| Line {
            head,
            sums: if number == 0 { &self.sums } else { &[] },
            values: part(&values, number),
        })
    }
}

type Distribution = Vec<Observation>;

/// Each value once, with how often it was measured.
fn distribution(values: &[f64]) -> Distribution {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let same = sorted.chunk_by(|one, other| one == other);
    same.map(|same| match same {
        [value] => Observation::Floating(*value),
        same => Observation::Repeated {
            total: same.iter().sum(),
            occurrences: same.len() as u64,
        },
    })
    .collect()
}

/// What of these values is in the line of this number.
fn part(
    values: &[(&'static Definition, Distribution)],
    number: usize,
) -> Vec<(&'static Definition, Distribution)> {
    let parts = values.iter().filter_map(|(metric, values)| {
        let part = values.chunks(MAX_VALUES).nth(number)?;
        Some((*metric, part.to_vec()))
    });
    parts.collect()
}

/// What every line of one flush has.
#[derive(Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) at: SystemTime,
    pub(super) function: &'a str,
    pub(super) request_id: Option<&'a str>,
    pub(super) scope: Scope,
    /// The value of the scope's dimension.
    pub(super) value: &'a str,
}

/// A line.
pub(super) struct Line<'a> {
    head: Head<'a>,
    sums: &'a [(&'static Definition, f64)],
    values: Vec<(&'static Definition, Distribution)>,
}

impl Entry for Line<'_> {
    fn write<'a>(&'a self, writer: &mut impl EntryWriter<'a>) {
        let head = &self.head;
        writer.timestamp(head.at);
        writer.value(FUNCTION_PROPERTY, head.function);
        if let Some(dimension) = head
            .scope
            .dimension()
            .filter(|name| *name != FUNCTION_PROPERTY)
        {
            writer.value(dimension, head.value);
        }
        if let Some(request_id) = head.request_id {
            writer.value(REQUEST_PROPERTY, request_id);
        }
        for (metric, sum) in self.sums {
            let sum = [Observation::Floating(*sum)];
            writer.value(metric.name, &Observed(metric.unit, &sum));
        }
        for (metric, values) in &self.values {
            writer.value(metric.name, &Observed(metric.unit, values));
        }
    }
}

/// What was measured of a metric.
struct Observed<'a>(Unit, &'a [Observation]);

impl Value for Observed<'_> {
    fn write(&self, writer: impl ValueWriter) {
        let observed = self.1.iter().copied();
        writer.metric(observed, emf_unit(self.0), [], MetricFlags::empty());
    }
}

const fn emf_unit(unit: Unit) -> EmfUnit {
    match unit {
        Unit::Count => EmfUnit::Count,
        Unit::Milliseconds => EmfUnit::Second(NegativeScale::Milli),
        Unit::Seconds => EmfUnit::Second(NegativeScale::One),
    }
}

/// Formats, each made when it is first needed and kept: they hold what is the same in every line.
pub(super) struct Formats {
    namespace: String,
    known: BTreeMap<Scope, Emf>,
}

impl Formats {
    pub(super) fn new(namespace: String) -> Self {
        Self {
            namespace,
            known: BTreeMap::new(),
        }
    }

    /// Writes a line.
    pub(super) fn write(
        &mut self,
        line: &Line<'_>,
        output: &mut Vec<u8>,
    ) -> Result<(), IoStreamError> {
        let scope = line.head.scope;
        let namespace = &self.namespace;
        let emf = self.known.entry(scope).or_insert_with(|| {
            let sets = scope.dimension_sets().iter();
            let own = |set: &&[&str]| set.iter().map(|name| (*name).to_owned()).collect();
            Emf::builder(namespace.clone(), sets.map(own).collect()).build()
        });
        emf.format(line, output)
    }
}
