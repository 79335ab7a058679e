//! Where it is drawn.

use std::io::Write;

use console::Term;

use crate::error::Error;
use crate::output;

/// A terminal, on which each drawing takes the place of the one before; or anything else, on which one comes after
/// another.
pub struct Screen {
    term: Term,
    /// Lines that are drawn over.
    drawn: usize,
    has_drawn: bool,
}

impl Screen {
    pub fn of_stdout() -> Self {
        Self {
            term: Term::stdout(),
            drawn: 0,
            has_drawn: false,
        }
    }

    /// Whether one drawing takes the place of another.
    pub fn is_live(&self) -> bool {
        self.term.features().is_attended()
    }

    /// # Errors
    /// When it cannot be written.
    pub fn draw(&mut self, text: &str) -> Result<(), Error> {
        if !self.is_live() {
            if self.has_drawn {
                output::print_line("")?;
            }
            self.has_drawn = true;
            return output::print_line(text);
        }
        self.term
            .clear_last_lines(self.drawn)
            .map_err(Error::Output)?;
        self.drawn = 0;
        self.draw_below(text)
    }

    /// Adds lines to a drawing, cut to the terminal's width: one that went on in the next line would be two to clear.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn draw_below(&mut self, text: &str) -> Result<(), Error> {
        let (height, width) = self.term.size();
        let room = usize::from(height)
            .saturating_sub(1)
            .saturating_sub(self.drawn);
        let lines: Vec<_> = text
            .lines()
            .take(room)
            .map(|line| console::truncate_str(line, usize::from(width), "…"))
            .collect();
        self.drawn += lines.len();
        for line in lines {
            writeln!(self.term, "{line}").map_err(Error::Output)?;
        }
        self.term.flush().map_err(Error::Output)
    }
}
