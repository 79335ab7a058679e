//! `pillarbox publish`: JSON lines in, one request per line or per batch of lines, a summary out.
//!
//! Lines are read as they come and the lines of at most `--concurrency` requests are in memory, so a file of any
//! size and an endless standard input are fine. Sending a line again is always safe: the bus stores an event
//! once per `source` and `id`.

mod form;
mod groups;
mod latency;
mod lines;
mod progress;
mod sender;
mod summary;

use std::num::{NonZeroU32, NonZeroUsize};
use std::pin::pin;

use clap::Args;
use futures::StreamExt;
use tokio::fs::File;
use tokio::io::{AsyncRead, BufReader};

use self::form::{Form, MAX_BATCH};
use self::groups::groups_of;
use self::lines::LineReader;
use self::progress::Progress;
use self::sender::{Sender, Sent};
use self::summary::{Summary, Tally};
use crate::arguments::Global;
use crate::error::Error;
use crate::output::complain;
use crate::retry::RetryPolicy;

const READ_BUFFER_BYTES: usize = 64 * 1024;

#[derive(Debug, Args)]
pub struct PublishArgs {
    /// File of structured CloudEvents, one JSON object a line; - is standard input
    #[arg(default_value = "-")]
    file: String,
    /// How many requests are on their way at the same time
    #[arg(long, default_value = "8", value_name = "N")]
    concurrency: NonZeroUsize,
    /// How often one event is sent at most, while the bus is busy or out of reach
    #[arg(long, default_value = "8", value_name = "N")]
    max_attempts: NonZeroU32,
    /// Send batches of up to N events (100 when no number is given); each event is stored or refused by itself
    #[arg(
        long,
        value_name = "N",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "100",
        value_parser = batch_size
    )]
    batch: Option<NonZeroUsize>,
    /// Send all lines, 100 at most, in one batch of which all events are stored, or none
    #[arg(long, conflicts_with_all = ["batch", "concurrency"])]
    atomic: bool,
    /// Log the events without handing them over to any subscription
    #[arg(long)]
    no_dispatch: bool,
}

/// Publishes every line.
///
/// # Errors
/// When any line is not stored. The summary is printed all the same, whatever ended the run.
pub async fn run(args: &PublishArgs, global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    let policy = RetryPolicy {
        max_attempts: args.max_attempts.get(),
        ..RetryPolicy::default()
    };
    let run = Run {
        origin: args.origin(),
        sender: Sender {
            client: &client,
            policy,
            form: args.form(),
            dispatch: !args.no_dispatch,
        },
        concurrency: args.concurrency.get(),
    };
    let (summary, ending) = if args.is_stdin() {
        run.publish(tokio::io::stdin(), Progress::of_unknown_size())
            .await
    } else {
        let (file, progress) = open(&args.file).await?;
        run.publish(file, progress).await
    };
    global.output().print(&summary, Summary::text)?;
    ending
}

fn batch_size(text: &str) -> Result<NonZeroUsize, String> {
    let size = text
        .parse()
        .ok()
        .filter(|size: &NonZeroUsize| size.get() <= MAX_BATCH);
    size.ok_or_else(|| format!("must be 1 to {MAX_BATCH}"))
}

impl PublishArgs {
    fn form(&self) -> Form {
        match self.batch {
            _ if self.atomic => Form::Atomic,
            Some(max_events) => Form::Batch(max_events),
            None => Form::Single,
        }
    }

    fn is_stdin(&self) -> bool {
        self.file == "-"
    }

    fn origin(&self) -> &str {
        if self.is_stdin() {
            "standard input"
        } else {
            &self.file
        }
    }
}

async fn open(path: &str) -> Result<(File, Progress), Error> {
    let failed = |source| Error::OpenEvents {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).await.map_err(failed)?;
    let metadata = file.metadata().await.map_err(failed)?;
    let progress = if metadata.is_file() {
        Progress::of_bytes(metadata.len())
    } else {
        Progress::of_unknown_size()
    };
    Ok((file, progress))
}

/// One run over one input.
struct Run<'a> {
    /// What is read, as messages call it.
    origin: &'a str,
    sender: Sender<'a>,
    concurrency: usize,
}

impl Run<'_> {
    async fn publish(
        &self,
        input: impl AsyncRead + Unpin,
        progress: Progress,
    ) -> (Summary, Result<(), Error>) {
        let mut tally = Tally::start();
        let ending = self.send_all(input, &progress, &mut tally).await;
        progress.finish();
        if let Some(more) = tally.problems_not_shown() {
            complain(&more);
        }
        let summary = tally.into_summary();
        let ending = ending.and_then(|()| summary.verdict());
        (summary, ending)
    }

    /// Sends until the input ends, or until an outcome that every other line would share: then what is
    /// on its way is abandoned. When reading fails, what was read before still gets its answer.
    async fn send_all(
        &self,
        input: impl AsyncRead + Unpin,
        progress: &Progress,
        tally: &mut Tally,
    ) -> Result<(), Error> {
        let lines = LineReader::new(BufReader::with_capacity(READ_BUFFER_BYTES, input));
        let answers = groups_of(lines, self.sender.form.room())
            .take(self.sender.form.max_requests())
            .map(|group| async { Ok(self.sender.send(group?).await) })
            .buffer_unordered(self.concurrency);
        let mut answers = pin!(answers);
        let mut ending = Ok(());
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(group) => self.record_all(group, progress, tally)?,
                Err(source) => ending = Err(self.cannot_read(source)),
            }
        }
        ending
    }

    fn record_all(
        &self,
        group: Vec<Sent>,
        progress: &Progress,
        tally: &mut Tally,
    ) -> Result<(), Error> {
        // Every line of a request is counted, also when its outcome ends the run.
        let endings = group
            .into_iter()
            .map(|sent| self.record(sent, progress, tally));
        endings.fold(Ok(()), Result::and)
    }

    /// # Errors
    /// When the outcome says that no other line can fare better.
    fn record(&self, sent: Sent, progress: &Progress, tally: &mut Tally) -> Result<(), Error> {
        progress.advance(sent.bytes);
        let stop = sent.stop();
        let problem = tally.record(sent);
        match (stop, problem) {
            // The error says the same at the end, and what to do.
            (Some(stop), _) => return Err(stop),
            (None, Some(problem)) => progress.above(|| complain(&problem.to_string())),
            (None, None) => {}
        }
        Ok(())
    }

    fn cannot_read(&self, source: std::io::Error) -> Error {
        Error::ReadEvents {
            origin: self.origin.to_owned(),
            source,
        }
    }
}
