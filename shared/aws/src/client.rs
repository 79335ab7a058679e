//! How the SDK's clients are made.

use std::time::Duration;

use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_types::SdkConfig;

use crate::write_units::WriteUnits;

/// The longest that one call may take with all its retries. Every function's time-out is longer, so that
/// a slow store ends in an answer instead of a dead invocation.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(8);

/// The longest that one attempt may take before it is tried again on another connection.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);

/// The one TLS of whatever connects.
pub(crate) fn tls() -> Provider {
    Provider::Rustls(CryptoMode::AwsLc)
}

/// Where AWS is and who is asking: what Lambda puts into a function's environment.
///
/// It holds a secret, and so cannot be printed.
pub struct AwsEnvironment {
    /// `AWS_REGION`.
    pub region: String,
    /// `AWS_ACCESS_KEY_ID`, of the function's role.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: String,
    /// `AWS_SESSION_TOKEN`.
    pub session_token: Option<String>,
    /// `AWS_ENDPOINT_URL`: another AWS than Amazon's, as on a developer's machine.
    pub endpoint_url: Option<String>,
}

/// One configuration, and so one HTTP client and one set of credentials, for all clients.
///
/// `aws-config` is not used: it would look into profiles, containers and instance metadata for what a
/// function always finds in its environment (`docs/adr/0005-lean-clients.md`). The credentials do not
/// outlive their environment, which Lambda ends before they run out.
pub struct Clients {
    config: SdkConfig,
    write_units: WriteUnits,
}

impl Clients {
    /// Clients for this environment.
    pub fn new(environment: AwsEnvironment) -> Self {
        let AwsEnvironment {
            region,
            access_key_id,
            secret_access_key,
            session_token,
            endpoint_url,
        } = environment;
        let credentials = Credentials::new(
            access_key_id,
            secret_access_key,
            session_token,
            None,
            "environment",
        );
        let timeouts = TimeoutConfig::builder()
            .operation_timeout(OPERATION_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .build();
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(tls())
            .build_https();
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(http)
            .timeout_config(timeouts);
        config.set_endpoint_url(endpoint_url);
        Self {
            config: config.build(),
            write_units: WriteUnits::default(),
        }
    }

    /// A DynamoDB client, whose writes are counted in [`Clients::write_units`].
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        let config = aws_sdk_dynamodb::config::Builder::from(&self.config);
        let config = config.interceptor(self.write_units.clone());
        aws_sdk_dynamodb::Client::from_conf(config.build())
    }

    /// What all DynamoDB clients that come from here have used.
    pub fn write_units(&self) -> WriteUnits {
        self.write_units.clone()
    }

    /// A Lambda client.
    pub fn lambda(&self) -> aws_sdk_lambda::Client {
        aws_sdk_lambda::Client::new(&self.config)
    }

    /// An S3 client.
    pub fn s3(&self) -> aws_sdk_s3::Client {
        aws_sdk_s3::Client::new(&self.config)
    }

    /// An EventBridge Scheduler client.
    pub fn scheduler(&self) -> aws_sdk_scheduler::Client {
        aws_sdk_scheduler::Client::new(&self.config)
    }

    /// An SQS client.
    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.config)
    }
}
