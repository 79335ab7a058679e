//! From the SDK's errors to [`StoreError`].

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use pillarbox_domain::StoreError;

/// Codes by which DynamoDB, SQS and S3 ask for patience
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html>,
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>).
const THROTTLING: [&str; 7] = [
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "SlowDown",
    "ThrottlingException",
    "Throttling",
    "OverLimit",
];

/// The error of this call, for the caller of a port.
pub(crate) fn store_error<E>(
    operation: &'static str,
    error: SdkError<E, HttpResponse>,
) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    if error.code().is_some_and(is_throttling) {
        StoreError::Throttled { operation }
    } else {
        StoreError::Failed {
            operation,
            source: Box::new(error),
        }
    }
}

/// Whether a code asks for patience.
pub(crate) fn is_throttling(code: &str) -> bool {
    THROTTLING.contains(&code)
}
