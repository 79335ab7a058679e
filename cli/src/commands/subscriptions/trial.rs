//! `pillarbox subscriptions test`: which events match, and for the others which field decided.

use clap::{ArgGroup, Args};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::settings::{PatternArgs, Routing};
use crate::arguments::{Global, path_segment};
use crate::error::Error;
use crate::input;
use crate::output::{Output, complain};
use crate::pages;
use crate::problem::shown;

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("subject").args(["id", "types", "pattern"]).required(true)))]
#[command(group(ArgGroup::new("events").args(["event", "last"]).required(true)))]
pub struct TestArgs {
    /// Id of a subscription that is there
    #[arg(value_parser = path_segment)]
    id: Option<String>,
    #[command(flatten)]
    pattern: PatternArgs,
    /// File of a structured CloudEvent; - is standard input
    #[arg(long, value_name = "FILE")]
    event: Option<String>,
    /// The last events of the log instead, 1 to 100
    #[arg(long, value_name = "N")]
    last: Option<u32>,
}

/// A test as the API takes it.
#[derive(Serialize)]
struct Trial<'a> {
    #[serde(flatten)]
    routing: Routing<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<u32>,
}

#[derive(Deserialize)]
struct Results {
    results: Vec<Tested>,
    tested: u64,
    matched: u64,
}

#[derive(Deserialize)]
struct Tested {
    event_id: Option<String>,
    #[serde(rename = "type")]
    event_type: String,
    matches: bool,
    decided_by: Option<Decision>,
}

/// What kept an event from matching.
#[derive(Deserialize)]
pub struct Decision {
    field: String,
    test: String,
    /// What the field is; none when the event does not have it.
    found: Option<String>,
}

/// # Errors
/// When the bus refuses, as it does a pattern that breaks rules.
pub async fn test(args: &TestArgs, global: &Global) -> Result<(), Error> {
    let trial = args.trial()?;
    let client = global.client()?;
    let answer = match &args.id {
        Some(id) => {
            let path = ["v1", "subscriptions", id, "test"];
            client.post(&path, &trial).await?
        }
        None => {
            client
                .post(&["v1", "subscriptions", "test"], &trial)
                .await?
        }
    };
    let output = global.output();
    output.print_answer(&client, &answer, Results::text)?;
    if output == Output::Text {
        let Results {
            tested, matched, ..
        } = client.read(&answer)?;
        complain(&format!("{matched} of {tested} match"));
    }
    Ok(())
}

impl TestArgs {
    fn trial(&self) -> Result<Trial<'_>, Error> {
        let event = self.event.as_deref().map(input::json_of);
        Ok(Trial {
            routing: self.pattern.read()?,
            event: event.transpose()?,
            last: self.last,
        })
    }
}

impl Results {
    fn text(&self) -> String {
        let header = ["event id", "type", "matches", "decided by"];
        pages::table(&header, self.results.iter().map(Tested::cells))
    }
}

impl Tested {
    fn cells(&self) -> Vec<String> {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let matches = if self.matches { "yes" } else { "no" };
        vec![
            or_dash(self.event_id.as_deref().map(shown)),
            shown(&self.event_type),
            matches.to_owned(),
            or_dash(self.decided_by.as_ref().map(Decision::text)),
        ]
    }
}

impl Decision {
    pub fn text(&self) -> String {
        let (field, test) = (shown(&self.field), shown(&self.test));
        match &self.found {
            Some(found) => format!("{field} is {}; wanted {test}", shown(found)),
            None => format!("{field} is not there; wanted {test}"),
        }
    }
}
