//! Data that is too large to stand in its event's item.

use time::UtcDateTime;

use crate::event_id::EventId;
use crate::store_error::StoreError;
use crate::tenant::TenantId;

/// Names the data of one event. All of it stands in the event's item, so an item can name no other's data.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PayloadKey {
    /// Whose event it is.
    pub tenant: TenantId,
    /// Which event it is.
    pub event_id: EventId,
    /// From when on the event may be forgotten. Its data is kept for longer.
    pub expires_at: UtcDateTime,
}

/// Where such data is kept.
pub trait Payloads {
    /// Stores the data. It is written before its event, and forgotten some time after the event's expiry,
    /// whether or not there ever was an event.
    fn put(
        &self,
        key: &PayloadKey,
        data: Vec<u8>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The data, if it is there.
    fn get(
        &self,
        key: &PayloadKey,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, StoreError>> + Send;
}
