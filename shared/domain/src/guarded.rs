//! Work whose panic is an error like any other, so that it takes nothing else with it.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;

/// The work panicked; what it was at has failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("panicked: {0}")]
pub struct Panicked(pub String);

/// Runs one record's work.
pub async fn guarded<T>(work: impl Future<Output = T>) -> Result<T, Panicked> {
    AssertUnwindSafe(work)
        .catch_unwind()
        .await
        .map_err(|panic| Panicked(message(&*panic)))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_with_its_message() {
        assert_eq!(guarded(async { 1 }).await, Ok(1));
        let panicked = guarded(async { assert_eq!(1, 2, "one is not two") })
            .await
            .unwrap_err();
        assert!(panicked.0.contains("one is not two"), "{panicked}");
    }
}
