//! Batches that fail by record: one malformed or panicking record never takes the others with it.

pub use pillarbox_domain::guarded::{Panicked, guarded};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A batch as Lambda hands it over, each record still unread.
#[derive(Debug, Deserialize)]
pub struct Batch {
    /// The records, in order, as JSON text.
    #[serde(rename = "Records")]
    pub records: Vec<Box<RawValue>>,
}

/// What Lambda is told of a batch: these records have to come again, every other one is done
/// (`ReportBatchItemFailures`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchAnswer {
    /// The failed ones. For a stream, everything from the first of them on comes again.
    pub batch_item_failures: Vec<BatchItemFailure>,
}

/// A record that has to come again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchItemFailure {
    /// The message's id, or the stream record's sequence number.
    pub item_identifier: String,
}

impl FromIterator<String> for BatchAnswer {
    fn from_iter<I: IntoIterator<Item = String>>(ids: I) -> Self {
        let failures = ids
            .into_iter()
            .map(|item_identifier| BatchItemFailure { item_identifier });
        Self {
            batch_item_failures: failures.collect(),
        }
    }
}

/// Reads one record.
pub fn read<T: DeserializeOwned>(record: &RawValue) -> Result<T, serde_json::Error> {
    serde_json::from_str(record.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_what_lambda_expects() {
        let answer: BatchAnswer = ["7".to_owned()].into_iter().collect();
        let json = serde_json::to_string(&answer).unwrap();
        assert_eq!(json, r#"{"batchItemFailures":[{"itemIdentifier":"7"}]}"#);
    }
}
