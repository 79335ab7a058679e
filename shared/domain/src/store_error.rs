//! What can go wrong between a port and its table or queue.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// A store did not do what it was asked. Nothing is known to be written, unless a variant says so.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store asks for patience. The caller should come back after [`StoreError::RETRY_AFTER`].
    #[error("the store is throttling {operation}")]
    Throttled {
        /// The call that was refused, in the store's own words: `PutItem`.
        operation: &'static str,
    },

    /// The store refused, failed or could not be reached; the write may or may not have happened.
    #[error("the store failed at {operation}")]
    Failed {
        /// The call that failed, in the store's own words.
        operation: &'static str,
        /// What the store or the network said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// What is stored cannot be understood. Trying again will not help; a person has to look.
    #[error("a stored {what} is malformed: {detail}")]
    Malformed {
        /// What was read: `subscription`, `event`.
        what: &'static str,
        /// What is wrong with it.
        detail: String,
    },
}

/// What the caller of a failed store does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// The same call may succeed later.
    Retry,
    /// The same call will fail again.
    GiveUp,
}

impl StoreError {
    /// How long a caller should wait before it tries a throttled call again.
    pub const RETRY_AFTER: Duration = Duration::from_secs(1);

    /// What to do next.
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Throttled { .. } | Self::Failed { .. } => Disposition::Retry,
            Self::Malformed { .. } => Disposition::GiveUp,
        }
    }
}

/// An error with everything that caused it, in one line: the outermost text of an SDK's error says little.
pub struct ErrorChain<'a>(pub &'a dyn Error);

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_tells_the_cause_of_the_cause() {
        let refused = std::io::Error::other("connection refused");
        let error = StoreError::Failed {
            operation: "PutItem",
            source: Box::new(refused),
        };
        let text = ErrorChain(&error).to_string();
        assert_eq!(text, "the store failed at PutItem: connection refused");
    }
}
