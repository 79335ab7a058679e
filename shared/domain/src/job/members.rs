//! The members of a JSON object, read one by one, every fault told at once.

use serde_json::{Map, Value};

use crate::subscription::request::{FieldFault, Whole};

/// An object that is being read. A member that is null is not there.
pub(crate) struct Members<'a, 'f> {
    given: Option<&'a Map<String, Value>>,
    is_malformed: bool,
    /// What stands before the names of its members in a fault: `filter.`
    path: String,
    faults: &'f mut Vec<FieldFault>,
}

impl<'a, 'f> Members<'a, 'f> {
    /// The members of a whole body; it may have these.
    pub(crate) fn of_body(
        body: &'a Value,
        known: &[&str],
        faults: &'f mut Vec<FieldFault>,
    ) -> Self {
        Self::of("body", String::new(), Some(body), known, faults)
    }

    /// An object that is a member of this one; it may have these.
    pub(crate) fn object<'s>(&'s mut self, name: &str, known: &[&str]) -> Members<'a, 's> {
        let full = format!("{}{name}", self.path);
        let path = format!("{full}.");
        Members::of(&full, path, self.get(name), known, self.faults)
    }

    fn of(
        name: &str,
        path: String,
        value: Option<&'a Value>,
        known: &[&str],
        faults: &'f mut Vec<FieldFault>,
    ) -> Self {
        let given = value.and_then(Value::as_object);
        let is_malformed = value.is_some() && given.is_none();
        if is_malformed {
            faults.push(FieldFault::new(name, "must be an object"));
        }
        let mut members = Self {
            given,
            is_malformed,
            path,
            faults,
        };
        for name in given.into_iter().flat_map(Map::keys) {
            if !known.contains(&name.as_str()) {
                members.fault(name, "is not a member of this request");
            }
        }
        members
    }

    /// Whether something is there that is no object, which was told.
    pub(crate) fn is_malformed(&self) -> bool {
        self.is_malformed
    }

    /// Whether it has a member of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        let value = self.given?.get(name)?;
        (!value.is_null()).then_some(value)
    }

    /// What a text means.
    pub(crate) fn text<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.get(name)?;
        let read = value
            .as_str()
            .ok_or_else(|| "must be a string".to_owned())
            .and_then(read);
        self.told(name, read)
    }

    /// What each text of a list means, which has 1 to `most`; empty when it is not there.
    pub(crate) fn texts<T>(
        &mut self,
        name: &str,
        most: usize,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let Some(value) = self.get(name) else {
            return vec![];
        };
        let Some(list) = value.as_array() else {
            self.fault(name, "must be a list");
            return vec![];
        };
        if !(1..=most).contains(&list.len()) {
            self.fault(
                name,
                format!("must have 1 to {most} entries, and has {}", list.len()),
            );
            return vec![];
        }
        let mut texts = vec![];
        for (place, value) in list.iter().enumerate() {
            let text = value.as_str().ok_or_else(|| "must be a string".to_owned());
            let read = text.and_then(&read);
            texts.extend(self.told(&format!("{name}[{place}]"), read));
        }
        texts
    }

    /// A whole number from 1 to `most`.
    pub(crate) fn number(&mut self, name: &str, most: u32) -> Option<u32> {
        let value = self.get(name)?;
        let whole = value.as_number().and_then(|number| Whole::of(number).0);
        let number = whole.and_then(|whole| u32::try_from(whole).ok());
        let number = number.filter(|number| (1..=most).contains(number));
        self.told(
            name,
            number.ok_or_else(|| format!("must be a whole number from 1 to {most}")),
        )
    }

    /// Whether something is wished; it is not when nothing is said.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        match self.get(name) {
            None => false,
            Some(Value::Bool(flag)) => *flag,
            Some(_) => {
                self.fault(name, "must be true or false");
                false
            }
        }
    }

    /// Whether a member is true, which is all that it may be.
    pub(crate) fn is_true(&mut self, name: &str) -> bool {
        let is_true = self.get(name) == Some(&Value::Bool(true));
        if !is_true {
            self.fault(name, "must be true");
        }
        is_true
    }

    /// Tells a fault of a member.
    pub(crate) fn fault(&mut self, name: &str, detail: impl ToString) {
        let name = format!("{}{name}", self.path);
        self.faults.push(FieldFault::new(name, detail));
    }

    /// Tells a fault of the object as a whole.
    pub(crate) fn fault_of_all(&mut self, detail: impl ToString) {
        let name = self.path.trim_end_matches('.').to_owned();
        self.faults.push(FieldFault::new(name, detail));
    }

    /// What a reader of its own makes of a text; it tells its faults itself.
    pub(crate) fn told_by<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str, &str, &mut Vec<FieldFault>) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(name, |text| Ok(text.to_owned()))?;
        read(&format!("{}{name}", self.path), &text, self.faults)
    }

    fn told<T>(&mut self, name: &str, read: Result<T, String>) -> Option<T> {
        read.map_err(|detail| self.fault(name, detail)).ok()
    }
}
