//! What a command reads besides its arguments: files and standard input.

use std::fs;
use std::io::{self, Read};

use serde_json::value::RawValue;

use crate::error::Error;

/// The JSON of a file, in its own spelling; `-` is standard input.
///
/// # Errors
/// When it cannot be read, or is no JSON.
pub fn json_of(path: &str) -> Result<Box<RawValue>, Error> {
    json(&text_of(path)?, path)
}

/// JSON that was given as an argument, or after an `@` the name of the file that has it.
///
/// # Errors
/// As [`json_of`]; `name` is what the message calls the argument.
pub fn json_or_file(argument: &str, name: &str) -> Result<Box<RawValue>, Error> {
    match argument.strip_prefix('@') {
        Some(path) => json_of(path),
        None => json(argument, name),
    }
}

/// The text of a file; `-` is standard input.
///
/// # Errors
/// When it cannot be read.
pub fn text_of(path: &str) -> Result<String, Error> {
    let text = if path == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(path)
    };
    text.map_err(|source| Error::ReadFile {
        path: path.to_owned(),
        source,
    })
}

fn json(text: &str, origin: &str) -> Result<Box<RawValue>, Error> {
    serde_json::from_str(text).map_err(|source| Error::NotJson {
        path: origin.to_owned(),
        source,
    })
}
