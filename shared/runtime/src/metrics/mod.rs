//! Embedded metrics: numbers that CloudWatch takes out of the function's own log, so that measuring costs no call.
//!
//! What is measured in an invocation is added up here and written before the invocation is answered, since Lambda may
//! stop the process after that: at most one line of the function, one of the bus, and one of each family of event types
//! or subscription that was seen in it. Lines have no tenant, no payload and no key; what is told of one event or
//! delivery stands in the log's own lines.

pub mod catalogue;
mod events;
mod line;
mod names;
pub mod scope;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use metrique_writer_core::IoStreamError;
use pillarbox_aws::WriteUnits;
use pillarbox_domain::{Clock, ErrorChain};
use time::UtcDateTime;

use crate::clock::SystemClock;
use crate::env::Env;
use catalogue::{COLD_START, Metric, WRITE_UNITS};
use line::{Formats, Head, Measured};
use names::CappedNames;
use scope::{Scope, Scoped};

pub use events::millis_since;
pub use line::{FUNCTION_PROPERTY, MAX_VALUES, REQUEST_PROPERTY};
pub use names::{MAX_NAMES, OTHER};

/// What is measured in one function. Clones share it.
///
/// ```
/// # use std::io;
/// # use pillarbox_runtime::clock::SystemClock;
/// # use pillarbox_runtime::metrics::{Metrics, catalogue::{EVENTS_ACCEPTED, SWEEP_FOUND}};
/// let metrics = Metrics::new("pillarbox", "ingest", SystemClock::default(), io::sink());
/// metrics.add(&EVENTS_ACCEPTED, Some("order.created"), 1);
/// metrics.add(&SWEEP_FOUND, (), 3);
/// metrics.flush(Some("8b6c…"));
/// ```
#[derive(Clone)]
pub struct Metrics(Option<Arc<Mutex<Process>>>);

/// Everything of one process.
struct Process {
    function: String,
    now: Box<dyn Fn() -> UtcDateTime + Send>,
    output: Box<dyn io::Write + Send>,
    write_units: WriteUnits,
    formats: Formats,
    names: BTreeMap<Scope, CappedNames>,
    measured: BTreeMap<Scope, BTreeMap<String, Measured>>,
    buffer: Vec<u8>,
}

/// Why lines were not written.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("a line could not be made")]
    Line(#[source] IoStreamError),
    #[error("the output did not take them")]
    Output(#[source] io::Error),
}

impl Metrics {
    /// Those of this function, in a namespace of CloudWatch's, written to an output. That the process was started is
    /// the first that they tell.
    pub fn new(
        namespace: impl Into<String>,
        function: impl Into<String>,
        clock: impl Clock + Send + 'static,
        output: impl io::Write + Send + 'static,
    ) -> Self {
        let process = Process {
            function: function.into(),
            now: Box::new(move || clock.now()),
            output: Box::new(output),
            write_units: WriteUnits::default(),
            formats: Formats::new(namespace.into()),
            names: BTreeMap::new(),
            measured: BTreeMap::new(),
            buffer: Vec::new(),
        };
        let metrics = Self(Some(Arc::new(Mutex::new(process))));
        metrics.add(&COLD_START, (), 1);
        metrics
    }

    /// Those of a function that wants none: nothing is kept, and nothing is written.
    pub const fn off() -> Self {
        Self(None)
    }

    /// Those of this process, on standard output and in the namespace that `METRICS_NAMESPACE` names; none where it
    /// names none.
    pub fn of_process(function: impl Into<String>) -> Self {
        match Env::of_process().optional("METRICS_NAMESPACE") {
            Some(namespace) => Self::new(namespace, function, SystemClock::default(), io::stdout()),
            None => Self::off(),
        }
    }

    /// Tells of the write units that are counted there, too.
    #[must_use]
    pub fn with_write_units(self, write_units: WriteUnits) -> Self {
        self.with(|process| process.write_units = write_units);
        self
    }

    /// Counts so many more. Nothing is told of none.
    pub fn add<S: Scoped>(&self, metric: &'static Metric<S>, place: S::Place<'_>, count: usize) {
        if count > 0 {
            // No count comes near 2^53.
            let number = count as f64;
            self.with(|process| {
                process
                    .of(S::SCOPE, S::value(place))
                    .add(&metric.definition, number)
            });
        }
    }

    /// Keeps a value: a latency, or how much there is of something.
    pub fn record<S: Scoped>(&self, metric: &'static Metric<S>, place: S::Place<'_>, value: f64) {
        self.with(|process| {
            process
                .of(S::SCOPE, S::value(place))
                .record(&metric.definition, value)
        });
    }

    /// Writes what was measured since it was called last. An output that does not take it loses it, which the log
    /// tells: no event waits for a metric.
    pub fn flush(&self, request_id: Option<&str>) {
        self.with(|process| {
            if let Err(lost) = process.flush(request_id) {
                tracing::error!(error = %ErrorChain(&lost), "metrics.lost");
            }
        });
    }

    fn with(&self, work: impl FnOnce(&mut Process)) {
        if let Some(process) = &self.0 {
            work(&mut process.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

impl Process {
    /// What is measured of this member of a scope.
    fn of(&mut self, scope: Scope, value: &str) -> &mut Measured {
        let value = match scope.is_capped() {
            true => self.names.entry(scope).or_default().capped(value),
            false => value,
        };
        let of_scope = self.measured.entry(scope).or_default();
        of_scope.entry(value.to_owned()).or_default()
    }

    fn flush(&mut self, request_id: Option<&str>) -> Result<(), Lost> {
        let units = self.write_units.take();
        if units > 0.0 {
            self.of(Scope::Function, "")
                .add(&WRITE_UNITS.definition, units);
        }
        let measured = std::mem::take(&mut self.measured);
        self.buffer.clear();
        let at = SystemTime::from((self.now)());
        for (scope, of_scope) in &measured {
            for (value, measured) in of_scope {
                let head = Head {
                    at,
                    function: &self.function,
                    request_id,
                    scope: *scope,
                    value,
                };
                for line in measured.lines(head) {
                    let written = self.formats.write(&line, &mut self.buffer);
                    written.map_err(Lost::Line)?;
                }
            }
        }
        // All at once, so that no line of the log gets between.
        self.output.write_all(&self.buffer).map_err(Lost::Output)?;
        self.output.flush().map_err(Lost::Output)
    }
}

/// Whoever ends without an answer has measured all the same.
impl Drop for Process {
    fn drop(&mut self) {
        if let Err(lost) = self.flush(None) {
            tracing::error!(error = %ErrorChain(&lost), "metrics.lost");
        }
    }
}
