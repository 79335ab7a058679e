//! What a pattern asks of an object.

use std::sync::Arc;

use super::value_test::ValueTest;

/// What an object has to meet: every field, and one alternative of every choice (`$or`).
///
/// No name is in two of these places once [`Fields::untangled`] is through: then each can be looked at alone, whatever
/// element of an array the others are met by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) fields: Vec<(Arc<str>, Field)>,
    pub(super) choices: Vec<Vec<Fields>>,
    /// Whether it can be met by nothing but values that are not there.
    pub(super) met_by_absence: bool,
}

/// What one member has to meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Tests(Arc<Tests>),
    Object(Fields),
}

/// Tests of which a value has to meet one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tests {
    pub(super) tests: Vec<ValueTest>,
    /// Whether it is also met when there is no value (`exists` is false).
    pub(super) met_by_absence: bool,
    /// As the pattern has them.
    pub(super) json: String,
}

/// The path of a field that one combination of alternatives asks for twice.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AskedTwice(pub(super) String);

impl Fields {
    /// In how many ways alternatives can be chosen.
    pub(super) fn combinations(&self) -> usize {
        let of_fields = self.fields.iter().map(|(_, field)| match field {
            Field::Tests(_) => 1,
            Field::Object(fields) => fields.combinations(),
        });
        let of_choices = self.choices.iter().map(|alternatives| {
            let each = alternatives.iter().map(Self::combinations);
            each.fold(0, usize::saturating_add)
        });
        of_fields.chain(of_choices).fold(1, usize::saturating_mul)
    }

    /// The same, with no name in two places of an object: where an alternative shares one with its neighbours, they
    /// become part of each alternative. There are never more copies than [`Fields::combinations`].
    pub(super) fn untangled(mut self) -> Result<Self, AskedTwice> {
        if let Some(shared) = self.shared_choice() {
            let alternatives = self.choices.remove(shared);
            let merged = alternatives.into_iter().map(|alternative| {
                let all = self.clone().and(alternative)?;
                all.untangled()
            });
            let merged = merged.collect::<Result<_, _>>()?;
            return Ok(Self::of(Vec::new(), vec![merged]));
        }
        let fields = self.fields.into_iter().map(|(name, field)| {
            let field = field.untangled().map_err(|path| path.below(&name))?;
            Ok((name, field))
        });
        let fields = fields.collect::<Result<_, _>>()?;
        let choices = self.choices.into_iter().map(|alternatives| {
            let alternatives = alternatives.into_iter().map(Self::untangled);
            alternatives.collect::<Result<_, _>>()
        });
        Ok(Self::of(fields, choices.collect::<Result<_, _>>()?))
    }

    fn of(fields: Vec<(Arc<str>, Field)>, choices: Vec<Vec<Fields>>) -> Self {
        let absent_field = |(_, field): &(Arc<str>, Field)| field.is_met_by_absence();
        let absent_choice =
            |alternatives: &Vec<Fields>| alternatives.iter().any(|fields| fields.met_by_absence);
        Self {
            met_by_absence: fields.iter().all(absent_field) && choices.iter().all(absent_choice),
            fields,
            choices,
        }
    }

    /// Has a field looked at behind all others.
    pub(super) fn put_last(&mut self, last: &str) {
        self.fields.sort_by_key(|(name, _)| name.as_ref() == last);
        let alternatives = self.choices.iter_mut().flatten();
        alternatives.for_each(|fields| fields.put_last(last));
    }

    /// What meets both.
    fn and(mut self, other: Self) -> Result<Self, AskedTwice> {
        for (name, field) in other.fields {
            let here = self.fields.iter_mut().find(|(here, _)| *here == name);
            match (here, field) {
                (None, field) => self.fields.push((name, field)),
                (Some((_, Field::Object(here))), Field::Object(fields)) => {
                    let both = std::mem::take(here).and(fields);
                    *here = both.map_err(|path| path.below(&name))?;
                }
                _ => return Err(AskedTwice(name.to_string())),
            }
        }
        self.choices.extend(other.choices);
        Ok(self)
    }

    /// The place of a choice with an alternative that names what is named beside the choice.
    fn shared_choice(&self) -> Option<usize> {
        (0..self.choices.len()).find(|place| {
            let others = self.choices.iter().enumerate();
            let others = others.filter(|(other, _)| other != place);
            let beside = others.flat_map(|(_, alternatives)| alternatives);
            let mut beside: Vec<&str> = beside.flat_map(Self::names).collect();
            beside.extend(self.fields.iter().map(|(name, _)| name.as_ref()));
            let mut named = self.choices[*place].iter().flat_map(Self::names);
            named.any(|name| beside.contains(&name))
        })
    }

    /// The names of its members, also those in its choices.
    fn names(&self) -> Vec<&str> {
        let in_choices = self.choices.iter().flatten().flat_map(Self::names);
        let own = self.fields.iter().map(|(name, _)| name.as_ref());
        own.chain(in_choices).collect()
    }
}

impl Field {
    fn untangled(self) -> Result<Self, AskedTwice> {
        match self {
            Self::Tests(tests) => Ok(Self::Tests(tests)),
            Self::Object(fields) => fields.untangled().map(Self::Object),
        }
    }

    pub(super) fn is_met_by_absence(&self) -> bool {
        match self {
            Self::Tests(tests) => tests.met_by_absence,
            Self::Object(fields) => fields.met_by_absence,
        }
    }
}

impl AskedTwice {
    fn below(self, name: &str) -> Self {
        Self(format!("{name}.{}", self.0))
    }
}
