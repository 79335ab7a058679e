//! `DeadLetterQueue`.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::MessageAttributeValue;
use pillarbox_domain::StoreError;
use pillarbox_domain::dead_letter::{DeadLetterQueue, GivenUp};

use crate::error::store_error;
use crate::trace_header::trace_header;

const SEND_MESSAGE: &str = "SendMessage";

/// The queue that everything goes through which fails for good: a standard one.
#[derive(Clone)]
pub struct SqsDeadLetterQueue {
    client: Client,
    queue_url: String,
}

impl SqsDeadLetterQueue {
    /// The queue at this address.
    pub fn new(client: Client, queue_url: String) -> Self {
        Self { client, queue_url }
    }
}

impl DeadLetterQueue for SqsDeadLetterQueue {
    async fn put(&self, given_up: &GivenUp) -> Result<(), StoreError> {
        let message = given_up.to_message();
        // A group shares the queue fairly between tenants; what belongs to none is in none.
        let group = Some(message.group).filter(|group| !group.is_empty());
        let mut call = self
            .client
            .send_message()
            .queue_url(&self.queue_url)
            .message_body(message.body)
            .set_message_group_id(group);
        for (name, value) in message.attributes {
            call = call.message_attributes(name, attribute(value).map_err(unbuildable)?);
        }
        // The message itself has no room for its trace.
        if let Some((name, value)) = trace_header(&given_up.message) {
            call = call.message_system_attributes(name, value);
        }
        call.send()
            .await
            .map(drop)
            .map_err(|error| store_error(SEND_MESSAGE, error))
    }
}

fn attribute(value: String) -> Result<MessageAttributeValue, BuildError> {
    MessageAttributeValue::builder()
        .data_type("String")
        .string_value(value)
        .build()
}

fn unbuildable(error: BuildError) -> StoreError {
    StoreError::Failed {
        operation: SEND_MESSAGE,
        source: Box::new(error),
    }
}
