//! Answers that are not returned to a caller, but left at an address that the caller named.

/// Where answers are left.
pub trait Answers {
    /// Leaves an answer, JSON, at this address. The address is a secret: whoever has it may answer.
    fn put(&self, url: &str, answer: &str) -> impl Future<Output = Result<(), AnswerError>> + Send;
}

/// Why an answer was not left. None of the texts holds the address.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The address is none that an answer can be left at. Trying again will not help.
    #[error("the address is not one of http or https")]
    Address,
    /// What is at the address does not take the answer. Trying again will not help.
    #[error("the answer was refused with status {status}")]
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// Nobody took it, as often as it was tried.
    #[error("the answer could not be left, in {tries} tries")]
    Unreachable {
        /// How often it was tried.
        tries: usize,
        /// What went wrong the last time.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
