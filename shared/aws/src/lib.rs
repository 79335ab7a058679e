//! The ports of `pillarbox-domain` on DynamoDB, SQS, S3 and EventBridge Scheduler.
//!
//! The only crate that names an AWS SDK. One file per table, queue or bucket; every key is written in [`keys`].
#![warn(missing_docs)]

mod active_hours;
mod answers;
mod archive;
mod client;
mod data_form;
mod dead_letters;
mod dispatch_switch;
mod error;
mod event_item;
mod event_log;
mod inbox;
mod item;
mod job_queue;
mod jobs;
pub mod keys;
mod letters;
mod log_query;
mod outbox;
mod outbox_check;
mod payloads;
mod queue_depths;
mod queues;
#[cfg(test)]
mod read_cost;
mod receipts;
mod registry;
mod reopenings;
mod retry_queue;
mod rollups;
mod schedules;
mod schemas;
mod seals;
mod subscription_item;
mod subscriptions;
mod sweep;
mod sweep_queue;
mod tenant_list;
mod tenants;
mod trouble;
mod trouble_item;
mod visibility;
mod write_units;

pub use active_hours::DynamoActiveHours;
pub use answers::HttpAnswers;
pub use archive::S3Archive;
pub use client::{AwsEnvironment, Clients};
pub use dead_letters::SqsDeadLetterQueue;
pub use dispatch_switch::LambdaDispatchSwitch;
pub use event_item::{decode_stream_image, encode as encode_event_item};
pub use event_log::DynamoEventLog;
pub use inbox::DynamoInbox;
pub use job_queue::SqsJobQueue;
pub use jobs::DynamoJobs;
pub use letters::DynamoLetters;
pub use log_query::DynamoLogIndex;
pub use outbox::{Cancelled, OutboxPutError, UnexplainedError, explain_cancelled, outbox_put};
pub use outbox_check::{ItemFault, check_event_item};
pub use payloads::S3Payloads;
pub use queue_depths::{BusQueueUrls, SqsQueueDepths};
pub use queues::SqsDeliveryQueues;
pub use receipts::DynamoReceipts;
pub use registry::DynamoRegistry;
pub use reopenings::DynamoReopenings;
pub use retry_queue::SqsRetryQueue;
pub use rollups::DynamoRollups;
pub use schedules::{ScheduleTarget, SchedulerSchedules};
pub use seals::DynamoSeals;
pub use subscriptions::DynamoSuspensions;
pub use sweep::DynamoSweepStore;
pub use sweep_queue::SqsSweepQueue;
pub use trouble::DynamoTroubledDeliveries;
pub use visibility::SqsVisibility;
pub use write_units::WriteUnits;

/// What a producer's own transaction is made of, and what it is told when it is cancelled.
pub mod transaction {
    pub use aws_sdk_dynamodb::types::error::TransactionCanceledException;
    pub use aws_sdk_dynamodb::types::{CancellationReason, TransactWriteItem};
}
