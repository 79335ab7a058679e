//! `pillarbox outbox …`: for programs that write events into the log themselves.

use clap::{Args, Subcommand};
use pillarbox_aws::{ItemFault, check_event_item};
use serde::Serialize;
use serde_json::Value;
use tokio::io::AsyncReadExt;

use crate::arguments::Global;
use crate::error::Error;

#[derive(Debug, Subcommand)]
pub enum OutboxCommand {
    /// Check event items: tell every fault, by attribute, with what is expected. Asks nobody: it works offline
    Check(CheckArgs),
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// File of items in DynamoDB's JSON; - is standard input
    ///
    /// One item, an array, one a line, or what `aws dynamodb get-item`, `query` and `scan` print.
    #[arg(default_value = "-")]
    file: String,
}

pub async fn run(command: &OutboxCommand, global: &Global) -> Result<(), Error> {
    match command {
        OutboxCommand::Check(args) => check(args, global).await,
    }
}

/// # Errors
/// When there is nothing to check, or any item has a fault.
async fn check(args: &CheckArgs, global: &Global) -> Result<(), Error> {
    let origin = match args.file.as_str() {
        "-" => "standard input",
        path => path,
    };
    let input = read(&args.file).await?;
    let items = items(&input).map_err(|source| Error::NotItems {
        origin: origin.to_owned(),
        source,
    })?;
    let report = Report::of(&items);
    if report.checked == 0 {
        return Err(Error::NoItems {
            origin: origin.to_owned(),
        });
    }
    global.output().print(&report, Report::text)?;
    match report.items.len() {
        0 => Ok(()),
        faulty => Err(Error::FaultyItems {
            faulty,
            total: report.checked,
        }),
    }
}

async fn read(file: &str) -> Result<Vec<u8>, Error> {
    if file == "-" {
        let mut input = Vec::new();
        let read = tokio::io::stdin().read_to_end(&mut input).await;
        read.map_err(|source| Error::ReadItems { source })?;
        return Ok(input);
    }
    let read = tokio::fs::read(file).await;
    read.map_err(|source| Error::OpenEvents {
        path: file.to_owned(),
        source,
    })
}

/// The items in any of the shapes that they are printed in; what is none of them is taken for an item.
fn items(input: &[u8]) -> Result<Vec<Value>, serde_json::Error> {
    let mut items = Vec::new();
    for value in serde_json::Deserializer::from_slice(input).into_iter::<Value>() {
        match value? {
            Value::Array(several) => items.extend(several),
            Value::Object(mut answer) => match (answer.remove("Item"), answer.remove("Items")) {
                (Some(item), _) => items.push(item),
                (None, Some(Value::Array(several))) => items.extend(several),
                (None, _) => items.push(Value::Object(answer)),
            },
            other => items.push(other),
        }
    }
    Ok(items)
}

#[derive(Serialize)]
struct Report {
    checked: usize,
    /// Those that have faults.
    items: Vec<Faulty>,
}

#[derive(Serialize)]
struct Faulty {
    /// Counted from 1.
    number: usize,
    pk: Option<String>,
    faults: Vec<Fault>,
}

#[derive(Serialize)]
struct Fault {
    attribute: String,
    fault: String,
}

impl Report {
    fn of(items: &[Value]) -> Self {
        let faulty = items.iter().zip(1..).filter_map(|(item, number)| {
            let faults = match item {
                Value::Object(item) => check_event_item(item),
                _ => vec![ItemFault {
                    attribute: "item".to_owned(),
                    fault: r#"must be an object of attributes, as {"pk": {"S": "…"}}"#.to_owned(),
                }],
            };
            let pk = item["pk"]["S"].as_str().map(str::to_owned);
            (!faults.is_empty()).then(|| Faulty {
                number,
                pk,
                faults: faults.into_iter().map(Fault::from).collect(),
            })
        });
        Self {
            checked: items.len(),
            items: faulty.collect(),
        }
    }

    fn text(&self) -> String {
        if self.items.is_empty() {
            return format!("checked {}, no faults", self.checked);
        }
        let mut lines = Vec::new();
        for Faulty { number, pk, faults } in &self.items {
            let pk = pk.as_deref().unwrap_or("without a pk");
            lines.push(format!("item {number}, {pk}"));
            lines.extend(
                faults
                    .iter()
                    .map(|Fault { attribute, fault }| format!("  {attribute}: {fault}")),
            );
        }
        lines.join("\n")
    }
}

impl From<ItemFault> for Fault {
    fn from(ItemFault { attribute, fault }: ItemFault) -> Self {
        Self { attribute, fault }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn items_are_found_in_every_shape_that_they_are_printed_in() {
        let item = json!({ "pk": { "S": "T#demo#K#/shop#1" } });
        let shapes = [
            json!({ "Item": item, "ConsumedCapacity": {} }).to_string(),
            json!({ "Items": [item], "Count": 1 }).to_string(),
            json!([item]).to_string(),
            item.to_string(),
            format!("\n{item:#}\n"),
        ];
        for shape in shapes {
            assert_eq!(
                items(shape.as_bytes()).unwrap(),
                std::slice::from_ref(&item),
                "{shape}"
            );
        }
        let lines = format!("{item}\n{item}\r\n");
        assert_eq!(items(lines.as_bytes()).unwrap().len(), 2);
        assert!(items(b"").unwrap().is_empty());
        assert!(items(b"{").is_err());
    }
}
