//! `DeadLetterQueue`.

use aws_sdk_sqs::Client;
use pillarbox_domain::StoreError;
use pillarbox_domain::dead_letter::{DeadLetters, DeadRecord};
use pillarbox_domain::delivery::escape_for_sqs;
use serde_json::json;

use crate::error::store_error;

/// Bytes of a message up to which a record is a string in it. SQS takes 1,048,576, and two characters may still
/// have to be escaped.
const MAX_TEXT_BYTES: usize = 500_000;

/// The queue that everything goes through which fails for good.
pub struct SqsDeadLetters {
    client: Client,
    queue_url: String,
}

impl SqsDeadLetters {
    /// The queue at this address.
    pub fn new(client: Client, queue_url: String) -> Self {
        Self { client, queue_url }
    }
}

impl DeadLetters for SqsDeadLetters {
    async fn put(&self, dead: &DeadRecord) -> Result<(), StoreError> {
        self.client
            .send_message()
            .queue_url(&self.queue_url)
            .message_body(body(dead))
            .send()
            .await
            .map(drop)
            .map_err(|error| store_error("SendMessage", error))
    }
}

fn body(dead: &DeadRecord) -> String {
    let DeadRecord {
        origin,
        reason,
        record,
    } = dead;
    let body = json!({ "origin": origin, "reason": reason, "record": record }).to_string();
    if body.len() <= MAX_TEXT_BYTES {
        return escape_for_sqs(body);
    }
    // As text a record grows by every quote in it; one that fits a message by itself is sent as it is.
    let (origin, reason) = (json!(origin), json!(reason));
    escape_for_sqs(format!(
        r#"{{"origin":{origin},"reason":{reason},"record":{record}}}"#
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_with_characters_that_sqs_refuses_can_be_put_away_and_read_again() {
        let dead = DeadRecord {
            origin: "dispatch",
            reason: "malformed \u{fffe}".to_owned(),
            record: "{\"S\":\"\u{ffff}\"}".to_owned(),
        };
        let body = body(&dead);
        assert!(!body.contains(['\u{fffe}', '\u{ffff}']), "{body}");
        let read: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(read["reason"], dead.reason);
        assert_eq!(read["record"], dead.record);
    }

    #[test]
    fn a_large_record_full_of_quotes_still_fits_a_message() {
        let record = format!("{{\"data\":[{}1]}}", "\"\",".repeat(330_000));
        assert!(record.len() > 985_000);
        let dead = DeadRecord {
            origin: "dispatch",
            reason: "\"quoted\"".to_owned(),
            record: record.clone(),
        };
        let body = body(&dead);
        assert!(body.len() < 1_048_576, "{}", body.len());
        let read: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(read["reason"], dead.reason);
        let expected: serde_json::Value = serde_json::from_str(&record).unwrap();
        assert_eq!(read["record"], expected);
    }
}
