//! What happens to a subscriber's queue besides messages: it is set up as the guide asks, goes, and comes back.

use aws_sdk_sqs::types::QueueAttributeName::{QueueArn, RedrivePolicy};
use serde_json::json;

use crate::eventually;
use crate::stack::{Queue, Stack};

/// `maxReceiveCount` as `docs/subscribers.md` has it.
pub const MAX_RECEIVES: u32 = 6;

impl Stack {
    /// A new queue that subscriptions may name, with the redrive policy that `docs/subscribers.md` asks for.
    pub async fn guided_queue(&self) -> Queue {
        let target = self.dead_letter_queue.arn().await;
        let policy = json!({ "deadLetterTargetArn": target, "maxReceiveCount": MAX_RECEIVES });
        let attributes = [(RedrivePolicy, &*policy.to_string())];
        self.subscriber_queue_with("", &attributes).await
    }
}

impl Queue {
    /// Its ARN.
    pub async fn arn(&self) -> String {
        let get = self.sqs.get_queue_attributes().queue_url(&self.url);
        let found = get.attribute_names(QueueArn).send().await.unwrap();
        found.attributes.unwrap().remove(&QueueArn).unwrap()
    }

    /// Deletes it, and waits until it is gone: AWS takes up to a minute.
    pub async fn delete_itself(&self) {
        let delete = self.sqs.delete_queue().queue_url(&self.url);
        delete.send().await.unwrap();
        eventually(&format!("{} is gone", self.url), async || {
            let get = self.sqs.get_queue_attributes().queue_url(&self.url);
            let error = get.send().await.err()?.into_service_error();
            error.is_queue_does_not_exist().then_some(())
        })
        .await;
    }

    /// Makes it anew under its name, as soon as AWS lets that be: a minute after it was deleted.
    pub async fn come_back(&self) {
        let (_, name) = self.url.rsplit_once('/').unwrap();
        let made = eventually(&format!("{name} can be made anew"), async || {
            let made = self.sqs.create_queue().queue_name(name).send().await;
            made.ok()
        })
        .await;
        assert_eq!(made.queue_url.as_deref(), Some(&*self.url));
    }
}
