//! `pillarbox verify`: the proof that nothing is missing, by the bus or of a copy of its archive.

mod folder;
mod progress;
mod report;
mod text;

use std::path::PathBuf;

use clap::Args;
use time::Duration;

use self::progress::Progress;
use self::report::{Audit, Report};
use crate::arguments::Global;
use crate::client::BusClient;
use crate::error::Error;
use crate::pages::{self, Query};
use crate::paint::Paint;
use crate::{patience, times};

#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// From the hour of this time (RFC 3339) on
    #[arg(long, value_name = "TIME", conflicts_with = "last")]
    from: Option<String>,
    /// To the hour before this time (RFC 3339)
    #[arg(long, value_name = "TIME", conflicts_with = "last")]
    to: Option<String>,
    /// The hours of so long until now, such as 24h or 7d; 24h without any of the three
    #[arg(long, value_name = "SPAN", value_parser = times::parse_span)]
    last: Option<Duration>,
    /// Verify a copy of the archive in this folder instead, without the bus
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["from", "to", "last"])]
    archive: Option<PathBuf>,
}

/// # Errors
/// [`Error::FoundWrong`] when something is wrong; anything else when it could not be verified.
pub async fn run(args: &VerifyArgs, global: &Global) -> Result<(), Error> {
    let verified = match &args.archive {
        Some(archive) => folder::run(archive, global),
        None => audit(args, global).await,
    };
    verified.map_err(Error::of_verification)
}

async fn audit(args: &VerifyArgs, global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    let report = read(&client, args.query()).await?;
    let paint = Paint::of_stdout();
    global
        .output()
        .print(&report, |report| text::of_report(report, paint))?;
    match u64::try_from(report.findings.len()).unwrap_or(u64::MAX) {
        0 => Ok(()),
        findings => Err(Error::FoundWrong { findings }),
    }
}

/// All pages, one after the other.
async fn read(client: &BusClient, range: Query) -> Result<Report, Error> {
    let progress = Progress::start();
    let mut report = Report::default();
    let mut cursor: Option<String> = None;
    loop {
        let mut query = range.clone();
        query.extend(pages::query([("cursor", cursor.as_deref())]));
        let answer = patience::get(client, &["v1", "integrity"], &query).await?;
        let audit: Audit = client.read(&answer)?;
        let next = audit.next_cursor.clone();
        report.take(audit);
        progress.tell(&report);
        match next {
            Some(next) => cursor = Some(next),
            None => return Ok(report),
        }
    }
}

impl VerifyArgs {
    /// Both bounds, so that the range stays what it is while its pages are asked for.
    fn query(&self) -> Query {
        let now = times::now();
        let since = |span| times::to_text(now.saturating_sub(span));
        let from = match (&self.from, self.last, &self.to) {
            (Some(from), _, _) => Some(from.clone()),
            (None, Some(span), _) => Some(since(span)),
            (None, None, None) => Some(since(Duration::DAY)),
            (None, None, Some(_)) => None,
        };
        let to = self.to.clone().unwrap_or_else(|| times::to_text(now));
        pages::query([("from", from.as_deref()), ("to", Some(&to))])
    }
}
