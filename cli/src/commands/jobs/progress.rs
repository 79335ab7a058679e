//! How far a job is, on standard error; indicatif hides it when that is not a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::job::Job;

/// How often the spinner turns.
const TICK: Duration = Duration::from_millis(100);

const BAR: &str = "{bar:32} {percent:>3}%  {pos} of {len} {msg}";
const SPINNER: &str = "{spinner} {msg}";

pub struct Progress {
    bar: ProgressBar,
    is_counted: bool,
}

impl Progress {
    pub fn begin() -> Self {
        let bar = ProgressBar::no_length();
        bar.set_style(style(SPINNER));
        bar.enable_steady_tick(TICK);
        Self {
            bar,
            is_counted: false,
        }
    }

    /// Shows a job as it is now.
    pub fn show(&mut self, job: &Job) {
        match job.total {
            Some(total) if !self.is_counted => {
                self.is_counted = true;
                self.bar.set_style(style(BAR));
                self.bar.set_length(total);
            }
            _ => {}
        }
        self.bar.set_position(job.done);
        self.bar.set_message(message(job));
    }

    /// Shows why nothing new is known.
    pub fn trouble(&self, what: String) {
        self.bar.set_message(what);
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// What the numbers of the bar do not tell.
fn message(job: &Job) -> String {
    if job.total.is_none() {
        return match job.state.as_str() {
            "PLANNING" => format!("counting {}", job.things()),
            _ => job.state_text(),
        };
    }
    let is_at_work = job.state == "RUNNING";
    let parts = [
        Some(job.things().to_owned()),
        (!is_at_work).then(|| job.state.clone()),
        job.speed_text().filter(|_| is_at_work),
        job.time_left().map(|left| format!("{left} left")),
        (job.failed > 0).then(|| format!("{} failed", job.failed)),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("  ")
}

/// A test holds both templates; were one wrong all the same, a plain bar is better than no run.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(members: &str) -> Job {
        let rest = r#""job_id":"a","kind":"REPLAY","reason":null,"dry_run":false,"filter":{},"target":null,
            "max_events_per_second":null,"ramp_seconds":null,"schedule":null,"done":30,"sent":0,"skipped":0,
            "bytes":0,"estimate":null,"created_at":"","started_at":null,"finished_at":null,"expires_at":null"#;
        serde_json::from_str(&format!("{{{members},{rest}}}")).unwrap()
    }

    #[test]
    fn templates_are_valid() {
        for template in [BAR, SPINNER] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn what_is_under_way_is_told_in_one_line() {
        let cases = [
            (
                r#""state":"PLANNING","total":null,"failed":0,"events_per_second":null,"seconds_left":null"#,
                "counting events",
            ),
            (
                r#""state":"PAUSED","total":null,"failed":0,"events_per_second":null,"seconds_left":null"#,
                "job a is PAUSED",
            ),
            (
                r#""state":"RUNNING","total":120,"failed":2,"events_per_second":480.54,"seconds_left":188"#,
                "events  480.5/s  3 m 8 s left  2 failed",
            ),
            (
                r#""state":"RUNNING","total":120,"failed":0,"events_per_second":null,"seconds_left":null"#,
                "events",
            ),
            (
                r#""state":"PAUSED","total":120,"failed":0,"events_per_second":48.0,"seconds_left":null"#,
                "events  PAUSED",
            ),
        ];
        for (members, expected) in cases {
            assert_eq!(message(&job(members)), expected);
        }
    }
}
