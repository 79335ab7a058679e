//! From what was measured to lines of the embedded metric format
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).

use std::time::SystemTime;

use metrique_writer_core::format::Format;
use metrique_writer_core::unit::{NegativeScale, Unit as EmfUnit};
use metrique_writer_core::value::MetricFlags;
use metrique_writer_core::{Entry, EntryWriter, IoStreamError, Observation, Value, ValueWriter};
use metrique_writer_format_emf::{Emf, MetricDefinition, MetricDirective};

use super::catalogue::{Definition, Unit};
use super::scope::Scope;

/// Numbers in an array of one metric (the specification, «Target members»).
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
    pub(super) fn lines<'a>(&'a self, head: &Head<'a>) -> impl Iterator<Item = Line<'a>> {
        let most = self.values.iter().map(|(_, values)| values.len()).max();
        let lines = most.unwrap_or_default().div_ceil(MAX_VALUES).max(1);
        let head = *head;
        (0..lines).map(move |number| Line {
            head,
            sums: if number == 0 { &self.sums } else { &[] },
            values: self.part(number),
        })
    }

    fn part(&self, number: usize) -> Vec<(&'static Definition, &[f64])> {
        let parts = self.values.iter().filter_map(|(metric, values)| {
            let part = values.chunks(MAX_VALUES).nth(number)?;
            Some((*metric, part))
        });
        parts.collect()
    }
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
    values: Vec<(&'static Definition, &'a [f64])>,
}

impl Line<'_> {
    /// The metrics that have more values than one: the format wants to know them before.
    fn arrays(&self) -> impl Iterator<Item = &'static Definition> {
        let arrays = self.values.iter().filter(|(_, values)| values.len() > 1);
        arrays.map(|(metric, _)| *metric)
    }
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
            writer.value(metric.name, &Number(metric.unit, *sum));
        }
        for (metric, values) in &self.values {
            match values {
                [value] => writer.value(metric.name, &Number(metric.unit, *value)),
                values => writer.value(metric.name, &Numbers(values)),
            }
        }
    }
}

/// A metric of one number.
struct Number(Unit, f64);

impl Value for Number {
    fn write(&self, writer: impl ValueWriter) {
        let observation = Observation::Floating(self.1);
        writer.metric([observation], emf_unit(self.0), [], MetricFlags::empty());
    }
}

/// The numbers of a metric that its format knows, as the array that the specification asks for.
struct Numbers<'a>(&'a [f64]);

impl Value for Numbers<'_> {
    fn write(&self, writer: impl ValueWriter) {
        writer.values(self.0);
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
    known: Vec<(Scope, Vec<&'static Definition>, Emf)>,
}

impl Formats {
    pub(super) fn new(namespace: String) -> Self {
        Self {
            namespace,
            known: Vec::new(),
        }
    }

    /// Writes a line.
    pub(super) fn write(
        &mut self,
        line: &Line<'_>,
        output: &mut Vec<u8>,
    ) -> Result<(), IoStreamError> {
        let (scope, arrays): (Scope, Vec<_>) = (line.head.scope, line.arrays().collect());
        let is_for = |(known, of, _): &(Scope, Vec<_>, Emf)| *known == scope && *of == arrays;
        if let Some((_, _, emf)) = self.known.iter_mut().find(|known| is_for(known)) {
            return emf.format(line, output);
        }
        let mut emf = format(&self.namespace, scope, &arrays);
        let written = emf.format(line, output);
        self.known.push((scope, arrays, emf));
        written
    }
}

/// The format of lines of this scope. Metrics of one number are declared as they are written; those of several, here.
fn format(namespace: &str, scope: Scope, arrays: &[&'static Definition]) -> Emf {
    let sets = scope.dimension_sets();
    let own = |set: &&[&str]| set.iter().map(|name| (*name).to_owned()).collect();
    let builder = Emf::builder(namespace.to_owned(), sets.iter().map(own).collect());
    if arrays.is_empty() {
        return builder.build();
    }
    let metrics = arrays.iter().map(|metric| MetricDefinition {
        name: metric.name,
        unit: emf_unit(metric.unit),
        storage_resolution: None,
    });
    let directive = MetricDirective {
        dimensions: sets.iter().map(|set| set.to_vec()).collect(),
        metrics: metrics.collect(),
        namespace,
    };
    builder.directive(directive).build()
}
