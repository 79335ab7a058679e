//! What a command prints: results on standard output, all else on standard error.

use std::io::{self, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::client::{Answer, BusClient};
use crate::error::Error;

/// How a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// For people.
    Text,
    /// One JSON object on one line, names in `snake_case`.
    Json,
}

impl Output {
    /// Prints `result` as JSON, or the text that `text` makes of it.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn print<T: Serialize>(
        self,
        result: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Error> {
        match self {
            Self::Text => print_line(&text(result)),
            Self::Json => {
                let json =
                    serde_json::to_string(result).map_err(|error| Error::Output(error.into()))?;
                print_line(&json)
            }
        }
    }

    /// Prints an answer of the bus as it came, or the text that `text` makes of what is read of it.
    ///
    /// # Errors
    /// When it is not what this route answers, or standard output cannot be written.
    pub fn print_answer<T: DeserializeOwned>(
        self,
        client: &BusClient,
        answer: &Answer,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Error> {
        let read: T = client.read(answer)?;
        match self {
            Self::Text => print_line(&text(&read)),
            Self::Json => {
                let whole: Box<RawValue> = client.read(answer)?;
                print_line(whole.get())
            }
        }
    }
}

/// Writes one line to standard output.
///
/// # Errors
/// When standard output cannot be written; `println!` would panic there.
pub fn print_line(line: &str) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .map_err(Error::Output)
}

/// Writes one line to standard error. If even that is closed there is no one left to tell.
pub fn complain(line: &str) {
    writeln!(io::stderr(), "{line}").ok();
}
