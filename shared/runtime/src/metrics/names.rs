//! Names that come from outside, as many of them as may be paid for.

use std::collections::BTreeSet;

/// Names that get a metric of their own, of each scope and in each process: the first that it sees. What there is at
/// the most is so many for each process that runs at a time.
pub const MAX_NAMES: usize = 20;

/// What every other name is called.
pub const OTHER: &str = "other";

/// The names that were first.
#[derive(Debug, Default)]
pub(super) struct CappedNames(BTreeSet<String>);

impl CappedNames {
    /// The name, if it is one of the first.
    pub(super) fn capped<'a>(&mut self, name: &'a str) -> &'a str {
        if self.0.contains(name) {
            return name;
        }
        if self.0.len() >= MAX_NAMES {
            return OTHER;
        }
        self.0.insert(name.to_owned());
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_names_keep_theirs_and_all_others_share_one() {
        let mut names = CappedNames::default();
        let all: Vec<String> = (0..MAX_NAMES + 5).map(|n| format!("n{n}")).collect();
        for _ in 0..2 {
            let capped: Vec<&str> = all.iter().map(|name| names.capped(name)).collect();
            let (first, rest) = capped.split_at(MAX_NAMES);
            assert_eq!(first, &all[..MAX_NAMES]);
            assert_eq!(rest, [OTHER; 5]);
        }
    }
}
