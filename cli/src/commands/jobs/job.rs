//! A job as the bus shows it.

use indicatif::DecimalBytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use time::Duration;

use crate::commands::dead_letters::Failure;
use crate::pages::Listed;
use crate::problem::shown;
use crate::times;

#[derive(Deserialize)]
pub struct Job {
    pub job_id: String,
    pub state: String,
    pub reason: Option<String>,
    pub dry_run: bool,
    pub total: Option<u64>,
    pub done: u64,
    pub failed: u64,
    pub events_per_second: Option<f64>,
    pub seconds_left: Option<u64>,
    kind: String,
    filter: Box<RawValue>,
    target: Option<Target>,
    max_events_per_second: Option<u64>,
    ramp_seconds: Option<u64>,
    schedule: Option<String>,
    sent: u64,
    skipped: u64,
    bytes: u64,
    estimate: Option<Estimate>,
    created_at: String,
    started_at: Option<String>,
    finished_at: Option<String>,
    expires_at: Option<String>,
}

#[derive(Deserialize)]
struct Target {
    subscription: Option<String>,
    queue_url: Option<String>,
}

#[derive(Deserialize)]
struct Estimate {
    bytes: u64,
    bytes_are_sampled: bool,
    cost_usd: f64,
}

/// An event or dead letter that a job could not send.
#[derive(Deserialize)]
pub struct JobFailure {
    event_id: String,
    subscription: Option<String>,
    error: Failure,
}

impl Job {
    /// Everything that is known, a fact a line.
    pub fn text(&self) -> String {
        let of_text = |text: &Option<String>| text.as_deref().map(shown);
        facts([
            ("job", Some(shown(&self.job_id))),
            ("kind", Some(shown(&self.kind))),
            ("state", Some(shown(&self.state))),
            ("reason", of_text(&self.reason)),
            ("filter", Some(shown(self.filter.get()))),
            ("target", self.target.as_ref().map(Target::text)),
            ("speed limit", self.limit_text()),
            ("schedule", of_text(&self.schedule)),
            ("done", Some(self.done_text())),
            ("sent", Some(self.sent_text())),
            ("skipped", Some(self.skipped.to_string())),
            ("failed", Some(self.failed.to_string())),
            ("estimate", self.estimate.as_ref().map(Estimate::text)),
            ("speed", self.speed_text()),
            ("time left", self.time_left()),
            ("created", Some(shown(&self.created_at))),
            ("started", of_text(&self.started_at)),
            ("finished", of_text(&self.finished_at)),
            ("kept until", of_text(&self.expires_at)),
        ])
    }

    /// What a dry run found out.
    pub fn counted_text(&self) -> String {
        let estimate = self.estimate.as_ref();
        facts([
            (self.things(), self.total.map(|total| total.to_string())),
            ("bytes", estimate.map(Estimate::bytes_text)),
            ("cost", estimate.map(Estimate::cost_text)),
        ])
    }

    pub fn state_text(&self) -> String {
        let state = format!("job {} is {}", shown(&self.job_id), shown(&self.state));
        match &self.reason {
            Some(reason) => format!("{state}: {}", shown(reason)),
            None => state,
        }
    }

    /// What it is made of.
    pub fn things(&self) -> &'static str {
        match self.kind.as_str() {
            "REDRIVE" => "dead letters",
            _ => "events",
        }
    }

    pub fn speed_text(&self) -> Option<String> {
        self.events_per_second.map(|speed| format!("{speed:.1}/s"))
    }

    pub fn time_left(&self) -> Option<String> {
        let left = i64::try_from(self.seconds_left?).unwrap_or(i64::MAX);
        Some(times::span(Duration::seconds(left)))
    }

    fn limit_text(&self) -> Option<String> {
        let limit = self.max_events_per_second?;
        Some(match self.ramp_seconds {
            Some(ramp) => format!("{limit}/s, reached after {ramp} s"),
            None => format!("{limit}/s"),
        })
    }

    fn done_text(&self) -> String {
        match self.total {
            Some(total) => format!("{} of {total} {}", self.done, self.things()),
            None => "not counted yet".to_owned(),
        }
    }

    fn sent_text(&self) -> String {
        match self.sent {
            0 => "0".to_owned(),
            sent => format!("{sent} messages, {}", DecimalBytes(self.bytes)),
        }
    }
}

impl Target {
    fn text(&self) -> String {
        match (&self.subscription, &self.queue_url) {
            (Some(subscription), _) => format!("subscription {}", shown(subscription)),
            (None, Some(url)) => format!("queue {}", shown(url)),
            (None, None) => "every subscription that matches".to_owned(),
        }
    }
}

impl Estimate {
    fn text(&self) -> String {
        format!("{}, {}", self.bytes_text(), self.cost_text())
    }

    fn bytes_text(&self) -> String {
        let about = if self.bytes_are_sampled { "about " } else { "" };
        format!("{about}{}", DecimalBytes(self.bytes))
    }

    /// To two digits that say something.
    fn cost_text(&self) -> String {
        let cost = self.cost_usd;
        let digits = match cost {
            0.1.. => 2,
            0.01.. => 3,
            0.001.. => 4,
            _ => 6,
        };
        format!("about ${cost:.digits$} (list prices of AWS in us-east-1)")
    }
}

impl Listed for Job {
    const NAMES: (&'static str, &'static str) = ("job", "jobs");
    const HEADER: &'static [&'static str] = &["created", "job", "kind", "state", "done", "failed"];

    fn cells(&self) -> Vec<String> {
        vec![
            shown(&self.created_at),
            shown(&self.job_id),
            shown(&self.kind),
            shown(&self.state),
            self.done_text(),
            self.failed.to_string(),
        ]
    }
}

impl Listed for JobFailure {
    const NAMES: (&'static str, &'static str) = ("failure", "failures");
    const HEADER: &'static [&'static str] = &["event", "subscription", "error"];

    fn cells(&self) -> Vec<String> {
        vec![
            shown(&self.event_id),
            shown(self.subscription.as_deref().unwrap_or("-")),
            self.error.text(),
        ]
    }
}

/// Those that are known, a line each.
fn facts<const N: usize>(facts: [(&str, Option<String>); N]) -> String {
    let known = facts.into_iter();
    let known = known.filter_map(|(name, value)| Some(format!("{name:<12}  {}", value?)));
    known.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_costs_keep_digits_that_say_something() {
        for (cost_usd, expected) in [
            (0.0, "about $0.000000"),
            (0.000_042, "about $0.000042"),
            (0.001_234, "about $0.0012"),
            (0.0226, "about $0.023"),
            (0.187_216, "about $0.19"),
            (16.662_216, "about $16.66"),
        ] {
            let estimate = Estimate {
                bytes: 1,
                bytes_are_sampled: true,
                cost_usd,
            };
            let told = estimate.cost_text();
            assert_eq!(told.split(" (").next(), Some(expected));
        }
    }
}
