//! A message that calls a worker.

use aws_lambda_events::sqs::SqsMessage;
use pillarbox_domain::TenantId;
use pillarbox_domain::job::JobId;
use pillarbox_runtime::batch::read;
use serde::Deserialize;
use serde_json::value::RawValue;

const RECEIVES: &str = "ApproximateReceiveCount";

/// As Lambda hands it over.
pub(super) struct CallMessage {
    pub(super) id: String,
    pub(super) receipt_handle: String,
    pub(super) body: String,
    /// How often it was received, this time included.
    pub(super) receives: u32,
}

/// A record of the batch that cannot be answered.
#[derive(Debug, thiserror::Error)]
#[error("a record of the batch is not an SQS message with an id")]
pub(crate) struct NotAMessage(#[source] Option<serde_json::Error>);

/// What a message says.
#[derive(Deserialize)]
struct Call {
    tenant: String,
    job_id: String,
}

impl CallMessage {
    pub(super) fn read(record: &RawValue) -> Result<Self, NotAMessage> {
        let message: SqsMessage = read(record).map_err(|error| NotAMessage(Some(error)))?;
        let receives = message.attributes.get(RECEIVES);
        Ok(Self {
            id: message.message_id.ok_or(NotAMessage(None))?,
            receipt_handle: message.receipt_handle.unwrap_or_default(),
            body: message.body.unwrap_or_default(),
            receives: receives.and_then(|text| text.parse().ok()).unwrap_or(1),
        })
    }

    /// The job that it calls for, or why there is none.
    pub(super) fn job(&self) -> Result<(TenantId, JobId), String> {
        let call: Call = serde_json::from_str(&self.body).map_err(|error| error.to_string())?;
        let tenant = call.tenant.parse();
        let id = call.job_id.parse();
        Ok((
            tenant.map_err(|error| format!("tenant {error}"))?,
            id.map_err(|error| format!("job_id {error}"))?,
        ))
    }
}
