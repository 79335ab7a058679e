//! `pillarbox top`: how much goes through, how fast, and what waits.

mod model;
mod screen;
mod view;

use std::time::Instant;

use clap::Args;
use reqwest::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;
use time::Duration;

use self::model::Stats;
use self::screen::Screen;
use self::view::View;
use super::doctor::Examination;
use crate::arguments::{Global, tenant_id};
use crate::client::BusClient;
use crate::error::Error;
use crate::output::{self, Output};
use crate::pages;
use crate::paint::Paint;
use crate::patience::interrupted;
use crate::times;

/// How often the bus is examined at the most: a look at it reads something of each tenant.
const EXAMINED_EVERY: std::time::Duration = std::time::Duration::from_secs(5);

#[derive(Debug, Args)]
pub struct TopArgs {
    /// How long to wait before drawing again
    #[arg(long, value_name = "SPAN", default_value = "1s", value_parser = times::parse_span)]
    every: Duration,
    /// Of how long the rates and latencies are
    #[arg(long, value_name = "SPAN", default_value = "5m", value_parser = times::parse_span)]
    window: Duration,
    /// The tenant whose rates are meant (administrators only)
    #[arg(long, value_parser = tenant_id)]
    tenant: Option<String>,
    /// Draw once, and end
    #[arg(long)]
    once: bool,
}

/// What one drawing is made of; `null` where the bus did not say.
#[derive(Serialize)]
struct Look {
    stats: Box<RawValue>,
    health: Option<Box<RawValue>>,
}

/// What is known of the bus as a whole.
#[derive(Default)]
struct Health {
    answer: Option<Box<RawValue>>,
    found: Option<Examination>,
    asked_at: Option<Instant>,
    is_forbidden: bool,
}

/// Draws until somebody presses Ctrl-C, or once.
///
/// # Errors
/// When the bus refuses, or does not answer the first time, or standard output is closed.
pub async fn run(args: &TopArgs, global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    tokio::select! {
        drawn = draw(&client, args, global.output()) => drawn,
        () = interrupted() => Ok(()),
    }
}

async fn draw(client: &BusClient, args: &TopArgs, output: Output) -> Result<(), Error> {
    let (mut screen, mut health) = (Screen::of_stdout(), Health::default());
    let mut is_first = true;
    loop {
        match look(client, args, &mut health).await {
            Ok((stats, look)) => match output {
                Output::Json => print_json(&look)?,
                Output::Text => screen.draw(&args.view(&stats, &health).text())?,
            },
            // What was drawn stays, and it is asked again.
            Err(error) if error.passes() && !is_first => screen.note(&error.to_string())?,
            Err(error) => return Err(error),
        }
        if args.once {
            return Ok(());
        }
        is_first = false;
        tokio::time::sleep(args.every.unsigned_abs()).await;
    }
}

async fn look(
    client: &BusClient,
    args: &TopArgs,
    health: &mut Health,
) -> Result<(Stats, Look), Error> {
    let now = times::now();
    let from = times::to_text(now.saturating_sub(args.window));
    let query = pages::query([
        ("from", Some(&*from)),
        ("to", Some(&times::to_text(now))),
        ("tenant", args.tenant.as_deref()),
    ]);
    let path = ["v1", "stats"];
    let asked = client.get_with(&path, &query);
    let (answer, examined) = tokio::join!(asked, health.ask(client));
    examined?;
    let answer = answer?;
    let look = Look {
        stats: client.read(&answer)?,
        health: health.answer.clone(),
    };
    Ok((client.read(&answer)?, look))
}

fn print_json(look: &Look) -> Result<(), Error> {
    Output::Json.print(look, |_| String::new())
}

impl Health {
    /// Asks, unless it was asked just now or is none of the key's business. Where there is no answer, what was
    /// answered before is not shown any more.
    async fn ask(&mut self, client: &BusClient) -> Result<(), Error> {
        let is_fresh = self
            .asked_at
            .is_some_and(|asked_at| asked_at.elapsed() < EXAMINED_EVERY);
        if is_fresh || self.is_forbidden {
            return Ok(());
        }
        self.asked_at = Some(Instant::now());
        (self.answer, self.found) = (None, None);
        match client.get(&["v1", "health", "deep"]).await {
            Ok(answer) => {
                self.answer = Some(client.read(&answer)?);
                self.found = Some(client.read(&answer)?);
                Ok(())
            }
            Err(Error::Refused(problem)) if problem.status == StatusCode::FORBIDDEN => {
                self.is_forbidden = true;
                Ok(())
            }
            Err(error) if error.passes() => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl TopArgs {
    fn view<'a>(&self, stats: &'a Stats, health: &'a Health) -> View<'a> {
        View {
            stats,
            health: health.found.as_ref(),
            is_forbidden: health.is_forbidden,
            window: self.window,
            paint: Paint::of_stdout(),
        }
    }
}

impl Screen {
    /// Tells what went wrong below what was drawn; where nothing is drawn over, on standard error.
    fn note(&mut self, text: &str) -> Result<(), Error> {
        match self.is_live() {
            true => self.draw_below(&format!("asking again: {text}")),
            false => {
                output::complain(&format!("asking again: {text}"));
                Ok(())
            }
        }
    }
}
