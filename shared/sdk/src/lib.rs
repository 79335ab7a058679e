//! The Pillarbox SDK.
//!
//! [`outbox`] puts an event into a DynamoDB transaction of your own: it is stored if, and only if, the
//! transaction is.
//!
//! [`subscriber`] consumes deliveries in a Lambda function of your own: each record succeeds or fails
//! alone, and each event takes effect once although its deliveries may repeat.
#![warn(missing_docs)]

pub mod outbox;
pub mod subscriber;

pub use pillarbox_domain::cloud_event::{CloudEvent, Data};
pub use pillarbox_domain::delivery::Received;
pub use pillarbox_domain::log_shard::LogShards;
pub use pillarbox_domain::tenant_settings::Retention;
pub use pillarbox_domain::{EventId, SubscriptionId, TenantId, TraceId, TraceParent};
