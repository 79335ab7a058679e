//! The payload bucket: data that is too large for its event's item.

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::primitives::ByteStream;
use pillarbox_domain::StoreError;
use pillarbox_domain::payload::{PayloadKey, Payloads};

use crate::error::store_error;
use crate::keys;

/// Data in one bucket, an object each.
#[derive(Clone)]
pub struct S3Payloads {
    client: Client,
    bucket: String,
}

impl S3Payloads {
    /// The data in this bucket.
    pub fn new(client: Client, bucket: String) -> Self {
        Self { client, bucket }
    }
}

impl Payloads for S3Payloads {
    async fn put(&self, key: &PayloadKey, data: Vec<u8>) -> Result<(), StoreError> {
        let put = self.client.put_object().bucket(&self.bucket);
        let written = put
            .key(keys::payload(key))
            .body(ByteStream::from(data))
            .send();
        let written = written.await;
        written
            .map(drop)
            .map_err(|error| store_error("PutObject", error))
    }

    async fn get(&self, key: &PayloadKey) -> Result<Option<Vec<u8>>, StoreError> {
        let get = self.client.get_object().bucket(&self.bucket);
        let found = match get.key(keys::payload(key)).send().await {
            Ok(found) => found,
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(GetObjectError::is_no_such_key) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(store_error("GetObject", error)),
        };
        let body = found.body.collect().await;
        let body = body.map_err(|error| StoreError::Failed {
            operation: "GetObject",
            source: Box::new(error),
        })?;
        Ok(Some(body.to_vec()))
    }
}
