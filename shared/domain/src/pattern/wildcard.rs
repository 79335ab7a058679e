//! Text with gaps.

/// What a text has to consist of, in this order, with anything between the parts; a single part is the whole text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wildcard {
    first: String,
    /// Empty when there is no `*`.
    others: Vec<String>,
}

impl Wildcard {
    /// Reads a text in which `*` stands for any characters or none, `\*` for an asterisk and `\\` for a backslash.
    ///
    /// # Errors
    /// When two `*` are neighbours, or a backslash is before anything else; with the reason.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut parts = vec![String::new()];
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            let literal = match character {
                '*' if characters.peek() == Some(&'*') => {
                    return Err("two * in a row are not allowed; one stands for any characters");
                }
                '*' => {
                    parts.push(String::new());
                    continue;
                }
                '\\' => escaped(characters.next())?,
                other => other,
            };
            if let Some(part) = parts.last_mut() {
                part.push(literal);
            }
        }
        let others = parts.split_off(1);
        Ok(Self {
            first: parts.concat(),
            others,
        })
    }

    /// Whether the text consists of the parts. Each is sought once behind the one before, so that the time grows
    /// with the length of both texts, not with their product.
    pub(super) fn matches(&self, text: &str) -> bool {
        let Some((last, middle)) = self.others.split_last() else {
            return text == self.first;
        };
        let Some(rest) = text.strip_prefix(self.first.as_str()) else {
            return false;
        };
        let rest = middle.iter().try_fold(rest, |rest, part| {
            rest.find(part.as_str()).map(|at| &rest[at + part.len()..])
        });
        rest.is_some_and(|rest| rest.ends_with(last.as_str()))
    }

    /// What every matching text begins with.
    pub(super) fn prefix(&self) -> &str {
        &self.first
    }
}

fn escaped(character: Option<char>) -> Result<char, &'static str> {
    character
        .filter(|character| matches!(character, '*' | '\\'))
        .ok_or("a backslash must be before * or another backslash")
}
