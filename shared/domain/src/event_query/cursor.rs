//! Where the next page begins, in a form that says nothing and fits one query only.

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

use super::{EventFilter, EventQuery};
use crate::log_hour::{Order, Position};
use crate::tenant::TenantId;

/// The form below; another one has another number.
const VERSION: u8 = 1;

/// Bytes of the digest that a cursor carries: enough that no two queries are ever mixed up.
const DIGEST_BYTES: usize = 16;

const BYTES: usize = 1 + DIGEST_BYTES + 16;

/// The text is not a cursor of this query and this tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the next_cursor of this query's last page, with nothing but limit changed")]
pub struct InvalidCursor;

/// `<version><digest of tenant, filter and order><position>`, base64url.
///
/// It is no secret and no proof: whoever makes one up finds another place in the same tenant's own log.
pub(super) fn write(tenant: &TenantId, query: &EventQuery, position: Position) -> String {
    let mut bytes = vec![VERSION];
    bytes.extend(digest(tenant, &query.filter, query.order));
    bytes.extend(position.to_bytes());
    BASE64URL_NOPAD.encode(&bytes)
}

/// The way back from [`write`].
pub(super) fn read(
    tenant: &TenantId,
    filter: &EventFilter,
    order: Order,
    text: &str,
) -> Result<Position, InvalidCursor> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes());
    let bytes: [u8; BYTES] = bytes
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(InvalidCursor)?;
    let (bound, position) = bytes.split_at(1 + DIGEST_BYTES);
    let is_ours = bound[0] == VERSION && bound[1..] == digest(tenant, filter, order);
    let position = position.try_into().map_err(|_| InvalidCursor)?;
    is_ours
        .then_some(Position::from_bytes(position))
        .ok_or(InvalidCursor)
}

fn digest(tenant: &TenantId, filter: &EventFilter, order: Order) -> [u8; DIGEST_BYTES] {
    let EventFilter {
        event_type,
        source,
        from,
        to,
        correlation_id,
    } = filter;
    let time = |time: &time::UtcDateTime| time.unix_timestamp_nanos().to_string();
    let order = match order {
        Order::Newest => "newest",
        Order::Oldest => "oldest",
    };
    let parts = [
        Some(tenant.to_string()),
        event_type
            .as_ref()
            .map(|pattern| pattern.as_str().to_owned()),
        source.clone(),
        from.as_ref().map(time),
        to.as_ref().map(time),
        correlation_id.clone(),
        Some(order.to_owned()),
    ];
    let mut hash = Sha256::new();
    for part in parts {
        match part {
            // Its length goes first, so that no two lists of parts are hashed alike.
            Some(part) => {
                hash.update([1]);
                hash.update(part.len().to_be_bytes());
                hash.update(part);
            }
            None => hash.update([0]),
        }
    }
    let full: [u8; 32] = hash.finalize().into();
    let mut digest = [0; DIGEST_BYTES];
    digest.copy_from_slice(&full[..DIGEST_BYTES]);
    digest
}
