//! Traces as SQS and X-Ray know them.

use aws_sdk_sqs::types::{MessageSystemAttributeNameForSends, MessageSystemAttributeValue};
use pillarbox_domain::delivery::Message;

/// What links a message's receiver to its event's trace in X-Ray, if the event came with one. It stands in place of the
/// header of the call itself, and does not count into the message's size
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>).
pub(crate) fn trace_header(
    message: &Message,
) -> Option<(
    MessageSystemAttributeNameForSends,
    MessageSystemAttributeValue,
)> {
    let value = MessageSystemAttributeValue::builder()
        .data_type("String")
        .string_value(message.trace_parent()?.to_xray())
        .build();
    // A value with its type can be built.
    let value = value.ok()?;
    Some((MessageSystemAttributeNameForSends::AwsTraceHeader, value))
}
