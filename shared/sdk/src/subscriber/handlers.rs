//! Which handler is for an event.

use std::collections::{BTreeMap, HashMap};

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::HandlerError;
use super::event::Event;
use super::record::Delivery;

/// Bytes of a result that the inbox keeps. A DynamoDB item holds 409,600 with its key
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>).
const MAX_RESULT_BYTES: usize = 300_000;

/// What is kept of an effect whose result cannot be.
const NO_RESULT: &str = "null";

/// A handler whose types are forgotten, so that handlers of different ones can be kept together: on the heap, since
/// each has a future of its own.
pub(super) type Handler =
    Box<dyn Fn(Delivery, u32) -> BoxFuture<'static, Result<String, HandlerError>> + Send + Sync>;

/// All handlers of a subscriber.
#[derive(Default)]
pub(super) struct Handlers {
    pub(super) of_type: HashMap<String, Handler>,
    pub(super) of_prefix: BTreeMap<String, Handler>,
}

impl Handlers {
    /// The handler of this type, or of the longest prefix of it.
    pub(super) fn of(&self, event_type: &str) -> Option<&Handler> {
        let of_type = self.of_type.get(event_type);
        of_type.or_else(|| {
            // A longer prefix of one text stands behind a shorter one.
            let mut prefixes = self.of_prefix.iter().rev();
            let found = prefixes.find(|(prefix, _)| event_type.starts_with(prefix.as_str()));
            found.map(|(_, handler)| handler)
        })
    }
}

pub(super) fn erased<T, R, F, Fut>(handler: F) -> Handler
where
    T: DeserializeOwned,
    R: Serialize,
    F: Fn(Event<T>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<R, HandlerError>> + Send + 'static,
{
    Box::new(
        move |delivery, receives| match Event::of(delivery, receives) {
            Ok(event) => {
                let work = handler(event);
                async move { work.await.map(|result| kept(&result)) }.boxed()
            }
            Err(error) => ready(Err(error)).boxed(),
        },
    )
}

/// The result as the inbox keeps it. By now the effect is made: a result that cannot be kept must not make it again.
fn kept(result: &impl Serialize) -> String {
    let reason = match serde_json::to_string(result) {
        Ok(text) if text.len() <= MAX_RESULT_BYTES => return text,
        Ok(text) => format!("{} bytes; {MAX_RESULT_BYTES} is the most", text.len()),
        Err(error) => error.to_string(),
    };
    tracing::error!(reason, "result.dropped");
    NO_RESULT.to_owned()
}
