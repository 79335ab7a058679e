//! What was found, as the API answers it.

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::{Check, Examination, Figure};
use crate::shown_time::ShownTime;

/// An examination as JSON.
pub struct ShownExamination<'a>(pub &'a Examination);

struct ShownCheck<'a>(&'a Check);

struct ShownFigure(Figure);

impl Serialize for ShownExamination<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(examination) = self;
        let checks: Vec<ShownCheck<'_>> = examination.checks.iter().map(ShownCheck).collect();
        let mut shown = serializer.serialize_struct("Examination", 3)?;
        shown.serialize_field("status", examination.status().as_str())?;
        shown.serialize_field("checked_at", &ShownTime(examination.at))?;
        shown.serialize_field("checks", &checks)?;
        shown.end()
    }
}

impl Serialize for ShownCheck<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(check) = self;
        let mut shown = serializer.serialize_struct("Check", 4)?;
        shown.serialize_field("name", check.name.as_str())?;
        shown.serialize_field("status", check.status.as_str())?;
        shown.serialize_field("message", &check.message)?;
        shown.serialize_field("figure", &check.figure.map(ShownFigure))?;
        shown.end()
    }
}

impl Serialize for ShownFigure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(figure) = self;
        let mut shown = serializer.serialize_struct("Figure", 3)?;
        shown.serialize_field("value", &figure.value)?;
        shown.serialize_field("unit", figure.unit.as_str())?;
        shown.serialize_field("is_at_least", &figure.is_at_least)?;
        shown.end()
    }
}
