//! Upcasters that fail where they are told to.

use std::io;
use std::sync::{Arc, Mutex};

use pillarbox_domain::schema::SchemaVersion;
use pillarbox_domain::schema::delivery::{UpcastError, UpcastFailure, Upcasts};
use pillarbox_domain::{CloudEvent, Data, TenantId};
use serde_json::value::RawValue;

/// Brings every event with JSON data up by saying so in them.
#[derive(Default)]
pub struct MemoryUpcasts {
    refused: Mutex<Option<String>>,
    failing: Mutex<bool>,
}

impl MemoryUpcasts {
    /// From now on no event of this id can be brought up, ever.
    pub fn refuse(&self, id: &str) {
        *self.refused.lock().unwrap() = Some(id.to_owned());
    }

    /// From now on no event can be brought up, or every one again.
    pub fn set_failing(&self, failing: bool) {
        *self.failing.lock().unwrap() = failing;
    }
}

impl Upcasts for MemoryUpcasts {
    async fn upcast(
        &self,
        _: &TenantId,
        event: &CloudEvent,
        target: SchemaVersion,
    ) -> Result<Option<CloudEvent>, UpcastError> {
        if *self.failing.lock().unwrap() {
            return Err(UpcastError::Unavailable {
                event_type: event.event_type().to_owned(),
                source: Arc::new(io::Error::other("as the test wants it")),
            });
        }
        if self.refused.lock().unwrap().as_deref() == Some(event.id()) {
            return Err(UpcastFailure::TooLarge(usize::MAX).into());
        }
        let Some(Data::Json(_)) = event.data() else {
            return Ok(None);
        };
        let data = RawValue::from_string(format!("{{\"version\":{target}}}")).unwrap();
        Ok(Some(event.with_data_of_version(data, target)))
    }
}
