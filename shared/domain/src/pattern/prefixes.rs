//! Finding every text of a set that another text begins with.

use std::collections::BTreeMap;

/// Texts in their order. All that a text begins with are behind one another's [`Prefix::shorter`].
#[derive(Clone, Debug, Default)]
pub(super) struct Prefixes {
    sorted: Vec<Prefix>,
}

#[derive(Clone, Debug)]
struct Prefix {
    text: String,
    /// The place of the longest other that this one begins with.
    shorter: Option<usize>,
    patterns: Vec<usize>,
}

impl Prefixes {
    pub(super) fn of(patterns_by_text: BTreeMap<String, Vec<usize>>) -> Self {
        let mut sorted: Vec<Prefix> = Vec::with_capacity(patterns_by_text.len());
        for (text, patterns) in patterns_by_text {
            let mut shorter = sorted.len().checked_sub(1);
            while let Some(place) = shorter.filter(|place| !text.starts_with(&sorted[*place].text))
            {
                shorter = sorted[place].shorter;
            }
            sorted.push(Prefix {
                text,
                shorter,
                patterns,
            });
        }
        Self { sorted }
    }

    /// Adds the patterns of every text of the set that this one begins with.
    ///
    /// Those are, in order, before this text, and each begins with the shorter ones; so does whatever is between
    /// them and this text. The last that is not behind this text is thus one of them, or begins with the longest.
    pub(super) fn find(&self, text: &str, found: &mut Vec<usize>) {
        let behind = self
            .sorted
            .partition_point(|prefix| prefix.text.as_str() <= text);
        let mut place = behind.checked_sub(1);
        while let Some(prefix) = place.map(|place| &self.sorted[place]) {
            if text.starts_with(&prefix.text) {
                found.extend(&prefix.patterns);
            }
            place = prefix.shorter;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_is_found_and_nothing_else() {
        let letters = [
            "", "a", "b", "ab", "abc", "abd", "ac", "é", "éa", "b.", "b.c", "b.c.d.e", "zz",
        ];
        let texts = letters.iter().enumerate();
        let by_text = texts.map(|(place, text)| ((*text).to_owned(), vec![place]));
        let prefixes = Prefixes::of(by_text.collect());
        for text in [
            "",
            "a",
            "abcd",
            "abe",
            "ad",
            "b.c.d",
            "b.c.d.e.f",
            "b/",
            "éab",
            "z",
            "zzz",
            "~",
        ] {
            let mut found = vec![];
            prefixes.find(text, &mut found);
            found.sort_unstable();
            let places = 0..letters.len();
            let expected: Vec<usize> = places
                .filter(|place| text.starts_with(letters[*place]))
                .collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
