//! The bar on standard error; indicatif hides it when that is not a terminal.

use indicatif::{ProgressBar, ProgressStyle};

const BAR: &str = "{bar:32} {percent:>3}%  {pos} of {len} dead letters  {eta} left";

pub struct Progress(ProgressBar);

impl Progress {
    pub fn of(total: u64) -> Self {
        let bar = ProgressBar::new(total);
        // A test holds the template; were it wrong all the same, a plain bar is better than no run.
        let style = ProgressStyle::with_template(BAR);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(bar)
    }

    /// What is counted once it has been counted.
    pub fn expect(&self, total: u64) {
        self.0.set_length(total);
    }

    pub fn advance(&self, letters: u64) {
        self.0.inc(letters);
    }

    /// Lets `print` write to the terminal without tearing the bar.
    pub fn above(&self, print: impl FnOnce()) {
        self.0.suspend(print);
    }

    pub fn finish(self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn template_is_valid() {
        assert!(ProgressStyle::with_template(BAR).is_ok());
    }
}
