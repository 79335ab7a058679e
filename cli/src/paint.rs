//! Colour, on a terminal only.

use console::{Style, Term};

/// Whether text is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    Coloured,
    Plain,
}

/// What a text says, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Good,
    Bad,
    /// Not over yet.
    Open,
    Heading,
    /// Less important than what is beside it.
    Aside,
}

impl Paint {
    /// Coloured when standard output is a terminal that has colours and `NO_COLOR` is not set.
    pub fn of_stdout() -> Self {
        match Term::stdout().features().colors_supported() {
            true => Self::Coloured,
            false => Self::Plain,
        }
    }

    pub fn apply(self, tone: Tone, text: &str) -> String {
        let style = match tone {
            Tone::Good => Style::new().green(),
            Tone::Bad => Style::new().red(),
            Tone::Open => Style::new().yellow(),
            Tone::Heading => Style::new().bold(),
            Tone::Aside => Style::new().dim(),
        };
        let is_coloured = self == Self::Coloured;
        style.force_styling(is_coloured).apply_to(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_left_as_it_is() {
        assert_eq!(Paint::Plain.apply(Tone::Bad, "FAILED"), "FAILED");
        assert_eq!(
            Paint::Coloured.apply(Tone::Bad, "FAILED"),
            "\u{1b}[31mFAILED\u{1b}[0m"
        );
    }
}
