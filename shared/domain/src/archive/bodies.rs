//! The events that entries name, read page by page.

use futures::{StreamExt, stream};

use crate::event_query::{EventBodies, IndexEntry};
use crate::logged_event::LoggedEvent;
use crate::store_error::StoreError;
use crate::tenant::TenantId;

/// Entries of which the events are asked for in one call.
const ENTRIES_A_CALL: usize = 100;

/// Bytes of data that are enough for one call. An event may go beyond it.
const BYTES_A_CALL: usize = 4_000_000;

/// Calls under way at a time.
const MAX_CALLS: usize = 4;

/// Reads the event of each entry, in their order, and hands it to `take`. Where there is no such event, or none that
/// can be read, it is `None`; the log has told why.
pub async fn each_body<L, E>(
    log: &L,
    tenant: &TenantId,
    entries: &[IndexEntry],
    mut take: impl AsyncFnMut(&IndexEntry, Option<LoggedEvent>) -> Result<(), E>,
) -> Result<(), E>
where
    L: EventBodies,
    E: From<StoreError>,
{
    let chunks: Vec<&[IndexEntry]> = entries.chunks(ENTRIES_A_CALL).collect();
    let mut calls = Vec::new();
    for chunk in &chunks {
        calls.push(log.bodies(tenant, chunk, BYTES_A_CALL));
    }
    let mut answers = stream::iter(calls).buffered(MAX_CALLS);
    for chunk in chunks {
        let mut bodies = answers.next().await.transpose()?.unwrap_or_default();
        let mut rest = chunk;
        loop {
            let (now, later) = rest.split_at(bodies.len().min(rest.len()));
            for (entry, body) in now.iter().zip(bodies) {
                take(entry, body.filter(|body| is_of(tenant, entry, body))).await?;
            }
            if later.is_empty() {
                break;
            }
            // There was enough in one answer.
            bodies = log.bodies(tenant, later, BYTES_A_CALL).await?;
            if bodies.is_empty() {
                return Err(E::from(no_answer()));
            }
            rest = later;
        }
    }
    Ok(())
}

/// Whether what is under an entry's key is the entry's event: a key is free again when its event has expired.
fn is_of(tenant: &TenantId, entry: &IndexEntry, body: &LoggedEvent) -> bool {
    let (source, id) = (body.event.source(), body.event.id());
    body.tenant == *tenant
        && body.event_id == entry.event_id
        && (source, id) == (entry.source.as_str(), entry.id.as_str())
}

fn no_answer() -> StoreError {
    StoreError::Malformed {
        what: "answer of the log",
        detail: "it has no body of an entry that was asked for".to_owned(),
    }
}
