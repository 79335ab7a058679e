//! Text without regard to case.

use std::str::Chars;

/// A text of which only the letters count, not their case.
///
/// Case is folded letter by letter, as Unicode maps each to lower, upper and lower case again: that joins what
/// differs in case only, as `ß`, `ẞ` and `SS` do, also where one letter becomes several. A letter is always taken
/// as a whole, so that no `s` begins a `ß`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AnyCase(String);

impl AnyCase {
    pub(super) fn of(text: &str) -> Self {
        Self(text.chars().flat_map(folded).collect())
    }

    pub(super) fn equals(&self, text: &str) -> bool {
        let mut letters = text.chars();
        self.begins(&mut letters) && letters.next().is_none()
    }

    pub(super) fn is_prefix_of(&self, text: &str) -> bool {
        self.begins(&mut text.chars())
    }

    pub(super) fn is_suffix_of(&self, text: &str) -> bool {
        let mut rest = self.0.as_str();
        let mut letters = text.chars().rev();
        while !rest.is_empty() {
            let left = letters.next().and_then(|letter| without_last(rest, letter));
            match left {
                Some(left) => rest = left,
                None => return false,
            }
        }
        true
    }

    /// Whether the letters begin with this text; they are taken as far as it goes.
    fn begins(&self, letters: &mut Chars<'_>) -> bool {
        let mut rest = self.0.as_str();
        while !rest.is_empty() {
            let left = letters
                .next()
                .and_then(|letter| without_first(rest, letter));
            match left {
                Some(left) => rest = left,
                None => return false,
            }
        }
        true
    }
}

fn without_first(text: &str, letter: char) -> Option<&str> {
    folded(letter).try_fold(text, |rest, part| rest.strip_prefix(part))
}

fn without_last(text: &str, letter: char) -> Option<&str> {
    let parts: Vec<char> = folded(letter).collect();
    let mut parts = parts.into_iter().rev();
    parts.try_fold(text, |rest, part| rest.strip_suffix(part))
}

fn folded(letter: char) -> impl Iterator<Item = char> {
    letter
        .to_lowercase()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_equals_itself_in_either_case() {
        let has_case = |letter: &char| !letter.to_lowercase().eq(letter.to_uppercase());
        for letter in ('\0'..=char::MAX).filter(has_case) {
            let pattern = AnyCase::of(&letter.to_string());
            for same in [
                letter.to_string(),
                letter.to_lowercase().to_string(),
                letter.to_uppercase().to_string(),
            ] {
                assert!(pattern.equals(&same), "{letter:?} and {same:?}");
                assert!(pattern.is_prefix_of(&same) && pattern.is_suffix_of(&same));
            }
        }
    }

    #[test]
    fn text_begins_and_ends_with_whole_letters() {
        let text = "xStraẞe";
        assert!(AnyCase::of("XSTRASS").is_prefix_of(text));
        assert!(AnyCase::of("SSE").is_suffix_of(text));
        assert!(!AnyCase::of("xstras").is_prefix_of(text));
        assert!(!AnyCase::of("SE").is_suffix_of(text));
        assert!(!AnyCase::of("xstrassee").is_prefix_of(text));
        assert!(!AnyCase::of("xxstrasse").is_suffix_of(text));
        assert!(!AnyCase::of("straße").equals(text));
        assert!(AnyCase::of("").is_prefix_of(text) && AnyCase::of("").is_suffix_of(text));
        assert!(AnyCase::of("").equals("") && !AnyCase::of("").equals("x"));
    }
}
