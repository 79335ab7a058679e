//! How deep the bus's own queues are.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use pillarbox_domain::StoreError;
use pillarbox_domain::health::{BusQueue, QueueDepth, QueueDepths};

use crate::error::store_error;

const OPERATION: &str = "GetQueueAttributes";

const VISIBLE: QueueAttributeName = QueueAttributeName::ApproximateNumberOfMessages;
const IN_FLIGHT: QueueAttributeName = QueueAttributeName::ApproximateNumberOfMessagesNotVisible;
const DELAYED: QueueAttributeName = QueueAttributeName::ApproximateNumberOfMessagesDelayed;

/// Where each queue is.
#[derive(Clone, Debug)]
pub struct BusQueueUrls {
    /// See [`BusQueue::DeadLetters`].
    pub dead_letters: String,
    /// See [`BusQueue::Retries`].
    pub retries: String,
    /// See [`BusQueue::Jobs`].
    pub jobs: String,
    /// See [`BusQueue::Sweep`].
    pub sweep: String,
}

/// Depths as SQS tells them: each is about right, some seconds after it was
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html>).
pub struct SqsQueueDepths {
    client: Client,
    urls: BusQueueUrls,
}

impl SqsQueueDepths {
    /// Of the queues at these addresses.
    pub fn new(client: Client, urls: BusQueueUrls) -> Self {
        Self { client, urls }
    }

    fn url(&self, queue: BusQueue) -> &str {
        match queue {
            BusQueue::DeadLetters => &self.urls.dead_letters,
            BusQueue::Retries => &self.urls.retries,
            BusQueue::Jobs => &self.urls.jobs,
            BusQueue::Sweep => &self.urls.sweep,
        }
    }
}

impl QueueDepths for SqsQueueDepths {
    async fn depth(&self, queue: BusQueue) -> Result<QueueDepth, StoreError> {
        let call = self.client.get_queue_attributes();
        let told = call
            .queue_url(self.url(queue))
            .attribute_names(VISIBLE)
            .attribute_names(IN_FLIGHT)
            .attribute_names(DELAYED)
            .send()
            .await
            .map_err(|error| store_error(OPERATION, error))?;
        let number = |name: QueueAttributeName| {
            let text = told.attributes().and_then(|all| all.get(&name));
            let number = text.and_then(|text| text.parse().ok());
            number.ok_or_else(|| StoreError::Malformed {
                what: "depth of a queue",
                detail: format!("{name} is {text:?}"),
            })
        };
        Ok(QueueDepth {
            visible: number(VISIBLE)?,
            in_flight: number(IN_FLIGHT)?,
            delayed: number(DELAYED)?,
        })
    }
}
