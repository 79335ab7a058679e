//! `pillarbox doctor`: what is wrong with the bus, and what to do about it.

use clap::Args;
use serde::Deserialize;

use crate::arguments::Global;
use crate::error::{Error, count};
use crate::paint::{Paint, Tone};
use crate::problem::shown;

#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Show the checks that are fine, too
    #[arg(long)]
    all: bool,
}

/// What the bus answers about itself.
#[derive(Deserialize)]
pub struct Examination {
    pub checks: Vec<Check>,
}

#[derive(Deserialize)]
pub struct Check {
    pub name: String,
    pub status: String,
    pub message: String,
    pub figure: Option<Figure>,
}

#[derive(Deserialize)]
pub struct Figure {
    pub value: u64,
    pub is_at_least: bool,
}

/// What to do where a check is not fine. A check that is not named here is newer than this command.
const ADVICE: [(&str, &str); 18] = [
    ("event_log_table", TABLE),
    ("outbox_table", TABLE),
    ("registry_table", TABLE),
    ("dead_letter_table", TABLE),
    ("job_table", TABLE),
    (
        "dead_letter_queue",
        "The log of the function dead_letter says why it does not keep up; messages wait for 14 days.",
    ),
    (
        "retry_queue",
        "The log of the function retry says why it does not keep up; nothing is lost meanwhile.",
    ),
    (
        "job_queue",
        "More workers are called than run: wait, or pause a job with `pillarbox jobs pause`.",
    ),
    (
        "sweep_queue",
        "Many events were found that dispatch never saw; look at dispatch first, they are handed over meanwhile.",
    ),
    (
        "stream_mapping",
        "`pillarbox dispatch resume` switches dispatch on; what waits is handed over then.",
    ),
    ("pending_events", DISPATCH),
    ("dispatch_lag", DISPATCH),
    (
        "retries",
        "Queues refuse messages for now; `pillarbox journey` of one of the events names the error.",
    ),
    (
        "dead_letters",
        "`pillarbox dead-letters ls --state open` shows why; mend the cause, then redrive or discard.",
    ),
    (
        "sweep",
        "The log of the function sweep names the slice and what is in its way; it runs every five minutes.",
    ),
    (
        "seals",
        "The log of the function sweep names the hour (hour.not_sealed); events are kept for 7 days at the least.",
    ),
    (
        "idle_jobs",
        "The log of the function replay says why it does not run; `pillarbox jobs ls` lists the jobs.",
    ),
    (
        "suspended_subscriptions",
        "`pillarbox subscriptions ls` names them and why; mend the queue, then `pillarbox subscriptions resume`.",
    ),
];

const TABLE: &str = "Look at the table's throttling and at AWS's own health; producers try again, and nothing is lost.";

const DISPATCH: &str = "Unless dispatch is off, its function fails or is throttled: look at its log and at its iterator age.";

/// # Errors
/// [`Error::Unwell`] when a check failed; anything else when the bus could not be asked.
pub async fn run(args: &DoctorArgs, global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    let answer = client.get(&["v1", "health", "deep"]).await?;
    let found: Examination = client.read(&answer)?;
    let paint = Paint::of_stdout();
    let text = |found: &Examination| found.text(args.all, paint);
    global.output().print_answer(&client, &answer, text)?;
    match found.count("fail") {
        0 => Ok(()),
        failed => Err(Error::Unwell { failed }),
    }
}

impl Examination {
    /// The value of a check, with a `+` where it may be more.
    pub fn figure(&self, name: &str) -> Option<(u64, &'static str)> {
        let check = self.checks.iter().find(|check| check.name == name);
        let figure = check?.figure.as_ref()?;
        Some((figure.value, if figure.is_at_least { "+" } else { "" }))
    }

    fn count(&self, status: &str) -> u64 {
        let of_status = self.checks.iter().filter(|check| check.status == status);
        u64::try_from(of_status.count()).unwrap_or(u64::MAX)
    }

    fn text(&self, all: bool, paint: Paint) -> String {
        let told = self.checks.iter();
        let told: Vec<&Check> = told.filter(|check| all || check.status != "ok").collect();
        let names = told.iter().map(|check| check.name.len());
        let width = names.max().unwrap_or_default();
        let mut lines: Vec<String> = told
            .into_iter()
            .flat_map(|check| check.lines(width, paint))
            .collect();
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.push(self.summary(paint));
        lines.join("\n")
    }

    fn summary(&self, paint: Paint) -> String {
        let (ok, warn, fail) = (self.count("ok"), self.count("warn"), self.count("fail"));
        match (warn, fail) {
            (0, 0) => paint.apply(Tone::Good, &format!("all {} fine", count_are(ok))),
            _ => format!("{} fine, {warn} to look at, {fail} failed", count_are(ok)),
        }
    }
}

fn count_are(checks: u64) -> String {
    let verb = if checks == 1 { "is" } else { "are" };
    format!("{} {verb}", count(checks, "check"))
}

impl Check {
    fn lines(&self, width: usize, paint: Paint) -> Vec<String> {
        let tone = match self.status.as_str() {
            "ok" => Tone::Good,
            "warn" => Tone::Open,
            _ => Tone::Bad,
        };
        let status = paint.apply(tone, &format!("{:<4}", shown(&self.status)));
        let name = shown(&self.name);
        let mut lines = vec![format!(
            "{status}  {name:<width$}  {}",
            shown(&self.message)
        )];
        let advice = ADVICE.iter().find(|(check, _)| *check == self.name);
        if let Some((_, advice)) = advice.filter(|_| self.status != "ok") {
            lines.push(format!("{:width$}{advice}", "", width = width + 8));
        }
        lines
    }
}
