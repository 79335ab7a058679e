//! The command line: what is common to all commands. Each command group declares its own arguments.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};

use crate::client::BusClient;
use crate::commands::{
    archive, correlate, dead_letters, dispatch, doctor, events, jobs, journey, keys, outbox,
    publish, redrive, replay, schedules, schemas, stats, subscriptions, tail, tenants, top, verify,
};
use crate::error::Error;
use crate::output::Output;

/// Publish and read events, see what became of them, send them again, and set up tenants, keys and subscriptions of a Pillarbox bus.
#[derive(Debug, Parser)]
#[command(name = "pillarbox", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Publish CloudEvents, one JSON object a line, from a file or standard input
    Publish(publish::PublishArgs),
    /// Events of the log
    #[command(subcommand)]
    Events(events::EventsCommand),
    /// Tenants of the bus (administrators only)
    #[command(subcommand)]
    Tenants(tenants::TenantsCommand),
    /// API keys of a tenant, and the administrators' own key
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Which events go to which queue
    #[command(subcommand)]
    Subscriptions(subscriptions::SubscriptionsCommand),
    /// Events that could not be delivered, and the way back
    #[command(subcommand)]
    DeadLetters(dead_letters::DeadLettersCommand),
    /// What became of an event: to whom it went, when, what failed and why
    Journey(journey::JourneyArgs),
    /// All events of one operation, in order, and what became of each
    Correlate(correlate::CorrelateArgs),
    /// Counts, rates and latencies of a time, by type, with a chart; slow and failed ones
    Stats(stats::StatsArgs),
    /// Send events of the log again: to a new subscriber, or after something went wrong
    Replay(replay::ReplayArgs),
    /// Hand dead letters over again, as many as a filter finds
    Redrive(redrive::RedriveArgs),
    /// Replays and redrives, and how far they are
    #[command(subcommand)]
    Jobs(jobs::JobsCommand),
    /// Whether events are handed over at all (administrators only)
    #[command(subcommand)]
    Dispatch(dispatch::DispatchCommand),
    /// For programs that write events into the log in transactions of their own
    #[command(subcommand)]
    Outbox(outbox::OutboxCommand),
    /// Replays and redrives that come again and again
    #[command(subcommand)]
    Schedules(schedules::SchedulesCommand),
    /// What the data of event types look like, in versions
    #[command(subcommand)]
    Schemas(schemas::SchemasCommand),
    /// Prove that nothing is missing: the log against receipts, archive and seals, or a copy of the archive by itself
    Verify(verify::VerifyArgs),
    /// Hours of the log in the archive
    #[command(subcommand)]
    Archive(archive::ArchiveCommand),
    /// Ask the bus whether it answers
    Health,
    /// Examine the bus check by check, and say what to do (administrators only)
    Doctor(doctor::DoctorArgs),
    /// Rates, latencies and what waits, redrawn each second until Ctrl-C
    Top(top::TopArgs),
    /// Print events as they come, until Ctrl-C
    Tail(tail::TailArgs),
}

/// Options that every command takes, before or after its name.
#[derive(Debug, Args)]
pub struct Global {
    /// Address of the bus, such as `https://abc123.execute-api.eu-west-1.amazonaws.com`
    #[arg(long, env = "PILLARBOX_URL", global = true, value_name = "URL")]
    url: Option<String>,
    /// API key, `pbk_<tenant>_<secret>`; better in the variable, where `ps` does not show it
    #[arg(
        long,
        env = "PILLARBOX_API_KEY",
        hide_env_values = true,
        global = true,
        value_name = "KEY"
    )]
    api_key: Option<ApiKey>,
    /// Print the result as one JSON object
    #[arg(long, global = true)]
    json: bool,
}

impl Global {
    /// A client that sends the key.
    ///
    /// # Errors
    /// When the address or the key is missing or cannot be used, naming the variable.
    pub fn client(&self) -> Result<BusClient, Error> {
        let key = self.key().ok_or(Error::NoApiKey)?;
        BusClient::new(self.url()?, Some(key))
    }

    /// A client for what the bus answers without a key; it sends one all the same where there is one.
    ///
    /// # Errors
    /// When the address is missing or cannot be used, naming the variable.
    pub fn client_without_key(&self) -> Result<BusClient, Error> {
        BusClient::new(self.url()?, self.key())
    }

    pub fn output(&self) -> Output {
        if self.json {
            Output::Json
        } else {
            Output::Text
        }
    }

    /// An empty variable counts as missing: `PILLARBOX_URL= pillarbox …` is how a shell unsets one.
    fn url(&self) -> Result<&str, Error> {
        let url = self.url.as_deref().filter(|url| !url.is_empty());
        url.ok_or(Error::NoUrl)
    }

    fn key(&self) -> Option<&ApiKey> {
        self.api_key.as_ref().filter(|key| !key.reveal().is_empty())
    }
}

/// An API key that no `{:?}` prints. Parsing never fails, because clap would quote the value in its message.
#[derive(Clone)]
pub struct ApiKey(String);

impl ApiKey {
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for ApiKey {
    type Err = Infallible;

    fn from_str(key: &str) -> Result<Self, Self::Err> {
        Ok(Self(key.trim().to_owned()))
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(hidden)")
    }
}

/// Checks a tenant id on the command line: 1–63 of `a-z 0-9 -`, beginning with a letter or digit.
///
/// The bus checks it again; here it keeps a slip such as `..` from becoming a path to another route.
///
/// # Errors
/// What a tenant id looks like; clap adds the value and the option.
pub fn tenant_id(value: &str) -> Result<String, &'static str> {
    const MAX_LEN: usize = 63;
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    let valid = (1..=MAX_LEN).contains(&value.len())
        && value.bytes().all(allowed)
        && !value.starts_with('-');
    if valid {
        Ok(value.to_owned())
    } else {
        Err("a tenant id is 1 to 63 of a-z, 0-9 and -, and begins with a letter or digit")
    }
}

/// Takes an id on the command line that is a segment of a path: anything that stays one when it is escaped.
///
/// # Errors
/// For nothing at all and for the dots that an address resolves, since those would lead to another route.
pub fn path_segment(value: &str) -> Result<String, &'static str> {
    match value {
        "" | "." | ".." => Err("is no id"),
        id => Ok(id.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn key_is_not_in_debug_output() {
        let cli =
            Cli::try_parse_from(["pillarbox", "health", "--api-key", "pbk_demo_secret"]).unwrap();
        assert!(!format!("{cli:?}").contains("secret"));
    }

    #[test]
    fn ids_that_would_lead_elsewhere_are_refused() {
        for id in ["orders", "...", "a/b", "%2e%2e", " "] {
            assert_eq!(path_segment(id).as_deref(), Ok(id));
        }
        for id in ["", ".", ".."] {
            assert!(path_segment(id).is_err(), "{id}");
        }
    }

    #[test]
    fn tenant_ids_are_checked() {
        let longest = "a".repeat(63);
        let too_long = "a".repeat(64);
        for valid in ["demo", "0", "a-b", longest.as_str()] {
            assert_eq!(tenant_id(valid).as_deref(), Ok(valid));
        }
        for invalid in ["", "-a", "..", "Demo", "_bus", "a/b", too_long.as_str()] {
            assert!(tenant_id(invalid).is_err(), "{invalid}");
        }
    }
}
