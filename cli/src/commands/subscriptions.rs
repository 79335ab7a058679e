//! `pillarbox subscriptions …`

use clap::{Args, Subcommand};
use reqwest::StatusCode;
use serde::Serialize;

use crate::arguments::Global;
use crate::error::Error;

#[derive(Debug, Subcommand)]
pub enum SubscriptionsCommand {
    /// Hand every event of these types to a queue; the same subscription again changes nothing
    Add(AddArgs),
}

#[derive(Debug, Args)]
pub struct AddArgs {
    /// Id of the subscription, unique within the tenant
    id: String,
    /// Event type, or the beginning of one and a `*`; may be given several times
    #[arg(long, required = true, value_name = "TYPE")]
    types: Vec<String>,
    /// Address of the SQS queue
    #[arg(long, value_name = "URL")]
    queue_url: String,
    /// Version that older data are brought up to before they are delivered
    #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(u32).range(1..))]
    target_version: Option<u32>,
}

/// A subscription as the API takes it.
#[derive(Serialize)]
struct Subscription<'a> {
    id: &'a str,
    types: &'a [String],
    queue_url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_version: Option<u32>,
}

#[derive(Serialize)]
struct Added<'a> {
    #[serde(flatten)]
    subscription: Subscription<'a>,
    /// False when the same subscription was there before.
    created: bool,
}

pub async fn run(command: &SubscriptionsCommand, global: &Global) -> Result<(), Error> {
    match command {
        SubscriptionsCommand::Add(args) => add(args, global).await,
    }
}

async fn add(args: &AddArgs, global: &Global) -> Result<(), Error> {
    let subscription = Subscription {
        id: &args.id,
        types: &args.types,
        queue_url: &args.queue_url,
        target_version: args.target_version,
    };
    let client = global.client()?;
    let answer = client.post(&["v1", "subscriptions"], &subscription).await?;
    let added = Added {
        subscription,
        created: answer.status == StatusCode::CREATED,
    };
    global.output().print(&added, Added::text)
}

impl Added<'_> {
    fn text(&self) -> String {
        let Subscription {
            id,
            types,
            queue_url,
            ..
        } = self.subscription;
        let types = types.join(", ");
        if self.created {
            format!("subscription {id} added: {types} go to {queue_url}")
        } else {
            format!("subscription {id} already exists: {types} go to {queue_url}; nothing changed")
        }
    }
}
