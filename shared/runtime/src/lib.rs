//! What every Lambda function of Pillarbox needs besides its own work: typed configuration, telemetry,
//! embedded metrics, the clock, batches that fail by record, and HTTP answers.
#![warn(missing_docs)]

pub mod batch;
pub mod clock;
pub mod env;
pub mod http;
pub mod metrics;
pub mod process;
pub mod telemetry;
