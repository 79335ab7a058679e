//! Which events fail because somebody wants to see it.

/// Types, and beginnings of types that end in `*`.
pub(crate) struct FailingTypes(Vec<String>);

impl FailingTypes {
    /// From a list with commas, which may be empty.
    pub(crate) fn of(list: &str) -> Self {
        let types = list.split(',').map(str::trim);
        let types = types.filter(|name| !name.is_empty());
        Self(types.map(str::to_owned).collect())
    }

    /// Whether events of this type are to fail.
    pub(crate) fn contains(&self, event_type: &str) -> bool {
        self.0.iter().any(|name| match name.strip_suffix('*') {
            Some(prefix) => event_type.starts_with(prefix),
            None => event_type == name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_beginnings_of_types_fail_and_nothing_else_does() {
        let failing = FailingTypes::of(" order.created, invoice.*,,");
        for (event_type, expected) in [
            ("order.created", true),
            ("order.created.late", false),
            ("order", false),
            ("invoice.sent", true),
            ("invoice", false),
            ("", false),
        ] {
            assert_eq!(failing.contains(event_type), expected, "{event_type}");
        }
        assert!(!FailingTypes::of("").contains("order.created"));
        assert!(FailingTypes::of("*").contains("order.created"));
    }
}
