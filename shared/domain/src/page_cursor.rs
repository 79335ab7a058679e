//! Where the next page begins, in a form that says nothing and fits one query only.

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};
use time::UtcDateTime;

use crate::log_hour::{Order, Position};

/// The form below; another one has another number.
const VERSION: u8 = 1;

/// Bytes of the digest that a cursor carries: enough that no two queries are ever mixed up.
const DIGEST_BYTES: usize = 16;

const BYTES: usize = 1 + DIGEST_BYTES + 16;

/// The text is not a cursor of this query and this tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the next_cursor of this query's last page, with nothing but limit changed")]
pub struct InvalidCursor;

/// The cursors of one query of one tenant: `<version><digest of the query's parts><position>`, base64url.
///
/// They are no secret and no proof: whoever makes one up finds another place in what is the same tenant's.
pub(crate) struct Cursors {
    digest: [u8; DIGEST_BYTES],
}

impl Cursors {
    /// The cursors of the query that is made of these parts: whose it is, what is asked for and in which order.
    pub(crate) fn of(parts: impl IntoIterator<Item = Option<String>>) -> Self {
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
        Self { digest }
    }

    /// The cursor of the page that begins here.
    pub(crate) fn write(&self, position: Position) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend(self.digest);
        bytes.extend(position.to_bytes());
        BASE64URL_NOPAD.encode(&bytes)
    }

    /// The way back from [`Cursors::write`].
    pub(crate) fn read(&self, text: &str) -> Result<Position, InvalidCursor> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes());
        let bytes: [u8; BYTES] = bytes
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(InvalidCursor)?;
        let (bound, position) = bytes.split_at(1 + DIGEST_BYTES);
        let is_ours = bound[0] == VERSION && bound[1..] == self.digest;
        let position = position.try_into().map_err(|_| InvalidCursor)?;
        is_ours
            .then_some(Position::from_bytes(position))
            .ok_or(InvalidCursor)
    }
}

/// A time as a part of a query.
pub(crate) fn time_part(time: Option<UtcDateTime>) -> Option<String> {
    time.map(|time| time.unix_timestamp_nanos().to_string())
}

/// An order as a part of a query.
pub(crate) fn order_part(order: Order) -> Option<String> {
    let order = match order {
        Order::Newest => "newest",
        Order::Oldest => "oldest",
    };
    Some(order.to_owned())
}
