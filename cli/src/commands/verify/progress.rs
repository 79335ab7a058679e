//! What is told on standard error while pages come; indicatif hides it when that is not a terminal.

use indicatif::ProgressBar;

use super::report::Report;

pub struct Progress(ProgressBar);

impl Progress {
    pub fn start() -> Self {
        let spinner = ProgressBar::new_spinner();
        spinner.set_message("reading");
        Self(spinner)
    }

    pub fn tell(&self, report: &Report) {
        let until = report.hours.keys().next_back();
        let until = until.map(String::as_str).unwrap_or("the first hour");
        let (events, findings) = (report.totals.logged, report.findings.len());
        self.0
            .set_message(format!("{until}: {events} events, {findings} findings"));
        self.0.tick();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
