//! How `source` and `id`, which name an event within its tenant, are written as one text.
//!
//! `%` is written `%25` and `#` is written `%23` in both; a bare `#` then separates them. No two pairs are
//! written alike, and nothing a producer chooses can reach into the tenant's part of a key.

/// `<source>#<id>`, escaped.
pub fn encode(source: &str, id: &str) -> String {
    format!("{}#{}", escape(source), escape(id))
}

/// The `(source, id)` that [`encode`] was given; `None` when it cannot have written this text.
pub fn decode(encoded: &str) -> Option<(String, String)> {
    let (source, id) = encoded.split_once('#')?;
    let (source, id) = (unescape(source), unescape(id));
    (encode(&source, &id) == encoded).then_some((source, id))
}

fn escape(text: &str) -> String {
    text.replace('%', "%25").replace('#', "%23")
}

fn unescape(text: &str) -> String {
    text.replace("%23", "#").replace("%25", "%")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_separator_cannot_be_forged() {
        assert_eq!(encode("/a#b", "c%23"), "/a%23b#c%2523");
        assert_ne!(encode("a#b", "c"), encode("a", "b#c"));
    }

    #[test]
    fn a_text_that_is_not_escaped_is_no_key() {
        for text in ["/shop", "/shop#a#b", "/caf%C3%A9#1", "/shop#50%"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_key_comes_back_as_it_was(source in "[a%#235/]{0,12}", id in "[%#b23]{0,4}\\PC{0,12}") {
            prop_assert_eq!(decode(&encode(&source, &id)), Some((source, id)));
        }
    }
}
