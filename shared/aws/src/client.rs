//! How the SDK's clients are made.

use std::time::Duration;

use aws_config::environment::{
    EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider,
};
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};

/// The longest that one call may take with all its retries. Every function's time-out is longer, so that
/// a slow store ends in an answer instead of a dead invocation.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(8);

/// The longest that one attempt may take before it is tried again on another connection.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);

/// One configuration, and so one connection pool and one set of credentials, for all clients.
pub struct Clients(SdkConfig);

impl Clients {
    /// Region, credentials and endpoint from the variables that Lambda sets.
    ///
    /// No other source is asked: a function has no profile files, and asking costs start-up time.
    pub async fn from_env() -> Self {
        let timeouts = TimeoutConfig::builder()
            .operation_timeout(OPERATION_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .build();
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(EnvironmentVariableRegionProvider::new())
            .credentials_provider(EnvironmentVariableCredentialsProvider::new())
            .timeout_config(timeouts)
            .load()
            .await;
        Self(config)
    }

    /// A DynamoDB client.
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.0)
    }

    /// An SQS client.
    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.0)
    }
}
