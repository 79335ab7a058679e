//! What a subscription is made of, and changed to.

use clap::{ArgGroup, Args};
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Number;
use serde_json::value::RawValue;

use super::subscription::Subscription;
use crate::arguments::{Global, path_segment};
use crate::client::BusClient;
use crate::error::Error;
use crate::input;
use crate::members::Members;
use crate::output::{self, Output};
use crate::problem::shown;

/// Which events: by their types, or by a pattern.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct PatternArgs {
    /// Event type, or the beginning of one and a `*`; may be given several times
    #[arg(long, value_name = "TYPE")]
    types: Vec<String>,
    /// EventBridge pattern over the whole event, in JSON; @FILE reads it from a file, @- from standard input
    #[arg(long, value_name = "JSON")]
    pattern: Option<String>,
}

/// How a queue that refuses an event is tried again.
#[derive(Debug, Args, Serialize)]
#[group(multiple = true)]
struct RetryArgs {
    /// How often an event is offered again to a queue that refused it
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    retries: Option<u32>,
    /// Delay before the first retry
    #[arg(long, value_name = "MS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    first_delay_ms: Option<u64>,
    /// What each delay is multiplied by to make the next
    #[arg(long, value_name = "N", value_parser = number)]
    #[serde(skip_serializing_if = "Option::is_none")]
    factor: Option<Number>,
    /// No delay is longer than this
    #[arg(long, value_name = "MS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    max_delay_ms: Option<u64>,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("routing").args(["types", "pattern"]).required(true)))]
pub struct AddArgs {
    /// Id of the subscription, unique within the tenant
    id: String,
    #[command(flatten)]
    pattern: PatternArgs,
    /// Address of the SQS queue
    #[arg(long, value_name = "URL")]
    queue_url: String,
    /// Version that older data are brought up to before they are delivered
    #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(u32).range(1..))]
    target_version: Option<u32>,
    #[command(flatten)]
    retry: RetryArgs,
    /// Whose flood must not hold up the others: tenant, or the event attribute that tells the groups apart
    #[arg(long, value_name = "NAME")]
    message_group: Option<String>,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("change").required(true).multiple(true).args([
    "types", "pattern", "queue_url", "target_version", "no_target_version",
    "retries", "first_delay_ms", "factor", "max_delay_ms", "message_group",
])))]
pub struct SetArgs {
    /// Id of the subscription
    #[arg(value_parser = path_segment)]
    id: String,
    #[command(flatten)]
    pattern: PatternArgs,
    /// Address of the SQS queue
    #[arg(long, value_name = "URL")]
    queue_url: Option<String>,
    /// Version that older data are brought up to before they are delivered
    #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(u32).range(1..))]
    target_version: Option<u32>,
    /// Deliver data in the version that they were published in
    #[arg(long, conflicts_with = "target_version")]
    no_target_version: bool,
    #[command(flatten)]
    retry: RetryArgs,
    /// Whose flood must not hold up the others: tenant, or the event attribute that tells the groups apart
    #[arg(long, value_name = "NAME")]
    message_group: Option<String>,
    /// Only if this is its version; without it, whatever it is now is changed
    #[arg(long, value_name = "N")]
    version: Option<u64>,
}

/// Which events, as the API takes it; nothing when it was not given.
#[derive(Serialize)]
pub struct Routing<'a> {
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    types: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Option<Box<RawValue>>,
}

/// A subscription as the API takes it.
#[derive(Serialize)]
struct NewSubscription<'a> {
    id: &'a str,
    #[serde(flatten)]
    routing: &'a Routing<'a>,
    queue_url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<&'a RetryArgs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_group: Option<&'a str>,
}

/// A change as the API takes it; what is left out stays.
#[derive(Serialize)]
struct Change<'a> {
    version: u64,
    #[serde(flatten)]
    routing: Routing<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_url: Option<&'a str>,
    /// Null removes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    target_version: Option<Option<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<&'a RetryArgs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_group: Option<&'a str>,
}

#[derive(Deserialize)]
struct Version {
    version: u64,
}

/// # Errors
/// When the bus refuses, as it does when something else is there under that id.
pub async fn add(args: &AddArgs, global: &Global) -> Result<(), Error> {
    let routing = args.pattern.read()?;
    let new_subscription = NewSubscription {
        id: &args.id,
        routing: &routing,
        queue_url: &args.queue_url,
        target_version: args.target_version,
        retry: args.retry.given(),
        message_group: args.message_group.as_deref(),
    };
    let client = global.client()?;
    let path = ["v1", "subscriptions"];
    let answer = client.post(&path, &new_subscription).await?;
    let created = answer.status == StatusCode::CREATED;
    match global.output() {
        Output::Text => output::print_line(&new_subscription.text(created)),
        json @ Output::Json => {
            let subscription: Members = client.read(&answer)?;
            json.print(&subscription.with("created", &created)?, |_| String::new())
        }
    }
}

/// # Errors
/// When the bus refuses, as it does when somebody else has changed the subscription.
pub async fn set(args: &SetArgs, global: &Global) -> Result<(), Error> {
    let routing = args.pattern.read()?;
    let client = global.client()?;
    let version = match args.version {
        Some(version) => version,
        None => version_of(&client, &args.id).await?,
    };
    let change = Change {
        version,
        routing,
        queue_url: args.queue_url.as_deref(),
        target_version: args.new_target_version(),
        retry: args.retry.given(),
        message_group: args.message_group.as_deref(),
    };
    let path = ["v1", "subscriptions", &args.id];
    let answer = client.patch(&path, &change).await?;
    let output = global.output();
    output.print_answer(&client, &answer, Subscription::text)
}

async fn version_of(client: &BusClient, id: &str) -> Result<u64, Error> {
    let answer = client.get(&["v1", "subscriptions", id]).await?;
    let Version { version } = client.read(&answer)?;
    Ok(version)
}

impl PatternArgs {
    /// # Errors
    /// When the pattern cannot be read, or is no JSON.
    pub fn read(&self) -> Result<Routing<'_>, Error> {
        let pattern = self.pattern.as_deref();
        let pattern = pattern.map(|pattern| input::json_or_file(pattern, "--pattern"));
        Ok(Routing {
            types: &self.types,
            pattern: pattern.transpose()?,
        })
    }
}

impl RetryArgs {
    fn given(&self) -> Option<&Self> {
        let Self {
            retries,
            first_delay_ms,
            factor,
            max_delay_ms,
        } = self;
        let is_given = retries.is_some()
            || first_delay_ms.is_some()
            || factor.is_some()
            || max_delay_ms.is_some();
        is_given.then_some(self)
    }
}

impl SetArgs {
    fn new_target_version(&self) -> Option<Option<u32>> {
        match self.target_version {
            None if self.no_target_version => Some(None),
            given => given.map(Some),
        }
    }
}

impl Routing<'_> {
    fn text(&self) -> String {
        match &self.pattern {
            Some(pattern) => format!("events that match {}", shown(pattern.get())),
            None => self.types.join(", "),
        }
    }
}

impl NewSubscription<'_> {
    fn text(&self, created: bool) -> String {
        let (id, events, queue_url) = (self.id, self.routing.text(), self.queue_url);
        if created {
            format!("subscription {id} added: {events} go to {queue_url}")
        } else {
            format!("subscription {id} already exists: {events} go to {queue_url}; nothing changed")
        }
    }
}

/// A number in the spelling that it was given in: 2 stays an integer.
fn number(value: &str) -> Result<Number, &'static str> {
    serde_json::from_str(value).map_err(|_| "is no number")
}
