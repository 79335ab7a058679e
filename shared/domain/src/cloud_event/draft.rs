//! An event on its way in, whatever form it comes in.

use super::{CloudEvent, Context, Data, Fault, Parts, SPEC_VERSION, Violation};

/// An event on its way in: what was found so far, good and bad.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) source: Option<String>,
    pub(super) id: Option<String>,
    pub(super) event_type: Option<String>,
    pub(super) specversion: Option<String>,
    pub(super) context: Context,
    data: Option<Data>,
    violations: Vec<Violation>,
}

impl Draft {
    /// Remembers what was wrong with a member, if anything was.
    pub(super) fn note(&mut self, field: &str, read: Result<(), Fault>) {
        if let Err(fault) = read {
            self.violations.push(Violation::new(field, fault));
        }
    }

    pub(super) fn set_data(&mut self, data: Data) -> Result<(), Fault> {
        match self.data.replace(data) {
            None => Ok(()),
            Some(_) => Err(Fault::DataTwice),
        }
    }

    /// Missing fields are told beside what else is wrong, each field once.
    pub(super) fn finish(mut self) -> Result<CloudEvent, Vec<Violation>> {
        if self
            .specversion
            .as_deref()
            .is_some_and(|version| version != SPEC_VERSION)
        {
            self.violations
                .push(Violation::new("specversion", Fault::WrongVersion));
        }
        let required = [
            ("specversion", self.specversion.is_none()),
            ("id", self.id.is_none()),
            ("source", self.source.is_none()),
            ("type", self.event_type.is_none()),
        ];
        for (field, missing) in required {
            if missing && !self.violations.iter().any(|found| found.field == field) {
                self.violations.push(Violation::new(field, Fault::Missing));
            }
        }
        match (self.source, self.id, self.event_type) {
            (Some(source), Some(id), Some(event_type)) if self.violations.is_empty() => {
                CloudEvent::new(source, id, event_type, self.context, self.data)
            }
            (source, id, event_type) => {
                let parts = Parts {
                    source: source.as_deref(),
                    id: id.as_deref(),
                    event_type: event_type.as_deref(),
                    context: &self.context,
                };
                self.violations.extend(parts.violations());
                Err(self.violations)
            }
        }
    }
}
