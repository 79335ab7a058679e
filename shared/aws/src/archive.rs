//! The archive bucket.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::operation::put_object::PutObjectError;
use aws_sdk_s3::primitives::ByteStream;
use data_encoding::BASE64;
use pillarbox_domain::archive::{
    ArchiveReader, ArchiveWriter, Manifest, Stored, layout, sha256_digest,
};
use pillarbox_domain::log_hour::LogHour;
use pillarbox_domain::{StoreError, TenantId};

use crate::error::store_error;

/// How long one attempt may take, and one call with all its attempts: an object has up to 32 MiB.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(90);

/// What S3 answers where something is at the key already
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>).
const IS_TAKEN: &str = "PreconditionFailed";

/// Archived hours in one bucket.
#[derive(Clone)]
pub struct S3Archive {
    client: Client,
    bucket: String,
}

impl S3Archive {
    /// The hours in this bucket.
    pub fn new(client: Client, bucket: String) -> Self {
        let timeouts = TimeoutConfig::builder()
            .operation_timeout(OPERATION_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .build();
        let config = client.config().to_builder().timeout_config(timeouts);
        Self {
            client: Client::from_conf(config.build()),
            bucket,
        }
    }

    /// The keys of an hour's manifests that come after this one, in order.
    async fn later_manifests(
        &self,
        tenant: &TenantId,
        hour: LogHour,
        after: &str,
    ) -> Result<Vec<String>, StoreError> {
        let mut pages = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(layout::manifests(tenant, hour))
            .start_after(after)
            .into_paginator()
            .send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| store_error("ListObjectsV2", error))?;
            let found = page.contents.unwrap_or_default().into_iter();
            keys.extend(found.filter_map(|object| object.key));
        }
        Ok(keys)
    }
}

impl ArchiveReader for S3Archive {
    /// A listing costs as much as a dozen reads: nothing is listed where there is no first revision.
    async fn manifest(
        &self,
        tenant: &TenantId,
        hour: LogHour,
    ) -> Result<Option<Manifest>, StoreError> {
        let first = layout::manifest(tenant, hour, 0);
        let Some(bytes) = self.object(&first).await? else {
            return Ok(None);
        };
        let later = self.later_manifests(tenant, hour, &first).await?;
        let bytes = match later.last() {
            None => Some(bytes),
            Some(latest) => self.object(latest).await?,
        };
        bytes.as_deref().map(Manifest::parse).transpose()
    }

    async fn object(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let get = self.client.get_object().bucket(&self.bucket).key(key);
        let found = match get.send().await {
            Ok(found) => found,
            Err(error) if is_missing(&error) => return Ok(None),
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

impl ArchiveWriter for S3Archive {
    /// S3 itself holds the bytes against their SHA-256, and refuses the key where something is there.
    async fn put(&self, key: &str, bytes: &[u8]) -> Result<Stored, StoreError> {
        let put = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .content_type(content_type(key))
            .checksum_sha256(BASE64.encode(&sha256_digest(bytes)))
            .if_none_match("*")
            .body(ByteStream::from(bytes.to_vec()));
        match put.send().await {
            Ok(_) => Ok(Stored::New),
            Err(error) if is_taken(&error) => match self.object(key).await? {
                Some(there) if there == bytes => Ok(Stored::Same),
                _ => Ok(Stored::Other),
            },
            Err(error) => Err(store_error("PutObject", error)),
        }
    }
}

fn is_missing(error: &SdkError<GetObjectError>) -> bool {
    error
        .as_service_error()
        .is_some_and(GetObjectError::is_no_such_key)
}

fn is_taken(error: &SdkError<PutObjectError>) -> bool {
    error.code() == Some(IS_TAKEN)
}

fn content_type(key: &str) -> &'static str {
    match key.ends_with(".zst") {
        true => "application/zstd",
        false => "application/json",
    }
}
