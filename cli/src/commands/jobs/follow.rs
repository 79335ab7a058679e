//! Watching a job until it is over.

use std::time::Duration;

use clap::Args;
use console::Term;

use super::job::Job;
use super::progress::Progress;
use crate::arguments::Global;
use crate::client::{Answer, BusClient};
use crate::dice::jitter;
use crate::error::Error;
use crate::output::{Output, complain};
use crate::patience::interrupted;
use crate::problem::shown;
use crate::retry::{RetryDecision, RetryPolicy};

/// How long after the start the bus is asked again for the first time; small jobs are over soon.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// How often it is asked from then on; each wait is twice as long as the one before, up to this.
const WAIT: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub struct FollowArgs {
    /// Watch until it is over, which is what happens on a terminal
    #[arg(long, conflicts_with = "detach")]
    follow: bool,
    /// Only start it
    #[arg(long)]
    detach: bool,
}

impl FollowArgs {
    /// Whether to watch. Of what is only counted, the count is all there is.
    pub fn is_wanted(&self, is_dry_run: bool) -> bool {
        let is_asked = self.follow || is_dry_run || Term::stderr().features().is_attended();
        is_asked && !self.detach
    }
}

/// Watches a job until it is over, or needs somebody; then prints what it came to.
///
/// # Errors
/// When anything failed, when it was paused by the bus or cancelled, and when the bus does not answer any more. The job
/// goes on all the same.
pub async fn follow(id: &str, client: &BusClient, global: &Global) -> Result<(), Error> {
    let mut progress = Progress::begin();
    let watched = tokio::select! {
        watched = watch(id, client, &mut progress) => watched,
        () = interrupted() => Err(Error::Interrupted { job: shown(id) }),
    };
    progress.finish();
    if watched.as_ref().is_err_and(Error::passes) {
        complain("the job goes on without being watched");
        complain_detached(id);
    }
    let (answer, job) = watched?;
    match global.output() {
        json @ Output::Json => json.print_answer(client, &answer, |_: &Job| String::new())?,
        text @ Output::Text => text.print_answer(client, &answer, ended)?,
    }
    verdict(&job)
}

/// Tells how a job that nobody watches can be watched.
pub fn complain_detached(id: &str) {
    let id = shown(id);
    complain(&format!("watch it with `pillarbox jobs follow {id}`"));
}

fn ended(job: &Job) -> String {
    match job.state.as_str() {
        "COUNTED" => job.counted_text(),
        _ => job.text(),
    }
}

/// The answer that tells that a job is over, or needs somebody.
async fn watch(
    id: &str,
    client: &BusClient,
    progress: &mut Progress,
) -> Result<(Answer, Job), Error> {
    let mut wait = FIRST_WAIT;
    loop {
        let answer = patiently(id, client, progress).await?;
        let job: Job = client.read(&answer)?;
        progress.show(&job);
        if has_ended(&job) {
            return Ok((answer, job));
        }
        tokio::time::sleep(wait).await;
        wait = WAIT.min(wait * 2);
    }
}

/// Asks once more for as long as it may help; the job does not mind.
async fn patiently(id: &str, client: &BusClient, progress: &Progress) -> Result<Answer, Error> {
    let policy = RetryPolicy::default();
    let mut attempt = 1;
    loop {
        let error = match client.get(&["v1", "jobs", id]).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let decision = policy.decide(attempt, None, jitter());
        let RetryDecision::RetryAfter(wait) = decision else {
            return Err(error);
        };
        if !error.passes() {
            return Err(error);
        }
        progress.trouble(format!("asking again: {error}"));
        tokio::time::sleep(wait).await;
        attempt += 1;
    }
}

/// One that somebody paused may be resumed by them; one that the bus paused needs somebody who knows why.
fn has_ended(job: &Job) -> bool {
    match job.state.as_str() {
        "PLANNING" | "RUNNING" => false,
        "PAUSED" => job.reason.is_some(),
        _ => true,
    }
}

fn verdict(job: &Job) -> Result<(), Error> {
    let id = shown(&job.job_id);
    match (job.state.as_str(), &job.reason) {
        ("PAUSED", Some(reason)) => Err(Error::JobPaused {
            job: id,
            reason: shown(reason),
        }),
        ("CANCELLED", _) => Err(Error::JobCancelled { job: id }),
        _ if job.failed > 0 => Err(Error::NotAllSent {
            failed: job.failed,
            total: job.total.unwrap_or(job.done),
            job: id,
        }),
        _ => Ok(()),
    }
}
