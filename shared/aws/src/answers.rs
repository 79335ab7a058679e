//! Answers that are left at an address by HTTP PUT, as CloudFormation wants them
//! (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html>).

use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use pillarbox_domain::answers::{AnswerError, Answers};
use tokio::time::{sleep, timeout};

use crate::client;

/// Times that it is tried to leave an answer.
const MAX_TRIES: usize = 3;

/// The longest that one try may take. All of them, with the pauses, take less than ten seconds.
const TRY_TIMEOUT: Duration = Duration::from_secs(3);

/// The pause before the second try; the one before the third is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Statuses below 500 that are about the moment and not about the answer: Request Timeout, Too Many Requests.
const FOR_THE_MOMENT: [u16; 2] = [408, 429];

/// Leaves answers by the same TLS as every call to AWS.
#[derive(Debug)]
pub struct HttpAnswers {
    connector: Connector,
}

/// Why one try failed that may succeed the next time.
#[derive(Debug, thiserror::Error)]
enum TryError {
    #[error("nothing was answered within {TRY_TIMEOUT:?}")]
    Silent,
    #[error("the status was {0}")]
    Status(u16),
    #[error("the connection failed")]
    Connection(#[from] ConnectorError),
}

impl HttpAnswers {
    /// Answers over connections of their own.
    pub fn new() -> Self {
        let connector = Connector::builder().tls_provider(client::tls()).build();
        Self { connector }
    }

    /// The status of one try.
    async fn try_once(&self, request: HttpRequest) -> Result<u16, TryError> {
        let answered = timeout(TRY_TIMEOUT, self.connector.call(request)).await;
        let status = answered.map_err(|_| TryError::Silent)??.status().as_u16();
        if status >= 500 || FOR_THE_MOMENT.contains(&status) {
            return Err(TryError::Status(status));
        }
        Ok(status)
    }
}

impl Default for HttpAnswers {
    fn default() -> Self {
        Self::new()
    }
}

impl Answers for HttpAnswers {
    async fn put(&self, url: &str, answer: &str) -> Result<(), AnswerError> {
        let mut tries = 1;
        loop {
            let failed = match self.try_once(request(url, answer)?).await {
                Ok(200..=299) => return Ok(()),
                Ok(status) => return Err(AnswerError::Refused { status }),
                Err(error) => error,
            };
            if tries == MAX_TRIES {
                return Err(AnswerError::Unreachable {
                    tries,
                    source: Box::new(failed),
                });
            }
            sleep(FIRST_PAUSE * (1 << (tries - 1))).await;
            tries += 1;
        }
    }
}

/// It has no content type: the address is signed for one without.
fn request(url: &str, answer: &str) -> Result<HttpRequest, AnswerError> {
    if !url.starts_with("https://") && !url.starts_with("http://") {
        return Err(AnswerError::Address);
    }
    let mut request = HttpRequest::new(SdkBody::from(answer));
    request
        .set_method("PUT")
        .map_err(|_| AnswerError::Address)?;
    request.set_uri(url).map_err(|_| AnswerError::Address)?;
    Ok(request)
}
