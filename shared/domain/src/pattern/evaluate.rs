//! Whether an event meets a pattern.
//!
//! Arrays in an event are looked through: a field whose value is an array is met by any of its values, and an object
//! in an array stands for the array. All that a pattern asks below an array must be met by one element. A field is
//! absent when the elements that the other fields are met by have no value there; when no other field is in that
//! array, none of its elements may have one.
//!
//! So there are two ways to meet what is asked: with at least one value that is there, which settles the element;
//! and by absence alone, for which all elements count. Each is one walk: in the first, an object of the event is held
//! against an object of the pattern once, in the second once for each level above it, and only where the pattern
//! asks for absence. Without `$or` the time is thus that of reading the event times the number of fields asked for;
//! alternatives add up, and multiply only where they have an object in common with what is beside the `$or`.

use std::sync::Arc;

use super::document::EventDocument;
use super::fields::{Field, Fields, Tests};
use super::json::Json;

/// Where in the event the fields of an object are looked for.
#[derive(Clone, Copy)]
pub(super) enum Place<'d, 'e> {
    Event(&'d EventDocument<'e>),
    Value(&'d Json<'e>),
    Nowhere,
}

impl<'d, 'e> Place<'d, 'e> {
    pub(super) fn at(value: Option<&'d Json<'e>>) -> Self {
        value.map_or(Self::Nowhere, Self::Value)
    }

    pub(super) fn member(self, name: &str) -> Option<&'d Json<'e>> {
        match self {
            Self::Event(document) => document.member(name),
            Self::Value(Json::Object(members)) => members.get(name),
            _ => None,
        }
    }

    /// The elements, when there is an array.
    pub(super) fn elements(self) -> Option<&'d [Json<'e>]> {
        match self {
            Self::Value(Json::Array(items)) => Some(items),
            _ => None,
        }
    }
}

impl Fields {
    pub(super) fn are_met(&self, place: Place<'_, '_>) -> bool {
        self.are_met_by_values(place) || self.are_met_by_absence(&[place])
    }

    fn are_met_by_values(&self, place: Place<'_, '_>) -> bool {
        if let Some(elements) = place.elements() {
            let mut elements = elements.iter();
            return elements.any(|element| self.are_met_by_values(Place::Value(element)));
        }
        let mut has_value = false;
        for (name, field) in &self.fields {
            let value = place.member(name);
            if field.is_met_by_value(value) {
                has_value = true;
            } else if !field.absence_is_met(&[Place::at(value)]) {
                return false;
            }
        }
        for alternatives in &self.choices {
            if alternatives
                .iter()
                .any(|fields| fields.are_met_by_values(place))
            {
                has_value = true;
            } else if !any_is_met_by_absence(alternatives, &[place]) {
                return false;
            }
        }
        has_value
    }

    fn are_met_by_absence(&self, places: &[Place<'_, '_>]) -> bool {
        if !self.met_by_absence {
            return false;
        }
        let mut objects = Vec::new();
        places
            .iter()
            .for_each(|place| without_arrays(*place, &mut objects));
        let field_is_met = |(name, field): &(Arc<str>, Field)| {
            let members = objects.iter().filter_map(|object| object.member(name));
            let members: Vec<Place<'_, '_>> = members.map(Place::Value).collect();
            field.absence_is_met(&members)
        };
        let mut choices = self.choices.iter();
        self.fields.iter().all(field_is_met)
            && choices.all(|alternatives| any_is_met_by_absence(alternatives, &objects))
    }
}

fn any_is_met_by_absence(alternatives: &[Fields], places: &[Place<'_, '_>]) -> bool {
    let mut alternatives = alternatives.iter();
    alternatives.any(|fields| fields.are_met_by_absence(places))
}

impl Field {
    pub(super) fn is_met(&self, value: Option<&Json<'_>>) -> bool {
        self.is_met_by_value(value) || self.absence_is_met(&[Place::at(value)])
    }

    fn is_met_by_value(&self, value: Option<&Json<'_>>) -> bool {
        match (self, value) {
            (Self::Tests(tests), Some(value)) => tests.are_met_by(value),
            (Self::Tests(_), None) => false,
            (Self::Object(fields), value) => fields.are_met_by_values(Place::at(value)),
        }
    }

    fn absence_is_met(&self, places: &[Place<'_, '_>]) -> bool {
        match self {
            Self::Tests(tests) => {
                tests.met_by_absence && !places.iter().any(|place| has_value(*place))
            }
            Self::Object(fields) => fields.are_met_by_absence(places),
        }
    }
}

impl Tests {
    fn are_met_by(&self, value: &Json<'_>) -> bool {
        match value {
            Json::Array(items) => items.iter().any(|item| self.are_met_by(item)),
            Json::Object(_) => false,
            value => self.tests.iter().any(|test| test.is_met_by(value)),
        }
    }
}

/// Whether there is anything but arrays and objects: only such values exist to a pattern.
fn has_value(place: Place<'_, '_>) -> bool {
    match place {
        Place::Value(Json::Array(items)) => items.iter().any(|item| has_value(Place::Value(item))),
        Place::Value(Json::Object(_)) | Place::Nowhere | Place::Event(_) => false,
        Place::Value(_) => true,
    }
}

fn without_arrays<'d, 'e>(place: Place<'d, 'e>, found: &mut Vec<Place<'d, 'e>>) {
    match place.elements() {
        Some(elements) => elements
            .iter()
            .for_each(|element| without_arrays(Place::Value(element), found)),
        None => found.push(place),
    }
}
