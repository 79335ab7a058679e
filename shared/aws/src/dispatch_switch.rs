//! The mapping from the log's stream to `dispatch`.

use aws_sdk_lambda::Client;
use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};
use pillarbox_domain::StoreError;
use pillarbox_domain::dispatch_switch::{DispatchSwitch, SwitchState};

use crate::error::store_error;

/// What Lambda says while a mapping is being changed
/// (<https://docs.aws.amazon.com/lambda/latest/api/API_UpdateEventSourceMapping.html>).
const IN_USE: &str = "ResourceInUseException";

/// One event source mapping.
pub struct LambdaDispatchSwitch {
    client: Client,
    mapping_id: String,
}

impl LambdaDispatchSwitch {
    /// The mapping of this id.
    pub fn new(client: Client, mapping_id: String) -> Self {
        Self { client, mapping_id }
    }
}

impl DispatchSwitch for LambdaDispatchSwitch {
    async fn state(&self) -> Result<SwitchState, StoreError> {
        let found = self
            .client
            .get_event_source_mapping()
            .uuid(&self.mapping_id)
            .send()
            .await
            .map_err(|error| store_error("GetEventSourceMapping", error))?;
        Ok(state(found.state()))
    }

    async fn switch(&self, on: bool) -> Result<SwitchState, StoreError> {
        let changed = self
            .client
            .update_event_source_mapping()
            .uuid(&self.mapping_id)
            .enabled(on)
            .send()
            .await;
        match changed {
            Ok(changed) => Ok(state(changed.state())),
            Err(error) if is_in_use(&error) => Ok(SwitchState::Changing),
            Err(error) => Err(store_error("UpdateEventSourceMapping", error)),
        }
    }
}

fn is_in_use<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    error.code() == Some(IN_USE)
}

/// Lambda's own words, of which a mapping has more than two only while it is being changed.
fn state(name: Option<&str>) -> SwitchState {
    match name {
        Some("Enabled") => SwitchState::Enabled,
        Some("Disabled") => SwitchState::Disabled,
        _ => SwitchState::Changing,
    }
}
