//! `pillarbox subscriptions …`

mod settings;
mod subscription;
mod trial;

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Value, json};

pub use self::trial::Decision;

use self::settings::{AddArgs, SetArgs};
use self::subscription::{Resumed, Subscription};
use self::trial::TestArgs;
use crate::arguments::{Global, path_segment};
use crate::client::{Answer, BusClient};
use crate::error::Error;
use crate::pages::{self, PageArgs, Query};

#[derive(Debug, Subcommand)]
pub enum SubscriptionsCommand {
    /// Hand every event that matches to a queue; the same subscription again changes nothing
    Add(AddArgs),
    /// List subscriptions
    Ls(LsArgs),
    /// Show one subscription
    Get(NamedArgs),
    /// Change a subscription; what is not given stays
    Set(SetArgs),
    /// Remove a subscription; its queue is left as it is
    Rm(RmArgs),
    /// Stop handing events over to one subscription
    Pause(PauseArgs),
    /// Hand events over again, and tell which were missed and how to replay them
    Resume(NamedArgs),
    /// Tell which events match, and for the others which field decided; nothing is sent to anybody
    Test(TestArgs),
}

#[derive(Debug, Args)]
pub struct LsArgs {
    #[command(flatten)]
    page: PageArgs,
}

#[derive(Debug, Args)]
pub struct NamedArgs {
    /// Id of the subscription
    #[arg(value_parser = path_segment)]
    id: String,
}

#[derive(Debug, Args)]
pub struct RmArgs {
    #[command(flatten)]
    named: NamedArgs,
    /// Only if this is its version
    #[arg(long, value_name = "N")]
    version: Option<u64>,
}

#[derive(Debug, Args)]
pub struct PauseArgs {
    #[command(flatten)]
    named: NamedArgs,
    /// Why, for those who find it paused
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Serialize)]
struct Removed<'a> {
    id: &'a str,
    removed: bool,
}

pub async fn run(command: &SubscriptionsCommand, global: &Global) -> Result<(), Error> {
    match command {
        SubscriptionsCommand::Add(args) => settings::add(args, global).await,
        SubscriptionsCommand::Ls(args) => list(args, global).await,
        SubscriptionsCommand::Get(args) => get(args, global).await,
        SubscriptionsCommand::Set(args) => settings::set(args, global).await,
        SubscriptionsCommand::Rm(args) => remove(args, global).await,
        SubscriptionsCommand::Pause(args) => pause(args, global).await,
        SubscriptionsCommand::Resume(args) => resume(args, global).await,
        SubscriptionsCommand::Test(args) => trial::test(args, global).await,
    }
}

async fn list(args: &LsArgs, global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    let (path, all) = (["v1", "subscriptions"], Query::new());
    pages::list::<Subscription>(&client, &path, &all, &args.page, global.output()).await
}

async fn get(args: &NamedArgs, global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    let answer = client.get(&["v1", "subscriptions", &args.id]).await?;
    let output = global.output();
    output.print_answer(&client, &answer, Subscription::text)
}

async fn remove(args: &RmArgs, global: &Global) -> Result<(), Error> {
    let id = args.named.id.as_str();
    let version = args.version.map(|version| version.to_string());
    let query = pages::query([("version", version.as_deref())]);
    let client = global.client()?;
    client.delete(&["v1", "subscriptions", id], &query).await?;
    let removed = Removed { id, removed: true };
    let output = global.output();
    output.print(&removed, |_| format!("subscription {id} removed"))
}

async fn pause(args: &PauseArgs, global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    let body = match &args.reason {
        Some(reason) => json!({ "reason": reason }),
        None => json!({}),
    };
    let answer = act(&client, &args.named.id, "pause", &body).await?;
    let output = global.output();
    output.print_answer(&client, &answer, Subscription::state_text)
}

async fn resume(args: &NamedArgs, global: &Global) -> Result<(), Error> {
    let client = global.client()?;
    let answer = act(&client, &args.id, "resume", &json!({})).await?;
    let output = global.output();
    output.print_answer(&client, &answer, Resumed::text)
}

async fn act(client: &BusClient, id: &str, action: &str, body: &Value) -> Result<Answer, Error> {
    let path = ["v1", "subscriptions", id, action];
    client.post(&path, body).await
}
