//! What Pillarbox decides: what an event is, which one is the same as another, who is to get it, and
//! what is written down once it is handed over.
//!
//! Nothing here knows AWS, a runtime, the environment or the clock. Times, random bytes and stored
//! state come in as arguments or through a port; ports are declared beside the decision that needs
//! them ([`publish::EventLog`], [`dispatch::DeliveryQueues`], …), and `pillarbox-aws` implements them.
#![warn(missing_docs)]

pub mod active_hours;
pub mod answers;
pub mod archive;
pub mod clock;
pub mod cloud_event;
pub mod credential;
pub mod dead_letter;
pub mod declaration;
pub mod delivery;
pub mod dispatch;
pub mod dispatch_switch;
pub mod event_id;
pub mod event_key;
pub mod event_query;
pub mod fingerprint;
pub mod gauges;
pub mod guarded;
pub mod health;
pub mod inbox;
pub mod integrity;
pub mod job;
pub mod journey;
pub mod letters;
pub mod limits;
pub mod log_hour;
pub mod log_shard;
pub mod logged_event;
pub mod operation;
mod page_cursor;
pub mod pattern;
pub mod payload;
pub mod publish;
mod query_parameters;
pub mod receipt;
pub mod registry;
pub mod retry;
pub mod retry_policy;
pub mod schedule;
pub mod schema;
pub mod seal;
mod shown_time;
pub mod stats;
pub mod store_error;
pub mod subscription;
pub mod subscription_cache;
pub mod sweep;
pub mod tenant;
pub mod tenant_settings;
pub mod timed_cache;
pub mod trouble;
pub mod visibility;

pub use clock::{Clock, whole_millis};
pub use cloud_event::{CloudEvent, Data};
pub use event_id::EventId;
pub use fingerprint::Fingerprint;
pub use logged_event::LoggedEvent;
pub use store_error::{ErrorChain, StoreError};
pub use subscription::{Subscription, SubscriptionId};
pub use tenant::TenantId;
