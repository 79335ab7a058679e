//! The bar on standard error; indicatif hides it when that is not a terminal.

use std::cell::Cell;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How often the spinner turns and the rate is worked out again.
const TICK: Duration = Duration::from_millis(100);

const BAR: &str = "{bar:32} {percent:>3}%  {msg}  {bytes_per_sec}  {eta} left";
const SPINNER: &str = "{spinner} {msg}  {bytes_per_sec}  {elapsed}";

pub struct Progress {
    bytes: ProgressBar,
    events: Cell<u64>,
}

impl Progress {
    /// For a file: how far it is through, and how long it will take.
    pub fn of_bytes(total: u64) -> Self {
        let bar = ProgressBar::new(total);
        Self::new(bar, BAR)
    }

    /// For standard input, whose end is not known.
    pub fn of_unknown_size() -> Self {
        Self::new(ProgressBar::no_length(), SPINNER)
    }

    fn new(bar: ProgressBar, template: &str) -> Self {
        // A test holds both templates; were one wrong all the same, a plain bar is better than no run.
        let style = ProgressStyle::with_template(template);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message("0 events");
        bar.enable_steady_tick(TICK);
        Self {
            bytes: bar,
            events: Cell::new(0),
        }
    }

    /// One event is done with.
    pub fn advance(&self, input_bytes: u64) {
        let events = self.events.get() + 1;
        self.events.set(events);
        self.bytes.set_message(format!("{events} events"));
        self.bytes.inc(input_bytes);
    }

    /// Lets `print` write to the terminal without tearing the bar.
    pub fn above(&self, print: impl FnOnce()) {
        self.bytes.suspend(print);
    }

    pub fn finish(self) {
        self.bytes.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_valid() {
        for template in [BAR, SPINNER] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
